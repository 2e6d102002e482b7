"""Where the wall time and the money of a run went.

In: what the rest of the analysis has found. Out: a `Breakdown`. The wall is split up twice: by what
the owners of the critical path were doing, and by how many spans were at work.

Source: Amdahl for the serial part; the metrics table of the critical-path study.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import pairwise

from longpole.analysis.backoff import backoff_total_ns
from longpole.analysis.failures import AfterFailure
from longpole.analysis.result import Breakdown, ConcurrencyStep, Segment, SegmentKind
from longpole.analysis.siblings import Siblings
from longpole.analysis.streamed import tokens_per_s
from longpole.analysis.totals import cost_of

_NOTHING = Decimal(0)


def breakdown_of(
    siblings: Siblings,
    path: Sequence[Segment],
    profile: Sequence[ConcurrencyStep],
    calls: Sequence[int],
    *,
    on_path_ns: Sequence[int],
    wasted: Sequence[bool],
    failures: Iterable[AfterFailure],
) -> Breakdown:
    """Return where time and money went.

    Args:
        siblings: the run.
        path: its critical path.
        profile: its concurrency.
        calls: numbers of the model calls that count.
        on_path_ns: critical-path time of each span's subtree, by number.
        wasted: whether a span lies in a wasted one, by number.
        failures: what followed the first failure of each fan-out that failed.
    """
    timeline = siblings.timeline
    kinds_ns = _by_kind(path)
    wasted_wall_ns = kinds_ns[SegmentKind.BACKOFF]
    if True in wasted:
        wasted_wall_ns = sum(
            segment.length_ns
            for segment in path
            if segment.kind is SegmentKind.BACKOFF or wasted[timeline.number[segment.span_id]]
        )
    costs = {number: cost_of(timeline.spans[number]) for number in calls}
    priced = {number: cost for number, cost in costs.items() if cost is not None}
    failures = list(failures)
    idle_ns, serial_ns = _time_at(profile, 0), _time_at(profile, 1)
    return Breakdown(
        work_on_path_ns=kinds_ns[SegmentKind.WORK],
        head_ns=kinds_ns[SegmentKind.HEAD],
        between_ns=kinds_ns[SegmentKind.BETWEEN],
        tail_ns=kinds_ns[SegmentKind.TAIL],
        idle_ns=idle_ns,
        serial_ns=serial_ns,
        parallel_ns=timeline.wall_ns - idle_ns - serial_ns,
        backoff_total_ns=backoff_total_ns(siblings),
        on_path_cost_usd=sum([c for n, c in priced.items() if on_path_ns[n]], _NOTHING),
        off_path_cost_usd=sum([c for n, c in priced.items() if not on_path_ns[n]], _NOTHING),
        wasted_wall_ns=wasted_wall_ns,
        wasted_unpriced_calls=sum([wasted[n] for n, c in costs.items() if c is None]),
        avoidable_ns=sum([one.work_ns for one in failures]),
        avoidable_cost_usd=sum([one.cost_usd for one in failures], _NOTHING),
        tokens_per_s=tokens_per_s(timeline.spans[number] for number in calls),
    )


def _by_kind(path: Iterable[Segment]) -> dict[SegmentKind, int]:
    lengths_ns = dict.fromkeys(SegmentKind, 0)
    for segment in path:
        lengths_ns[segment.kind] += segment.end_ns - segment.start_ns
    return lengths_ns


def _time_at(profile: Sequence[ConcurrencyStep], running: int) -> int:
    """Return how long exactly so many spans were at work."""
    return sum(
        [
            following.at_ns - one.at_ns
            for one, following in pairwise(profile)
            if one.running == running
        ]
    )
