"""A graph with a loop: write, review, write again, until the reviewer is content.

Look at `longpole show last`: each pass is a pair of supersteps with numbers of their own, and the
critical path names what each pass cost; two of the three drafts were written to be thrown away.
"""

from __future__ import annotations

from typing import Any, TypedDict

from langchain_core.runnables import Runnable
from langgraph.graph import END, START, StateGraph

from longpole.tracer import LongpoleHandler
from longpole.tracer.demo.fakes import fake_model
from longpole.tracer.demo.personas import CLAUDE_HAIKU, GPT_4O_MINI

DRAFTS = {"draft 1": "The sea is big.", "draft 2": "The sea is grey.", "draft 3": "The sea waits."}
REVIEWS = {"big": "Too plain.", "grey": "Better, but cold.", "waits": "Good."}


class Poem(TypedDict):
    """The text, what the reviewer said, and how often it was written."""

    text: str
    review: str
    drafts: int


def play(store: str | None = None, speed: float = 1.0) -> str:
    """Record one poem; return its last draft."""
    poet = fake_model(CLAUDE_HAIKU, DRAFTS, speed=speed)
    reviewer = fake_model(GPT_4O_MINI, REVIEWS, speed=speed)

    def write(state: Poem) -> dict[str, Any]:
        drafts = state["drafts"] + 1
        return {"text": poet.invoke(f"Write draft {drafts}.").text, "drafts": drafts}

    def review(state: Poem) -> dict[str, str]:
        return {"review": reviewer.invoke(state["text"]).text}

    def again(state: Poem) -> str:
        return END if state["review"] == "Good." else "write"

    graph = StateGraph(Poem)
    graph.add_node("write", write)
    graph.add_node("review", review)
    graph.add_edge(START, "write")
    graph.add_edge("write", "review")
    graph.add_conditional_edges("review", again, ["write", END])
    poem: Runnable[Any, Any] = graph.compile(name="poem")
    return str(poem.invoke({"drafts": 0}, {"callbacks": [LongpoleHandler(store)]})["text"])


if __name__ == "__main__":
    print(play())
