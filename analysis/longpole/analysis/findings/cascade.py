"""Expensive calls beside or after a cheap one whose answer was the one that was kept.

Kept is told in two ways: the run's answer is, word for word, that of the cheap call (by digests of
the answers); or the two were branches of one fan-out that did not use the expensive one's result.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Final

from longpole.analysis.assumptions import Assumption
from longpole.analysis.changes import Change, Without
from longpole.analysis.edits import Edits
from longpole.analysis.findings.claim import Case, Claim, Detector, Seen, Suppose, Supposed
from longpole.analysis.findings.finding import Rule
from longpole.analysis.findings.view import View, cost_usd
from longpole.analysis.positions import Position
from longpole.analysis.result import WasteReason
from longpole.analysis.what_if import Replayable
from longpole.model.run import Kind, Span, Status

DEARER_LEAST_RATIO: Final = Fraction(3)
"""An expensive call costs so many times a cheap one: the models of one family differ by more."""
KEPT_LEAST_RATIO: Final = Fraction(1, 2)
"""So often the cheap answer was kept: else the expensive one is asked for good reason."""
CALLS_MOST: Final = 100
"""Runs with more calls are left out: every call is compared with every other."""
_NOT_USED: Final = frozenset({WasteReason.ABANDONED, WasteReason.CANCELLED})
_PICO: Final = 10**12


def _pairs(view: View) -> Iterator[tuple[Span, Span, bool]]:
    """Yield (expensive, cheap, was the cheap one kept), once for each expensive call."""
    spans = view.analysis.run.span_by_id
    calls = [spans[one] for one in view.calls if spans[one].kind is Kind.LLM]
    calls = sorted((one for one in calls if cost_usd(one)), key=lambda one: one.start_ns)
    unused = _unused(view)
    for dear in calls if len(calls) <= CALLS_MOST else ():
        cheaper = [
            one
            for one in calls
            if one.status is Status.OK
            and DEARER_LEAST_RATIO * Fraction(cost_usd(one)) <= Fraction(cost_usd(dear))
            and not _is_asked_after(one, dear)
        ]
        if cheaper:
            kept = next((one for one in cheaper if _is_kept(view, one, dear, unused)), None)
            yield dear, kept or cheaper[-1], kept is not None


def _is_asked_after(cheap: Span, dear: Span) -> bool:
    """Tell whether the cheap call may have been given the expensive one's answer."""
    return dear.end_ns is not None and cheap.start_ns >= dear.end_ns


def _is_kept(view: View, cheap: Span, dear: Span, unused: frozenset[str]) -> bool:
    answers = view.digests.answers
    answer = answers.get(view.analysis.run.root_span_id)
    if answer is not None and answers.get(cheap.span_id) == answer:
        return answers.get(dear.span_id) != answer
    return dear.span_id in unused and _fan_out_of(view, cheap) & _fan_out_of(view, dear) != set()


def _unused(view: View) -> frozenset[str]:
    return frozenset(
        span.span_id
        for span_id, facts in view.analysis.spans.items()
        if facts.wasted in _NOT_USED
        for span in view.subtree(span_id)
    )


def _fan_out_of(view: View, span: Span) -> set[str]:
    """Return the spans whose branches a call is in."""
    found: set[str] = set()
    at: Span | None = span
    while at is not None and at.parent_span_id is not None:
        if at.span_id in view.branch_ids:
            found.add(at.parent_span_id)
        at = view.analysis.run.span_by_id.get(at.parent_span_id)
    return found


def _see(view: View) -> Iterable[Seen]:
    for dear, cheap, is_kept in _pairs(view):
        yield Seen(
            position=view.position[dear.span_id],
            counts={"together": 1, "kept": int(is_kept)},
            usd={"dear": cost_usd(dear), "cheap": cost_usd(cheap)},
            names={"model": dear.model or dear.name, "cheap": cheap.model or cheap.name},
            weight=int(cost_usd(dear) * _PICO),
            is_affected=is_kept,
        )


def _judge(case: Case) -> Iterable[Claim]:
    for position, tally in case.tallies.items():
        together, kept = tally.count("together"), tally.count("kept")
        if not kept or Fraction(kept, together) < KEPT_LEAST_RATIO:
            continue
        cheap, dear = tally.usd("cheap"), tally.usd("dear")
        yield Claim(
            rule=Rule.CHEAP_ANSWER_KEPT,
            position=position,
            tally=tally,
            evidence={
                "calls": together,
                "kept": kept,
                "kept_ratio": Fraction(kept, together),
                "dear_mean_usd": dear / together,
                "cheap_mean_usd": cheap / together,
                "dearer_ratio": Fraction(dear) / Fraction(cheap or Decimal(1)),
            },
            names=tally.told,
            change=_left_out,
            suppose=_only_the_cheap_one(position),
            assumptions=(Assumption.A2,),
        )


def _left_out(target: str) -> Change:
    return Without(target=target)


def _only_the_cheap_one(position: Position) -> Suppose:
    def suppose(view: View, replayable: Replayable) -> Supposed:
        number = replayable.simulation.timeline.number
        gone = {
            number[dear.span_id]
            for dear, _, is_kept in _pairs(view)
            if is_kept and view.position[dear.span_id] == position and number[dear.span_id]
        }
        return Supposed(edits=Edits(gone=frozenset(gone)))

    return suppose


CHEAP_ANSWER_KEPT: Final = Detector(rule=Rule.CHEAP_ANSWER_KEPT, see=_see, judge=_judge)
