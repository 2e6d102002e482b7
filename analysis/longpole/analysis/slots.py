"""Branches that had to wait for a free place.

In: the members of one fan-out. Out: for each that was queued, whose end freed its place. A member
was queued when another had ended before it started and, until then, as many ran as there are
places. Where it was recorded when the branch was ready, the place must have become free since then,
however long the branch took to start in it; elsewhere just before it started. The number of places
is the recorded limit, or else the most that were seen at once; in the second case the finding is
marked as inferred.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import NamedTuple

from longpole.analysis.normalise import Timeline

HAND_OFF_NS = 5_000_000
"""The longest time from a place becoming free to the next branch starting in it."""


class Slot(NamedTuple):
    """The place a queued branch got.

    Attributes:
        holder: the sibling that freed it.
        places: how many there are.
        is_inferred: whether the limit was not recorded.
    """

    holder: int
    places: int
    is_inferred: bool


def peak_of(intervals: Sequence[tuple[int, int]]) -> int:
    """Return how many [start, end) intervals overlap at most; ends come before starts.

    >>> peak_of([(0, 2), (1, 3), (2, 4)])
    2
    """
    intervals = [interval for interval in intervals if interval[0] < interval[1]]
    if not intervals:
        return 0
    starts = [low for low, _ in intervals]
    ends = [high for _, high in intervals]
    if max(starts) < min(ends):
        return len(intervals)  # all of them overlap
    starts.sort()
    ends.sort()
    peak = ended = 0
    for started, start in enumerate(starts, 1):
        while ends[ended] <= start:
            ended += 1
        peak = max(peak, started - ended)
    return peak


def slots_of(timeline: Timeline, members: Sequence[int]) -> dict[int, Slot]:
    """Return the slot of every queued member of one group.

    Members are the siblings that share a group and superstep and told no explicit predecessors;
    those that took no time hold no place.
    """
    low_ns, high_ns = timeline.low_ns, timeline.high_ns
    members = [member for member in members if high_ns[member] > low_ns[member]]
    recorded = next(
        (
            limit
            for member in members
            if (limit := timeline.spans[member].fan_out_limit) is not None
        ),
        None,
    )
    places = recorded
    if places is None:
        places = peak_of([(low_ns[member], high_ns[member]) for member in members])
    if places >= len(members):
        return {}
    return _queued(timeline, members, places, is_inferred=recorded is None)


def _queued(
    timeline: Timeline, members: list[int], places: int, *, is_inferred: bool
) -> dict[int, Slot]:
    low_ns, high_ns, tolerance_ns = timeline.low_ns, timeline.high_ns, timeline.tolerance_ns
    starts = sorted(low_ns[member] for member in members)
    by_end = _by_end(timeline, members)
    ends = [high_ns[member] for member in by_end]
    freeing = [
        place
        for place, end in enumerate(ends)
        if bisect_left(starts, end) - bisect_left(ends, end) >= places
    ]
    slots: dict[int, Slot] = {}
    for member in members:
        start = low_ns[member]
        latest = bisect_right(ends, start + tolerance_ns[member])
        at = bisect_left(freeing, latest) - 1
        if at >= 0 and by_end[freeing[at]] == member:
            at -= 1
        if at < 0:
            continue
        holder = by_end[freeing[at]]
        if start - high_ns[holder] <= hand_off_ns(timeline, member) and low_ns[holder] < start:
            slots[member] = Slot(holder, places, is_inferred)
    return slots


def hand_off_ns(timeline: Timeline, member: int) -> int:
    """Return the longest gap that still counts as taking over a place."""
    waited_ns = timeline.spans[member].queue_wait_ns
    tolerance_ns = timeline.tolerance_ns[member]
    return max(HAND_OFF_NS, tolerance_ns) if waited_ns is None else waited_ns + tolerance_ns


def _by_end(timeline: Timeline, members: list[int]) -> list[int]:
    """Sort by end; of those that end together the one that started first comes last.

    It is found first from behind, which is the order of the critical path.
    """
    low_ns, high_ns, spans = timeline.low_ns, timeline.high_ns, timeline.spans
    if len({high_ns[member] for member in members}) < len(members):
        members = sorted(members, key=lambda m: (spans[m].name, spans[m].span_id), reverse=True)
        members.sort(key=lambda m: low_ns[m], reverse=True)
    return sorted(members, key=lambda m: high_ns[m])
