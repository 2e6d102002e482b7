"""What the traced app is promised: no exception, no changed result, content only as allowed."""

from __future__ import annotations

import logging
import random
import subprocess
import sys
import threading
import uuid
from pathlib import Path
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.runnables import RunnableLambda, RunnableParallel
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from longpole.model import Status
from longpole.model.errors import SettingsError
from longpole.storage import open_store
from longpole.tracer import LongpoleHandler, handler, install, open_runs, record, uninstall
from longpole.tracer.spans import Spans
from tests.tracer.chains import chain, failing, step
from tests.tracer.conftest import Recording, read_runs


def test_an_exception_in_the_handler_never_reaches_the_chain(
    recording: Recording, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise RuntimeError("a bug of ours")

    monkeypatch.setattr(Spans, "open", fail)
    with caplog.at_level(logging.WARNING):
        results = step("x").batch([1, 2, 3], recording.config)

    assert results == [1, 2, 3]
    assert recording.handler.stats().errors == {"on_chain_start: RuntimeError": 3}
    assert [message.name for message in caplog.records] == ["longpole"]


def test_a_span_whose_content_cannot_be_read_is_still_recorded(
    recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise RuntimeError("a bug of ours")

    monkeypatch.setattr(handler, "capture", fail)
    step("x").invoke(1, recording.config)

    assert recording.run().status is Status.OK


def test_the_chains_own_exception_arrives_unchanged(recording: Recording) -> None:
    mine = ValueError("mine")

    def fail(value: object) -> object:
        raise mine

    with pytest.raises(ValueError, match="mine") as caught:
        RunnableLambda(fail).invoke(1, recording.config)

    assert caught.value is mine


def test_events_in_no_order_do_no_harm(recording: Recording) -> None:
    known, unknown = uuid.uuid4(), uuid.uuid4()
    mine = recording.handler
    mine.on_chain_end({}, run_id=unknown)
    mine.on_chain_start(None, {}, run_id=known, parent_run_id=unknown)
    mine.on_chain_start(None, {}, run_id=known, parent_run_id=unknown)
    mine.on_chain_end({}, run_id=known)
    mine.on_chain_error(ValueError(), run_id=known)

    run = recording.run()
    assert (run.name, run.status, len(run.spans)) == ("chain", Status.OK, 1)
    assert mine.stats().errors == {}


@pytest.mark.parametrize("garbage", [None, 3, "text", [], {"name": 5}, {"id": []}])
def test_odd_arguments_lose_no_span(recording: Recording, garbage: Any) -> None:
    run_id = uuid.uuid4()
    recording.handler.on_chain_start(
        garbage if isinstance(garbage, dict) else None, garbage, run_id=run_id, metadata=None
    )
    recording.handler.on_chain_end(garbage, run_id=run_id)

    assert recording.run().status is Status.OK


def test_content_can_be_switched_off(tmp_path: Path) -> None:
    mine = LongpoleHandler(str(tmp_path / "runs.db"), capture_content=False)
    chain("a secret answer").invoke({"question": "a secret?"}, {"callbacks": [mine]})
    assert mine.flush(30.0)

    assert b"secret" not in _everything_below(tmp_path)


def test_redaction_reaches_inputs_outputs_metadata_and_errors(tmp_path: Path) -> None:
    mine = LongpoleHandler(
        str(tmp_path / "runs.db"), redact=lambda text: text.replace("sk-123", "***")
    )
    config: Any = {"callbacks": [mine], "metadata": {"key": "sk-123"}}
    chain("answer sk-123").invoke({"question": "sk-123?"}, config)
    with pytest.raises(ValueError, match="sk-123"):
        failing("bad", "wrong key sk-123").invoke("sk-123", config)
    assert mine.flush(30.0)

    everything = _everything_below(tmp_path)
    assert b"sk-123" not in everything
    assert b"***" in everything


def _everything_below(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_spans_go_through_the_users_provider_too(tmp_path: Path) -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    mine = LongpoleHandler(str(tmp_path / "runs.db"), tracer_provider=provider)
    RunnableParallel(a=step("one"), b=chain()).invoke({"question": "?"}, {"callbacks": [mine]})
    assert mine.flush(30.0)

    (run,) = read_runs(tmp_path / "runs.db")
    exported = {span.name: span for span in exporter.get_finished_spans()}
    assert {span.name for span in run.spans} == set(exported)
    model_call = exported["GenericFakeChatModel"].attributes or {}
    assert model_call["openinference.span.kind"] == "LLM"
    assert model_call["gen_ai.usage.input_tokens"] == 10


def test_an_outer_span_stays_the_parent(tmp_path: Path) -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    mine = LongpoleHandler(str(tmp_path / "runs.db"), tracer_provider=provider)
    with provider.get_tracer("server").start_as_current_span("GET /") as server:
        step("one").invoke(1, {"callbacks": [mine]})
        step("two").invoke(1, {"callbacks": [mine]})
        assert trace.get_current_span() is server
    assert mine.flush(30.0)

    runs = read_runs(tmp_path / "runs.db")
    assert [run.name for run in runs] == ["one", "two"]
    assert {run.trace_id for run in runs} == {format(server.get_span_context().trace_id, "032x")}
    ours = [span for span in exporter.get_finished_spans() if span.name in ("one", "two")]
    assert {span.parent and span.parent.span_id for span in ours} == {
        server.get_span_context().span_id
    }


def test_a_seeded_app_does_not_repeat_our_ids(recording: Recording) -> None:
    for _ in range(3):
        random.seed(0)
        step("x").invoke(1, recording.config)

    assert len(recording.runs()) == 3


def test_install_sees_every_chain_and_uninstall_none(tmp_path: Path) -> None:
    mine = install(str(tmp_path / "runs.db"))
    try:
        step("here").invoke(1)
        thread = threading.Thread(target=lambda: step("in a raw thread").invoke(1))
        thread.start()
        thread.join()
        # Attached by config as well, the run is still one.
        step("twice").invoke(1, {"callbacks": [mine]})
    finally:
        uninstall()
    step("unseen").invoke(1)
    assert mine.flush(30.0)

    runs = read_runs(tmp_path / "runs.db")
    assert [run.name for run in runs] == ["here", "in a raw thread", "twice"]
    assert {len(run.spans) for run in runs} == {1}


def test_other_handlers_see_what_they_saw_before(recording: Recording) -> None:
    class Other(BaseCallbackHandler):
        def __init__(self) -> None:
            self.seen: list[str] = []

        def on_chain_start(self, *args: Any, **kwargs: Any) -> None:
            self.seen.append("start")

        def on_chain_end(self, *args: Any, **kwargs: Any) -> None:
            self.seen.append("end")

    alone, beside = Other(), Other()
    step("x").invoke(1, {"callbacks": [alone]})
    step("x").invoke(1, {"callbacks": [beside, recording.handler]})

    assert beside.seen == alone.seen == ["start", "end"]


def test_a_store_url_that_means_nothing_is_refused_at_once() -> None:
    with pytest.raises(SettingsError, match="mongodb"):
        LongpoleHandler("mongodb://localhost/x")


def test_the_store_can_be_read_while_a_run_is_under_way(recording: Recording) -> None:
    seen: list[Status] = []

    def look(value: object) -> object:
        assert recording.handler.flush(30.0)
        store = open_store(str(recording.path), mode="read")
        run = store.load_run(store.resolve("last"))
        store.close()
        seen.extend(span.status for span in run.spans)
        return value

    (step("first") | RunnableLambda(look)).invoke(1, recording.config)

    assert seen == [Status.RUNNING, Status.OK, Status.RUNNING]


def test_forked_children_do_not_repeat_each_others_ids(tmp_path: Path) -> None:
    program = f"""
import os
from langchain_core.runnables import RunnableLambda
from longpole.tracer import LongpoleHandler
handler = LongpoleHandler({str(tmp_path / "runs.db")!r})
step = RunnableLambda(lambda value: value)
step.invoke(1, {{"callbacks": [handler]}})
for _ in range(3):
    pid = os.fork()
    if pid == 0:
        step.invoke(1, {{"callbacks": [handler]}})
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)

    assert len({run.run_id for run in read_runs(tmp_path / "runs.db")}) == 4


class Table:
    """Answers a comparison like an array or a data frame: by raising."""

    def __eq__(self, other: object) -> bool:
        raise ValueError("the truth value is ambiguous")

    __hash__ = None  # type: ignore[assignment]

    def __bool__(self) -> bool:
        raise ValueError("the truth value is ambiguous")


def test_values_are_neither_compared_nor_asked_whether_they_are_true(
    recording: Recording,
) -> None:
    config = recording.with_config(metadata={"session_id": Table(), "user_id": Table()})
    step("x").invoke({"input": Table()}, config)

    run = recording.run()
    assert (run.status, run.session_id, run.user_id) == (Status.OK, None, None)
    assert recording.handler.stats().errors == {}


class Nameless:
    """Raises when asked for its class, or for anything else."""

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        raise SystemExit("__class__ was asked for")

    def __getattr__(self, name: str) -> Any:
        raise ValueError(f"{name} was asked for")


def test_what_a_tool_returns_and_a_stream_brings_is_not_asked_for_its_class(
    recording: Recording,
) -> None:
    tool_run, model_run = uuid.uuid4(), uuid.uuid4()
    mine = recording.handler
    mine.on_tool_start({"name": "look"}, "q", run_id=tool_run)
    mine.on_tool_end(Nameless(), run_id=tool_run)
    mine.on_llm_start({"name": "model"}, ["q"], run_id=model_run)
    mine.on_llm_new_token("", chunk=Nameless(), run_id=model_run)  # type: ignore[arg-type]
    mine.on_llm_new_token("word", run_id=model_run)
    mine.on_llm_error(ValueError("broken"), run_id=model_run)

    looked, answered = recording.runs()
    assert looked.status is Status.OK
    assert answered.root.first_token_ns is not None
    assert mine.stats().errors == {"on_llm_new_token: ValueError": 1}


def test_what_is_redacted_of_runs_is_redacted_of_their_record(tmp_path: Path) -> None:
    mine = LongpoleHandler(
        str(tmp_path / "runs.db"), redact=lambda text: text.replace("sk-123", "***")
    )
    config: Any = {"callbacks": [mine]}
    with (
        pytest.raises(ValueError, match="sk-123"),
        record("outer", metadata={"key": "sk-123"}),
        record("inner", metadata={"key": "sk-123"}),
    ):
        failing("bad", "wrong key sk-123").invoke(1, config)
    assert mine.flush(30.0)

    everything = _everything_below(tmp_path)
    assert b"sk-123" not in everything
    assert everything.count(b"***") >= 4


def test_runs_that_never_end_do_not_pile_up(
    recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_runs, "MAX_OPEN", 3)
    for _ in range(10):
        recording.handler.on_chain_start(None, {}, run_id=uuid.uuid4())

    statuses = [run.status for run in recording.runs()]
    assert recording.handler.stats().open == 3
    assert statuses == [Status.CANCELLED] * 7 + [Status.RUNNING] * 3
