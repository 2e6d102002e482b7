"""The rows of one batch call are one run: every form of batch, as it is called and as it ends."""

from __future__ import annotations

import asyncio
import inspect
import re
import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar, copy_context
from typing import Any

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.language_models import FakeListChatModel, FakeListLLM
from langchain_core.runnables import (
    RouterRunnable,
    Runnable,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
    RunnableSequence,
)
from langchain_core.runnables.base import RunnableBindingBase
from langchain_core.runnables.config import ContextThreadPoolExecutor
from langchain_core.runnables.retry import RunnableRetry

from longpole.analysis import analyse
from longpole.model import FanOutKind, Role, Run, Span, Status
from longpole.tracer import LongpoleHandler, install, record, uninstall
from tests.tracer.chains import failing, model, step
from tests.tracer.conftest import Recording, Unheld, outline, read_runs, spans_named

Form = Callable[[Runnable[Any, Any], list[Any], Any], list[Any]]


def _batch(runnable: Runnable[Any, Any], rows: list[Any], config: Any) -> list[Any]:
    return runnable.batch(rows, config)


def _abatch(runnable: Runnable[Any, Any], rows: list[Any], config: Any) -> list[Any]:
    return asyncio.run(runnable.abatch(rows, config))


def _as_completed(runnable: Runnable[Any, Any], rows: list[Any], config: Any) -> list[Any]:
    return [value for _, value in sorted(runnable.batch_as_completed(rows, config))]


def _aas_completed(runnable: Runnable[Any, Any], rows: list[Any], config: Any) -> list[Any]:
    async def collect() -> list[Any]:
        found = [pair async for pair in runnable.abatch_as_completed(rows, config)]
        return [value for _, value in sorted(found)]

    return asyncio.run(collect())


FORMS = {
    "batch": _batch,
    "abatch": _abatch,
    "batch_as_completed": _as_completed,
    "abatch_as_completed": _aas_completed,
}
every_form = pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
at_once = pytest.mark.parametrize("form", [_batch, _abatch], ids=["sync", "async"])


def _rows(run: Run) -> list[Span]:
    return [span for span in run.spans if span.fan_out is FanOutKind.BATCH]


def _inputs(recording: Recording, run: Run) -> dict[str, str | None]:
    """What went into each row, by the row's key."""
    from longpole.storage import open_store

    store = open_store(str(recording.path), mode="read")
    try:
        found = {}
        for span in _rows(run):
            content = store.load_content(run.run_id, span.span_id)
            found[span.branch or ""] = None if content is None else content.input_value
    finally:
        store.close()
    return found


RUNNABLES: dict[str, Callable[[], Runnable[Any, Any]]] = {
    "lambda": lambda: step("row"),
    "sequence": lambda: step("a") | step("b"),
    "parallel": lambda: RunnableParallel(a=step("a"), b=step("b")),
    "binding": lambda: step("row").with_config(tags=["bound"]),
    "nested bindings": lambda: (step("a") | step("b")).bind().with_config(run_name="mine"),
    "retry": lambda: step("row").with_retry(stop_after_attempt=2),
    "fallbacks": lambda: step("row").with_fallbacks([step("other")]),
    "map": lambda: RunnableLambda(lambda value: [value], name="list") | step("item").map(),
    "configurable": lambda: step("row").with_config(configurable={"x": 1}),
}


@every_form
@pytest.mark.parametrize("make", RUNNABLES.values(), ids=RUNNABLES)
def test_each_row_is_an_item_with_its_index(
    recording: Recording, form: Form, make: Callable[[], Runnable[Any, Any]]
) -> None:
    form(make(), [30, 10, 20, 10], recording.config)

    run = recording.run()
    assert run.name.startswith("batch of ")
    assert (run.root.role, run.status) == (Role.FAN_OUT, Status.OK)
    rows = run.children(run.root_span_id)
    assert {span.role for span in rows} == {Role.ITEM}
    told = {key: re.sub(r"[^0-9]", "", text or "") for key, text in _inputs(recording, run).items()}
    assert told == {"0": "30", "1": "10", "2": "20", "3": "10"}
    assert len(_rows(run)) == 4
    assert recording.handler.stats().open == 0


