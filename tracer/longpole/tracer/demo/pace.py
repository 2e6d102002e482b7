"""How fast the demo's fakes live: seconds of the story in, seconds of real sleeping out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    """Sleeps for the fakes, `speed` times shorter than the story says.

    Attributes:
        speed: 1 plays at the speed of real services, 20 twenty times faster.
        sleep: blocks the calling thread for so many seconds.
        sleep_async: the same for a task, without blocking its loop.
    """

    speed: float = 1.0
    sleep: Callable[[float], None] = time.sleep
    sleep_async: Callable[[float], Awaitable[None]] = asyncio.sleep

    def scaled_s(self, story_s: float) -> float:
        """Return how many real seconds the given seconds of the story take."""
        return story_s / self.speed

    def wait(self, story_s: float) -> None:
        """Block this thread for so many seconds of the story."""
        self.sleep(self.scaled_s(story_s))

    async def wait_async(self, story_s: float) -> None:
        """Let this task sleep for so many seconds of the story."""
        await self.sleep_async(self.scaled_s(story_s))
