"""Who was at work when: work, self time and concurrency.

A span does work where it has no children that it waited for; a stage of a stream only in its own
windows. Times are cut to the run.

Source: work-span model; Little's law for mean concurrency.
"""

from __future__ import annotations

from collections.abc import Sequence

from longpole.analysis.normalise import Bond, Timeline
from longpole.analysis.result import ConcurrencyStep
from longpole.analysis.siblings import Siblings


def work_intervals(siblings: Siblings) -> list[tuple[int, int, int]]:
    """Return (span number, start, end) of all work, each inside the run and longer than 0."""
    timeline = siblings.timeline
    low_ns, high_ns = timeline.start_ns[0], timeline.end_ns[0]
    staged = _stages(siblings)
    below_stage = _below(timeline, staged)
    intervals: list[tuple[int, int, int]] = []
    for number in range(len(timeline.spans)):
        if below_stage[number]:
            continue
        if number in staged:
            intervals += [(number, low, high) for low, high in staged[number]]
            continue
        if _is_leaf(timeline, number):
            # What is waited for is cut to its stay, so that no work is counted beside its parent.
            waited = timeline.is_waited_for[number]
            low = timeline.low_ns[number] if waited else timeline.start_ns[number]
            high = timeline.high_ns[number] if waited else timeline.end_ns[number]
            low, high = max(low, low_ns), min(high, high_ns)
            if low < high:
                intervals.append((number, low, high))
    return intervals


def _is_leaf(timeline: Timeline, number: int) -> bool:
    return not any(timeline.bond[child].holds for child in timeline.children[number])


def _stages(siblings: Siblings) -> dict[int, list[tuple[int, int]]]:
    staged: dict[int, list[tuple[int, int]]] = {}
    for units in siblings.units:
        for unit in units:
            if unit.windows:
                for window in unit.windows:
                    staged.setdefault(window.owner, []).append((window.low_ns, window.high_ns))
                for end in (unit.first, unit.last):
                    staged.setdefault(end, [])
    return staged


def _below(timeline: Timeline, staged: dict[int, list[tuple[int, int]]]) -> list[bool]:
    """Tell for each span whether it lies below a stage; that work is the stage's."""
    below = [False] * len(timeline.spans)
    if staged:
        for number in range(1, len(below)):
            parent = timeline.parent[number]
            below[number] = below[parent] or parent in staged
    return below


def profile_of(
    intervals: Sequence[tuple[int, int, int]], start_ns: int, end_ns: int
) -> tuple[ConcurrencyStep, ...]:
    """Return how many spans were at work over time; begins at the start, ends with 0."""
    changes: dict[int, int] = {start_ns: 0, end_ns: 0}
    for _, low, high in intervals:
        changes[low] = changes.get(low, 0) + 1
        changes[high] = changes.get(high, 0) - 1
    steps: list[ConcurrencyStep] = []
    running = 0
    for at_ns in sorted(changes):
        running += changes[at_ns]
        if not steps or steps[-1].running != running or at_ns == end_ns:
            steps.append(ConcurrencyStep(at_ns=at_ns, running=running))
    return tuple(steps)


def self_times_ns(timeline: Timeline) -> list[int]:
    """Return for each span the time that no child of it covers."""
    result: list[int] = []
    for number, below in enumerate(timeline.children):
        start, end = timeline.start_ns[number], timeline.end_ns[number]
        covered, cursor = 0, start
        for child in below:  # by start
            if timeline.bond[child] is Bond.DETACHED:
                continue
            low = max(cursor, timeline.start_ns[child])
            high = min(end, timeline.end_ns[child])
            if high > low:
                covered += high - low
                cursor = high
        result.append(end - start - covered)
    return result
