"""A thousand branches of microseconds against ten that do a hundred each.

Starting a branch costs more than such a branch does, so the thousand take far longer for the same
result. Look at both runs with `longpole compare`, and at `longpole show last` (the ten).
"""

from __future__ import annotations

from langchain_core.runnables import RunnableLambda

from longpole.tracer import LongpoleHandler

WORDS = ("fine", "broken", "late", "lovely", "slow")
LETTERS = [f"The {WORDS[number % 5]} parcel number {number}" for number in range(1000)]


def score(letter: str) -> int:
    """Return +1 for a happy letter, -1 for an unhappy one."""
    return 1 if "fine" in letter or "lovely" in letter else -1


def score_all(letters: list[str]) -> int:
    """Return the sum of their scores."""
    return sum(score(letter) for letter in letters)


def play(store: str | None = None, speed: float = 1.0) -> list[int]:
    """Record both ways; return the sum of all scores by each (`speed` changes nothing here)."""
    handler = LongpoleHandler(store)
    hundreds = [LETTERS[start : start + 100] for start in range(0, 1000, 100)]
    tiny = RunnableLambda(score).map()
    large = RunnableLambda(score_all).map()
    return [
        sum(tiny.invoke(LETTERS, {"callbacks": [handler], "run_name": "a thousand"})),
        sum(large.invoke(hundreds, {"callbacks": [handler], "run_name": "ten"})),
    ]


if __name__ == "__main__":
    print(play())
