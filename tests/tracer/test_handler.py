"""Real chains, synchronous and asynchronous: the recorded tree is the chain as it ran."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.chat_history import InMemoryChatMessageHistory
from langchain_core.documents import Document
from langchain_core.messages import HumanMessage, ToolCall
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import (
    RouterRunnable,
    Runnable,
    RunnableBranch,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
    RunnableWithMessageHistory,
)
from langchain_core.runnables.config import ContextThreadPoolExecutor
from langchain_core.tools import ToolException, tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import RetryPolicy, interrupt
from pydantic import BaseModel

from longpole.analysis import analyse
from longpole.model import FanOutKind, Kind, Role, Status
from longpole.storage import open_store
from longpole.tracer import LongpoleHandler, record
from longpole.tracer.caller import default_pool_size
from tests.tracer.chains import (
    MapState,
    chain,
    failing,
    failing_times,
    map_reduce_graph,
    model,
    step,
)
from tests.tracer.conftest import Recording, outline, spans_named

Invoke = Callable[[Runnable[Any, Any], Any, Any], Any]


def _sync(runnable: Runnable[Any, Any], value: Any, config: Any) -> Any:
    return runnable.invoke(value, config)


def _async(runnable: Runnable[Any, Any], value: Any, config: Any) -> Any:
    return asyncio.run(runnable.ainvoke(value, config))


both = pytest.mark.parametrize("invoke", [_sync, _async], ids=["sync", "async"])


@both
def test_each_branch_of_a_parallel_bears_its_key(recording: Recording, invoke: Invoke) -> None:
    parallel = RunnableParallel(a=step("one"), b=step("two"), c=step("three"))

    assert invoke(parallel, 1, recording.config) == {"a": 1, "b": 1, "c": 1}

    run = recording.run()
    assert sorted(outline(run)[1:]) == [
        "  one chain branch [a]",
        "  three chain branch [c]",
        "  two chain branch [b]",
    ]
    assert outline(run)[0] == "RunnableParallel<a,b,c> chain fan_out"
    assert {span.fan_out for span in run.children(run.root_span_id)} == {FanOutKind.PARALLEL}
    assert all(span.end_ns is not None for span in run.spans)
    for span in run.children(run.root_span_id):
        assert run.root.start_ns <= span.start_ns <= (span.end_ns or 0) <= (run.root.end_ns or 0)


@both
def test_nested_parallels_and_sequences_keep_their_place(
    recording: Recording, invoke: Invoke
) -> None:
    inner = RunnableParallel(x=step("x"), y=step("y1") | step("y2"))
    nested = step("first") | RunnableParallel(left=inner, right=step("r")) | step("last")

    invoke(nested, 1, recording.config)

    lines = outline(recording.run())
    assert lines[0] == "RunnableSequence chain"
    assert lines[1] == "  first chain step step=1"
    assert lines[2] == "  RunnableParallel<left,right> chain fan_out step=2"
    assert lines[-1] == "  last chain step step=3"
    assert sorted(lines[3:-1]) == [
        "        y1 chain step step=1",
        "        y2 chain step step=2",
        "      RunnableSequence chain branch [y]",
        "      x chain branch [x]",
        "    RunnableParallel<x,y> chain branch [left]",
        "    r chain branch [right]",
    ]


def test_a_first_step_inside_a_first_step_keeps_its_place(recording: Recording) -> None:
    inner = RunnableLambda(lambda value: (step("a") | step("b")).invoke(value), name="inner")
    (inner | step("last")).invoke(1, recording.config)

    assert outline(recording.run()) == [
        "RunnableSequence chain",
        "  inner chain step step=1",
        "    RunnableSequence chain",
        "      a chain step step=1",
        "      b chain step step=2",
        "  last chain step step=2",
    ]


def test_a_prompt_model_parser_chain_is_recorded_step_by_step(recording: Recording) -> None:
    chain("four").invoke({"question": "2+2?"}, recording.config)

    assert outline(recording.run()) == [
        "RunnableSequence chain",
        "  ChatPromptTemplate prompt step step=1",
        "  GenericFakeChatModel llm step step=2",
        "  StrOutputParser parser step step=3",
    ]


def test_a_model_call_tells_usage_model_and_content(recording: Recording) -> None:
    model("four").invoke("2+2?", recording.config)

    run = recording.run()
    assert run.root.usage is not None
    assert (run.root.usage.input_tokens, run.root.usage.output_tokens) == (10, 3)
    assert run.root.model == "gpt-4o-mini"
    store = open_store(str(recording.path), mode="read")
    content = store.load_content(run.run_id, run.root_span_id)
    store.close()
    assert content is not None
    assert json.loads(content.input_value or "") == [{"role": "human", "content": "2+2?"}]
    assert json.loads(content.output_value or "")["content"] == "four"


@both
def test_attempts_of_a_retry_are_numbered(recording: Recording, invoke: Invoke) -> None:
    flaky = failing_times("flaky", 2).with_retry(
        stop_after_attempt=3, wait_exponential_jitter=False
    )

    assert invoke(flaky, 1, recording.config) == 1

    assert outline(recording.run()) == [
        "flaky chain",
        "  flaky chain attempt error",
        "  flaky chain attempt attempt=2 error",
        "  flaky chain attempt attempt=3",
    ]


@both
@pytest.mark.parametrize("where", ["root", "branch", "step"])
def test_fallback_candidates_stand_below_their_wrapper(
    recording: Recording, invoke: Invoke, where: str
) -> None:
    guarded: Runnable[Any, Any] = failing("primary").with_fallbacks(
        [failing("second"), step("third")]
    )
    if where == "branch":
        guarded = RunnableParallel(a=guarded, b=step("b"))
    if where == "step":
        guarded = step("first") | guarded

    invoke(guarded, 1, recording.config)

    run = recording.run()
    (wrapper,) = spans_named(run, "RunnableWithFallbacks")
    assert [
        (span.name, span.role and span.role.value, span.status.value)
        for span in run.children(wrapper.span_id)
    ] == [
        ("primary", "attempt", "error"),
        ("second", "fallback", "error"),
        ("third", "fallback", "ok"),
    ]
    assert wrapper.branch == ("a" if where == "branch" else None)


@both
def test_a_failure_is_told_on_every_span_it_passed(recording: Recording, invoke: Invoke) -> None:
    with pytest.raises(ValueError, match="boom"):
        invoke(RunnableParallel(good=step("good"), bad=failing("bad")), 1, recording.config)

    run = recording.run()
    assert {span.name: span.status for span in run.spans} == {
        "RunnableParallel<good,bad>": Status.ERROR,
        "good": Status.OK,
        "bad": Status.ERROR,
    }
    (bad,) = spans_named(run, "bad")
    assert bad.error is not None
    assert (bad.error.type, bad.error.message) == ("ValueError", "boom")


def test_the_stack_is_told_once_where_the_error_was_raised(recording: Recording) -> None:
    with pytest.raises(ValueError, match="boom"):
        (step("first") | failing("bad")).invoke(1, recording.config)

    run = recording.run()
    store = open_store(str(recording.path), mode="read")
    with_stack = [
        span.name
        for span in run.spans
        if (content := store.load_content(run.run_id, span.span_id)) is not None
        and "exception.stacktrace" in content.attributes
    ]
    store.close()
    assert with_stack == ["bad"]


def test_a_cancelled_model_call_is_closed_with_its_task(recording: Recording) -> None:
    started = asyncio.Event()

    async def wait(value: object) -> object:
        started.set()
        await asyncio.Event().wait()
        return value

    class Waiting(type(model())):  # type: ignore[misc]
        async def _agenerate(self, *args: Any, **kwargs: Any) -> Any:
            return await wait(None)

    async def cancel() -> None:
        slow = step("first") | Waiting(messages=iter(()))
        task = asyncio.create_task(slow.ainvoke("x", recording.config))
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel())

    run = recording.run()
    assert {span.name: span.status for span in run.spans} == {
        "RunnableSequence": Status.CANCELLED,
        "first": Status.OK,
        "Waiting": Status.CANCELLED,
    }
    assert recording.handler.stats().open == 0


def test_streaming_tells_the_first_token_and_the_real_input(recording: Recording) -> None:
    chunks = list(chain("one two").stream({"question": "?"}, recording.config))

    run = recording.run()
    (llm,) = [span for span in run.spans if span.kind is Kind.LLM]
    assert "".join(chunks) == "one two"
    assert llm.first_token_ns is not None
    assert llm.start_ns < llm.first_token_ns <= (llm.end_ns or 0)
    assert llm.order.streamed
    store = open_store(str(recording.path), mode="read")
    content = store.load_content(run.run_id, run.root_span_id)
    store.close()
    assert content is not None
    assert json.loads(content.input_value or "") == {"question": "?"}


def test_a_stream_closed_early_is_cancelled_not_failed(recording: Recording) -> None:
    stream = model("one two three four").stream("x", recording.config)
    next(stream)
    stream.close()  # type: ignore[attr-defined]

    assert recording.run().status is Status.CANCELLED


def test_map_and_each_item_has_its_index(recording: Recording) -> None:
    step("item").map().invoke([1, 2, 3], recording.config)

    run = recording.run()
    items = run.children(run.root_span_id)
    assert sorted(span.branch or "" for span in items) == ["0", "1", "2"]
    assert {span.fan_out for span in items} == {FanOutKind.MAP}


def test_conditions_and_choice_of_a_branch_follow_one_another(recording: Recording) -> None:
    RunnableBranch((lambda value: value > 5, step("big")), step("small")).invoke(
        1, recording.config
    )

    run = recording.run()
    assert [span.step for span in run.children(run.root_span_id)] == [1, 2]


def test_assign_keeps_its_parallel(recording: Recording) -> None:
    RunnablePassthrough.assign(a=step("a"), b=step("b")).invoke({"q": 1}, recording.config)

    lines = outline(recording.run())
    assert lines[:2] == ["RunnableAssign<a,b> chain", "  RunnableParallel<a,b> chain fan_out"]


def test_tools_and_retrievers_are_told_apart(recording: Recording) -> None:
    @tool
    def add(a: int, b: int) -> int:
        """Add."""
        return a + b

    class Fixed(BaseRetriever):
        def _get_relevant_documents(self, query: str, **kwargs: Any) -> list[Document]:
            return [Document("found")]

    both_kinds: Runnable[Any, Any] = RunnableLambda(
        lambda value: (add.invoke({"a": 1, "b": 2}), Fixed().invoke("q")), name="both"
    )
    both_kinds.invoke(1, recording.config)

    assert outline(recording.run()) == ["both chain", "  add tool", "  Fixed retriever"]


def test_a_handled_tool_error_is_an_error_of_the_tool_only(recording: Recording) -> None:
    @tool
    def handled(a: int) -> int:
        """Fail, and say so."""
        raise ToolException("no")

    handled.handle_tool_error = True
    outer = RunnableLambda(
        lambda value: handled.invoke(
            ToolCall(name="handled", args={"a": 1}, id="c1", type="tool_call")
        ),
        name="outer",
    )
    outer.invoke(1, recording.config)

    assert outline(recording.run()) == ["outer chain", "  handled tool error"]


def test_a_chat_models_cache_hit_is_marked(recording: Recording) -> None:
    cached = model()
    cached.cache = InMemoryCache()
    cached.invoke("same", recording.config)
    cached.invoke("same", recording.config)

    assert [run.root.cache_hit for run in recording.runs()] == [False, True]


@both
def test_a_graph_is_recorded_by_supersteps_and_sends(recording: Recording, invoke: Invoke) -> None:
    graph = map_reduce_graph(lambda state: {"summaries": [state["document"]]})

    invoke(
        graph,
        {"documents": ["x", "y", "z"], "summaries": []},
        recording.with_config(max_concurrency=2),
    )

    run = recording.run()
    nodes = [span for span in run.spans if span.kind is Kind.NODE]
    assert sorted((span.step or 0, span.name, span.branch) for span in nodes) == [
        (1, "plan", "plan"),
        (2, "summarise", "0"),
        (2, "summarise", "1"),
        (2, "summarise", "2"),
        (3, "combine", "combine"),
    ]
    sends = spans_named(run, "summarise")
    assert {span.fan_out for span in sends} == {FanOutKind.SEND}
    assert {span.fan_out_limit for span in sends} == {2}
    assert {span.parent_span_id for span in nodes} == {run.root_span_id}


def test_tries_of_a_graph_node_are_numbered_and_ordered(recording: Recording) -> None:
    tries = iter([True, True, False])

    def flaky(state: MapState) -> dict[str, Any]:
        if next(tries):
            raise ConnectionError("reset")
        return {}

    graph = StateGraph(MapState)
    graph.add_node("flaky", flaky, retry_policy=RetryPolicy(initial_interval=0.001, jitter=False))
    graph.add_edge(START, "flaky")
    graph.add_edge("flaky", END)
    graph.compile().invoke({"documents": [], "summaries": []}, recording.config)

    spans = spans_named(recording.run(), "flaky")
    assert [(span.attempt, span.status.value) for span in spans] == [
        (1, "error"),
        (2, "error"),
        (3, "ok"),
    ]
    assert {(span.role, span.branch, span.fan_out) for span in spans} == {
        (Role.BRANCH, "flaky", FanOutKind.SUPERSTEP)
    }
    assert [span.order.after for span in spans] == [
        None,
        (spans[0].span_id,),
        (spans[1].span_id,),
    ]


def test_an_interrupt_is_not_a_failure(recording: Recording) -> None:
    def ask(state: MapState) -> dict[str, Any]:
        return {"summaries": [interrupt("go on?")]}

    graph = StateGraph(MapState)
    graph.add_node("ask", ask)
    graph.add_edge(START, "ask")
    graph.add_edge("ask", END)
    app = graph.compile(checkpointer=InMemorySaver())
    app.invoke(
        {"documents": [], "summaries": []},
        recording.with_config(configurable={"thread_id": "t1"}),
    )

    run = recording.run()
    assert {span.status for span in run.spans} == {Status.INTERRUPTED}
    assert run.session_id == "t1"


def test_models_called_in_a_graph_node_claim_no_order(recording: Recording) -> None:
    def think(state: MapState) -> dict[str, Any]:
        return {"summaries": [str(model().invoke("a").content), str(model().invoke("b").content)]}

    graph = StateGraph(MapState)
    graph.add_node("think", think)
    graph.add_edge(START, "think")
    graph.add_edge("think", END)
    graph.compile().invoke({"documents": [], "summaries": []}, recording.config)

    run = recording.run()
    (node,) = spans_named(run, "think")
    assert [span.order.seq for span in run.children(node.span_id)] == [None, None]


def test_session_user_tags_and_metadata_come_from_the_config(recording: Recording) -> None:
    parallel = RunnableParallel(a=step("a"), b=step("b"))
    parallel.invoke(
        1,
        recording.with_config(
            tags=["prod"], metadata={"session_id": "s1", "user_id": "u1", "tenant": "acme"}
        ),
    )

    run = recording.run()
    assert (run.session_id, run.user_id, run.tags) == ("s1", "u1", ("prod",))
    assert run.metadata == {"session_id": "s1", "user_id": "u1", "tenant": "acme"}


def test_a_users_tag_that_looks_structural_is_not_taken_for_one(recording: Recording) -> None:
    parallel = RunnableParallel(a=step("a"), b=step("b"))
    parallel.invoke(1, recording.with_config(tags=["map:key:fake"]))

    run = recording.run()
    assert sorted(span.branch or "" for span in run.children(run.root_span_id)) == ["a", "b"]


@pytest.mark.parametrize(
    ("invoke", "asked", "limit"),
    [(_sync, None, default_pool_size()), (_sync, 1, 1), (_async, None, None), (_async, 1, None)],
    ids=["hidden pool", "asked", "async", "async ignores what is asked"],
)
def test_the_limit_in_force_is_on_the_branches(
    recording: Recording, invoke: Invoke, asked: int | None, limit: int | None
) -> None:
    parallel = RunnableParallel(a=step("a"), b=step("b"))
    more = {} if asked is None else {"max_concurrency": asked}
    invoke(parallel, 1, recording.with_config(**more))

    run = recording.run()
    assert {span.fan_out_limit for span in run.children(run.root_span_id)} == {limit}


def test_the_limit_in_force_is_on_branches_that_are_bare_models(recording: Recording) -> None:
    RunnableParallel(a=model(), b=model()).invoke("?", recording.with_config(max_concurrency=1))
    asyncio.run(model().map().ainvoke(["?", "!"], recording.with_config(max_concurrency=1)))

    for run in recording.runs():
        assert {span.fan_out_limit for span in run.children(run.root_span_id)} == {1}


def test_the_same_run_seen_by_two_handlers_is_recorded_once(recording: Recording) -> None:
    second = LongpoleHandler(str(recording.path))
    chain().with_config(callbacks=[second]).invoke({"question": "?"}, recording.config)

    assert len(recording.run().spans) == 4


def test_concurrent_runs_of_one_handler_stay_apart(recording: Recording) -> None:
    parallel = RunnableParallel(a=step("a"), b=step("b"), c=chain())

    async def many() -> None:
        await asyncio.gather(
            *(parallel.ainvoke({"question": str(n)}, recording.config) for n in range(20))
        )

    asyncio.run(many())

    runs = recording.runs()
    assert len(runs) == 20
    assert {len(run.spans) for run in runs} == {7}
    assert recording.handler.stats().open == 0


def test_record_makes_one_run_of_many(recording: Recording) -> None:
    with record("nightly", tags=["batch"], metadata={"session_id": "s9"}):
        for row in (1, 2, 3):
            step("row").invoke(row, recording.config)
        asyncio.run(step("late").ainvoke(4, recording.config))

    run = recording.run()
    assert outline(run)[0] == "nightly other fan_out"
    assert sorted(span.branch or "" for span in run.children(run.root_span_id)) == list("0123")
    assert (run.session_id, run.tags) == ("s9", ("batch",))


def test_record_passes_exceptions_on_and_tells_them(recording: Recording) -> None:
    with pytest.raises(ValueError, match="boom"), record("job"):
        failing("row").invoke(1, recording.config)

    run = recording.run()
    assert run.name == "job"
    assert run.status is Status.ERROR


def test_records_nest(recording: Recording) -> None:
    with record("outer"), record("inner"):
        step("row").invoke(1, recording.config)

    assert outline(recording.run()) == [
        "outer other fan_out",
        "  inner other item [0]",
        "    row chain item [0]",
    ]


def test_without_record_every_invoke_is_a_run(recording: Recording) -> None:
    for row in (1, 2, 3):
        step("row").invoke(row, recording.config)

    assert [run.name for run in recording.runs()] == ["row"] * 3


def _threads(value: Any) -> Any:
    with ContextThreadPoolExecutor() as pool:
        return list(pool.map(step("below").invoke, [1, 2]))


async def _to_threads(value: Any) -> Any:
    return await asyncio.gather(*(asyncio.to_thread(step("below").invoke, n) for n in (1, 2)))


async def _gathered(value: Any) -> Any:
    return await asyncio.gather(*(step("below").ainvoke(n) for n in (1, 2)))


async def _tasks(value: Any) -> Any:
    return [await one for one in [asyncio.create_task(step("below").ainvoke(n)) for n in (1, 2)]]


@pytest.mark.parametrize("body", [_threads, _to_threads, _gathered, _tasks])
def test_calls_made_beside_one_another_in_a_function_stay_below_it(
    recording: Recording, body: Callable[[Any], Any]
) -> None:
    asyncio.run(RunnableLambda(body, name="outer").ainvoke(1, recording.config))

    lines = outline(recording.run())
    assert lines == ["outer chain", "  below chain", "  below chain"]


# Message histories are deprecated and still in use.
@pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainDeprecationWarning")
@both
def test_a_parallel_with_one_branch_is_no_fan_out(recording: Recording, invoke: Invoke) -> None:
    class Answer(BaseModel):
        text: str

    class Structured(type(model())):  # type: ignore[misc]
        def bind_tools(self, *args: Any, **kwargs: Any) -> Any:
            return self

    history = InMemoryChatMessageHistory()
    remembered = RunnableWithMessageHistory(model(), lambda session_id: history)
    invoke(
        Structured(messages=model().messages).with_structured_output(Answer, include_raw=True),
        "x",
        recording.config,
    )
    invoke(
        remembered,
        [HumanMessage("x")],
        recording.with_config(configurable={"session_id": "s1"}),
    )

    alone = {"raw": 0, "history": 0}
    for run in recording.runs():
        for span in run.spans:
            if span.fan_out is FanOutKind.PARALLEL and span.branch in alone:
                alone[span.branch] += 1
        fan_outs = analyse(run, now_ns=run.root.end_ns or 0).fan_outs
        assert not any(branch.key in alone for found in fan_outs for branch in found.branches)
    assert alone["raw"] == 1


def test_a_generator_and_a_router_keep_their_place(recording: Recording) -> None:
    def shout(chunks: Iterator[str]) -> Iterator[str]:
        for chunk in chunks:
            yield chunk.upper()

    routed: Runnable[Any, Any] = RunnableLambda(
        lambda text: {"key": "loud", "input": text}, name="route"
    )
    loud: Runnable[Any, Any] = RunnableGenerator(shout)
    router: Any = RouterRunnable({"loud": loud, "soft": step("soft")})
    routed_chain: Runnable[Any, Any] = routed | router

    assert routed_chain.invoke("a", recording.config) == "A"

    assert outline(recording.run()) == [
        "RunnableSequence chain",
        "  route chain step step=1",
        "  shout chain step step=2",
    ]
