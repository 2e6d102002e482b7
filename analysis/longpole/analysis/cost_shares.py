"""Many runs → who spent the money: branches, models, providers, chains, tags, sessions or days.

Every call is in one row, so the rows add up to the cost of all runs exactly (`CostShares.check`).
That is why runs with several tags are a row of their own, under all of them together, and calls
outside of any branch are one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from longpole.analysis.many import cost_of
from longpole.analysis.sample import CostSample, RunSample
from longpole.analysis.trends import DAY_NS
from longpole.model.errors import BrokenLawError

_NOTHING = Decimal(0)

Key = tuple[str, ...]


class CostBy(StrEnum):
    """What tells rows apart."""

    BRANCH = "branch"
    MODEL = "model"
    PROVIDER = "provider"
    CHAIN = "chain"
    TAG = "tag"
    SESSION = "session"
    DAY = "day"


@dataclass(frozen=True, slots=True, kw_only=True)
class CostShare:
    """What calls of one kind cost.

    Attributes:
        key: position of a branch, all tags of a run, else one text; empty where there is none. Of a
            day the number of days since the epoch, UTC.
        runs: with such a call.
        cost_usd: of the priced calls; `None` when none is.
    """

    key: Key
    runs: int
    calls: int
    cost_usd: Decimal | None
    unpriced_calls: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CostShares:
    """Rows by cost, the dearest first, and what they add up to."""

    by: CostBy
    cost_usd: Decimal | None
    unpriced_calls: int
    rows: tuple[CostShare, ...]

    def check(self) -> None:
        """Raise `BrokenLawError` unless the rows add up to the cost of the runs."""
        total = sum((row.cost_usd or _NOTHING for row in self.rows), _NOTHING)
        unpriced = sum(row.unpriced_calls for row in self.rows)
        if (total, unpriced) != (self.cost_usd or _NOTHING, self.unpriced_calls):
            raise BrokenLawError(
                f"by {self.by}: {total} and {unpriced} calls unpriced, the runs cost "
                f"{self.cost_usd} with {self.unpriced_calls} unpriced"
            )


@dataclass(slots=True)
class _Sum:
    runs: set[int]
    calls: int = 0
    unpriced_calls: int = 0
    cost_usd: Decimal = _NOTHING


def cost_shares(samples: Sequence[RunSample], by: CostBy) -> CostShares:
    """Return who spent the money; runs without a model call are in no row."""
    sums: dict[Key, _Sum] = {}
    for number, sample in enumerate(samples):
        for key, calls, cost_usd, unpriced in _spent(sample, by):
            one = sums.setdefault(key, _Sum(set()))
            one.runs.add(number)
            one.calls += calls
            one.cost_usd += cost_usd
            one.unpriced_calls += unpriced
    rows = [
        CostShare(
            key=key,
            runs=len(one.runs),
            calls=one.calls,
            cost_usd=None if one.calls == one.unpriced_calls else one.cost_usd,
            unpriced_calls=one.unpriced_calls,
        )
        for key, one in sums.items()
    ]
    rows.sort(key=lambda row: (-(row.cost_usd or _NOTHING), row.key))
    found = CostShares(
        by=by,
        cost_usd=cost_of(sample.cost_usd for sample in samples),
        unpriced_calls=sum(sample.unpriced_calls for sample in samples),
        rows=tuple(rows),
    )
    found.check()
    return found


def _spent(sample: RunSample, by: CostBy) -> Iterator[tuple[Key, int, Decimal, int]]:
    """Yield key, calls, cost and unpriced calls."""
    for calls in sample.costs:
        yield _key(sample, calls, by), calls.calls, calls.cost_usd, calls.unpriced_calls


def _key(sample: RunSample, calls: CostSample, by: CostBy) -> Key:
    match by:
        case CostBy.BRANCH:
            return calls.branch
        case CostBy.MODEL:
            return _one(calls.model)
        case CostBy.PROVIDER:
            return _one(calls.provider)
        case CostBy.CHAIN:
            return (sample.chain,)
        case CostBy.TAG:
            return sample.tags
        case CostBy.SESSION:
            return _one(sample.session_id)
        case CostBy.DAY:
            return (str(sample.start_ns // DAY_NS),)


def _one(text: str | None) -> Key:
    return () if text is None else (text,)
