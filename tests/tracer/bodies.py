"""Chains whose every body asks which OpenTelemetry span is current: the scenarios of a context.

Each scenario runs a chain. Each body in it makes a span "in NAME", as an HTTP instrumentation
would, where NAME is the span that it should be below.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import (
    Runnable,
    RunnableBranch,
    RunnableConfig,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
)
from langchain_core.tools import BaseTool, tool
from langgraph.graph import END, START, StateGraph
from opentelemetry import trace
from opentelemetry.trace import Tracer

from tests.tracer.chains import MapState, map_reduce_graph


class Bodies:
    """Makes runnables whose bodies make spans with a tracer of the user's."""

    def __init__(self, tracer: Tracer) -> None:
        self.tracer = tracer
        self.asked = 0

    def ask(self, name: str) -> None:
        """Make the span that belongs below the span of this name."""
        self.asked += 1
        self.tracer.start_span(f"in {name}").end()

    def step(self, name: str) -> Runnable[Any, Any]:
        """Synchronous only: an event loop runs it in its executor."""

        def body(value: Any) -> Any:
            self.ask(name)
            return value

        return RunnableLambda(body, name=name)

    def coroutine(self, name: str) -> Runnable[Any, Any]:
        def body(value: Any) -> Any:
            self.ask(name)
            return value

        async def abody(value: Any) -> Any:
            self.ask(name)
            await asyncio.sleep(0)
            self.ask(name)
            return value

        return RunnableLambda(body, abody, name=name)

    def failing(self, name: str, times: int = 1_000) -> Runnable[Any, Any]:
        left = [times]

        def body(value: Any) -> Any:
            self.ask(name)
            left[0] -= 1
            if left[0] >= 0:
                raise ValueError(name)
            return value

        return RunnableLambda(body, name=name)

    def model(self, name: str) -> Runnable[Any, Any]:
        bodies = self

        class Asking(GenericFakeChatModel):
            def _generate(self, *args: Any, **kwargs: Any) -> Any:
                bodies.ask(name)
                return super()._generate(*args, **kwargs)

            def _stream(self, *args: Any, **kwargs: Any) -> Iterator[Any]:
                bodies.ask(name)
                yield from super()._stream(*args, **kwargs)

            async def _agenerate(self, *args: Any, **kwargs: Any) -> Any:
                await asyncio.sleep(0)
                bodies.ask(name)
                return super()._generate(*args, **kwargs)

        # Not a generator, which refuses to be asked by two threads at once.
        answers = map(AIMessage, ["one two three"] * 1_000)
        return Asking(messages=answers).with_config(run_name=name)

    def chain(self, name: str) -> Runnable[Any, Any]:
        return RunnableLambda(lambda value: str(value)) | self.model(name) | StrOutputParser()

    def tool(self, name: str) -> BaseTool:
        @tool(name)
        def add(a: int) -> int:
            """Add."""
            self.ask(name)
            return a

        return add

    def retriever(self, name: str) -> Runnable[Any, Any]:
        bodies = self

        class Asking(BaseRetriever):
            def _get_relevant_documents(
                self, query: str, *, run_manager: CallbackManagerForRetrieverRun
            ) -> list[Document]:
                bodies.ask(name)
                return []

        return Asking().with_config(run_name=name)


Scenario = Callable[[Bodies, RunnableConfig], None]
AsyncScenario = Callable[[Bodies, RunnableConfig], Awaitable[None]]


# --- synchronous ------------------------------------------------------------------------------


def sequence(bodies: Bodies, config: RunnableConfig) -> None:
    (bodies.step("a") | bodies.model("m") | StrOutputParser() | bodies.step("b")).invoke(
        "x", config
    )


def parallel(bodies: Bodies, config: RunnableConfig) -> None:
    nested = RunnableParallel(x=bodies.step("x"), y=bodies.step("y1") | bodies.step("y2"))
    RunnableParallel(a=bodies.step("a"), b=nested, c=bodies.chain("m")).invoke("x", config)


