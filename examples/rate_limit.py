"""A provider that answers 429 to more than three calls at once: rushed, limited, with a semaphore.

Look at all three runs (`longpole runs`, `longpole show RUN`): the first has retries and back-off. A
branch that `max_concurrency` holds back starts when it may; one with a semaphore of its own starts
at once, so its time includes the queue.
"""

from __future__ import annotations

import asyncio
from typing import Any

from langchain_core.runnables import chain
from pydantic import PrivateAttr

from longpole.tracer import LongpoleHandler
from longpole.tracer.demo.fakes import fake_model
from longpole.tracer.demo.models import FakeChatModel, RateLimitError
from longpole.tracer.demo.personas import GPT_4O_MINI

AT_ONCE, QUESTIONS = 3, [f"Question {number}" for number in range(9)]


class LimitedModel(FakeChatModel):
    """Refuses what exceeds its limit of calls at once."""

    _places: int = PrivateAttr(default=AT_ONCE)

    async def _agenerate(self, *args: Any, **kwargs: Any) -> Any:
        if not self._places:
            raise RateLimitError(f"429: more than {AT_ONCE} calls at once")
        self._places -= 1
        try:
            return await super()._agenerate(*args, **kwargs)
        finally:
            self._places += 1


def play(store: str | None = None, speed: float = 1.0) -> int:
    """Record the three ways; return how many answers they got together."""
    model = LimitedModel(**dict(fake_model(GPT_4O_MINI, "An answer.", speed=speed)))
    retried = model.with_retry(stop_after_attempt=9, exponential_jitter_params={"max": 0.4 / speed})
    places, config = asyncio.Semaphore(AT_ONCE), {"callbacks": [LongpoleHandler(store)]}

    @chain
    async def patient(question: str) -> Any:
        async with places:
            return await model.ainvoke(question)

    limited = model.map().with_config(max_concurrency=AT_ONCE)
    rushed = chain(retried.ainvoke).map()
    ways: dict[str, Any] = {"rushed": rushed, "limited": limited, "patient": patient.map()}
    return sum(
        len(asyncio.run(way.ainvoke(QUESTIONS, {**config, "run_name": name})))
        for name, way in ways.items()
    )


if __name__ == "__main__":
    print(play())
