"""OpenTelemetry's current span inside a run is the run's; nothing stays current after it."""

from __future__ import annotations

import asyncio
import logging
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from langchain_core.runnables import Runnable, RunnableLambda, RunnableParallel
from opentelemetry import baggage, context, trace
from opentelemetry.context.contextvars_context import ContextVarsRuntimeContext
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from longpole.model import Kind, Run
from longpole.tracer import LongpoleHandler, install, open_runs, uninstall
from longpole.tracer import bodies as tracer_bodies
from longpole.tracer.bodies import current_body
from tests.tracer.bodies import ASYNC, SYNC, AsyncScenario, Bodies, Scenario
from tests.tracer.chains import step
from tests.tracer.conftest import Recording, Unheld, outline, read_runs, spans_named


@dataclass
class Exporting:
    """A handler on a provider of the user's, whose exporter keeps what it gets."""

    path: Path
    provider: TracerProvider
    exporter: InMemorySpanExporter
    handler: LongpoleHandler
    bodies: Bodies

    @property
    def config(self) -> Any:
        return {"callbacks": [self.handler]}

    def exported(self) -> dict[int, ReadableSpan]:
        return {_id(span): span for span in self.exporter.get_finished_spans()}

    def runs(self) -> list[Run]:
        assert self.handler.flush(30.0)
        return read_runs(self.path)


def _id(span: ReadableSpan) -> int:
    context = span.get_span_context()
    assert context is not None
    return context.span_id


@pytest.fixture
def exporting(tmp_path: Path) -> Iterator[Exporting]:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    handler = LongpoleHandler(str(tmp_path / "runs.db"), tracer_provider=provider)
    bodies = Bodies(provider.get_tracer("app"))
    yield Exporting(tmp_path / "runs.db", provider, exporter, handler, bodies)
    handler.close()
    provider.shutdown()


def _check(exporting: Exporting, caplog: pytest.LogCaptureFixture) -> None:
    """Every span "in NAME" is below NAME, in the exporter and in the store alike."""
    exported = exporting.exported()
    parents = {
        span_id: exported[span.parent.span_id].name if span.parent else None
        for span_id, span in exported.items()
    }
    asked = {id_: span for id_, span in exported.items() if span.name.startswith("in ")}
    assert len(asked) >= exporting.bodies.asked > 0
    assert {(span.name, parents[id_]) for id_, span in asked.items()} == {
        (span.name, span.name.removeprefix("in ")) for span in asked.values()
    }
    stored = {span.span_id: (run, span) for run in exporting.runs() for span in run.spans}
    assert set(stored) == {format(id_, "016x") for id_ in exported}
    for id_ in asked:
        run, span = stored[format(id_, "016x")]
        above = stored[span.parent_span_id or ""]
        assert (above[0].run_id, above[1].name) == (run.run_id, span.name.removeprefix("in "))
        assert span.kind is Kind.OTHER
    assert not trace.get_current_span().get_span_context().is_valid
    assert [record.getMessage() for record in caplog.records] == []
    assert exporting.handler.stats().errors == {}
    assert exporting.handler.stats().open == 0


@pytest.mark.parametrize("scenario", SYNC, ids=lambda scenario: scenario.__name__)
def test_every_body_has_its_own_span_current(
    exporting: Exporting, caplog: pytest.LogCaptureFixture, scenario: Scenario
) -> None:
    with caplog.at_level(logging.WARNING):
        scenario(exporting.bodies, exporting.config)

    _check(exporting, caplog)


@pytest.mark.parametrize("scenario", ASYNC, ids=lambda scenario: scenario.__name__)
def test_every_asynchronous_body_has_its_own_span_current(
    exporting: Exporting, caplog: pytest.LogCaptureFixture, scenario: AsyncScenario
) -> None:
    async def run() -> None:
        await scenario(exporting.bodies, exporting.config)
        assert not trace.get_current_span().get_span_context().is_valid

    with caplog.at_level(logging.WARNING):
        asyncio.run(run())

    _check(exporting, caplog)


def _current_id() -> str:
    return format(trace.get_current_span().get_span_context().span_id, "016x")


def test_with_a_provider_of_longpoles_own_the_current_span_is_the_runs_too(
    recording: Recording,
) -> None:
    seen: list[str] = []
    chain = RunnableParallel(
        a=RunnableLambda(lambda value: seen.append(_current_id()), name="a"), b=step("b")
    )
    chain.invoke(1, recording.config)

    (a,) = spans_named(recording.run(), "a")
    assert seen == [a.span_id]


