"""LangGraph as it is used: the recorded tree is the graph as it ran, sync, async and streamed."""

from __future__ import annotations

import asyncio
import operator
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.messages import AIMessage, ToolCall
from langchain_core.runnables import RunnableLambda, RunnableParallel
from langchain_core.tools import tool
from langgraph.cache.memory import InMemoryCache
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.types import CachePolicy, Command, interrupt

from longpole.analysis import analyse
from longpole.model import FanOutKind, Status
from tests.tracer.chains import step
from tests.tracer.conftest import Recording, outline, spans_named

EMPTY: Any = {"seen": []}


class State(TypedDict):
    seen: Annotated[list[str], operator.add]


def _node(name: str) -> Any:
    return lambda state: {"seen": [name]}


def _chain_of(*nodes: tuple[str, Any], **compiled: Any) -> Any:
    graph = StateGraph(State)
    last = START
    for name, action in nodes:
        graph.add_node(name, action)
        graph.add_edge(last, name)
        last = name
    return graph.compile(**compiled)


def _diamond() -> Any:
    graph = StateGraph(State)
    for name in ("a", "b"):
        graph.add_node(name, _node(name))
        graph.add_edge(START, name)
    graph.add_node("join", _node("join"))
    graph.add_edge(["a", "b"], "join")
    return graph.compile()


def _drain(app: Any, mode: str, config: Any) -> None:
    async def consume() -> None:
        async for _ in app.astream(EMPTY, config, stream_mode=mode.removeprefix("a-")):
            pass

    if mode.startswith("a-"):
        asyncio.run(consume())
    else:
        list(app.stream(EMPTY, config, stream_mode=mode))


MODES = ("values", "updates", "debug", "messages", "custom")


def test_all_stream_modes_give_the_same_tree(recording: Recording) -> None:
    app = _diamond()
    app.invoke(EMPTY, recording.config)
    asyncio.run(app.ainvoke(EMPTY, recording.config))
    for mode in MODES:
        _drain(app, mode, recording.config)
        _drain(app, f"a-{mode}", recording.config)

    trees = {tuple(sorted(outline(run))) for run in recording.runs()}
    assert trees == {
        (
            "  a node branch [a] step=1",
            "  b node branch [b] step=1",
            "  join node branch [join] step=2",
            "LangGraph chain",
        )
    }


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_subgraphs_and_parallels_keep_their_place_in_a_graph(
    recording: Recording, is_async: bool
) -> None:
    both = RunnableParallel(seen=RunnableLambda(lambda state: ["p"]), rest=step("rest"))
    picked = both | RunnableLambda(lambda found: {"seen": found["seen"]}, name="pick")
    app = _chain_of(("inner", _diamond()), ("both", picked))
    if is_async:
        asyncio.run(app.ainvoke(EMPTY, recording.config))
    else:
        app.invoke(EMPTY, recording.config)

    run = recording.run()
    (inner,), (parallel,) = spans_named(run, "inner"), spans_named(run, "both")
    (subgraph,) = run.children(inner.span_id)
    assert [span.step for span in run.children(subgraph.span_id)] == [1, 1, 2]
    (split, pick) = run.children(parallel.span_id)
    assert (split.name, pick.name) == ("RunnableParallel<seen,rest>", "pick")
    assert sorted(span.branch or "" for span in run.children(split.span_id)) == ["rest", "seen"]
    kinds = [found.kind for found in analyse(run, now_ns=run.root.end_ns or 0).fan_outs]
    assert kinds == [FanOutKind.SUPERSTEP, FanOutKind.PARALLEL]


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_several_tool_calls_of_one_message_are_branches(
    recording: Recording, is_async: bool
) -> None:
    @tool
    def add(a: int) -> int:
        """Add."""
        return a

    graph = StateGraph(MessagesState)
    graph.add_node("tools", ToolNode([add]))
    graph.add_edge(START, "tools")
    calls = [ToolCall(name="add", args={"a": n}, id=f"c{n}") for n in range(3)]
    told: Any = {"messages": [AIMessage("", tool_calls=calls)]}
    config = recording.with_config(max_concurrency=2)
    app = graph.compile()
    if is_async:
        asyncio.run(app.ainvoke(told, config))
    else:
        app.invoke(told, config)

    run = recording.run()
    (fan_out,) = analyse(run, now_ns=run.root.end_ns or 0).fan_outs
    assert fan_out.kind is FanOutKind.TOOLS
    assert sorted(branch.key for branch in fan_out.branches) == ["0", "1", "2"]
    assert (fan_out.limit, fan_out.limit_ignored) == ((None, 2) if is_async else (2, None))
    assert all(span.ready_ns is not None for span in spans_named(run, "add"))