def batch(bodies: Bodies, config: RunnableConfig) -> None:
    (bodies.step("a") | bodies.chain("m") | bodies.step("b")).batch(["x", "y", "z"], config)


def rows_as_completed(bodies: Bodies, config: RunnableConfig) -> None:
    assert len(list(bodies.step("a").batch_as_completed([1, 2, 3], config))) == 3


def each(bodies: Bodies, config: RunnableConfig) -> None:
    (bodies.step("a") | bodies.step("b")).map().invoke([1, 2, 3], config)


def retry_and_fallback(bodies: Bodies, config: RunnableConfig) -> None:
    flaky = bodies.failing("flaky", 1).with_retry(wait_exponential_jitter=False)
    others = [bodies.failing("second"), bodies.chain("m")]
    guarded = bodies.failing("primary").with_fallbacks(others)
    RunnableParallel(a=flaky, b=guarded).invoke("x", config)


def choice(bodies: Bodies, config: RunnableConfig) -> None:
    RunnableBranch((bodies.step("asks"), bodies.step("big")), bodies.step("small")).invoke(
        "x", config
    )


def tools_and_retrievers(bodies: Bodies, config: RunnableConfig) -> None:
    add, look = bodies.tool("add"), bodies.retriever("look")

    def both(value: Any) -> Any:
        bodies.ask("both")
        add.invoke({"a": 1})
        bodies.ask("both")
        look.invoke("q")
        bodies.ask("both")
        return value

    RunnableLambda(both, name="both").invoke(1, config)


def inner_calls(bodies: Bodies, config: RunnableConfig) -> None:
    inner, model = bodies.step("s1") | bodies.step("s2"), bodies.model("m")

    def outer(value: Any) -> Any:
        bodies.ask("outer")
        inner.invoke(value)
        bodies.ask("outer")
        model.invoke("x")
        bodies.ask("outer")
        inner.batch([1, 2])
        bodies.ask("outer")
        return value

    RunnableLambda(outer, name="outer").invoke(1, config)


def spans_of_the_user(bodies: Bodies, config: RunnableConfig) -> None:
    inner = bodies.step("inner")

    def outer(value: Any) -> Any:
        with bodies.tracer.start_as_current_span("in outer"):
            bodies.ask("in outer")
            inner.invoke(value)
            bodies.ask("in outer")
        bodies.ask("outer")
        return value

    (RunnableLambda(outer, name="outer") | bodies.step("after")).invoke(1, config)


def stream(bodies: Bodies, config: RunnableConfig) -> None:
    chunks = bodies.chain("m").stream("x", config)
    for _ in chunks:
        assert not trace.get_current_span().get_span_context().is_valid


def stream_of_a_model(bodies: Bodies, config: RunnableConfig) -> None:
    for _ in bodies.model("m").stream("x", config):
        assert not trace.get_current_span().get_span_context().is_valid


def stream_inside(bodies: Bodies, config: RunnableConfig) -> None:
    chain, model, graph = bodies.chain("m"), bodies.model("n"), _graph(bodies)

    def outer(value: Any) -> Any:
        for _ in chain.stream("x"):
            bodies.ask("outer")
        for _ in model.stream("x"):
            bodies.ask("outer")
        for _ in graph.stream({"documents": ["x"], "summaries": []}):
            bodies.ask("outer")
        bodies.ask("outer")
        return value

    RunnableLambda(outer, name="outer").invoke(1, config)


def stream_of_wrappers(bodies: Bodies, config: RunnableConfig) -> None:
    guarded = bodies.failing("primary").with_fallbacks([bodies.chain("m")])
    choice = RunnableBranch((bodies.step("asks"), bodies.chain("n")), bodies.step("small"))
    for runnable in (guarded, choice):
        for _ in runnable.stream("x", config):
            assert not trace.get_current_span().get_span_context().is_valid


