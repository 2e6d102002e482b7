"""Many runs → what was for nothing, by reason and place, and what caches have saved.

What an answer out of LangChain's cache would have cost is not recorded: it is taken to be the mean
of the calls of the same model in the same branch that were paid for. Where there is none, it stays
unknown and is counted. Tokens that a provider had cached are summed up by model; what they would
have cost without is a matter of prices, and left to who has them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from longpole.analysis.positions import Position
from longpole.analysis.result import WasteReason
from longpole.analysis.sample import CostSample, RunSample, WasteSample
from longpole.model.errors import BrokenLawError

_NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class WasteGroup:
    """What was for nothing for one reason at one position.

    Attributes:
        count: how many spans, each with all below it.
        runs: in how many runs.
        cost_usd: of the priced calls.
        run_id: the newest of the runs.
    """

    position: Position
    reason: WasteReason
    count: int
    runs: int
    wasted_ns: int
    cost_usd: Decimal
    unpriced_calls: int
    run_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wastes:
    """All waste of some runs, the dearest first, then the longest."""

    wasted_ns: int
    cost_usd: Decimal
    groups: tuple[WasteGroup, ...]

    def check(self) -> None:
        """Raise `BrokenLawError` unless the groups add up to what the runs wasted."""
        wasted_ns = sum(group.wasted_ns for group in self.groups)
        cost_usd = sum((group.cost_usd for group in self.groups), _NOTHING)
        if (wasted_ns, cost_usd) != (self.wasted_ns, self.cost_usd):
            raise BrokenLawError(
                f"waste adds up to {wasted_ns} ns and {cost_usd}, the runs wasted "
                f"{self.wasted_ns} ns and {self.cost_usd}"
            )


def wastes(samples: Sequence[RunSample]) -> Wastes:
    """Return what was for nothing in these runs."""
    found: dict[tuple[Position, WasteReason], list[tuple[RunSample, WasteSample]]] = {}
    for sample in samples:
        for waste in sample.wastes:
            found.setdefault((waste.position, waste.reason), []).append((sample, waste))
    groups = [_group(position, reason, ones) for (position, reason), ones in found.items()]
    groups.sort(key=lambda group: (-group.cost_usd, -group.wasted_ns, group.position))
    whole = Wastes(
        wasted_ns=sum(sample.wasted_ns for sample in samples),
        cost_usd=sum((sample.wasted_cost_usd for sample in samples), _NOTHING),
        groups=tuple(groups),
    )
    whole.check()
    return whole


def _group(
    position: Position, reason: WasteReason, found: Sequence[tuple[RunSample, WasteSample]]
) -> WasteGroup:
    newest, _ = max(found, key=lambda one: (one[0].start_ns, one[0].run_id))
    return WasteGroup(
        position=position,
        reason=reason,
        count=sum(waste.count for _, waste in found),
        runs=len(found),
        wasted_ns=sum(waste.wasted_ns for _, waste in found),
        cost_usd=sum((waste.cost_usd for _, waste in found), _NOTHING),
        unpriced_calls=sum(waste.unpriced_calls for _, waste in found),
        run_id=newest.run_id,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheUse:
    """What caches answered for the calls of one model.

    Attributes:
        calls: all of them, those that a cache answered included.
        hits: answers out of LangChain's cache.
        saved_usd: what the hits would have cost, as far as that can be told.
        unknown_hits: hits that stand beside no call that was paid for.
        read_tokens: input tokens that the provider had cached.
    """

    model: str | None
    provider: str | None
    calls: int
    hits: int
    saved_usd: Decimal
    unknown_hits: int
    read_tokens: int


def cache_use(samples: Sequence[RunSample]) -> tuple[CacheUse, ...]:
    """Return what caches did for each model that they did anything for, most saved first."""
    models: dict[tuple[str | None, str | None], dict[Position, list[CostSample]]] = {}
    for sample in samples:
        for calls in sample.costs:
            by_branch = models.setdefault((calls.model, calls.provider), {})
            by_branch.setdefault(calls.branch, []).append(calls)
    found = [_use(model, provider, ones) for (model, provider), ones in models.items()]
    found = [use for use in found if use.hits or use.read_tokens]
    found.sort(key=lambda use: (-use.saved_usd, -use.read_tokens, use.model or ""))
    return tuple(found)


def _use(
    model: str | None, provider: str | None, branches: dict[Position, list[CostSample]]
) -> CacheUse:
    saved_usd, unknown = _NOTHING, 0
    for calls in branches.values():
        hits = sum(one.cache_hits for one in calls)
        paid = sum(one.calls - one.cache_hits - one.unpriced_calls for one in calls)
        if paid:
            saved_usd += hits * sum((one.cost_usd for one in calls), _NOTHING) / paid
        else:
            unknown += hits
    every = [one for calls in branches.values() for one in calls]
    return CacheUse(
        model=model,
        provider=provider,
        calls=sum(one.calls for one in every),
        hits=sum(one.cache_hits for one in every),
        saved_usd=saved_usd,
        unknown_hits=unknown,
        read_tokens=sum(one.cache_read_tokens for one in every),
    )
