"""One analysed run → who spent its money, on what, and what of it was for nothing.

Every call that counts is in one `Spending`; a branch is the innermost one a call is in, numbered
branches of one fan-out share a row. Sums are those of the run (`check_spending`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from longpole.analysis.normalise import normalise
from longpole.analysis.positions import Position, positions_of
from longpole.analysis.result import RunAnalysis, WasteReason
from longpole.analysis.totals import calls_of, cost_of
from longpole.model.errors import BrokenLawError
from longpole.model.run import Role, Run, Span
from longpole.model.usage import Usage

NOTHING_USD: Final = Decimal(0)
_BRANCHES: Final = frozenset({Role.BRANCH, Role.ITEM})


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """One model call and what it spent.

    Attributes:
        branch: position of the innermost branch it is in; empty where it is in none.
        cost_usd: `None` when its price is not known; an answer from a cache costs nothing.
        is_on_path: whether the run waited for it.
        wasted: why nobody used it or what it is a part of; `None` when somebody did.
    """

    span: Span
    branch: Position
    cost_usd: Decimal | None
    is_on_path: bool
    wasted: WasteReason | None

    @property
    def usage(self) -> Usage:
        """Its tokens; none where they are unknown or came from a cache."""
        return self.span.usage if self.span.usage and not self.span.cache_hit else Usage()


def spending_of(found: RunAnalysis) -> tuple[Spending, ...]:
    """Return the calls of a run, by start."""
    timeline = normalise(found.run, now_ns=found.now_ns)
    branches = _branches(found.run)
    wasted = _wasted(found)
    calls = [timeline.spans[number] for number in calls_of(timeline)]
    calls.sort(key=lambda call: (call.start_ns, call.span_id))
    return tuple(
        Spending(
            span=found.run.span_by_id[call.span_id],
            branch=branches[call.span_id],
            cost_usd=cost_of(call),
            is_on_path=found.spans[call.span_id].on_path_ns > 0,
            wasted=wasted[call.span_id],
        )
        for call in calls
    )


def check_spending(spending: Iterable[Spending], found: RunAnalysis) -> None:
    """Raise `BrokenLawError` unless calls add up to the cost of their run."""
    costs = [one.cost_usd for one in spending]
    total = sum((cost for cost in costs if cost is not None), NOTHING_USD)
    unpriced = costs.count(None)
    facts = found.facts
    if (total, unpriced) != (facts.cost_usd or NOTHING_USD, facts.unpriced_calls):
        raise BrokenLawError(
            f"calls cost {total} with {unpriced} unpriced, the run {facts.cost_usd} with "
            f"{facts.unpriced_calls}"
        )


def _branches(run: Run) -> Mapping[str, Position]:
    positions = positions_of(run)
    found: dict[str, Position] = {run.root_span_id: ()}
    for span_id in (order := [run.root_span_id]):  # the list grows while it is walked
        for child in run.children(span_id):
            is_branch = child.role in _BRANCHES
            found[child.span_id] = positions[child.span_id] if is_branch else found[span_id]
            order.append(child.span_id)
    return found


def _wasted(found: RunAnalysis) -> Mapping[str, WasteReason | None]:
    """Return why each span was for nothing: for its own reason, or what it is a part of."""
    run = found.run
    root = run.root_span_id
    reasons: dict[str, WasteReason | None] = {root: found.spans[root].wasted}
    for span_id in (order := [root]):  # the list grows while it is walked
        for child in run.children(span_id):
            reasons[child.span_id] = reasons[span_id] or found.spans[child.span_id].wasted
            order.append(child.span_id)
    return reasons


def cost_usd(spending: Iterable[Spending]) -> Decimal:
    """Return what the priced ones of these calls cost together."""
    return sum((one.cost_usd for one in spending if one.cost_usd is not None), NOTHING_USD)