@every_form
def test_rows_of_models_have_their_index(recording: Recording, form: Form) -> None:
    form(model(), ["a", "b", "a"], recording.config)

    run = recording.run()
    assert run.name == "batch of GenericFakeChatModel"
    assert sorted(span.branch or "" for span in run.children(run.root_span_id)) == ["0", "1", "2"]


@at_once
@pytest.mark.parametrize("limit", [None, 2])
def test_rows_that_a_class_runs_in_its_own_way_have_their_index(
    recording: Recording, form: Form, limit: int | None
) -> None:
    for runnable in (FakeListChatModel(responses=["x"]), FakeListLLM(responses=["x"])):
        form(runnable, ["a", "b", "c"], recording.with_config(max_concurrency=limit))

    for run in recording.runs():
        assert [span.branch for span in run.children(run.root_span_id)] == ["0", "1", "2"]


def test_rows_answered_by_a_text_models_cache_leave_no_wrong_index(recording: Recording) -> None:
    cached = FakeListLLM(responses=["x"], cache=InMemoryCache())
    cached.invoke("b")
    cached.batch(["a", "b", "c"], recording.config)

    run = recording.run()
    assert [span.branch for span in run.children(run.root_span_id)] == [None, None, None]


@at_once
def test_rows_of_a_router_are_one_run(recording: Recording, form: Form) -> None:
    router = RouterRunnable({"a": step("left"), "b": step("right")})
    form(router, [{"key": "a", "input": 1}, {"key": "b", "input": 2}], recording.config)

    run = recording.run()
    assert run.name == "batch of RouterRunnable"
    assert sorted((span.branch, span.name) for span in run.children(run.root_span_id)) == [
        ("0", "left"),
        ("1", "right"),
    ]


@every_form
def test_a_batch_inside_a_run_is_a_fan_out_of_that_run(recording: Recording, form: Form) -> None:
    def inside(value: Any) -> Any:
        return (step("a") | step("b")).batch([1, 2])

    form(step("first") | RunnableLambda(inside, name="inside"), [1, 2], recording.config)

    run = recording.run()
    calls = spans_named(run, "batch of RunnableSequence")
    assert len(calls) == 3
    for call in calls[1:]:
        (above,) = [span for span in run.spans if span.span_id == call.parent_span_id]
        assert above.name == "inside"
        assert sorted(span.branch or "" for span in run.children(call.span_id)) == ["0", "1"]


@at_once
def test_the_steps_of_a_batched_sequence_are_no_fan_outs(recording: Recording, form: Form) -> None:
    inner = step("x") | step("y").with_retry()
    form(step("a") | inner | step("z").with_fallbacks([step("f")]), [1, 2], recording.config)

    run = recording.run()
    assert [span.name for span in run.spans if span.role is Role.FAN_OUT] == [run.name]
    assert len(_rows(run)) == 2


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_a_map_stays_a_map_and_its_items_have_their_index(
    recording: Recording, is_async: bool
) -> None:
    mapped = (step("a") | step("b")).map()
    if is_async:
        asyncio.run(mapped.ainvoke([1, 2, 3], recording.config))
    else:
        mapped.invoke([1, 2, 3], recording.config)

    run = recording.run()
    items = run.children(run.root_span_id)
    assert run.name == "RunnableEach<RunnableSequence>"
    assert [span.branch for span in items] == ["0", "1", "2"]
    assert {span.fan_out for span in items} == {FanOutKind.MAP}


@every_form
def test_a_batch_under_record_is_a_fan_out_below_it(recording: Recording, form: Form) -> None:
    with record("job"):
        form(step("row"), [1, 2], recording.config)
        step("last").invoke(3, recording.config)

    run = recording.run()
    assert sorted(outline(run)) == sorted(
        [
            "job other fan_out",
            "  batch of row other item [0]",
            "    row chain item [0]",
            "    row chain item [1]",
            "  last chain item [1]",
        ]
    )


