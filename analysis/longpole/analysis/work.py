"""Who was at work when: work, self time and concurrency.

A span does work where it has no children that it waited for; a stage of a stream only in its own
windows. Times are cut to the run.

Source: work-span model; Little's law for mean concurrency.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from longpole.analysis.normalise import Bond, Timeline
from longpole.analysis.result import ConcurrencyStep
from longpole.analysis.siblings import Siblings
from longpole.model.quick import quick

_make_step: Final[Callable[..., ConcurrencyStep]] = quick(ConcurrencyStep)


def work_intervals(siblings: Siblings) -> list[tuple[int, int, int]]:
    """Return (span number, start, end) of all work, each inside the run and longer than 0."""
    timeline = siblings.timeline
    low_ns, high_ns = timeline.start_ns[0], timeline.end_ns[0]
    staged = _stages(siblings)
    below_stage = _below(timeline, staged)
    intervals: list[tuple[int, int, int]] = []
    for number, units in enumerate(siblings.units):
        if below_stage[number]:
            continue
        if number in staged:
            intervals += [(number, low, high) for low, high in staged[number]]
            continue
        if units:
            continue
        if timeline.is_waited_for[number]:
            # Cut to its stay, so that no work is counted beside its parent.
            low, high = timeline.low_ns[number], timeline.high_ns[number]
        elif _is_leaf(timeline, number):
            low, high = timeline.start_ns[number], timeline.end_ns[number]
        else:
            continue
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
    # Both end with the end, so that neither runs out before it is reached.
    begun_ns = [*sorted([low for _, low, _ in intervals]), end_ns]
    done_ns = [*sorted([high for _, _, high in intervals]), end_ns]
    steps: list[ConcurrencyStep] = []
    begun = done = 0
    at_ns, shown = start_ns, -1
    while at_ns < end_ns:
        while begun_ns[begun] <= at_ns:
            begun += 1
        while done_ns[done] <= at_ns:
            done += 1
        if begun - done != shown:
            shown = begun - done
            steps.append(_make_step(at_ns, shown))
        one_ns, other_ns = begun_ns[begun], done_ns[done]
        at_ns = one_ns if one_ns < other_ns else other_ns
    return (*steps, _make_step(end_ns, 0))


def self_times_ns(timeline: Timeline) -> list[int]:
    """Return for each span the time that no child of it covers."""
    start_ns, end_ns, bond = timeline.start_ns, timeline.end_ns, timeline.bond
    detached = Bond.DETACHED
    result = [end - start for start, end in zip(start_ns, end_ns, strict=True)]
    for number, below in enumerate(timeline.children):
        cursor_ns, last_ns = start_ns[number], end_ns[number]
        for child in below:  # by start
            if bond[child] is detached:
                continue
            low_ns = max(cursor_ns, start_ns[child])
            high_ns = min(last_ns, end_ns[child])
            if high_ns > low_ns:
                result[number] -= high_ns - low_ns
                cursor_ns = high_ns
    return result
