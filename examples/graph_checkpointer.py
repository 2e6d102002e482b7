"""A graph that asks a person in between, kept by a checkpointer and resumed in a second run.

Look at `longpole runs`: both runs belong to one session, the thread. The first has the status
`interrupted`, which is no failure: it waits for an answer. `longpole show last`: the resumed run
starts at the question again; the two searches before it were kept, not repeated.
"""

from __future__ import annotations

import operator
from typing import Annotated, Any, TypedDict

from langchain_core.runnables import Runnable, RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, interrupt

from longpole.tracer import LongpoleHandler
from longpole.tracer.demo.pace import Pace


class Trip(TypedDict):
    """What was offered, and what came of it."""

    offers: Annotated[list[str], operator.add]
    answer: str


def play(store: str | None = None, speed: float = 1.0) -> str:
    """Record a trip's question and, once it is answered, its booking; return the answer."""

    def search(what: str, seconds: float) -> Any:
        def node(state: Trip) -> dict[str, list[str]]:
            Pace(speed).wait(seconds)
            return {"offers": [f"one {what}"]}

        return node

    def ask(state: Trip) -> dict[str, str]:
        return {"answer": interrupt(f"Book {' and '.join(state['offers'])}?")}

    graph = StateGraph(Trip)
    graph.add_node("find_train", search("train", 0.3))
    graph.add_node("find_hotel", search("hotel", 0.9))
    graph.add_node("ask", ask)
    graph.add_edge(START, "find_train")
    graph.add_edge(START, "find_hotel")
    graph.add_edge(["find_train", "find_hotel"], "ask")
    graph.add_edge("ask", END)
    trip: Runnable[Any, Any] = graph.compile(checkpointer=InMemorySaver(), name="trip")
    thread = {"thread_id": "trip-to-bergen"}
    config: RunnableConfig = {"callbacks": [LongpoleHandler(store)], "configurable": thread}
    trip.invoke({"offers": []}, config)
    return str(trip.invoke(Command(resume="Yes, both."), config)["answer"])


if __name__ == "__main__":
    print(play())
