"""Three models at once, or the cheapest first and another only if it is not sure.

The panel asks all three for each question and always takes as long as the slowest; the cascade
stops at the first sure answer. Look at `longpole runs`: wall and cost of the four runs, and at
`longpole show RUN` of the second cascade, which had to ask again.
"""

from __future__ import annotations

from typing import Any

from langchain_core.runnables import RunnableConfig, RunnableLambda, RunnableParallel, chain

from longpole.tracer import LongpoleHandler
from longpole.tracer.demo.fakes import fake_model
from longpole.tracer.demo.personas import CLAUDE_HAIKU, CLAUDE_SONNET, GPT_4O_MINI

EASY = "Is 97 a prime?"
HARD = "Is 2047 a prime?"
ANSWERS = {
    GPT_4O_MINI: {EASY: "Yes.", HARD: "I am not sure."},
    CLAUDE_HAIKU: {EASY: "Yes.", HARD: "No, it is 23 times 89."},
    CLAUDE_SONNET: {
        EASY: "Yes: none of 2, 3, 5 and 7 divides it, and 11 squared is above it.",
        HARD: "No. It is 2 to the 11th minus 1, which is 23 times 89.",
    },
}


def play(store: str | None = None, speed: float = 1.0) -> list[str]:
    """Record both ways for both questions; return the answers."""
    models = [fake_model(persona, texts, speed=speed) for persona, texts in ANSWERS.items()]

    def longest(answers: dict[str, Any]) -> str:
        return max((str(answer.text) for answer in answers.values()), key=len)

    panel: RunnableParallel[Any] = RunnableParallel({str(model.name): model for model in models})

    @chain
    def cascade(question: str) -> str:
        answers = (str(model.invoke(question).text) for model in models)
        return next((text for text in answers if "not sure" not in text), "Nobody is sure.")

    handler = LongpoleHandler(store)
    return [
        way.invoke(question, RunnableConfig(callbacks=[handler], run_name=name))
        for name, way in (("panel", panel | RunnableLambda(longest)), ("cascade", cascade))
        for question in (EASY, HARD)
    ]


if __name__ == "__main__":
    print(play())