def test_a_record_inside_a_row_stays_inside_it(recording: Recording) -> None:
    class Bare(Runnable[Any, Any]):
        def invoke(self, input: Any, config: Any = None, **kwargs: Any) -> Any:
            with record("part"):
                return step("work").invoke(input, config)

    Bare().batch([1, 2], recording.config)

    run = recording.run()
    assert sorted(outline(run)[1:]) == sorted(
        [
            "  part other item [0]",
            "    work chain item [0]",
            "  part other item [1]",
            "    work chain item [0]",
        ]
    )


def test_a_class_that_overrides_batch_keeps_its_way(recording: Recording) -> None:
    class Careful(RunnableLambda[Any, Any]):
        def batch(self, inputs: Any, config: Any = None, **kwargs: Any) -> Any:
            return [value * 10 for value in super().batch(inputs, config, **kwargs)]

    careful = Careful(lambda value: value + 1, name="careful")

    assert careful.batch([1, 2], recording.config) == [20, 30]
    assert (step("a") | careful).batch([1, 2], recording.config) == [20, 30]

    alone, last = recording.runs()
    assert len(_rows(alone)) == len(_rows(last)) == 2
    assert [span.name for span in last.spans if span.role is Role.FAN_OUT] == [last.name]


def test_session_user_and_tags_of_all_rows_are_the_runs(recording: Recording) -> None:
    metadata = {"session_id": "s1", "user_id": "u1"}
    step("row").batch([1, 2], recording.with_config(tags=["prod"], metadata=metadata))

    run = recording.run()
    assert (run.session_id, run.user_id, run.tags) == ("s1", "u1", ("prod",))


def test_what_only_some_rows_are_given_stays_with_them(recording: Recording) -> None:
    configs = [
        recording.with_config(tags=["all", f"t{n}"], metadata={"tenant": "acme", "session_id": n})
        for n in ("a", "b")
    ]
    step("row").batch([1, 2], configs)

    run = recording.run()
    assert (run.session_id, run.tags, run.metadata) == (None, ("all",), {"tenant": "acme"})


# --- how calls end ----------------------------------------------------------------------------


@every_form
def test_a_failing_row_fails_the_call_with_its_exception(recording: Recording, form: Form) -> None:
    with pytest.raises(ValueError, match="boom"):
        form(failing("row"), [1], recording.config)

    run = recording.run()
    assert [(span.name, span.status) for span in run.spans] == [
        ("batch of row", Status.ERROR),
        ("row", Status.ERROR),
    ]
    assert recording.handler.stats().open == 0


@at_once
@pytest.mark.parametrize("keeps", [False, True], ids=["raises", "returns exceptions"])
def test_rows_of_a_sequence_bear_only_their_own_failure(
    recording: Recording, form: Form, keeps: bool
) -> None:
    chain = step("a") | RunnableLambda(lambda value: 1 // value, name="divide") | step("c")
    wanted: list[Status] = [Status.CANCELLED, Status.ERROR, Status.CANCELLED]
    if keeps:
        kept: RunnableLambda[Any, Any] = RunnableLambda(
            lambda rows: chain.batch(rows, return_exceptions=True), name="all"
        )
        kept.invoke([1, 0, 2], recording.config)
        wanted = [Status.OK, Status.ERROR, Status.OK]
    else:
        with pytest.raises(ZeroDivisionError):
            form(chain, [1, 0, 2], recording.config)

    run = recording.run()
    assert [span.status for span in _rows(run)] == wanted
    assert len([span for span in spans_named(run, "divide") if span.status is Status.ERROR]) == 1


@at_once
def test_a_row_that_langchain_forgets_to_end_ends_with_the_call(
    recording: Recording, form: Form
) -> None:
    row = failing("row").with_fallbacks([step("other")], exceptions_to_handle=(KeyError,))
    with pytest.raises(ValueError, match="boom"):
        form(row, [1, 2], recording.config)

    run = recording.run()
    # The second one's own exception is told where it was raised; it ended because the first failed.
    assert [span.status for span in _rows(run)] == [Status.ERROR, Status.CANCELLED]
    assert recording.handler.stats().open == 0


def test_an_asynchronous_call_that_failed_keeps_the_rows_that_go_on(recording: Recording) -> None:
    has_failed = asyncio.Event()
    done: list[int] = []

    async def work(value: int) -> int:
        if value == 0:
            raise ValueError("boom")
        await has_failed.wait()
        done.append(value)
        return value

    async def main() -> None:
        rows = RunnableLambda(work, name="row")
        with pytest.raises(ValueError, match="boom"):
            await rows.abatch([0, 1, 2, 3], recording.with_config(max_concurrency=2))
        has_failed.set()
        while len(done) < 3 or recording.handler.stats().open:
            await asyncio.sleep(0)

    asyncio.run(main())

    run = recording.run()
    assert {(span.branch, span.status) for span in _rows(run)} == {
        ("0", Status.ERROR),
        ("1", Status.OK),
        ("2", Status.OK),
        ("3", Status.OK),
    }


def test_a_cancelled_call_is_cancelled_with_its_rows(recording: Recording) -> None:
    async def main() -> None:
        started = asyncio.Event()

        async def wait(value: int) -> None:
            started.set()
            await asyncio.Event().wait()

        task = asyncio.create_task(
            RunnableLambda(wait, name="row").abatch([1, 2], recording.config)
        )
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())

    run = recording.run()
    assert {span.status for span in run.spans} == {Status.CANCELLED}
    assert recording.handler.stats().open == 0


