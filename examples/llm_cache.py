"""The same three questions twice, with LangChain's cache: the second round costs nothing.

Look at `longpole show last` and at the run before: the second round's model calls are cache hits
that take no time, and their tokens are not billed again.
"""

from __future__ import annotations

from typing import Any

from langchain_core.caches import InMemoryCache
from langchain_core.runnables import RunnableParallel

from longpole.tracer import LongpoleHandler
from longpole.tracer.demo.fakes import fake_model
from longpole.tracer.demo.personas import CLAUDE_HAIKU

DEFINITIONS = {
    "slack": "Slack is how much later a branch could end without moving the end of the run.",
    "drag": "Drag is how much sooner the run would end if a span took no time.",
    "waste": "Waste is what was spent on results that nobody used.",
}


def play(store: str | None = None, speed: float = 1.0) -> list[dict[str, str]]:
    """Record both rounds; return the answers of each."""
    model = fake_model(CLAUDE_HAIKU, DEFINITIONS, speed=speed)
    model.cache = InMemoryCache()
    glossary: RunnableParallel[Any] = RunnableParallel(
        {word: (lambda _, word=word: f"What is {word}?") | model for word in DEFINITIONS}
    )
    handler = LongpoleHandler(store)
    rounds = [
        glossary.invoke("go", {"callbacks": [handler], "run_name": name})
        for name in ("first round", "second round")
    ]
    return [{word: answer.text for word, answer in answers.items()} for answers in rounds]


if __name__ == "__main__":
    print(play())
