"""Whether branches ran as threads or as tasks of an event loop, as far as the record tells.

It decides what a change can do: a thread cannot be given up, so a time limit on it gains nothing,
and an asynchronous RunnableParallel ignores a limit. The tracer records a limit for every fan-out
in threads (their pool has one even if none was asked for) and none for tasks without a limit.

Source: langchain-events.md, pools and `max_concurrency`.
"""

from __future__ import annotations

from enum import StrEnum

from longpole.analysis.normalise import Timeline
from longpole.model.run import FanOutKind, Span

_POOLED = frozenset(
    {
        FanOutKind.PARALLEL,
        FanOutKind.MAP,
        FanOutKind.SUPERSTEP,
        FanOutKind.SEND,
        FanOutKind.TOOLS,
    }
)


class HeldBy(StrEnum):
    """What runs a span."""

    THREADS = "threads"
    TASKS = "tasks"
    UNKNOWN = "unknown"


def held_by(timeline: Timeline, number: int) -> HeldBy:
    """Return what runs a span: told by the nearest fan-out above, else by any in the run."""
    at = number
    while at >= 0:
        found = _told_by(timeline.spans[at])
        if found is not HeldBy.UNKNOWN:
            return found
        at = timeline.parent[at]
    told = {_told_by(span) for span in timeline.spans} - {HeldBy.UNKNOWN}
    return told.pop() if len(told) == 1 else HeldBy.UNKNOWN


def ignores_limit(span: Span) -> bool:
    """Tell whether a branch's fan-out is known to take no notice of `max_concurrency`."""
    return span.fan_out is FanOutKind.PARALLEL and _told_by(span) is HeldBy.TASKS


def _told_by(span: Span) -> HeldBy:
    # Other tools' traces say nothing of limits, so the lack of one tells nothing either.
    if span.fan_out not in _POOLED or span.langchain_run_id is None:
        return HeldBy.UNKNOWN
    if span.fan_out_limit is None:
        return HeldBy.TASKS
    return HeldBy.THREADS if span.fan_out is FanOutKind.PARALLEL else HeldBy.UNKNOWN
