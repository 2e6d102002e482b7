"""Recorded runs → what three ways to spend less would have made of them.

Each is a what-if over all model calls: a batch API (half the price, later), a cache that answers a
share of the calls, and a cheap model that is asked first. Shares are what somebody supposes; prices
and who waits for whom are as recorded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Final

from longpole.analysis.change_text import describe
from longpole.analysis.changes import BatchPrice, Cache, Change, CheapFirst
from longpole.analysis.what_if_set import SetWhatIf, what_if_all
from longpole.model.errors import NotReplayableError, TargetError
from longpole.model.pricing import PriceBook
from longpole.model.run import Run

EVERYTHING: Final = "*"
CHEAP_NS: Final = 500_000_000
"""How long a call of the cheap model is taken to last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIsAsked:
    """What is supposed.

    Attributes:
        hit_ratio: share of the calls that a cache would have answered.
        cheap_model: asked first; empty when nobody said which.
        accepted_ratio: share of its answers that would have done.
    """

    hit_ratio: Fraction
    cheap_model: str
    accepted_ratio: Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class Saving:
    """The answer for one of the ways.

    Attributes:
        what: the way, in words.
        change: the same for `longpole what-if --change`.
        answer: `None` where no run can be run again so.
        refusal: why not.
    """

    what: str
    change: str
    answer: SetWhatIf | None
    refusal: str = ""

    @property
    def saved_usd(self) -> Decimal | None:
        """What a run would have cost less, in the mean; below 0 where it would cost more."""
        if self.answer is None:
            return None
        before, after = self.answer.cost_before_usd, self.answer.cost_usd
        return None if before is None or after is None else before - after


def savings(
    runs: Sequence[Run], asked: WhatIsAsked, *, book: PriceBook, now_ns: int
) -> tuple[Saving, ...]:
    """Return the answers; that about a cheap model only where one is named."""
    ways: list[tuple[str, Change]] = [
        ("a batch API for all calls", BatchPrice(target=EVERYTHING)),
        ("a cache", Cache(target=EVERYTHING, hit_ratio=asked.hit_ratio)),
    ]
    if asked.cheap_model:
        cheap = CheapFirst(
            target=EVERYTHING,
            cheap_ns=CHEAP_NS,
            accepted_ratio=asked.accepted_ratio,
            model=asked.cheap_model,
        )
        ways.append(("a cheap model first", cheap))
    return tuple(_saving(runs, what, change, book, now_ns) for what, change in ways)


def _saving(runs: Sequence[Run], what: str, change: Change, book: PriceBook, now_ns: int) -> Saving:
    try:
        answer = what_if_all(runs, [change], book=book, now_ns=now_ns)
    except (NotReplayableError, TargetError) as error:
        return Saving(what=what, change=describe(change), answer=None, refusal=str(error))
    return Saving(what=what, change=describe(change), answer=answer)
