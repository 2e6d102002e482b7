"""What went on after the first branch of a fan-out had failed.

In: fan-outs that ended in an error. Out: for each how long it went on after its first failed
branch, and the work and cost of its branches from then on: what failing fast would have saved.
Where fan-outs lie in each other everything counts once, for the one that failed first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from longpole.analysis.normalise import Timeline
from longpole.analysis.totals import cost_of
from longpole.model.run import Status


class AfterFailure(NamedTuple):
    """What followed the first failed branch of a fan-out.

    Attributes:
        waited_ns: until the end of the span that fanned out.
        work_ns: work done in the branches.
        cost_usd: of the calls that were started in the branches, as far as priced.
    """

    waited_ns: int
    work_ns: int
    cost_usd: Decimal


NOTHING_FAILED = AfterFailure(0, 0, Decimal(0))


def after_failures(
    timeline: Timeline,
    fan_outs: Sequence[Mapping[str, Sequence[int]]],
    intervals: Iterable[tuple[int, int, int]],
    calls: Iterable[int],
) -> dict[int, AfterFailure]:
    """Return what followed the first failure, by place of the fan-out, where one failed.

    Args:
        timeline: the run.
        fan_outs: for each the tries of its branches by key.
        intervals: (span number, start, end) of all work.
        calls: numbers of the model calls that count.
    """
    failed_ns = {
        place: end_ns
        for place, tries in enumerate(fan_outs)
        if (end_ns := _first_failure_ns(timeline, tries)) is not None
    }
    if not failed_ns:
        return {}
    cuts = _cuts(timeline, fan_outs, failed_ns)
    work_ns = dict.fromkeys(failed_ns, 0)
    for number, low_ns, high_ns in intervals:
        cut = cuts[number]
        if cut is not None:
            work_ns[cut[1]] += max(0, high_ns - max(low_ns, cut[0]))
    cost_usd = dict.fromkeys(failed_ns, Decimal(0))
    for number in calls:
        cut = cuts[number]
        if cut is not None and timeline.start_ns[number] >= cut[0]:
            cost_usd[cut[1]] += cost_of(timeline.spans[number]) or Decimal(0)
    found: dict[int, AfterFailure] = {}
    for place, first_ns in failed_ns.items():
        parent = timeline.parent[_members(fan_outs[place])[0]]
        waited_ns = max(0, timeline.end_ns[parent] - first_ns)
        found[place] = AfterFailure(waited_ns, work_ns[place], cost_usd[place])
    return found


def _first_failure_ns(timeline: Timeline, tries: Mapping[str, Sequence[int]]) -> int | None:
    """Return when the first branch had failed for good; `None` unless its parent failed too."""
    status = timeline.status
    if status[timeline.parent[_members(tries)[0]]] is not Status.ERROR:
        return None
    lasts = [numbers[-1] for numbers in tries.values()]
    return min([timeline.end_ns[one] for one in lasts if status[one] is Status.ERROR], default=None)


def _members(tries: Mapping[str, Sequence[int]]) -> list[int]:
    return [number for numbers in tries.values() for number in numbers]


def _cuts(
    timeline: Timeline,
    fan_outs: Sequence[Mapping[str, Sequence[int]]],
    failed_ns: Mapping[int, int],
) -> list[tuple[int, int] | None]:
    """Return for each span the earliest failure of a fan-out above it, and which that is."""
    cuts: list[tuple[int, int] | None] = [None] * len(timeline.spans)
    for place, first_ns in failed_ns.items():
        for number in _members(fan_outs[place]):
            cuts[number] = (first_ns, place)
    for number in range(1, len(cuts)):
        above, own = cuts[timeline.parent[number]], cuts[number]
        if above is not None and (own is None or above < own):
            cuts[number] = above
    return cuts
