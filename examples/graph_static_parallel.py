"""A LangGraph superstep: three nodes side by side, then one that waits for all of them.

Look at `longpole show last`: the fan-out of kind `superstep`, its long pole, and the slack of the
other two nodes. LangGraph told the order of the steps, so the critical path is exact.
"""

from __future__ import annotations

import operator
from typing import Annotated, Any, TypedDict

from langchain_core.runnables import Runnable
from langgraph.graph import END, START, StateGraph

from longpole.tracer import LongpoleHandler
from longpole.tracer.demo.fakes import fake_model
from longpole.tracer.demo.pace import Pace
from longpole.tracer.demo.personas import GPT_4O_MINI

SECONDS = {"weather": 0.2, "calendar": 0.1, "traffic": 1.2}


class Morning(TypedDict):
    """What is known, and what to do about it."""

    known: Annotated[list[str], operator.add]
    advice: str


def play(store: str | None = None, speed: float = 1.0) -> str:
    """Record one morning; return the advice."""
    pace = Pace(speed)
    model = fake_model(GPT_4O_MINI, "Take the train at 8:04, and an umbrella.", speed=speed)

    def look_at(what: str) -> Any:
        def node(state: Morning) -> dict[str, list[str]]:
            pace.wait(SECONDS[what])
            return {"known": [f"{what} known"]}

        return node

    def advise(state: Morning) -> dict[str, str]:
        return {"advice": model.invoke(", ".join(state["known"])).text}

    graph = StateGraph(Morning)
    graph.add_node("advise", advise)
    for what in SECONDS:
        graph.add_node(what, look_at(what))
        graph.add_edge(START, what)
    graph.add_edge(list(SECONDS), "advise")
    graph.add_edge("advise", END)
    morning: Runnable[Any, Any] = graph.compile(name="morning")
    state = morning.invoke({"known": []}, {"callbacks": [LongpoleHandler(store)]})
    return str(state["advice"])


if __name__ == "__main__":
    print(play())