@pytest.mark.parametrize("how", ["argument", "variable"])
def test_it_can_be_switched_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    if how == "variable":
        monkeypatch.setenv("LONGPOLE_CURRENT_SPAN", "false")
        mine = LongpoleHandler(str(tmp_path / "runs.db"))
    else:
        mine = LongpoleHandler(str(tmp_path / "runs.db"), current_span=False)
    seen: list[bool] = []
    ask: Runnable[Any, Any] = RunnableLambda(
        lambda value: seen.append(trace.get_current_span().get_span_context().is_valid)
    )
    (step("first") | ask).invoke(1, {"callbacks": [mine]})

    assert seen == [False]
    assert mine.flush(30.0)
    assert len(read_runs(tmp_path / "runs.db")[0].spans) == 3


def test_an_outer_span_is_current_before_and_after_and_around(exporting: Exporting) -> None:
    bodies = exporting.bodies
    with bodies.tracer.start_as_current_span("server") as server:
        bodies.step("a").invoke(1, exporting.config)
        assert trace.get_current_span() is server
        asyncio.run(bodies.coroutine("b").ainvoke(1, exporting.config))
        assert trace.get_current_span() is server

    by_name = {span.name: span for span in exporting.exported().values()}
    assert {span.context.trace_id for span in by_name.values()} == {
        server.get_span_context().trace_id
    }
    for name, above in (("a", "server"), ("in a", "a"), ("b", "server"), ("in b", "b")):
        parent = by_name[name].parent
        assert parent is not None
        assert parent.span_id == _id(by_name[above])


def test_what_the_user_attaches_goes_before_and_baggage_stays(exporting: Exporting) -> None:
    elsewhere = exporting.bodies.tracer.start_span("elsewhere")
    seen: list[object] = []

    def body(value: Any) -> Any:
        mine = trace.get_current_span()
        seen.append(baggage.get_baggage("tenant"))
        token = context.attach(trace.set_span_in_context(elsewhere))
        seen.append(trace.get_current_span() is elsewhere)
        step("below").invoke(value)
        seen.append(trace.get_current_span() is elsewhere)
        context.detach(token)
        seen.append(trace.get_current_span() is mine)
        return value

    token = context.attach(baggage.set_baggage("tenant", "acme"))
    RunnableLambda(body).invoke(1, exporting.config)
    context.detach(token)
    elsewhere.end()

    assert seen == ["acme", True, True, True]
    assert baggage.get_baggage("tenant") is None


def test_a_context_that_is_carried_to_a_thread_brings_its_run_along(exporting: Exporting) -> None:
    bodies = exporting.bodies
    inner = bodies.step("inner")

    def body(value: Any) -> Any:
        carried = context.get_current()

        def work() -> None:
            token = context.attach(carried)
            bodies.ask("outer")
            inner.invoke(value, exporting.config)
            bodies.ask("outer")
            context.detach(token)

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        return value

    RunnableLambda(body, name="outer").invoke(1, exporting.config)

    (run,) = exporting.runs()
    assert outline(run) == [
        "outer chain",
        "  in outer other",
        "  inner chain",
        "    in inner other",
        "  in outer other",
    ]


def test_of_two_stores_the_first_attached_has_the_current_span(tmp_path: Path) -> None:
    first, second = (LongpoleHandler(str(tmp_path / f"{name}.db")) for name in "ab")
    seen: list[str] = []
    ask: Runnable[Any, Any] = RunnableLambda(lambda value: seen.append(_current_id()), name="ask")
    inner = ask.with_config(callbacks=[second])  # which the first does not replace
    (step("x") | RunnableParallel(a=ask, b=inner)).invoke(1, {"callbacks": [first, second]})
    for handler in (first, second):
        assert handler.flush(30.0)

    (one,), (two,) = (read_runs(tmp_path / f"{name}.db") for name in "ab")
    assert sorted(outline(one)) == sorted(outline(two))
    assert sorted(seen) == sorted(span.span_id for span in spans_named(one, "ask"))
    assert one.run_id != two.run_id


