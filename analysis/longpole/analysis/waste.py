"""Spans whose result nobody used, and why; each subtree once, at its top.

A failed try counts as such when its parent got a result after all from a later sibling. What was
detached on purpose is no waste.
"""

from __future__ import annotations

from longpole.analysis.normalise import Bond, Timeline
from longpole.analysis.result import WasteReason
from longpole.model.run import Status

_STOPPED = frozenset({Status.CANCELLED, Status.LOST})


def waste_of(timeline: Timeline) -> dict[int, WasteReason]:
    """Return the reason for each topmost wasted span, by number."""
    bond, status = timeline.bond, timeline.status
    waited_for, succeeded = Bond.WAITED_FOR, Status.OK
    found: dict[int, WasteReason] = {}
    inside = [False] * len(timeline.spans)
    for number, below in enumerate(timeline.children):
        if inside[number] or number in found:
            for child in below:
                inside[child] = True
            continue
        above = status[number]
        for child in below:
            # What was waited for and did well is no waste, unless the parent failed.
            if (
                bond[child] is waited_for
                and status[child] is succeeded
                and above is not Status.ERROR
            ):
                continue
            reason = _reason(timeline, number, child)
            if reason is not None:
                found[child] = reason
    return found


def _reason(timeline: Timeline, parent: int, child: int) -> WasteReason | None:
    bond, status, above = timeline.bond[child], timeline.status[child], timeline.status[parent]
    if bond is Bond.DETACHED:
        return None
    if bond in (Bond.ABANDONED, Bond.LATE, Bond.EARLY):
        return WasteReason.ABANDONED
    if status in _STOPPED:
        return WasteReason.CANCELLED
    if status is Status.ERROR:
        if above is Status.ERROR:
            return None if _has_failed_below(timeline, child) else WasteReason.FAILED
        if _has_later_sibling(timeline, parent, child):
            return WasteReason.FAILED_ATTEMPT
        return WasteReason.FAILED_TOLERATED
    if status is Status.OK and above is Status.ERROR and _is_side_by_side(timeline, child):
        return WasteReason.SIBLING_FAILED
    return None


def _has_failed_below(timeline: Timeline, number: int) -> bool:
    return any(timeline.status[child] is Status.ERROR for child in timeline.children[number])


def _has_later_sibling(timeline: Timeline, parent: int, child: int) -> bool:
    latest = timeline.children[parent][-2:]  # children are by start
    end_ns = timeline.end_ns[child] - timeline.tolerance_ns[child]
    return any(timeline.start_ns[other] >= end_ns for other in latest if other != child)


def _is_side_by_side(timeline: Timeline, child: int) -> bool:
    return timeline.spans[child].fan_out is not None
