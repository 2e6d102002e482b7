"""Chains as LangChain and LangGraph run them: a retry or a fallback is no other structure."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypedDict

import pytest
from langchain_core.runnables import Runnable, RunnableLambda, RunnableParallel
from langgraph.graph import END, START, StateGraph
from langgraph.types import RetryPolicy

from longpole.analysis import RunSample, aggregate, shape_groups
from longpole.dashboard.sampled import sampled
from longpole.model.pricing import PriceBook
from longpole.storage import RunQuery, open_store
from longpole.tracer import LongpoleHandler


class Failing:
    """Fails as often as it is told to before it answers."""

    def __init__(self) -> None:
        self.left = 0

    def __call__(self, value: Any) -> Any:
        if self.left:
            self.left -= 1
            raise ValueError("not now")
        return value


@pytest.fixture
def handler(tmp_path: Path) -> Iterator[LongpoleHandler]:
    handler = LongpoleHandler(str(tmp_path / "runs.db"))
    yield handler
    handler.close()


def samples(handler: LongpoleHandler, tmp_path: Path) -> tuple[RunSample, ...]:
    assert handler.flush(30.0)
    store = open_store(str(tmp_path / "runs.db"), mode="read")
    try:
        return sampled(store, RunQuery(), limit=100, book=PriceBook(), now_ns=0).samples
    finally:
        store.close()


def test_langchain_retries_and_fallbacks_split_no_structure(
    handler: LongpoleHandler, tmp_path: Path
) -> None:
    flaky = Failing()
    tried: Runnable[Any, Any] = RunnableLambda(flaky, name="call") | RunnableLambda(str)
    spare: Runnable[Any, Any] = RunnableLambda(lambda value: f"spare {value}", name="spare")
    chain = RunnableParallel(
        steady=RunnableLambda(str),
        shaky=tried.with_retry(stop_after_attempt=2, wait_exponential_jitter=False).with_fallbacks(
            [spare]
        ),
    )
    for failures in (0, 1, 2, 0):
        flaky.left = failures
        chain.invoke(1, config={"callbacks": [handler], "run_name": "shaky-chain"})
    found = samples(handler, tmp_path)

    (group,) = shape_groups(found)
    assert group.share == 1
    whole = aggregate(found)
    assert (whole.retried, whole.retries, whole.fell_back) == (2, 2, 1)
    assert sum(place.retries for place in whole.places) == 2


class State(TypedDict):
    value: int


def test_a_langgraph_node_that_is_tried_again_splits_no_structure(
    handler: LongpoleHandler, tmp_path: Path
) -> None:
    flaky = Failing()

    def shaky(state: State) -> dict[str, int]:
        return {"value": RunnableLambda(flaky, name="call").invoke(state["value"])}

    graph = StateGraph(State)
    graph.add_node(
        "shaky", shaky, retry_policy=RetryPolicy(initial_interval=0.0, retry_on=ValueError)
    )
    graph.add_node("steady", lambda state: {})
    graph.add_edge(START, "shaky")
    graph.add_edge("shaky", "steady")
    graph.add_edge("steady", END)
    chain = graph.compile(name="graph")
    for failures in (0, 2):
        flaky.left = failures
        chain.invoke({"value": 1}, config={"callbacks": [handler]})
    found = samples(handler, tmp_path)

    assert len(shape_groups(found)) == 1
    assert [sample.retries for sample in found] == [2, 0]
