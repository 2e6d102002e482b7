"""Parallel is not always faster: four steps after each other, then side by side.

One of them takes nearly all the time, so running them together gains next to nothing. Look at
`longpole show last`: "1.1× of a possible 1.1×", and only `summary`, the long pole, has drag. To be
faster, shorten or split that one; more workers will not help.
"""

from __future__ import annotations

from typing import Any

from langchain_core.runnables import Runnable, RunnableLambda, RunnableParallel, chain

from longpole.tracer import LongpoleHandler
from longpole.tracer.demo.pace import Pace

SECONDS = {"language": 0.04, "mood": 0.06, "topic": 0.05, "summary": 1.5}


def play(store: str | None = None, speed: float = 1.0) -> dict[str, str]:
    """Record both ways; return what the second one found."""
    pace = Pace(speed)

    def step(name: str) -> Runnable[str, str]:
        def work(text: str) -> str:
            pace.wait(SECONDS[name])
            return f"{name} of {len(text)} characters"

        return RunnableLambda(work, name=name)

    steps = {name: step(name) for name in SECONDS}

    @chain
    def after_each_other(text: str) -> dict[str, str]:
        return {name: step.invoke(text) for name, step in steps.items()}

    side_by_side: RunnableParallel[Any] = RunnableParallel(steps)
    handler = LongpoleHandler(store)
    letter = "My parcel shows as delivered, but my doorstep is empty."
    after_each_other.invoke(letter, {"callbacks": [handler], "run_name": "after each other"})
    return side_by_side.invoke(letter, {"callbacks": [handler], "run_name": "side by side"})


if __name__ == "__main__":
    print(play())
