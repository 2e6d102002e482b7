"""How many spans of a run were at work, in as many equal slices as a small picture has room for."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

from longpole.analysis.result import RunAnalysis

SLICES: Final = 24


def course_of(analysis: RunAnalysis, *, slices: int = SLICES) -> tuple[float, ...]:
    """Return the mean concurrency of each slice; nothing for a run that took no time.

    Guaranteed: their mean is that of the whole run, work over wall.
    """
    steps, wall_ns = analysis.concurrency, analysis.facts.wall_ns
    if wall_ns <= 0 or not steps:
        return ()
    start_ns = analysis.run.root.start_ns
    at_work = [0.0] * slices
    for step, after in pairwise(steps):
        begin = (step.at_ns - start_ns) / wall_ns * slices
        end = min(float(slices), (after.at_ns - start_ns) / wall_ns * slices)
        for place in range(int(begin), min(slices, int(end) + 1)):
            at_work[place] += step.running * max(0.0, min(end, place + 1) - max(begin, place))
    return tuple(at_work)