def test_nothing_is_held_after_many_runs(recording: Recording) -> None:
    chain = RunnableParallel(a=step("a"), b=step("b"))
    known = dict(tracer_bodies._by_uuid)

    async def many() -> None:
        for _ in range(20):
            await chain.ainvoke(1, recording.config)
            chain.invoke(1, recording.config)

    asyncio.run(many())

    assert current_body() is None
    assert tracer_bodies._by_uuid == known
    assert recording.handler.stats().open == 0


def test_uninstall_puts_the_stock_context_back(tmp_path: Path, unheld: Unheld) -> None:
    unheld()
    stock = context._RUNTIME_CONTEXT
    install(str(tmp_path / "runs.db"))
    beneath = getattr(context._RUNTIME_CONTEXT, "beneath", None)
    uninstall()

    assert type(stock) is ContextVarsRuntimeContext
    assert beneath is stock
    assert context._RUNTIME_CONTEXT is stock


def test_many_concurrent_runs_have_each_their_own(exporting: Exporting) -> None:
    bodies = exporting.bodies
    chain = bodies.coroutine("a") | RunnableParallel(x=bodies.chain("m"), y=bodies.step("y"))

    async def many() -> None:
        await asyncio.gather(*(chain.ainvoke("x", exporting.config) for _ in range(20)))

    threads = [
        threading.Thread(target=lambda: chain.invoke("x", exporting.config)) for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    asyncio.run(many())
    for thread in threads:
        thread.join()

    runs = exporting.runs()
    assert len(runs) == 26
    for run in runs:
        names = {span.span_id: span.name for span in run.spans}
        asked = [span for span in run.spans if span.name.startswith("in ")]
        assert len(asked) in (3, 4)
        for span in asked:
            assert span.name == f"in {names[span.parent_span_id or '']}"


def test_a_stream_that_is_left_early_leaves_nothing_current(exporting: Exporting) -> None:
    bodies = exporting.bodies
    streamed = [
        bodies.model("m"),
        bodies.chain("n"),
        bodies.failing("primary").with_fallbacks([bodies.chain("o")]),
    ]
    for runnable in streamed:
        chunks = runnable.stream("x", exporting.config)
        next(chunks)
        assert not trace.get_current_span().get_span_context().is_valid
        chunks.close()  # type: ignore[attr-defined]
        assert not trace.get_current_span().get_span_context().is_valid
    assert current_body() is None


# --- calls below runs that have ended -----------------------------------------------------------


def test_what_a_failed_parallel_leaves_running_stays_below_it(recording: Recording) -> None:
    async def slow(value: Any) -> Any:
        await failed.wait()
        return await step("late").ainvoke(value)

    async def fail(value: Any) -> Any:
        raise ValueError("boom")

    async def run() -> None:
        parallel = RunnableParallel(
            bad=RunnableLambda(fail, name="bad"), slow=RunnableLambda(slow, name="slow")
        )
        with pytest.raises(ValueError, match="boom"):
            await parallel.ainvoke(1, recording.config)
        failed.set()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.gather(*others)

    failed = asyncio.Event()
    asyncio.run(run())

    assert sorted(outline(recording.run())) == [
        "    late chain",
        "  bad chain branch [bad] error",
        "  slow chain branch [slow]",
        "RunnableParallel<bad,slow> chain fan_out error",
    ]


def test_a_task_that_outlives_its_run_stays_below_it(recording: Recording) -> None:
    tasks: list[asyncio.Task[Any]] = []

    async def spawn(value: Any) -> Any:
        async def later() -> None:
            await ended.wait()
            await step("late").ainvoke(value)

        tasks.append(asyncio.create_task(later()))
        return value

    async def run() -> None:
        await RunnableLambda(spawn, name="spawn").ainvoke(1, recording.config)
        ended.set()
        await tasks[0]

    ended = asyncio.Event()
    asyncio.run(run())

    assert outline(recording.run()) == ["spawn chain", "  late chain"]


def test_ended_runs_are_remembered_up_to_a_number(
    recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_runs, "MAX_CLOSED", 2)
    ids = [uuid.uuid4() for _ in range(4)]
    mine = recording.handler
    for id_ in ids:
        mine.on_chain_start(None, {}, run_id=id_, name="early")
        mine.on_chain_end(None, run_id=id_)
    for parent in ids:
        mine.on_llm_start({}, ["x"], run_id=(child := uuid.uuid4()), parent_run_id=parent)
        mine.on_llm_error(ValueError(), run_id=child)

    assert sorted(len(run.spans) for run in recording.runs()) == [1, 1, 1, 1, 2, 2]