def generators(bodies: Bodies, config: RunnableConfig) -> None:
    def shout(chunks: Iterator[str]) -> Iterator[str]:
        for chunk in chunks:
            bodies.ask("shout")
            yield chunk

    (bodies.chain("m") | RunnableGenerator(shout)).invoke("x", config)
    assert list((bodies.chain("m") | RunnableGenerator(shout)).stream("x", config))


def _graph(bodies: Bodies) -> Any:
    sub: StateGraph[Any] = StateGraph(MapState)
    sub.add_node("deep", bodies.coroutine("deep") | (lambda state: {}))
    sub.add_edge(START, "deep")
    sub.add_edge("deep", END)

    model = bodies.model("m")

    def think(state: Any) -> Any:
        bodies.ask("think")
        model.invoke("x")
        bodies.ask("think")
        return {}

    graph: StateGraph[Any] = StateGraph(MapState)
    graph.add_node("think", think)
    graph.add_node("sub", sub.compile())
    graph.add_edge(START, "think")
    graph.add_edge(START, "sub")
    graph.add_edge("think", END)
    return graph.compile()


def _sends(bodies: Bodies) -> Any:
    def work(state: Any) -> Any:
        bodies.ask("work")
        return {"summaries": [state["document"]]}

    return map_reduce_graph(work)


_STATE: dict[str, Any] = {"documents": ["x", "y", "z"], "summaries": []}


def graph(bodies: Bodies, config: RunnableConfig) -> None:
    _graph(bodies).invoke(_STATE, config)


def sends(bodies: Bodies, config: RunnableConfig) -> None:
    _sends(bodies).invoke(_STATE, config)


def graph_stream(bodies: Bodies, config: RunnableConfig) -> None:
    for _ in _graph(bodies).stream(_STATE, config):
        assert not trace.get_current_span().get_span_context().is_valid


SYNC: list[Scenario] = [
    sequence,
    parallel,
    batch,
    rows_as_completed,
    each,
    retry_and_fallback,
    choice,
    tools_and_retrievers,
    inner_calls,
    spans_of_the_user,
    stream,
    stream_of_a_model,
    stream_inside,
    stream_of_wrappers,
    generators,
    graph,
    sends,
    graph_stream,
]


# --- asynchronous -----------------------------------------------------------------------------


async def asequence(bodies: Bodies, config: RunnableConfig) -> None:
    chain = bodies.coroutine("a") | bodies.model("m") | StrOutputParser() | bodies.coroutine("b")
    await chain.ainvoke("x", config)


async def aparallel(bodies: Bodies, config: RunnableConfig) -> None:
    nested = RunnableParallel(x=bodies.coroutine("x"), y=bodies.coroutine("y1") | bodies.step("y2"))
    await RunnableParallel(a=bodies.coroutine("a"), b=nested, c=bodies.chain("m")).ainvoke(
        "x", config
    )


async def functions_in_the_executor(bodies: Bodies, config: RunnableConfig) -> None:
    await RunnableParallel(a=bodies.step("a"), b=bodies.step("b") | bodies.step("c")).ainvoke(
        "x", config
    )


async def abatch(bodies: Bodies, config: RunnableConfig) -> None:
    chain = bodies.coroutine("a") | bodies.chain("m") | bodies.coroutine("b")
    await chain.abatch(["x", "y", "z"], config)


async def arows_as_completed(bodies: Bodies, config: RunnableConfig) -> None:
    rows = bodies.coroutine("a").abatch_as_completed([1, 2, 3], config)
    assert len([row async for row in rows]) == 3


async def aretry_and_fallback(bodies: Bodies, config: RunnableConfig) -> None:
    flaky = bodies.failing("flaky", 1).with_retry(wait_exponential_jitter=False)
    others = [bodies.failing("second"), bodies.chain("m")]
    guarded = bodies.failing("primary").with_fallbacks(others)
    await RunnableParallel(a=flaky, b=guarded).ainvoke("x", config)


