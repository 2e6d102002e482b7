"""Recorded usage × the prices in force now → new costs, and what that changed.

Costs are kept when a run is first looked at. When prices change, the user's or the public ones,
kept costs stay as they are until somebody asks for this. Every call is priced as on its own day.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from longpole.dashboard.settle import summary_of
from longpole.model.errors import BrokenLawError, UnknownRunError
from longpole.model.pricing import PriceBook, price_run, without_prices
from longpole.model.run import Run, Span
from longpole.storage import RunSummary, Store

_BATCH = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Repriced:
    """What new prices made of the calls of one model, or of all.

    Attributes:
        calls: those that are priced otherwise now.
        before_usd, after_usd: sums over all calls, the same ones on both sides.
        unpriced_before, unpriced_after: calls without a price, which the sums leave out.
    """

    calls: int = 0
    before_usd: Decimal = Decimal(0)
    after_usd: Decimal = Decimal(0)
    unpriced_before: int = 0
    unpriced_after: int = 0

    def plus(self, other: Repriced) -> Repriced:
        """Return both together."""
        return Repriced(
            calls=self.calls + other.calls,
            before_usd=self.before_usd + other.before_usd,
            after_usd=self.after_usd + other.after_usd,
            unpriced_before=self.unpriced_before + other.unpriced_before,
            unpriced_after=self.unpriced_after + other.unpriced_after,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Repricing:
    """The outcome: by (provider, model), in the order of first sight.

    Attributes:
        runs: looked at.
        changed_runs: with a call that is priced otherwise now.
        unreadable_runs: left as they are.
    """

    runs: int
    changed_runs: int
    unreadable_runs: int
    models: dict[tuple[str | None, str | None], Repriced]

    @property
    def total(self) -> Repriced:
        """All models together."""
        total = Repriced()
        for one in self.models.values():
            total = total.plus(one)
        return total


def reprice(
    store: Store,
    run_ids: Sequence[str],
    *,
    book: PriceBook,
    now_ns: int,
    saves: bool = True,
    advance: Callable[[], object] = lambda: None,
) -> Repricing:
    """Price these runs anew and keep the result.

    Args:
        store: open for changing where `saves` is set.
        run_ids: whole ids.
        book: the prices in force.
        now_ns: when a run that is still going is looked at.
        saves: otherwise it is only told what would change.
        advance: called after each run.

    Raises:
        StoreError: the store cannot be read or written.
    """
    models: dict[tuple[str | None, str | None], Repriced] = {}
    waiting: list[RunSummary] = []
    changed_runs = unreadable_runs = 0
    for run_id in run_ids:
        try:
            revision = store.revision(run_id)
            kept = price_run(store.load_run(run_id), book)
        except (UnknownRunError, BrokenLawError):
            unreadable_runs += 1
            continue
        run = price_run(without_prices(kept), book)
        if _note(kept, run, models):
            changed_runs += 1
            waiting.append(summary_of(run, revision, now_ns=now_ns))
        if saves and len(waiting) >= _BATCH:
            store.save_summaries(waiting)
            waiting = []
        advance()
    if saves and waiting:
        store.save_summaries(waiting)
    return Repricing(
        runs=len(run_ids),
        changed_runs=changed_runs,
        unreadable_runs=unreadable_runs,
        models=models,
    )


def _note(kept: Run, run: Run, models: dict[tuple[str | None, str | None], Repriced]) -> bool:
    """Add the calls of a run to the sums; return whether any is priced otherwise now."""
    changed = False
    for before, after in zip(kept.spans, run.spans, strict=True):
        if _is_unpriced(before) and _is_unpriced(after) and before.unpriced is None:
            continue  # no call
        one = _difference(before, after)
        changed = changed or one.calls > 0
        key = (after.provider, after.model)
        models[key] = models.get(key, Repriced()).plus(one)
    return changed


def _difference(before: Span, after: Span) -> Repriced:
    return Repriced(
        calls=int((before.cost_usd, before.unpriced) != (after.cost_usd, after.unpriced)),
        before_usd=before.cost_usd or Decimal(0),
        after_usd=after.cost_usd or Decimal(0),
        unpriced_before=int(_is_unpriced(before)),
        unpriced_after=int(_is_unpriced(after)),
    )


def _is_unpriced(span: Span) -> bool:
    return span.cost_usd is None
