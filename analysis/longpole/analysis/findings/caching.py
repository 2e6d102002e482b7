"""Identical calls that a cache would have answered.

Two calls are identical when the same model, tool or retriever was asked the same, told by the
digests of their inputs; without digests the rule is silent. A call is a repeat when an identical
one had ended, in this run or an earlier one, before it began: one that runs beside it could not
have answered yet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Final

from longpole.analysis.assumptions import Assumption
from longpole.analysis.changes import CACHE_HIT_NS, Cache, Change
from longpole.analysis.edits import AtMost, Edits
from longpole.analysis.findings.claim import Call, Case, Claim, Detector, Seen, Suppose, Supposed
from longpole.analysis.findings.finding import Rule
from longpole.analysis.findings.view import CALLED, View, cost_usd
from longpole.analysis.what_if import Replayable
from longpole.model.run import Kind, Status

REPEATS_LEAST_RATIO: Final = Fraction(1, 10)
"""So many of the calls at a position are repeats: a cache has its own trouble (old answers)."""
REPEATS_LEAST: Final = 2
"""And so many at least: one may be a test."""


def _see(view: View) -> Iterable[Seen]:
    for span in view.analysis.run.spans:
        digest = view.digests.inputs.get(span.span_id)
        if digest is None or span.kind not in CALLED or span.end_ns is None:
            continue
        if span.status is not Status.OK or span.cache_hit:
            continue
        if span.kind in (Kind.LLM, Kind.EMBEDDING) and span.span_id not in view.calls:
            continue
        key = (span.kind.value, span.model or span.name, digest)
        call = Call(
            key=key,
            span_id=span.span_id,
            start_ns=span.start_ns,
            end_ns=span.end_ns,
            cost_usd=cost_usd(span),
        )
        yield Seen(
            position=view.position[span.span_id],
            counts={"calls": 1},
            names={"what": span.model or span.name, "kind": span.kind.value},
            weight=view.analysis.spans[span.span_id].on_path_ns,
            calls=(call,),
        )


def _judge(case: Case) -> Iterable[Claim]:
    repeats = _repeats(call for tally in case.tallies.values() for _, call in tally.calls)
    for position, tally in case.tallies.items():
        mine = [(at, call) for at, call in tally.calls if call.span_id in repeats]
        share = Fraction(len(mine), len(tally.calls))
        if len(mine) < REPEATS_LEAST or share < REPEATS_LEAST_RATIO:
            continue
        runs = {at for at, _ in mine}
        ids = frozenset(call.span_id for _, call in mine)
        yield Claim(
            rule=Rule.REPEATED_CALLS,
            position=position,
            tally=replace(tally, affected=[one for one in tally.affected if one[1] in runs]),
            evidence={
                "calls": len(tally.calls),
                "repeats": len(mine),
                "repeats_ratio": share,
                "different": len({call.key for _, call in tally.calls}),
                "spent_usd": sum((call.cost_usd for _, call in mine), Decimal(0)),
            },
            names=tally.told,
            change=_answered(share),
            suppose=_from_a_cache(ids),
            assumptions=(Assumption.A2,),
        )


def _repeats(calls: Iterable[Call]) -> frozenset[str]:
    """Return the ids of calls that an identical one, ended before, could have answered."""
    first_end_ns: dict[tuple[str, ...], int] = {}
    found: set[str] = set()
    for call in sorted(calls, key=lambda one: (one.start_ns, one.span_id)):
        end_ns = first_end_ns.get(call.key)
        if end_ns is not None and end_ns <= call.start_ns:
            found.add(call.span_id)
        else:
            first_end_ns[call.key] = min(call.end_ns, end_ns or call.end_ns)
    return frozenset(found)


def _answered(share: Fraction) -> Callable[[str], Change]:
    """Return the change that comes nearest: a cache that answers as often, but whichever calls."""
    percent = Fraction(round(share * 100), 100)
    return lambda target: Cache(target=target, hit_ratio=percent)


def _from_a_cache(span_ids: frozenset[str]) -> Suppose:
    def suppose(view: View, replayable: Replayable) -> Supposed:
        number = replayable.simulation.timeline.number
        mine = sorted(span_ids.intersection(number))
        return Supposed(
            edits=Edits(lengths={number[one]: (AtMost(CACHE_HIT_NS, False),) for one in mine}),
            free=frozenset(mine),
        )

    return suppose


REPEATED_CALLS: Final = Detector(rule=Rule.REPEATED_CALLS, see=_see, judge=_judge)
