"""What goes wrong between a client and the API, planned beforehand.

A plan says for every request that writes, in the order of arrival, which fault befalls it. The same
seed makes the same plan. A plan is asked by many threads; each of its faults happens once.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Sequence
from enum import StrEnum
from itertools import repeat
from typing import Final


class Fault(StrEnum):
    """One thing that happens to a request."""

    RATE_LIMIT = "429 without Retry-After"
    RATE_LIMIT_SECONDS = "429 with Retry-After in seconds"
    RATE_LIMIT_DATE = "429 with Retry-After as a date"
    SERVER_ERROR = "500"
    BAD_GATEWAY = "502"
    UNAVAILABLE = "503"
    RESET = "connection reset, nothing stored"
    LOST_ANSWER = "stored, then connection reset"
    SLOW = "stored, the answer held back"
    NO_MULTIPART = "404 for /runs/multipart"


STATUSES: Final = {
    Fault.RATE_LIMIT: 429,
    Fault.RATE_LIMIT_SECONDS: 429,
    Fault.RATE_LIMIT_DATE: 429,
    Fault.SERVER_ERROR: 500,
    Fault.BAD_GATEWAY: 502,
    Fault.UNAVAILABLE: 503,
    Fault.NO_MULTIPART: 404,
}
"""The faults that are answers, and their statuses; nothing is stored with any of them."""

PASSING: Final = (
    Fault.RATE_LIMIT,
    Fault.RATE_LIMIT_SECONDS,
    Fault.RATE_LIMIT_DATE,
    Fault.SERVER_ERROR,
    Fault.BAD_GATEWAY,
    Fault.UNAVAILABLE,
    Fault.RESET,
    Fault.LOST_ANSWER,
)
"""What a client gets over by trying again, without waiting for a slow answer."""


class Faults:
    """A plan of faults, told one request at a time.

    Attributes:
        done: the faults that have happened, in order.
    """

    def __init__(self, plan: Sequence[Fault | None], forever: Fault | None = None) -> None:
        self._plan = iter([*plan]) if forever is None else repeat(forever)
        self._lock = threading.Lock()
        self.done: list[Fault] = []

    @classmethod
    def none(cls) -> Faults:
        """Return the plan in which nothing goes wrong."""
        return cls(())

    @classmethod
    def sequence(cls, plan: Sequence[Fault | None]) -> Faults:
        """Return the plan that befalls the first requests in this order; None leaves one alone."""
        return cls(plan)

    @classmethod
    def always(cls, fault: Fault) -> Faults:
        """Return the plan in which every request has the same fault."""
        return cls((), forever=fault)

    @classmethod
    def random(
        cls,
        seed: int,
        count: int,
        kinds: Sequence[Fault] = PASSING,
        *,
        among: int | None = None,
    ) -> Faults:
        """Return the plan that spreads `count` faults over the first `among` requests.

        Without `among` every other request has one, on the average.
        """
        chance = random.Random(seed)
        plan: list[Fault | None] = [None] * (2 * count if among is None else among)
        for place in chance.sample(range(len(plan)), count):
            plan[place] = chance.choice(kinds)
        return cls(plan)

    def next(self) -> Fault | None:
        """Return what befalls the request that has just arrived."""
        with self._lock:
            fault = next(self._plan, None)
            if fault is not None:
                self.done.append(fault)
            return fault