def test_a_batch_in_a_node_is_a_fan_out_of_the_node(recording: Recording) -> None:
    app = _chain_of(("work", lambda state: {"seen": step("row").batch(["x", "y"])}))
    app.invoke(EMPTY, recording.config)

    assert sorted(outline(recording.run())) == sorted(
        [
            "LangGraph chain",
            "  work node branch [work] step=1",
            "    batch of row other fan_out",
            "      row chain item [0]",
            "      row chain item [1]",
        ]
    )


def test_a_batch_of_graphs_is_one_run(recording: Recording) -> None:
    _diamond().batch([EMPTY, EMPTY], recording.config)

    run = recording.run()
    assert run.name == "batch of LangGraph"
    rows = run.children(run.root_span_id)
    assert sorted(span.branch or "" for span in rows) == ["0", "1"]
    assert {len(run.children(row.span_id)) for row in rows} == {3}


def test_an_interrupted_graph_and_its_resumption_are_two_runs_of_one_session(
    recording: Recording,
) -> None:
    app = _chain_of(
        ("ask", lambda state: {"seen": [interrupt("go on?")]}), checkpointer=InMemorySaver()
    )
    config = recording.with_config(configurable={"thread_id": "t1"})
    app.invoke(EMPTY, config)
    app.invoke(Command(resume="yes"), config)

    first, second = recording.runs()
    assert {span.status for span in first.spans} == {Status.INTERRUPTED}
    assert {span.status for span in second.spans} == {Status.OK}
    assert first.session_id == second.session_id == "t1"


def test_a_hand_over_to_the_parent_graph_is_no_failure(recording: Recording) -> None:
    inner = _chain_of(("leave", lambda state: Command(goto="after", graph=Command.PARENT)))
    graph = StateGraph(State)
    graph.add_node("inner", inner, destinations=("after",))
    graph.add_node("after", _node("after"))
    graph.add_edge(START, "inner")
    graph.compile().invoke(EMPTY, recording.config)

    run = recording.run()
    assert Status.ERROR not in {span.status for span in run.spans}
    assert spans_named(run, "leave")[0].status is Status.INTERRUPTED
    assert spans_named(run, "after")[0].status is Status.OK


def test_a_node_answered_by_the_graphs_cache_leaves_no_run(recording: Recording) -> None:
    graph = StateGraph(State)
    graph.add_node("costly", _node("costly"), cache_policy=CachePolicy())
    graph.add_edge(START, "costly")
    app = graph.compile(cache=InMemoryCache())
    app.invoke(EMPTY, recording.config)
    app.invoke(EMPTY, recording.config)

    missed, hit = recording.runs()
    assert outline(missed) == ["LangGraph chain", "  costly node branch [costly] step=1"]
    assert outline(hit) == ["LangGraph chain"]
    assert recording.handler.stats().open == 0


def test_a_conditional_edge_stands_below_the_node_it_leaves(recording: Recording) -> None:
    def choose(state: State) -> str:
        return "right"

    graph = StateGraph(State)
    graph.add_node("start", _node("start"))
    graph.add_node("right", _node("right"))
    graph.add_edge(START, "start")
    graph.add_conditional_edges("start", choose, ["right"])
    graph.compile().invoke(EMPTY, recording.config)

    run = recording.run()
    (chosen,) = spans_named(run, "choose")
    assert chosen.parent_span_id == spans_named(run, "start")[0].span_id
    assert spans_named(run, "right")[0].step == 2


def test_a_handled_node_error_is_an_error_of_the_node_only(recording: Recording) -> None:
    def fail(state: State) -> Any:
        raise ValueError("boom")

    graph = StateGraph(State)
    graph.add_node("risky", fail, error_handler=lambda state: {"seen": ["handled"]})
    graph.add_edge(START, "risky")
    graph.compile().invoke(EMPTY, recording.config)

    run = recording.run()
    assert run.status is Status.OK
    assert [span.status for span in spans_named(run, "risky")] == [Status.ERROR]
    (handler,) = spans_named(run, "__error_handler__risky")
    assert handler.status is Status.OK
