"""One run → what happened in it: the first half of its analysis.

In: a `Run`. Out: a `Draft`, by span number, from which `analyse` goes on to what would have
happened otherwise, and `outline_from` tells what a first look needs. Only the second half has to
run the run again, which takes the longer time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from longpole.analysis.collector import no_cycle_collection
from longpole.analysis.critical_path import path_of
from longpole.analysis.facts import Grounds, Lengths, facts_from, grounds_of
from longpole.analysis.fan_outs import groups_of, outlines_of, queue_waits_ns, tries_of
from longpole.analysis.normalise import Timeline
from longpole.analysis.result import ConcurrencyStep, RunOutline, Segment, SpanOutline
from longpole.analysis.work import profile_of
from longpole.model.quick import quick
from longpole.model.run import Run

# By place, in the order of the fields: there is one for every span.
_make_outline: Final[Callable[..., SpanOutline]] = quick(SpanOutline)


@dataclass(frozen=True, slots=True)
class QueueWaits:
    """How long each span was queued, by number; `None` where it cannot be known."""

    time_ns: Sequence[int | None]
    is_inferred: Sequence[bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What happened in a run.

    Attributes:
        path: the critical path.
        on_path_ns: critical-path time of each span and all below it, by number.
        groups: the members of each fan-out, by number.
        tries: of each group the tries of each branch.
        waits_ns: inferred queue waits, by number.
        profile: concurrency over time.
    """

    grounds: Grounds
    path: tuple[Segment, ...]
    on_path_ns: Sequence[int]
    groups: Sequence[Sequence[int]]
    tries: Sequence[Mapping[str, Sequence[int]]]
    waits_ns: Mapping[int, int]
    profile: tuple[ConcurrencyStep, ...]

    @property
    def peak(self) -> int:
        """How many spans were at work at once."""
        return max([step.running for step in self.profile])

    @property
    def queue_waits(self) -> QueueWaits:
        """The queue waits as recorded, and else as inferred."""
        spans, inferred = self.grounds.timeline.spans, self.waits_ns
        recorded = [None if span.ready_ns is None else span.queue_wait_ns for span in spans]
        return QueueWaits(
            [inferred.get(n) if wait is None else wait for n, wait in enumerate(recorded)],
            [wait is None and n in inferred for n, wait in enumerate(recorded)],
        )


def draft_of(run: Run, *, now_ns: int) -> Draft:
    """Return what happened in a run; in one that is still running until `now_ns`."""
    with no_cycle_collection():
        return _draft_of(run, now_ns)


def _draft_of(run: Run, now_ns: int) -> Draft:
    grounds = grounds_of(run, now_ns=now_ns)
    timeline, siblings = grounds.timeline, grounds.siblings
    path = path_of(siblings)
    groups = groups_of(timeline)
    return Draft(
        grounds=grounds,
        path=path,
        on_path_ns=_on_path_ns(timeline, path),
        groups=groups,
        tries=[tries_of(timeline, members) for members in groups],
        waits_ns=queue_waits_ns(siblings, groups),
        profile=profile_of(grounds.intervals, timeline.start_ns[0], timeline.end_ns[0]),
    )


def _on_path_ns(timeline: Timeline, path: Sequence[Segment]) -> list[int]:
    result = [0] * len(timeline.spans)
    for segment in path:
        result[timeline.number[segment.span_id]] += segment.length_ns
    for number in range(len(result) - 1, 0, -1):
        result[timeline.parent[number]] += result[number]
    return result


def outline_from(draft: Draft, lengths: Lengths) -> RunOutline:
    """Return what a first look at a run needs.

    Args:
        draft: of the run.
        lengths: as the facts of the same run told them when they were computed in full.
    """
    with no_cycle_collection():
        return _outline_from(draft, lengths)


def _outline_from(draft: Draft, lengths: Lengths) -> RunOutline:
    timeline, waits = draft.grounds.timeline, draft.queue_waits
    outlines = map(
        _make_outline,
        draft.on_path_ns,
        waits.time_ns,
        waits.is_inferred,
        map(draft.grounds.waste.get, range(len(timeline.spans))),
    )
    return RunOutline(
        run=timeline.run,
        now_ns=timeline.now_ns,
        facts=facts_from(draft.grounds, draft.path, lengths, peak=draft.peak),
        spans=dict(zip(timeline.number, outlines, strict=True)),
        critical_path=draft.path,
        fan_outs=outlines_of(timeline, draft.groups, draft.tries, draft.on_path_ns),
        concurrency=draft.profile,
    )
