"""Tries and candidates of a batch's rows, which LangChain tells beside their wrappers or apart."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from langchain_core.callbacks import BaseCallbackHandler, CallbackManager
from langchain_core.runnables import Runnable, RunnableLambda

from longpole.analysis import analyse
from longpole.model import FanOutKind
from longpole.tracer import merged_parents
from tests.tracer.conftest import Recording, Unheld, outline

Form = Callable[[Runnable[Any, Any], list[int]], Runnable[Any, Any]]


def fails_once(on: int) -> Callable[[int], int]:
    """A body whose first call with this number fails."""
    failed: list[int] = []

    def body(number: int) -> int:
        if number == on and not failed:
            failed.append(number)
            raise ValueError("once")
        return number

    return body


def retried(on: int = 2) -> Runnable[Any, Any]:
    return RunnableLambda(fails_once(on), name="row").with_retry(wait_exponential_jitter=False)


def awaited(chain: Runnable[Any, Any], numbers: list[int]) -> Runnable[Any, Any]:
    async def ask(value: Any) -> Any:
        return await chain.abatch(numbers)

    return RunnableLambda(ask, name="ask")


def called(chain: Runnable[Any, Any], numbers: list[int]) -> Runnable[Any, Any]:
    return RunnableLambda(lambda value: chain.batch(numbers), name="ask")


def mapped(chain: Runnable[Any, Any], numbers: list[int]) -> Runnable[Any, Any]:
    return RunnableLambda(lambda value: numbers, name="ask") | chain.map()


def run_it(chain: Runnable[Any, Any], recording: Recording, *, is_async: bool) -> Any:
    if is_async:
        return asyncio.run(chain.ainvoke(0, recording.config))
    return chain.invoke(0, recording.config)


FORMS = pytest.mark.parametrize(
    ("form", "is_async", "kind"),
    [
        (called, False, FanOutKind.BATCH),
        (awaited, True, FanOutKind.BATCH),
        (mapped, False, FanOutKind.MAP),
        (mapped, True, FanOutKind.MAP),
    ],
    ids=["batch", "abatch", "map", "amap"],
)


@FORMS
def test_tries_of_rows_stand_below_their_wrapper(
    recording: Recording, form: Form, is_async: bool, kind: FanOutKind
) -> None:
    assert run_it(form(retried(), [1, 2, 3]), recording, is_async=is_async) == [1, 2, 3]

    (fan_out,) = analyse(recording.run(), now_ns=0).fan_outs
    assert fan_out.kind is kind
    assert [(branch.key, branch.attempts) for branch in fan_out.branches] == [
        ("0", 1),
        ("1", 2),
        ("2", 1),
    ]


@FORMS
def test_each_row_has_its_own_tries(
    recording: Recording, form: Form, is_async: bool, kind: FanOutKind
) -> None:
    run_it(form(retried(), [1, 2]), recording, is_async=is_async)

    rows = [line.strip() for line in outline(recording.run()) if "row chain" in line]
    assert rows == [
        "row chain item [0]",
        "row chain attempt",
        "row chain item [1]",
        "row chain attempt error",
        "row chain attempt attempt=2",
    ]


@FORMS
def test_candidates_of_rows_have_their_role(
    recording: Recording, form: Form, is_async: bool, kind: FanOutKind
) -> None:
    first = RunnableLambda(fails_once(2), name="first")
    chain = first.with_fallbacks([RunnableLambda(lambda number: -number, name="second")])
    assert run_it(form(chain, [1, 2]), recording, is_async=is_async) == [1, -2]

    candidates = [
        line.strip() for line in outline(recording.run()) if "first" in line or "second" in line
    ]
    assert [line for line in candidates if not line.startswith(("batch", "Runnable"))] == [
        "first chain attempt",
        "first chain attempt error",
        "second chain fallback",
    ]


@FORMS
def test_bound_steps_of_rows_stand_below_their_row(
    recording: Recording, form: Form, is_async: bool, kind: FanOutKind
) -> None:
    step = RunnableLambda(lambda number: number, name="step")
    run_it(form(step | step.with_config(tags=["bound"]), [1, 2]), recording, is_async=is_async)

    (fan_out,) = analyse(recording.run(), now_ns=0).fan_outs
    run = recording.run()
    for branch in fan_out.branches:
        assert [child.step for child in run.children(branch.span_id)] == [1, 2]


def test_others_are_told_the_same_parents_as_without_us(
    recording: Recording, unheld: Unheld
) -> None:
    class Parents(BaseCallbackHandler):
        """Tells of each run by its name where its parent stands among the runs that began."""

        run_inline = True

        def __init__(self) -> None:
            self.began: list[UUID] = []
            self.seen: list[tuple[str, int | None]] = []

        def on_chain_start(self, *args: Any, run_id: UUID, **kwargs: Any) -> None:
            parent = kwargs.get("parent_run_id")
            at = None if parent is None else self.began.index(parent)
            self.seen.append((kwargs["name"], at))
            self.began.append(run_id)

    def parents(*handlers: BaseCallbackHandler) -> list[tuple[str, int | None]]:
        other = Parents()
        chain = called(retried(), [2])
        chain.invoke(0, {"callbacks": [*handlers, other]})
        return other.seen

    beside = parents(recording.handler)
    unheld()

    assert parents() == beside


def test_nothing_is_kept_of_managers_that_are_gone(recording: Recording) -> None:
    run_it(called(retried(), list(range(20))), recording, is_async=False)
    gc.collect()
    assert not merged_parents._meant


def test_a_parent_goes_through_several_merges(recording: Recording) -> None:
    around, given = uuid4(), uuid4()
    inner = CallbackManager([], parent_run_id=around).merge(
        CallbackManager([], parent_run_id=given)
    )
    outer = CallbackManager([], parent_run_id=around).merge(inner.copy())

    assert outer.parent_run_id == around
    assert outer.parent_run_id is not None
    assert merged_parents.meant_by(outer.parent_run_id) == given
    assert merged_parents.meant_by(around) is None
