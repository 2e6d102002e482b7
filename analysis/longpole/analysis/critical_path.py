"""The chain of spans that the run waited for.

In: a `Run`. Out: segments that tile it, each owned by the deepest span that can be held to account.
Walked backwards from the end: the child that ended last held its parent up, before that the sibling
it had waited for, and so on; what no child covers is the parent's own. Each span is visited once
(a stage of a stream as often as it has windows), so the sort dominates: O(n log n).

Source: Jaeger's critical path; added are touching and barely overlapping siblings, order hints,
queueing, cancellation and streaming.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Final, NamedTuple

from longpole.analysis.normalise import Timeline, normalise
from longpole.analysis.result import Segment, SegmentKind, Via
from longpole.analysis.siblings import Edge, Siblings, Unit, siblings_of
from longpole.model.quick import quick
from longpole.model.run import Run, Status

_NO_TIES: tuple[str, ...] = ()
# Looking a member up in its enumeration costs more than the rest of a step in a tight loop.
_WORK, _HEAD, _BETWEEN = SegmentKind.WORK, SegmentKind.HEAD, SegmentKind.BETWEEN
_TAIL, _BACKOFF = SegmentKind.TAIL, SegmentKind.BACKOFF
_ERROR = Status.ERROR
_JOIN = Edge(Via.JOIN, False)


_make_segment: Final[Callable[..., Segment]] = quick(Segment)  # by place, in the fields' order


class _Stretch(NamedTuple):
    """[low, high) of a span that is on the path, by itself or by what is below it."""

    owner: int
    low_ns: int
    high_ns: int
    via: Via
    is_inferred: bool
    tied_with: tuple[str, ...]


def critical_path(run: Run, *, now_ns: int, as_of_ns: int | None = None) -> tuple[Segment, ...]:
    """Return what the run waited for, earliest first.

    Args:
        run: any run; what it lacks in times and order is settled here.
        now_ns: ends what is still running.
        as_of_ns: the path up to this moment, for example to the first token.

    Returns:
        Segments that tile [start, end) of the root, or up to `as_of_ns`, exactly: no gap, no
        overlap, none empty. A run that took no time has none.
    """
    return path_of(siblings_of(normalise(run, now_ns=now_ns, as_of_ns=as_of_ns)))


def path_of(siblings: Siblings) -> tuple[Segment, ...]:
    """Return the critical path of a run whose siblings have been judged already."""
    timeline = siblings.timeline
    segments: list[Segment] = []
    work = [_Stretch(0, timeline.low_ns[0], timeline.high_ns[0], Via.ROOT, False, _NO_TIES)]
    while work:
        stretch = work.pop()
        if stretch.low_ns < stretch.high_ns:
            below = _below(siblings, stretch)
            _own_segments(timeline, stretch, below, segments)
            work.extend(below)
    segments.sort(key=attrgetter("start_ns"))
    return tuple(segments)


def _below(siblings: Siblings, stretch: _Stretch) -> list[_Stretch]:
    """Return what a stretch waited for below its owner, latest first."""
    units = siblings.units[stretch.owner]
    if not units:
        return []
    tolerance_ns, gates = siblings.timeline.tolerance_ns, siblings.gates
    low_ns, cursor_ns = stretch.low_ns, stretch.high_ns
    candidates = _latest_first(units, low_ns, cursor_ns)
    found: list[_Stretch] = []
    following: Unit | None = None
    forced: Unit | None = None
    edge = _JOIN
    for unit in candidates:
        if cursor_ns == low_ns:
            break
        unit_low_ns, unit_high_ns, _, _, first, last, windows = unit
        if unit_low_ns >= cursor_ns:
            continue
        end_ns = min(unit_high_ns, stretch.high_ns)
        if end_ns > cursor_ns + tolerance_ns[last]:
            continue
        if forced is not None:
            # The failure that stopped `following` takes over its place on the path.
            if unit is not forced:
                continue
        elif following is not None:
            allowed = siblings.edge(unit, following)
            if allowed is None:
                continue
            edge = allowed
        gate = gates.get(first) if gates else None
        begin_ns = max(unit_low_ns, low_ns)
        if gate is not None:
            begin_ns = max(begin_ns, gate.high_ns)
        end_ns = min(end_ns, cursor_ns)
        if begin_ns >= end_ns:
            continue
        ties = stretch.tied_with if end_ns == stretch.high_ns else _NO_TIES
        if following is None:
            ties = _ties(siblings, candidates, unit, stretch.high_ns) or ties
        via = edge.via if gate is None else Via.CANCEL
        if windows:
            found += _windows(unit, begin_ns, end_ns, edge, ties)
        else:
            found.append(_Stretch(first, begin_ns, end_ns, via, edge.is_inferred, ties))
        cursor_ns, following, forced = begin_ns, unit, gate
    return found


def _latest_first(units: Sequence[Unit], low_ns: int, high_ns: int) -> Sequence[Unit]:
    """Return the units that reach into [low, high): latest end, then earliest start, name, id."""
    if len(units) == 1:
        unit = units[0]
        return units if min(unit.high_ns, high_ns) > max(unit.low_ns, low_ns) else ()
    inside = [unit for unit in units if min(unit.high_ns, high_ns) > max(unit.low_ns, low_ns)]
    ends = {min(unit.high_ns, high_ns) for unit in inside}
    if len(ends) == len(inside):
        # No two end together, as clocks go: one number a unit decides, four are not built.
        inside.sort(key=attrgetter("high_ns"), reverse=True)
    else:
        inside.sort(
            key=lambda unit: (-min(unit.high_ns, high_ns), unit.low_ns, unit.name, unit.span_id)
        )
    return inside


def _ties(
    siblings: Siblings, candidates: Sequence[Unit], chosen: Unit, high_ns: int
) -> tuple[str, ...]:
    """Return who else ended as late as the one that held up the join."""
    if len(candidates) == 1:
        return _NO_TIES
    tolerance_ns = siblings.timeline.tolerance_ns[chosen.last]
    earliest_ns = min(chosen.high_ns, high_ns) - tolerance_ns
    ties: list[str] = []
    for unit in candidates:
        if min(unit.high_ns, high_ns) < earliest_ns:
            break
        if unit is not chosen:
            ties.append(unit.span_id)
    return tuple(ties)


def _windows(
    stream: Unit, begin_ns: int, end_ns: int, edge: Edge, ties: tuple[str, ...]
) -> list[_Stretch]:
    """Return the stages of a stream where they own it, latest first."""
    found: list[_Stretch] = []
    for window in reversed(stream.windows):
        low_ns, high_ns = max(window.low_ns, begin_ns), min(window.high_ns, end_ns)
        if low_ns < high_ns:
            # Only the last window meets what follows the stream.
            met = high_ns == end_ns
            is_inferred = met and edge.is_inferred
            tied_with = ties if met else _NO_TIES
            found.append(
                _Stretch(window.owner, low_ns, high_ns, Via.STREAM, is_inferred, tied_with)
            )
    return found


def _own_segments(
    timeline: Timeline, stretch: _Stretch, below: list[_Stretch], segments: list[Segment]
) -> None:
    """Add the parts of a stretch that nothing below it covers."""
    owner, low_ns, high_ns, via, is_inferred, tied_with = stretch
    parts: list[tuple[int, int, SegmentKind]] = []
    right: int | None = None
    for child in below:
        if child.high_ns < high_ns:
            parts.append((child.high_ns, high_ns, _kind(timeline, child.owner, right)))
        high_ns, right = child.low_ns, child.owner
    if low_ns < high_ns:
        parts.append((low_ns, high_ns, _WORK if right is None else _HEAD))
    span_id = timeline.spans[owner].span_id
    segments += [
        _make_segment(span_id, start_ns, end_ns, kind, via, is_inferred, tied_with)
        for start_ns, end_ns, kind in parts
    ]


def _kind(timeline: Timeline, left: int, right: int | None) -> SegmentKind:
    """Return the kind of a part that begins at the end of a child."""
    if right is None:
        return _TAIL
    if timeline.status[left] is _ERROR and timeline.spans[right].attempt >= 2:
        return _BACKOFF
    return _BETWEEN