def test_a_generator_closed_early_ends_the_run(recording: Recording) -> None:
    rows = step("row").batch_as_completed([1, 2, 3], recording.config)
    next(rows)
    rows.close()  # type: ignore[attr-defined]

    async def some() -> None:
        found = step("row").abatch_as_completed([1, 2, 3], recording.config)
        await anext(found)
        await found.aclose()  # type: ignore[attr-defined]
        while recording.handler.stats().open:
            await asyncio.sleep(0)

    asyncio.run(some())

    assert [run.status for run in recording.runs()] == [Status.CANCELLED, Status.CANCELLED]
    assert recording.handler.stats().open == 0


def test_a_swapped_result_of_with_retry_is_told(recording: Recording) -> None:
    tries: dict[int, int] = {}

    def work(value: int) -> int:
        tries[value] = tries.get(value, 0) + 1
        if value == 9 or (value == 1 and tries[value] == 1):
            raise ValueError(f"no {value}")
        return value

    row = RunnableLambda(work, name="row").with_retry(
        stop_after_attempt=2, wait_exponential_jitter=False
    )
    assert row.batch([0, 1, 9], recording.config) == [0, 1, 1]
    tries.clear()
    assert asyncio.run(row.abatch([0, 1, 9], recording.config)) == [0, 1, 1]

    for run in recording.runs():
        assert [span.branch for span in run.spans if span.result_swapped] == ["2"]


# --- what does not change ---------------------------------------------------------------------


def test_a_lazy_batch_stays_lazy(recording: Recording) -> None:
    called = threading.Event()
    row: Runnable[Any, Any] = RunnableLambda(lambda value: called.set())
    rows = row.batch_as_completed([1], recording.config)

    assert not called.is_set()
    assert next(rows) == (0, None)


def test_variables_of_the_caller_are_seen_and_left_alone(recording: Recording) -> None:
    variable: ContextVar[str] = ContextVar("variable", default="")
    before = copy_context()

    def read(value: object) -> str:
        seen = variable.get()
        variable.set("changed")
        return seen

    variable.set("mine")
    rows: Iterator[Any] = RunnableLambda(read).batch_as_completed([1, 2], recording.config)
    assert [value for _, value in rows] == ["mine", "mine"]
    assert RunnableLambda(read).batch([1, 2], recording.config) == ["mine", "mine"]

    assert variable.get() == "mine"
    after = dict(copy_context())
    del after[variable]
    assert all(before.get(name) == value for name, value in after.items() if value is not None)


WRAPPED = [
    (Runnable, "batch"),
    (Runnable, "abatch_as_completed"),
    (RunnableSequence, "batch"),
    (RunnableSequence, "abatch"),
    (RunnableBindingBase, "batch_as_completed"),
    (RunnableRetry, "abatch"),
    (ContextThreadPoolExecutor, "submit"),
    (ContextThreadPoolExecutor, "map"),
]


