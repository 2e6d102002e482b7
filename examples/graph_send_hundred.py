"""A LangGraph map: one `Send` for each of a hundred documents, eight at a time, then a summary.

Look at `longpole show last`: a fan-out of kind `send` with a hundred branches, `limit 8`, and how
long the branches queued. Raise LIMIT and compare: `longpole compare` with the ids of both runs.
"""

from __future__ import annotations

import operator
from typing import Annotated, Any, TypedDict

from langchain_core.runnables import Runnable, RunnableConfig
from langgraph.graph import END, START, StateGraph
from langgraph.types import Send

from longpole.tracer import LongpoleHandler
from longpole.tracer.demo.fakes import fake_model
from longpole.tracer.demo.personas import GEMINI_FLASH, GPT_4_1

DOCUMENTS = [f"Report {number:03} from the harbour" for number in range(100)]
LIMIT = 8


class Reading(TypedDict):
    """The documents, a line about each, and all in one sentence."""

    documents: list[str]
    lines: Annotated[list[str], operator.add]
    summary: str


def play(store: str | None = None, speed: float = 1.0) -> str:
    """Record one reading; return the summary."""
    reader = fake_model(GEMINI_FLASH, "Nothing unusual.", speed=speed)
    writer = fake_model(GPT_4_1, "A hundred quiet nights in the harbour.", speed=speed)

    def read(state: Any) -> dict[str, list[str]]:
        return {"lines": [reader.invoke(state["document"]).text]}

    def summarise(state: Reading) -> dict[str, str]:
        return {"summary": writer.invoke("\n".join(state["lines"])).text}

    def send_each(state: Reading) -> list[Send]:
        return [Send("read", {"document": document}) for document in state["documents"]]

    graph = StateGraph(Reading)
    graph.add_node("read", read)
    graph.add_node("summarise", summarise)
    graph.add_conditional_edges(START, send_each, ["read"])
    graph.add_edge("read", "summarise")
    graph.add_edge("summarise", END)
    config: RunnableConfig = {"callbacks": [LongpoleHandler(store)], "max_concurrency": LIMIT}
    reading: Runnable[Any, Any] = graph.compile(name="read a hundred")
    return str(reading.invoke({"documents": DOCUMENTS}, config)["summary"])


if __name__ == "__main__":
    print(play())
