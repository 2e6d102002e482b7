"""Who among siblings can have waited for whom.

In: a `Timeline`. Out: for each span the units below it that it waited for (a child, or a stream as
a whole), and for each pair of units whether the later one can have waited for the earlier one. The
framework's hints decide; only where there are none is it inferred from the times, and said so. The
critical path and the replay both stand on this file, which is why they agree.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from longpole.analysis.normalise import HOLDING, Timeline
from longpole.analysis.result import Via
from longpole.analysis.slots import Slot, hand_off_ns, slots_of
from longpole.analysis.streaming import Stream, Window, streams_of
from longpole.model.run import NO_ORDER, Order, Status


class Unit(NamedTuple):
    """What a parent waited for, with its stay; sorts by start, then end, then id.

    Attributes:
        span_id: of the child, or of a stream's first stage.
        first: number of the child, or of a stream's first stage.
        last: the same, or of its last stage.
        windows: of a stream, else empty.
    """

    low_ns: int
    high_ns: int
    span_id: str
    name: str
    first: int
    last: int
    windows: tuple[Window, ...] = ()


class Edge(NamedTuple):
    """Why one unit waited for another."""

    via: Via
    is_inferred: bool


_SEQ = Edge(Via.SEQ, False)
_SEQ_INFERRED = Edge(Via.SEQ, True)
_NOTHING: tuple[Unit, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Siblings:
    """The units of a whole run and what binds them.

    Attributes:
        units: below each span, by start, end, id.
        slots: of queued children.
        gates: the failure that stopped a cancelled child.
    """

    timeline: Timeline
    units: Sequence[Sequence[Unit]]
    slots: Mapping[int, Slot]
    gates: Mapping[int, Unit]

    def edge(self, earlier: Unit, later: Unit) -> Edge | None:
        """Return why `later` can have waited for `earlier`; `None` when it cannot.

        The times are the caller's affair, except for the gap of a slot.
        """
        spans = self.timeline.spans
        before, after = spans[earlier.last].order, spans[later.first].order
        if after.after is not None:
            return _SEQ if spans[earlier.last].span_id in after.after else None
        if _side_by_side(before, after):
            return self._slot_edge(earlier, later)
        is_allowed, is_inferred = _in_sequence(before, after)
        if not is_allowed:
            return None
        return _SEQ_INFERRED if is_inferred else _SEQ

    def order(self, number: int) -> Order:
        """Return the hints of a span."""
        return self.timeline.spans[number].order

    def _slot_edge(self, earlier: Unit, later: Unit) -> Edge | None:
        slot = self.slots.get(later.first)
        if slot is None or slot.holder != earlier.last:
            return None
        if later.low_ns - earlier.high_ns > hand_off_ns(self.timeline, later.first):
            return None
        return Edge(Via.SLOT, slot.is_inferred)


def precedes(before: Order, after: Order) -> bool:
    """Tell whether hints (explicit predecessors apart) let one wait for the other."""
    return not _side_by_side(before, after) and _in_sequence(before, after)[0]


def _side_by_side(before: Order, after: Order) -> bool:
    return (
        after.group is not None
        and before.group == after.group
        and before.superstep == after.superstep
    )


def _in_sequence(before: Order, after: Order) -> tuple[bool, bool]:
    """Return whether one can wait for the other, and whether that is only inferred."""
    if before.superstep is not None and after.superstep is not None:
        return before.superstep < after.superstep, False
    if before.seq is not None and after.seq is not None:
        return before.seq < after.seq, False
    return True, True


def siblings_of(timeline: Timeline) -> Siblings:
    """Find the units, slots and gates of a run."""
    units: list[Sequence[Unit]] = []
    slots: dict[int, Slot] = {}
    gates: dict[int, Unit] = {}
    somebody_was_cancelled = Status.CANCELLED in timeline.status
    for number, below in enumerate(timeline.children):
        if not below or not timeline.is_waited_for[number]:
            units.append(_NOTHING)
            continue
        found = _units(timeline, below)
        units.append(found)
        if len(found) > 1:
            slots.update(_slots(timeline, below))
            if somebody_was_cancelled:
                gates.update(_gates(timeline, found))
    return Siblings(timeline=timeline, units=units, slots=slots, gates=gates)


def _units(timeline: Timeline, below: Sequence[int]) -> list[Unit]:
    bond = timeline.bond
    joined = [child for child in below if bond[child] in HOLDING]
    if len(joined) > 1:
        streams = streams_of(timeline, joined)
        if streams:
            return _with_streams(timeline, joined, streams)
    low_ns, high_ns, spans = timeline.low_ns, timeline.high_ns, timeline.spans
    # As `_unit` has it, without a call for each span.
    units = [
        Unit(low_ns[child], high_ns[child], (span := spans[child]).span_id, span.name, child, child)
        for child in joined
    ]
    if len(units) > 1:
        units.sort()
    return units


def _unit(timeline: Timeline, child: int) -> Unit:
    span = timeline.spans[child]
    low_ns, high_ns = timeline.low_ns[child], timeline.high_ns[child]
    return Unit(low_ns, high_ns, span.span_id, span.name, child, child)


def _with_streams(timeline: Timeline, joined: list[int], streams: list[Stream]) -> list[Unit]:
    """Return each stream as one unit, and the children that are in none."""
    units: list[Unit] = []
    for stages, windows in streams:
        first, last = stages[0], stages[-1]
        high_ns = max(timeline.high_ns[stage] for stage in stages)
        units.append(_unit(timeline, first)._replace(high_ns=high_ns, last=last, windows=windows))
    inside = {stage for stages, _ in streams for stage in stages}
    units += [_unit(timeline, child) for child in joined if child not in inside]
    units.sort()
    return units


def _slots(timeline: Timeline, below: Sequence[int]) -> dict[int, Slot]:
    groups: dict[tuple[str, int | None], list[int]] = {}
    for child in below:
        order = timeline.spans[child].order
        if order is NO_ORDER or order.group is None or order.after is not None or order.detached:
            continue
        groups.setdefault((order.group, order.superstep), []).append(child)
    slots: dict[int, Slot] = {}
    for members in groups.values():
        if len(members) > 1:
            slots.update(slots_of(timeline, members))
    return slots


def _gates(timeline: Timeline, units: list[Unit]) -> dict[int, Unit]:
    """Return for each cancelled child the latest failure that can have stopped it."""
    status = timeline.status
    cancelled = [
        unit for unit in units if status[unit.first] is Status.CANCELLED and not unit.windows
    ]
    if not cancelled:
        return {}
    failed = [
        unit
        for unit in units
        if status[unit.first] is Status.ERROR and not unit.windows and unit.high_ns > unit.low_ns
    ]
    # The earliest start comes last among equal ends, as on the critical path.
    failed.sort(key=lambda unit: (unit.name, unit.span_id), reverse=True)
    failed.sort(key=lambda unit: (unit.high_ns, -unit.low_ns))
    ends = [unit.high_ns for unit in failed]
    gates: dict[int, Unit] = {}
    for unit in cancelled:
        at = bisect_right(ends, unit.high_ns + timeline.tolerance_ns[unit.first]) - 1
        if at >= 0 and ends[at] > unit.low_ns:
            gates[unit.first] = failed[at]
    return gates
