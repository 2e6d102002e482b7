"""Small real chains for tests: models, steps that fail on demand, graphs."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable
from typing import Annotated, Any, TypedDict

from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import Runnable, RunnableLambda
from langgraph.graph import END, START, StateGraph
from langgraph.types import Send


def model(text: str = "one two three") -> GenericFakeChatModel:
    usage = {"input_tokens": 10, "output_tokens": 3, "total_tokens": 13}

    def answer(_: int) -> AIMessage:
        told = {"model_name": "gpt-4o-mini"}
        return AIMessage(text, usage_metadata=usage, response_metadata=told)

    # Not a generator, which refuses to be asked by two threads at once.
    return GenericFakeChatModel(messages=map(answer, itertools.count()))


def chain(text: str = "one two three") -> Runnable[dict[str, str], str]:
    prompt = ChatPromptTemplate.from_messages([("human", "{question}")])
    return prompt | model(text) | StrOutputParser()


def step(name: str) -> RunnableLambda[Any, Any]:
    return RunnableLambda(lambda value: value, name=name)


def failing(name: str, message: str = "boom") -> RunnableLambda[Any, Any]:
    def fail(value: object) -> object:
        raise ValueError(message)

    return RunnableLambda(fail, name=name)


def failing_times(name: str, times: int) -> RunnableLambda[Any, Any]:
    tries = itertools.count(1)

    def sometimes(value: object) -> object:
        if next(tries) <= times:
            raise ValueError("not yet")
        return value

    return RunnableLambda(sometimes, name=name)


class MapState(TypedDict):
    documents: list[str]
    summaries: Annotated[list[str], operator.add]


def map_reduce_graph(work: Callable[[Any], Any]) -> Any:
    graph: StateGraph[Any] = StateGraph(MapState)
    graph.add_node("plan", lambda state: {})
    graph.add_node("summarise", RunnableLambda(work))
    graph.add_node("combine", lambda state: {})
    graph.add_edge(START, "plan")
    graph.add_conditional_edges(
        "plan",
        lambda state: [Send("summarise", {"document": text}) for text in state["documents"]],
        ["summarise"],
    )
    graph.add_edge("summarise", "combine")
    graph.add_edge("combine", END)
    return graph.compile()
