"""Pauses between a failed try and the next one, wherever they were.

In: judged siblings. Out: their sum. Back-off on the critical path is a kind of segment; this counts
what ran beside the path as well.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from longpole.analysis.siblings import Siblings, Unit
from longpole.model.run import Status


def backoff_total_ns(siblings: Siblings) -> int:
    """Return the time between each further try and the failed sibling it had waited for."""
    timeline = siblings.timeline
    total_ns = 0
    parents = {
        timeline.parent[number]
        for number, span in enumerate(timeline.spans)
        if span.attempt >= 2 and number
    }
    for parent in parents:
        units = siblings.units[parent]
        failed = [unit for unit in units if timeline.status[unit.first] is Status.ERROR]
        failed.sort(key=lambda unit: unit.high_ns)
        for unit in units:
            if timeline.spans[unit.first].attempt >= 2:
                total_ns += _pause_ns(siblings, failed, unit)
    return total_ns


def _pause_ns(siblings: Siblings, failed: Sequence[Unit], again: Unit) -> int:
    latest_ns = again.low_ns + siblings.timeline.tolerance_ns[again.first]
    for at in range(bisect_right(failed, latest_ns, key=lambda unit: unit.high_ns) - 1, -1, -1):
        if failed[at] is not again and siblings.edge(failed[at], again) is not None:
            return max(0, again.low_ns - failed[at].high_ns)
    return 0