async def atools_and_retrievers(bodies: Bodies, config: RunnableConfig) -> None:
    add, look = bodies.tool("add"), bodies.retriever("look")

    async def both(value: Any) -> Any:
        await add.ainvoke({"a": 1})
        bodies.ask("both")
        await look.ainvoke("q")
        bodies.ask("both")
        return value

    await RunnableLambda(both, name="both").ainvoke(1, config)


async def after_a_model(bodies: Bodies, config: RunnableConfig) -> None:
    model = bodies.model("m")

    async def outer(value: Any) -> Any:
        await model.ainvoke("x")
        bodies.ask("outer")
        async for _ in model.astream("x"):
            bodies.ask("outer")
        bodies.ask("outer")
        return value

    await RunnableLambda(outer, name="outer").ainvoke(1, config)


async def gathered(bodies: Bodies, config: RunnableConfig) -> None:
    a, b, c = bodies.coroutine("a"), bodies.chain("m"), bodies.step("c")

    async def outer(value: Any) -> Any:
        await asyncio.gather(a.ainvoke(1), b.ainvoke("x"), c.ainvoke(1))
        bodies.ask("outer")
        await asyncio.to_thread(bodies.ask, "outer")
        await asyncio.create_task(a.ainvoke(1))
        bodies.ask("outer")
        return value

    await RunnableLambda(outer, name="outer").ainvoke(1, config)


async def aspans_of_the_user(bodies: Bodies, config: RunnableConfig) -> None:
    inner = bodies.coroutine("inner")

    async def outer(value: Any) -> Any:
        with bodies.tracer.start_as_current_span("in outer"):
            await asyncio.gather(inner.ainvoke(value), inner.ainvoke(value))
            bodies.ask("in outer")
        bodies.ask("outer")
        return value

    await (RunnableLambda(outer, name="outer") | bodies.coroutine("after")).ainvoke(1, config)


async def astream(bodies: Bodies, config: RunnableConfig) -> None:
    async for _ in bodies.chain("m").astream("x", config):
        assert not trace.get_current_span().get_span_context().is_valid


async def astream_of_wrappers(bodies: Bodies, config: RunnableConfig) -> None:
    guarded = bodies.failing("primary").with_fallbacks([bodies.chain("m")])
    choice = RunnableBranch((bodies.coroutine("asks"), bodies.chain("n")), bodies.step("small"))
    for runnable in (guarded, choice):
        async for _ in runnable.astream("x", config):
            assert not trace.get_current_span().get_span_context().is_valid


async def aevents(bodies: Bodies, config: RunnableConfig) -> None:
    chain = bodies.coroutine("a") | bodies.chain("m")
    async for _ in chain.astream_events("x", config, version="v2"):
        assert not trace.get_current_span().get_span_context().is_valid


async def agenerators(bodies: Bodies, config: RunnableConfig) -> None:
    async def shout(chunks: AsyncIterator[str]) -> AsyncIterator[str]:
        async for chunk in chunks:
            bodies.ask("shout")
            yield chunk

    chain: Runnable[Any, Any] = bodies.chain("m") | RunnableGenerator(shout)
    await chain.ainvoke("x", config)
    assert [chunk async for chunk in chain.astream("x", config)]


async def agraph(bodies: Bodies, config: RunnableConfig) -> None:
    await _graph(bodies).ainvoke(_STATE, config)


async def asends(bodies: Bodies, config: RunnableConfig) -> None:
    await _sends(bodies).ainvoke(_STATE, config)


async def agraph_stream(bodies: Bodies, config: RunnableConfig) -> None:
    async for _ in _graph(bodies).astream(_STATE, config):
        assert not trace.get_current_span().get_span_context().is_valid


ASYNC: list[AsyncScenario] = [
    asequence,
    aparallel,
    functions_in_the_executor,
    abatch,
    arows_as_completed,
    aretry_and_fallback,
    atools_and_retrievers,
    after_a_model,
    gathered,
    aspans_of_the_user,
    astream,
    astream_of_wrappers,
    aevents,
    agenerators,
    agraph,
    asends,
    agraph_stream,
]
