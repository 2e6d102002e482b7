"""Since when work could have run: measured where it is submitted, on the run that starts in it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.rate_limiters import BaseRateLimiter
from langchain_core.runnables import Runnable, RunnableLambda, RunnableParallel
from langchain_core.runnables.config import ContextThreadPoolExecutor
from langgraph.func import entrypoint, task
from langgraph.graph import START, StateGraph

from longpole.analysis import analyse
from longpole.model import Run, Span, semconv
from longpole.storage import open_store
from longpole.tracer.clock import now_ns
from tests.tracer.chains import MapState, map_reduce_graph, model, step
from tests.tracer.conftest import Recording, spans_named

Call = Callable[[Any], Any]


def _graph() -> Any:
    graph = StateGraph(MapState)
    for name in ("a", "b", "c"):
        graph.add_node(name, lambda state: {})
        graph.add_edge(START, name)
    return graph.compile()


def _tasks() -> Any:
    @task
    def work(value: int) -> int:
        return value

    @entrypoint()
    def flow(values: list[int]) -> list[int]:
        return [found.result() for found in [work(value) for value in values]]

    return flow


def _atasks() -> Any:
    @task
    async def work(value: int) -> int:
        return value

    @entrypoint()
    async def flow(values: list[int]) -> list[int]:
        return list(await asyncio.gather(*(work(value) for value in values)))

    return flow


PARALLEL = RunnableParallel(a=step("a"), b=step("b"), c=step("c"))
EMPTY: Any = {"documents": ["x", "y", "z"], "summaries": []}


async def _each(runnable: Runnable[Any, Any], rows: list[int], config: Any) -> list[Any]:
    return [pair async for pair in runnable.abatch_as_completed(rows, config)]


ONE_AT_A_TIME: dict[str, Call] = {
    "parallel": lambda config: PARALLEL.invoke(1, config),
    "parallel stream": lambda config: list(PARALLEL.stream(1, config)),
    "map": lambda config: step("a").map().invoke([1, 2, 3], config),
    "amap": lambda config: asyncio.run(step("a").map().ainvoke([1, 2, 3], config)),
    "batch": lambda config: step("a").batch([1, 2, 3], config),
    "abatch": lambda config: asyncio.run(step("a").abatch([1, 2, 3], config)),
    "as completed": lambda config: list(step("a").batch_as_completed([1, 2, 3], config)),
    "aas completed": lambda config: asyncio.run(_each(step("a"), [1, 2, 3], config)),
    "graph": lambda config: _graph().invoke(EMPTY, config),
    "agraph": lambda config: asyncio.run(_graph().ainvoke(EMPTY, config)),
    "send": lambda config: map_reduce_graph(lambda state: {}).invoke(EMPTY, config),
    "asend": lambda config: asyncio.run(map_reduce_graph(lambda state: {}).ainvoke(EMPTY, config)),
}


def _fan_out(run: Run) -> list[Span]:
    (found,) = analyse(run, now_ns=run.root.end_ns or 0).fan_outs
    return [run.span_by_id[branch.span_id] for branch in found.branches]


@pytest.mark.parametrize("call", ONE_AT_A_TIME.values(), ids=ONE_AT_A_TIME)
def test_branches_that_share_one_place_know_since_when_they_waited(
    recording: Recording, call: Call
) -> None:
    call(recording.with_config(max_concurrency=1))

    run = recording.run()
    branches = _fan_out(run)
    facts = analyse(run, now_ns=run.root.end_ns or 0).spans
    assert len(branches) == 3
    assert {branch.fan_out_limit for branch in branches} == {1}
    for branch in branches:
        assert branch.ready_ns is not None
        assert branch.ready_ns < branch.start_ns
        assert facts[branch.span_id].queue_wait_ns == branch.start_ns - branch.ready_ns
        assert not facts[branch.span_id].queue_wait_inferred


def test_the_wait_is_the_time_until_the_place_was_free(recording: Recording) -> None:
    is_first_running, is_second_submitted = threading.Event(), threading.Event()

    def work(value: int) -> int:
        if value == 0:
            is_first_running.set()
            assert is_second_submitted.wait(30)
        return value

    def outer(value: int) -> None:
        row: Runnable[Any, Any] = RunnableLambda(work, name="row")
        with ContextThreadPoolExecutor(max_workers=1) as pool:
            pool.submit(row.invoke, 0)
            assert is_first_running.wait(30)
            step("before").invoke(0)
            pool.submit(row.invoke, 1)
            step("after").invoke(0)
            is_second_submitted.set()

    RunnableLambda(outer, name="outer").invoke(1, recording.config)

    run = recording.run()
    first, second = spans_named(run, "row")
    (before,), (after,) = spans_named(run, "before"), spans_named(run, "after")
    assert first.end_ns is not None
    assert before.end_ns is not None
    assert second.queue_wait_ns is not None
    # It was submitted between the two marks, and its place was free when the first row had ended.
    assert first.end_ns - after.start_ns < second.queue_wait_ns
    assert second.queue_wait_ns < second.start_ns - before.end_ns


def test_work_before_a_run_is_no_wait_of_it(recording: Recording) -> None:
    may_go_on = threading.Event()
    marks: list[int] = []

    def late(value: int) -> Any:
        marks.append(now_ns())
        assert may_go_on.wait(30)
        return step("late").invoke(value)

    def outer(value: int) -> None:
        with ContextThreadPoolExecutor(max_workers=1) as pool:
            marks.append(now_ns())
            running = pool.submit(late, 1)
            step("meanwhile").invoke(1)
            may_go_on.set()
            running.result()

    RunnableLambda(outer, name="outer").invoke(1, recording.config)

    run = recording.run()
    (late_run,) = spans_named(run, "late")
    (meanwhile,) = spans_named(run, "meanwhile")
    before_submit_ns, began_ns = marks
    assert late_run.queue_wait_ns is not None
    assert late_run.queue_wait_ns <= began_ns - before_submit_ns
    assert meanwhile.ready_ns is None


def test_only_the_first_run_of_a_piece_of_work_waited(recording: Recording) -> None:
    twice: Any = RunnableParallel(
        a=RunnableLambda(lambda value: [step("in").invoke(value) for _ in range(2)], name="a"),
        b=step("b1") | step("b2"),
    )
    twice.invoke(1, recording.config)

    waited = {span.name for span in recording.run().spans if span.ready_ns is not None}
    assert waited == {"a", "RunnableSequence"}


def test_tries_of_a_branch_do_not_inherit_its_wait(recording: Recording) -> None:
    tries = iter([True, False, True])

    def flaky(value: int) -> int:
        if next(tries):
            raise ValueError("not yet")
        return value

    branch = RunnableLambda(flaky, name="flaky").with_retry(wait_exponential_jitter=False)
    RunnableParallel({"a": branch, "b": step("b")}).invoke(1, recording.config)

    run = recording.run()
    assert [span.ready_ns is not None for span in spans_named(run, "flaky")] == [True, False, False]


@pytest.mark.parametrize("make", [_tasks, _atasks], ids=["sync", "async"])
def test_tasks_know_their_limit_and_since_when_they_waited(
    recording: Recording, make: Callable[[], Any]
) -> None:
    config = recording.with_config(max_concurrency=3)
    if make is _tasks:
        make().invoke([1, 2, 3], config)
    else:
        asyncio.run(make().ainvoke([1, 2, 3], config))

    works = spans_named(recording.run(), "work")
    assert {span.fan_out_limit for span in works} == {3}
    assert all(span.ready_ns is not None for span in works)


# --- waits inside a run -------------------------------------------------------------------------


def _attributes(recording: Recording, span: Span) -> dict[str, Any]:
    store = open_store(str(recording.path), mode="read")
    try:
        content = store.load_content(recording.run().run_id, span.span_id)
    finally:
        store.close()
    assert content is not None
    return dict(content.attributes)


def test_a_wait_for_a_thread_of_the_loop_is_told_on_the_run_that_waits(
    recording: Recording,
) -> None:
    release = threading.Event()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        pool = ContextThreadPoolExecutor(max_workers=1)
        loop.set_default_executor(pool)
        pool.submit(release.wait, 30)
        both = RunnableParallel(a=step("sync"), b=RunnableLambda(_release, name="async"))
        await both.ainvoke(1, recording.config)

    async def _release(value: int) -> int:
        release.set()
        return value

    asyncio.run(main())

    run = recording.run()
    (waiting,), (other,) = spans_named(run, "sync"), spans_named(run, "async")
    assert _attributes(recording, waiting)[semconv.LONGPOLE_EXECUTOR_WAIT_NS] > 0
    assert semconv.LONGPOLE_EXECUTOR_WAIT_NS not in _attributes(recording, other)
    assert waiting.ready_ns is None


def test_a_model_without_a_method_for_loops_tells_its_wait(recording: Recording) -> None:
    asyncio.run(model().ainvoke("x", recording.config))

    run = recording.run()
    assert _attributes(recording, run.root)[semconv.LONGPOLE_EXECUTOR_WAIT_NS] > 0


class _Gate(BaseRateLimiter):
    def acquire(self, *, blocking: bool = True) -> bool:
        return True

    async def aacquire(self, *, blocking: bool = True) -> bool:
        await asyncio.sleep(0)
        return True


@pytest.mark.parametrize("is_streamed", [False, True], ids=["invoke", "stream"])
@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_a_rate_limiters_wait_is_told_on_the_model_call(
    recording: Recording, is_async: bool, is_streamed: bool
) -> None:
    limited = GenericFakeChatModel(messages=model().messages, rate_limiter=_Gate())

    async def consume() -> None:
        async for _ in limited.astream("x", recording.config):
            pass

    if is_streamed:
        asyncio.run(consume()) if is_async else list(limited.stream("x", recording.config))
    elif is_async:
        asyncio.run(limited.ainvoke("x", recording.config))
    else:
        limited.invoke("x", recording.config)

    attributes = _attributes(recording, recording.run().root)
    assert attributes[semconv.LONGPOLE_RATE_LIMIT_WAIT_NS] > 0


# --- limits that are not kept -------------------------------------------------------------------


def test_an_asynchronous_parallel_ignores_its_limit(recording: Recording) -> None:
    asyncio.run(PARALLEL.ainvoke(1, recording.with_config(max_concurrency=2)))

    run = recording.run()
    (fan_out,) = analyse(run, now_ns=run.root.end_ns or 0).fan_outs
    assert (fan_out.limit, fan_out.limit_ignored) == (None, 2)


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_langgraph_ignores_a_limit_among_the_configurable_values(
    recording: Recording, is_async: bool
) -> None:
    config = recording.with_config(configurable={"max_concurrency": 2})
    if is_async:
        asyncio.run(_graph().ainvoke(EMPTY, config))
    else:
        _graph().invoke(EMPTY, config)

    run = recording.run()
    (fan_out,) = analyse(run, now_ns=run.root.end_ns or 0).fan_outs
    assert fan_out.limit != 2
    assert fan_out.limit_ignored == 2
