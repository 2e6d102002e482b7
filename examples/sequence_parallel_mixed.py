"""Sequences inside parallels inside a sequence: an outline, then title and body, then an edit.

Look at `longpole show last`: the critical path goes through the outline, the body, inside it the
facts, and the edit. "1.2× of a possible 1.2×": this shape allows no more, however many workers.
"""

from __future__ import annotations

from typing import Any

from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import Runnable, RunnableParallel

from longpole.tracer import LongpoleHandler
from longpole.tracer.demo.fakes import fake_model
from longpole.tracer.demo.personas import CLAUDE_SONNET, GPT_4_1, GPT_4O_MINI, Persona

LONG = "The lighthouse was built in 1871, burned in 1903, and has been automatic since 1989. "


def play(store: str | None = None, speed: float = 1.0) -> str:
    """Record one article; return it."""

    def step(task: str, persona: Persona, text: str) -> Runnable[Any, str]:
        prompt = ChatPromptTemplate.from_template(task + ": {given}")
        model = fake_model(persona, text, speed=speed)
        return (lambda given: {"given": given}) | prompt | model | StrOutputParser()

    material: RunnableParallel[Any] = RunnableParallel(
        facts=step("List the facts", GPT_4_1, LONG),
        quotes=step("Find a quote", GPT_4O_MINI, "'It hums in the fog.'"),
    )
    halves: RunnableParallel[Any] = RunnableParallel(
        title=step("Give it a title", GPT_4O_MINI, "The Light That Hums"),
        body=material | step("Write the body", CLAUDE_SONNET, LONG * 2),
    )
    article = (
        step("Outline", GPT_4O_MINI, "history, fire, automation")
        | halves
        | step("Edit", GPT_4_1, "The Light That Hums. " + LONG)
    )
    return article.invoke(
        "the lighthouse of Hael", {"callbacks": [LongpoleHandler(store)], "run_name": "article"}
    )


if __name__ == "__main__":
    print(play())