def test_wrapped_functions_look_like_the_originals(recording: Recording) -> None:
    for owner, name in WRAPPED:
        wrapper = vars(owner)[name]
        original = wrapper.__wrapped__
        assert inspect.signature(wrapper) == inspect.signature(original)
        assert (wrapper.__doc__, wrapper.__name__) == (original.__doc__, name)
        assert wrapper.__module__ == original.__module__
    assert inspect.iscoroutinefunction(Runnable.abatch)
    assert inspect.isasyncgenfunction(Runnable.abatch_as_completed)
    assert inspect.isgeneratorfunction(Runnable.batch_as_completed)


def test_the_originals_come_back(recording: Recording, unheld: Unheld) -> None:
    unheld()
    originals = [vars(owner)[name] for owner, name in WRAPPED]
    assert not any(hasattr(original, "__wrapped__") for original in originals)

    install(str(recording.path))
    install(str(recording.path))
    assert all(hasattr(vars(owner)[name], "__wrapped__") for owner, name in WRAPPED)
    assert not any(hasattr(vars(owner)[name].__wrapped__, "__wrapped__") for owner, name in WRAPPED)
    uninstall()

    assert [vars(owner)[name] for owner, name in WRAPPED] == originals


def test_without_probes_rows_are_runs_of_their_own(
    recording: Recording, monkeypatch: pytest.MonkeyPatch, unheld: Unheld
) -> None:
    unheld()
    monkeypatch.setenv("LONGPOLE_PROBES", "false")
    handler = LongpoleHandler(str(recording.path))
    step("row").batch([1, 2], {"callbacks": [handler]})

    assert [run.name for run in recording.runs()] == ["row", "row"]


@every_form
def test_a_batch_that_nobody_records_leaves_nothing(recording: Recording, form: Form) -> None:
    assert form(step("row"), [1, 2], None) == [1, 2]
    assert recording.runs() == []


def test_two_handlers_on_two_stores_see_the_same_rows(recording: Recording) -> None:
    path = recording.path.with_name("other.db")
    other = LongpoleHandler(str(path))
    step("row").batch([1, 2, 3], {"callbacks": [recording.handler, other]})
    assert other.flush(30.0)

    for run in (recording.run(), *read_runs(path)):
        rows = run.children(run.root_span_id)
        assert sorted(span.branch or "" for span in rows) == ["0", "1", "2"]
        assert all(span.ready_ns is not None for span in rows)
    other.close()


# --- many -------------------------------------------------------------------------------------


@at_once
def test_ten_thousand_rows_are_all_there_and_all_in_place(recording: Recording, form: Form) -> None:
    form(RunnablePassthrough(), list(range(10_000)), recording.config)

    run = recording.run()
    assert len(run.spans) == 10_001
    assert sorted(int(span.branch or -1) for span in _rows(run)) == list(range(10_000))
    assert {span.parent_span_id for span in _rows(run)} == {run.root_span_id}
    assert recording.handler.stats().open == 0


@pytest.mark.parametrize("is_async", [False, True], ids=["pool", "async"])
def test_a_thousand_branches_at_once_are_all_there(recording: Recording, is_async: bool) -> None:
    count = 1_000
    here = threading.Barrier(count, timeout=60)
    arrived = 0

    async def meet(value: object) -> object:
        nonlocal arrived
        arrived += 1
        while arrived < count:
            await asyncio.sleep(0)
        return value

    branches: Any = {
        f"b{n}": RunnableLambda(lambda value: here.wait(), afunc=meet, name=f"n{n}")
        for n in range(count)
    }
    parallel = RunnableParallel(branches)
    config = recording.with_config(max_concurrency=count)
    if is_async:
        asyncio.run(parallel.ainvoke(1, config))
    else:
        parallel.invoke(1, config)

    run = recording.run()
    assert {(span.branch, span.name) for span in run.children(run.root_span_id)} == {
        (f"b{n}", f"n{n}") for n in range(count)
    }
    (fan_out,) = analyse(run, now_ns=run.root.end_ns or 0).fan_outs
    assert fan_out.peak == count
    assert recording.handler.stats().open == 0
