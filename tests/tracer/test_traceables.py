"""LangSmith's decorator between LangChain's runs: the tree stays whole, tracing on or off.

LangSmith's client talks to a stand-in on the loopback; what it is sent stays what it was.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import langsmith
import pytest
from langchain_core.runnables import Runnable, RunnableLambda, RunnableParallel
from langsmith import traceable
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from longpole.model import Kind, Status
from longpole.tracer import LongpoleHandler, LongpoleSpanProcessor
from tests.langsmith.server import API_KEY, StandIn
from tests.tracer.chains import map_reduce_graph, step
from tests.tracer.conftest import Recording, outline, spans_named


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    with StandIn() as stand_in:
        yield stand_in


@pytest.fixture
def tracing(stand_in: StandIn) -> Iterator[StandIn]:
    """LangSmith's tracing is on."""
    client = langsmith.Client(api_url=stand_in.url, api_key=API_KEY)
    with langsmith.tracing_context(enabled=True, client=client, project_name="p"):
        yield stand_in
    client.flush()
    client.close()


@traceable
def inner_work(value: Any) -> Any:
    return step("in the inner").invoke(value)


@traceable(run_type="tool", name="outer work")
def outer_work(value: Any) -> Any:
    return inner_work(step("in the outer").invoke(value))


def _calling(function: Any, name: str = "caller") -> Runnable[Any, Any]:
    return RunnableLambda(lambda value: function(value), name=name)


def test_with_tracing_off_nothing_is_lost(recording: Recording) -> None:
    with langsmith.tracing_context(enabled=False):
        (step("first") | _calling(outer_work)).invoke(1, recording.config)

    assert outline(recording.run()) == [
        "RunnableSequence chain",
        "  first chain step step=1",
        "  caller chain step step=2",
        "    in the outer chain",
        "    in the inner chain",
    ]


def test_with_tracing_on_traceables_are_spans_of_their_run_type(
    recording: Recording, tracing: StandIn
) -> None:
    assert (step("first") | _calling(outer_work)).invoke(1, recording.config) == 1

    assert outline(recording.run()) == [
        "RunnableSequence chain",
        "  first chain step step=1",
        "  caller chain step step=2",
        "    outer work tool",
        "      in the outer chain",
        "      inner_work chain",
        "        in the inner chain",
    ]
    assert recording.handler.stats().open == 0


def test_tasks_keep_their_traceable(recording: Recording, tracing: StandIn) -> None:
    @traceable
    async def awaited(value: Any) -> Any:
        await asyncio.gather(step("a").ainvoke(value), step("b").ainvoke(value))
        return value

    async def call(value: Any) -> Any:
        return await awaited(value)

    parallel = RunnableParallel(x=RunnableLambda(call, name="x"), y=RunnableLambda(call, name="y"))
    asyncio.run(parallel.ainvoke(1, recording.config))

    assert sorted(outline(recording.run())) == sorted(
        [
            "RunnableParallel<x,y> chain fan_out",
            *["  x chain branch [x]", "  y chain branch [y]"],
            *["    awaited chain"] * 2,
            *["      a chain", "      b chain"] * 2,
        ]
    )


def test_a_traceable_around_chains_is_their_run(recording: Recording, tracing: StandIn) -> None:
    @traceable(name="request", metadata={"session_id": "s1"}, tags=["web"])
    def request(value: Any) -> Any:
        step("one").invoke(value, recording.config)
        return step("two").invoke(value, recording.config)

    assert request(1) == 1

    run = recording.run()
    assert outline(run) == ["request chain", "  one chain", "  two chain"]
    assert (run.session_id, run.tags) == ("s1", ("web",))
    assert run.root.end_ns is not None
    assert run.root.end_ns >= max(span.end_ns or 0 for span in run.spans)


def test_a_traceable_that_sees_no_chain_of_ours_is_not_recorded(
    recording: Recording, tracing: StandIn
) -> None:
    outer_work(1)

    assert recording.runs() == []


def test_a_trace_block_is_a_span_too(recording: Recording, tracing: StandIn) -> None:
    def body(value: Any) -> Any:
        with langsmith.trace("block", run_type="retriever", inputs={"q": 1}) as tree:
            step("inside").invoke(value)
            tree.end(outputs={"found": 2})
        return value

    RunnableLambda(body, name="body").invoke(1, recording.config)

    assert outline(recording.run()) == ["body chain", "  block retriever", "    inside chain"]


