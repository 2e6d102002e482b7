"""Rules about order and limits on chains that LangChain and LangGraph really ran."""

from __future__ import annotations

import asyncio
import operator
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.output_parsers import StrOutputParser
from langchain_core.runnables import Runnable, RunnableLambda, RunnableParallel
from langgraph.graph import END, START, StateGraph
from langgraph.types import RetryPolicy

from longpole.analysis.findings import Finding, Rule, find
from longpole.dashboard.prices import price_book
from longpole.dashboard.stored_runs import StoredRuns
from longpole.storage import RunQuery, open_store
from longpole.tracer import LongpoleHandler
from longpole.tracer.demo.models import Answer, FakeChatModel
from longpole.tracer.demo.pace import Pace
from longpole.tracer.demo.personas import GPT_4O_MINI


class Recorded:
    """A handler on a store of its own, and the findings in what it recorded."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.handler = LongpoleHandler(str(path))

    def findings(self, rule: Rule) -> list[Finding]:
        assert self.handler.flush(30.0)
        store = open_store(str(self.path), mode="read")
        try:
            ids = store.run_ids(RunQuery())
            runs = StoredRuns(store, ids, book=price_book(), now_ns=0)
            return [one for one in find(runs, digests=runs.digests) if one.rule is rule]
        finally:
            store.close()


@pytest.fixture
def recorded(tmp_path: Path) -> Iterator[Recorded]:
    found = Recorded(tmp_path / "runs.db")
    yield found
    found.handler.close()


def model(name: str, takes_s: float) -> Runnable[Any, Any]:
    """A model that answers anything after a while."""
    persona = replace(GPT_4O_MINI, first_token_s=(takes_s, takes_s), tokens_per_s=(1e9, 1e9))
    script = (("", Answer(text="yes")),)
    return FakeChatModel(name=name, persona=persona, script=script, pace=Pace(1.0))


class State(TypedDict):
    said: Annotated[list[str], operator.add]


def test_a_loop_over_documents_in_a_function_is_a_question(recorded: Recorded) -> None:
    asked = model("read", 0.01)

    def read_all(documents: list[str]) -> list[Any]:
        return [asked.invoke(one) for one in documents]

    chain: Runnable[Any, Any] = RunnableLambda(read_all)
    for _ in range(2):
        chain.invoke(["a", "b", "c", "d"], {"callbacks": [recorded.handler], "run_name": "reader"})
    (finding,) = recorded.findings(Rule.SERIAL_STEPS)

    assert finding.is_question
    assert finding.position == ("reader",)
    assert finding.evidence["calls_mean"] == 4
    assert finding.names == {"calls": "read", "kind": "llm"}
    # Three of four calls of 10 ms at least.
    assert finding.gain_p50_ns >= 3 * 10_000_000


def test_a_sequence_of_models_is_no_question(recorded: Recorded) -> None:
    chain = model("draft", 0.005) | StrOutputParser() | model("review", 0.005)
    chain.invoke("x", {"callbacks": [recorded.handler]})

    assert recorded.findings(Rule.SERIAL_STEPS) == []


def graph_of_two_lanes() -> Any:
    """Two lanes of two nodes: quick then slow beside slow then quick."""
    graph = StateGraph(State)
    for name, takes_s in (("ask", 0.005), ("search", 0.04), ("write", 0.04), ("cite", 0.005)):
        asked = model(name, takes_s)
        graph.add_node(name, lambda state, asked=asked: {"said": [asked.invoke("x").text]})
    for first, second in (("ask", "write"), ("search", "cite")):
        graph.add_edge(START, first)
        graph.add_edge(first, second)
        graph.add_edge(second, END)
    return graph.compile(name="lanes")


def test_a_node_that_waits_for_another_lane_is_a_question(recorded: Recorded) -> None:
    graph_of_two_lanes().invoke({"said": []}, {"callbacks": [recorded.handler]})
    (finding,) = recorded.findings(Rule.BARRIER_WAIT)

    assert finding.position == ("lanes", "write")
    assert finding.names == {"first": "ask", "last": "search"}
    assert finding.gain_p50_ns <= finding.evidence["wait_mean_ns"]


def test_a_node_that_is_tried_again_in_vain_is_told(recorded: Recorded) -> None:
    def fails(state: State) -> State:
        raise ValueError("boom")

    policy = RetryPolicy(initial_interval=0.01, jitter=False, max_attempts=3, retry_on=ValueError)
    graph = StateGraph(State)
    graph.add_node("shaky", fails, retry_policy=policy)
    graph.add_edge(START, "shaky")
    with pytest.raises(ValueError, match="boom"):
        graph.compile(name="graph").invoke({"said": []}, {"callbacks": [recorded.handler]})
    (finding,) = recorded.findings(Rule.HOPELESS_RETRIES)

    assert finding.position == ("graph", "shaky")
    assert finding.evidence["retries"] == 2
    # LangGraph waits 10 ms, then 20 ms.
    assert finding.gain_p50_ns >= 30_000_000


def graph_around(fan_out: Runnable[Any, Any]) -> Any:
    async def node(state: State) -> State:
        return {"said": [str(await fan_out.ainvoke("x"))]}

    graph = StateGraph(State)
    graph.add_node("node", node)
    graph.add_edge(START, "node")
    return graph.compile(name="limited")


@pytest.mark.parametrize(("branches", "told"), [(4, 1), (2, 0)])
def test_an_asynchronous_parallel_that_ignores_the_limit_is_told(
    recorded: Recorded, branches: int, told: int
) -> None:
    together = asyncio.Barrier(branches)

    async def meet(value: str) -> str:
        await together.wait()
        return value

    fan_out: Runnable[Any, Any] = RunnableParallel(
        {str(key): RunnableLambda(meet) for key in range(branches)}
    )
    config: Any = {"callbacks": [recorded.handler], "max_concurrency": 2}
    asyncio.run(graph_around(fan_out).ainvoke({"said": []}, config))
    findings = recorded.findings(Rule.IGNORED_LIMIT)

    assert len(findings) == told
    for one in findings:
        assert (one.evidence["peak_mean"], one.evidence["limit_mean"]) == (branches, 2)
