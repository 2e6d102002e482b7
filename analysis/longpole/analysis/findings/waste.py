"""Money spent on results that nobody used.

Looked at are calls below spans that `longpole.analysis.waste` calls wasted, but for failed tries,
which the rules about retries have, and for the failure itself. Branches that were fine while a
sibling failed are told at their fan-out. Calls that were cancelled may be billed, but no usage of
them is known: they are counted, never taken for free.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction
from typing import Final

from longpole.analysis.edits import Edits
from longpole.analysis.findings.claim import Case, Claim, Detector, Seen, Suppose, Supposed
from longpole.analysis.findings.finding import Rule
from longpole.analysis.findings.view import View, cost_usd
from longpole.analysis.positions import Position
from longpole.analysis.result import WasteReason
from longpole.analysis.what_if import Replayable
from longpole.model.run import Span

UNUSED_COST_LEAST_RATIO: Final = Fraction(2, 100)
"""So much of the chain's cost: less is the price of running things side by side."""
UNUSED_CALLS_LEAST_RATIO: Final = Fraction(5, 100)
"""Or so many of its calls, where what they cost is not known."""
_REASONS: Final = frozenset(
    {
        WasteReason.FAILED_TOLERATED,
        WasteReason.SIBLING_FAILED,
        WasteReason.CANCELLED,
        WasteReason.ABANDONED,
    }
)
_PICO: Final = 10**12


def _wasted(view: View) -> Iterable[tuple[Position, Span, WasteReason]]:
    """Yield the topmost wasted spans with what they are told at."""
    run = view.analysis.run
    for span_id, facts in view.analysis.spans.items():
        if facts.wasted not in _REASONS or facts.wasted is None:
            continue
        span, position = run.span_by_id[span_id], view.position[span_id]
        is_sibling = facts.wasted is WasteReason.SIBLING_FAILED
        yield (position[:-1] or position) if is_sibling else position, span, facts.wasted


def _see(view: View) -> Iterable[Seen]:
    for position, span, reason in _wasted(view):
        calls = view.calls_in(span.span_id)
        if not calls:
            continue
        spent = sum((cost_usd(call) for call in calls), Decimal(0))
        unpriced = sum(call.cost_usd is None and not call.cache_hit for call in calls)
        yield Seen(
            position=position,
            counts={
                "unused": 1,
                "calls": len(calls),
                "unpriced_calls": unpriced,
                "lost_ns": view.length_ns(span),
            },
            usd={"spent": spent},
            names={"reason": reason.value, "unused": view.position[span.span_id][-1]},
            weight=int(spent * _PICO),
        )


def _judge(case: Case) -> Iterable[Claim]:
    total = case.whole.cost_usd or Decimal(0)
    for position, tally in case.tallies.items():
        spent, unpriced = tally.usd("spent"), tally.count("unpriced_calls")
        is_dear = spent > 0 and Fraction(spent) >= UNUSED_COST_LEAST_RATIO * Fraction(total)
        is_many = unpriced > 0 and unpriced >= UNUSED_CALLS_LEAST_RATIO * case.whole.calls
        if not (is_dear or is_many):
            continue
        yield Claim(
            rule=Rule.UNUSED_RESULTS,
            position=position,
            tally=tally,
            evidence={
                "runs": tally.runs,
                "unused": tally.count("unused"),
                "calls": tally.count("calls"),
                "spent_usd": spent,
                "spent_ratio": Fraction(spent) / Fraction(total) if total else Fraction(0),
                "unpriced_calls": unpriced,
            },
            names=tally.told,
            suppose=_never_asked(position),
            least_ratio=Fraction(0),
        )


def _never_asked(position: Position) -> Suppose:
    """Return the supposition that what was not used is not done; a failed sibling still fails."""

    def suppose(view: View, replayable: Replayable) -> Supposed:
        number = replayable.simulation.timeline.number
        gone: set[int] = set()
        free: set[str] = set()
        for at, span, reason in _wasted(view):
            if at == position and reason is WasteReason.SIBLING_FAILED:
                free.update(call.span_id for call in view.calls_in(span.span_id))
            elif at == position and number[span.span_id]:
                gone.add(number[span.span_id])
        return Supposed(edits=Edits(gone=frozenset(gone)), free=frozenset(free))

    return suppose


UNUSED_RESULTS: Final = Detector(rule=Rule.UNUSED_RESULTS, see=_see, judge=_judge)