def test_a_failure_in_a_traceable_is_told(recording: Recording, tracing: StandIn) -> None:
    @traceable
    def fail(value: Any) -> Any:
        raise ValueError("boom")

    with pytest.raises(ValueError, match="boom"):
        _calling(fail).invoke(1, recording.config)

    (span,) = spans_named(recording.run(), "fail")
    assert span.error is not None
    assert (span.status, span.error.type, span.error.message) == (
        Status.ERROR,
        "ValueError",
        "boom",
    )


def test_a_traceable_model_call_tells_its_usage(recording: Recording, tracing: StandIn) -> None:
    metadata = {"ls_provider": "openai", "ls_model_name": "gpt-4o-mini"}

    @traceable(run_type="llm", metadata=metadata)
    def ask(value: Any) -> Any:
        usage = {"input_tokens": 10, "output_tokens": 3, "total_tokens": 13}
        return {"text": "four", "usage_metadata": usage}

    _calling(ask).invoke(1, recording.config)

    (span,) = spans_named(recording.run(), "ask")
    assert span.kind is Kind.LLM
    assert span.usage is not None
    assert (span.model, span.usage.input_tokens, span.usage.output_tokens) == ("gpt-4o-mini", 10, 3)


def test_in_a_graph_they_stand_between_node_and_model(
    recording: Recording, tracing: StandIn
) -> None:
    @traceable(name="noted")
    def work(state: Any) -> Any:
        return {"summaries": [step("think").invoke(state["document"])]}

    map_reduce_graph(work).invoke({"documents": ["x"], "summaries": []}, recording.config)

    run = recording.run()
    (span,) = spans_named(run, "noted")
    assert [child.name for child in run.children(span.span_id)] == ["think"]
    assert [child.kind for child in run.children(span.span_id)] == [Kind.CHAIN]


def test_the_current_span_in_a_traceable_is_its_own(recording: Recording, tracing: StandIn) -> None:
    provider = TracerProvider()
    provider.add_span_processor(LongpoleSpanProcessor())

    @traceable
    def work(value: Any) -> Any:
        provider.get_tracer("app").start_span("call").end()
        return value

    def body(value: Any) -> Any:
        before = trace.get_current_span()
        work(value)
        assert trace.get_current_span() is before
        return value

    RunnableLambda(body, name="body").invoke(1, recording.config)
    provider.shutdown()

    assert outline(recording.run()) == ["body chain", "  work chain", "    call other"]


@pytest.mark.parametrize("recorded", [False, True])
def test_langsmith_is_sent_what_it_was_sent_before(
    recording: Recording, tracing: StandIn, recorded: bool
) -> None:
    config: Any = recording.config if recorded else {}
    (step("first") | _calling(outer_work)).invoke(1, config)
    client = langsmith.run_helpers.get_tracing_context()["client"]
    client.flush()

    runs = {run["name"]: run for run in tracing.runs.values()}
    assert sorted(runs) == [
        *["RunnableSequence", "caller", "first"],
        *["in the inner", "in the outer", "inner_work", "outer work"],
    ]
    assert runs["inner_work"]["parent_run_id"] == runs["outer work"]["id"]
    assert runs["in the inner"]["parent_run_id"] == runs["inner_work"]["id"]
    assert all(run["end_time"] for run in runs.values())


def test_content_and_redaction_hold_for_traceables(tmp_path: Path, tracing: StandIn) -> None:
    handler = LongpoleHandler(
        str(tmp_path / "runs.db"), redact=lambda text: text.replace("secret", "***")
    )
    recording = Recording(tmp_path / "runs.db", handler)

    @traceable
    def fail(value: Any) -> Any:
        raise ValueError("a secret")

    with pytest.raises(ValueError, match="secret"):
        _calling(fail).invoke("secret", recording.config)

    assert len(recording.run().spans) == 2
    stored = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"secret" not in stored


def test_every_store_that_records_the_run_has_its_traceables(
    recording: Recording, tmp_path: Path, tracing: StandIn
) -> None:
    other = LongpoleHandler(str(tmp_path / "other.db"))

    @traceable
    def alone(value: Any) -> Any:
        return value

    config: Any = {"callbacks": [recording.handler, other]}
    _calling(alone).invoke(1, config)

    for seen in (recording, Recording(tmp_path / "other.db", other)):
        assert outline(seen.run()) == ["caller chain", "  alone chain"]
