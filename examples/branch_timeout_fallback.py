"""Each branch looks after itself: a timeout on one, a fallback on each, failures included.

Forty questions; the price source fails for 5 % of them (the seed says for which) and falls back to
yesterday's list, the news source hangs as often and is cut off by a timeout. Look at `longpole show
last`: all questions were answered, failures (✗) and fallbacks (⤳) are marked, and the branches that
ran into the timeout are the long poles.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import Any

from langchain_core.runnables import Runnable, RunnableLambda, RunnableParallel

from longpole.tracer import LongpoleHandler, record

QUESTIONS, SEED, RATE, TIMEOUT_S = 40, 3, 0.05, 2.0


def is_unlucky(source: str, question: int) -> bool:
    """Whether this source fails for this question; the same in every run."""
    return random.Random(f"{SEED}/{source}/{question}").random() < RATE


async def price(question: int) -> str:
    """Fail now and then."""
    if is_unlucky("price", question):
        raise ConnectionError(f"price service: connection reset, question {question}")
    return "12.40 today"


async def hanging_news(question: int) -> str:
    """Hang now and then, for longer than anybody would wait."""
    await asyncio.sleep(3600 if is_unlucky("news", question) else 0)
    return "nothing new"


def play(store: str | None = None, speed: float = 1.0) -> list[dict[str, str]]:
    """Record all questions as one run; return their answers."""

    async def news(question: int) -> str:
        return await asyncio.wait_for(hanging_news(question), TIMEOUT_S / speed)

    def cached(answer: str) -> Runnable[int, str]:
        return RunnableLambda(lambda _: answer, name="cached")

    sources: RunnableParallel[Any] = RunnableParallel(
        price=RunnableLambda(price).with_fallbacks([cached("12.10 yesterday")]),
        news=RunnableLambda(news).with_fallbacks([cached("news unknown")]),
    )
    with record("forty questions"):
        config: Any = {"callbacks": [LongpoleHandler(store)], "max_concurrency": 4}
        return asyncio.run(sources.abatch(list(range(QUESTIONS)), config))


if __name__ == "__main__":
    print(Counter(answer for answers in play() for answer in answers.values()))
