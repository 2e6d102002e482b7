"""Who waits for whom below one span, and with which lag, so that it can be run again.

In: judged siblings. Out: one `Plan` a parent. A unit starts a lag after the last of those it
waited for has ended; the parent goes on for a tail after the last unit. Lags and tails are
measured, so the recorded times follow from the recorded lengths. "Everything that had ended by
then" is a chain of barriers, each one the later of the barrier before it and one more end; so a
plan is as long as the family is wide, however many wait for how many.

Source: interval orders with transitive reduction; critical path method with lags.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from longpole.analysis.siblings import Siblings, Unit, precedes
from longpole.model.run import Order, Status

_CLASSES_KEPT = 6
"""Order classes that are told apart; what is older than these has ended before all that follows."""

GroupKey = tuple[str, int | None]
"""Group and superstep: what one pool of places is for."""

_Class = tuple[str | None, int | None, int | None]


class Barrier(NamedTuple):
    """The moment when earlier barriers and one unit (-1: none) have passed."""

    barriers: tuple[int, ...]
    unit: int


class Wait(NamedTuple):
    """A wait for the end of one unit, and how long after it (or before, by jitter)."""

    unit: int
    lag_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Members of one fan-out, which share a pool of places.

    Attributes:
        members: unit places, those that took time.
        places: the recorded limit, or the inferred one; `None` where it binds nobody.
        hand_offs_ns: of queued members, from the end that first come, first served gave them to
            their start.
    """

    key: GroupKey
    members: tuple[int, ...]
    places: int | None
    hand_offs_ns: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One parent and the units it waited for; units go by place, times count from the start.

    Attributes:
        length_ns: the parent's recorded length.
        tail_ns: from the last end to the parent's; the whole length of a leaf.
        starts_ns, ends_ns: as recorded.
        lags_ns: from what a unit waited for to when it was ready; its place in a pool comes later.
        after_barriers, after_units: what each unit waited for.
        steps: in an order in which everything comes after what it needs: a unit's start, or, as
            `~number`, a barrier.
        slots: of queued units, whose end freed the place.
        gates: of cancelled units, whose failure ended them.
        failed: units that ended with an error.
    """

    units: Sequence[Unit]
    length_ns: int
    tail_ns: int
    starts_ns: Sequence[int]
    ends_ns: Sequence[int]
    lags_ns: Sequence[int]
    after_barriers: Sequence[tuple[int, ...]]
    after_units: Sequence[tuple[int, ...]]
    barriers: Sequence[Barrier]
    steps: Sequence[int]
    slots: Mapping[int, Wait]
    gates: Mapping[int, Wait]
    groups: Mapping[GroupKey, Group]
    failed: frozenset[int]


def plan_of(siblings: Siblings, parent: int) -> Plan:
    """Measure the family of one span that has units below it."""
    return _Planner(siblings, parent).planned()


class _Planner:
    def __init__(self, siblings: Siblings, parent: int) -> None:
        timeline = siblings.timeline
        self._siblings = siblings
        self._timeline = timeline
        self._base_ns = timeline.low_ns[parent]
        self._length_ns = timeline.high_ns[parent] - self._base_ns
        self._units = siblings.units[parent]
        self._place = {unit.first: at for at, unit in enumerate(self._units)}
        self._starts = [unit.low_ns - self._base_ns for unit in self._units]
        self._ends = [unit.high_ns - self._base_ns for unit in self._units]
        self._lags = [0] * len(self._units)
        self._after_barriers: list[tuple[int, ...]] = [()] * len(self._units)
        self._after_units: list[tuple[int, ...]] = [()] * len(self._units)
        self._barriers: list[Barrier] = []
        self._values: list[int] = []
        self._steps: list[int] = []
        self._slots: dict[int, Wait] = {}
        self._ended: dict[_Class, int] = {}  # class -> its newest barrier, oldest class first
        self._orders: dict[_Class, Order] = {}
        self._old: int | None = None
        self._launch_ns: dict[_Class, int] = {}
        self._is_ended = [False] * len(self._units)

    def planned(self) -> Plan:
        for is_start, at in self._events():
            if is_start:
                self._start(at)
            else:
                self._end(at)
        status = self._timeline.status
        return Plan(
            units=self._units,
            length_ns=self._length_ns,
            tail_ns=self._length_ns - max(self._ends, default=0),
            starts_ns=self._starts,
            ends_ns=self._ends,
            lags_ns=self._lags,
            after_barriers=self._after_barriers,
            after_units=self._after_units,
            barriers=self._barriers,
            steps=self._steps,
            slots=self._slots,
            gates=self._gates(),
            groups=self._groups(),
            failed=frozenset(
                at for at, unit in enumerate(self._units) if status[unit.first] is Status.ERROR
            ),
        )

    def _events(self) -> list[tuple[bool, int]]:
        """Return (True, n): unit n starts; (False, n): those that follow may wait for it."""
        events: list[tuple[bool, int]] = []
        running: list[tuple[int, int]] = []
        for at, unit in enumerate(self._units):
            reach_ns = unit.low_ns + self._timeline.tolerance_ns[unit.first]
            while running and running[0][0] <= reach_ns:
                events.append((False, heapq.heappop(running)[1]))
            events.append((True, at))
            heapq.heappush(running, (unit.high_ns, at))
        # What ends after the last start is waited for by nobody but the parent.
        return events

    def _order(self, at: int) -> Order:
        return self._siblings.order(self._units[at].first)

    def _barrier(self, barriers: tuple[int, ...], unit: int) -> int:
        number = len(self._barriers)
        self._barriers.append(Barrier(barriers, unit))
        ends = [self._values[one] for one in barriers]
        self._values.append(max([*ends, self._ends[unit]] if unit >= 0 else ends))
        self._steps.append(~number)
        return number

    def _end(self, at: int) -> None:
        self._is_ended[at] = True
        order = self._order(at)
        key = _class_of(order)
        self._orders.setdefault(key, order)
        before = self._ended.pop(key, None)
        self._ended[key] = self._barrier(() if before is None else (before,), at)
        if len(self._ended) > _CLASSES_KEPT:
            oldest = self._ended.pop(next(iter(self._ended)))
            self._old = oldest if self._old is None else self._barrier((self._old, oldest), -1)

    def _start(self, at: int) -> None:
        order = self._order(at)
        if order.after is not None:
            self._after_units[at] = self._named(order)
        else:
            allowed = [
                number for key, number in self._ended.items() if precedes(self._orders[key], order)
            ]
            self._after_barriers[at] = (*allowed, *(() if self._old is None else (self._old,)))
        ends = [self._values[number] for number in self._after_barriers[at]]
        ends += [self._ends[one] for one in self._after_units[at]]
        self._lag(at, self._starts[at] - max(ends, default=0), _class_of(order))
        self._steps.append(at)

    def _named(self, order: Order) -> tuple[int, ...]:
        numbers = self._timeline.number
        places = (self._place.get(numbers.get(span_id, -1)) for span_id in order.after or ())
        return tuple({at: None for at in places if at is not None and self._is_ended[at]})

    def _lag(self, at: int, lag_ns: int, key: _Class) -> None:
        """Settle when a unit was ready; a queued one no later than the first wave was launched."""
        slot = self._siblings.slots.get(self._units[at].first)
        holder = None if slot is None else self._place.get(slot.holder)
        if holder is None or not self._is_ended[holder]:
            self._launch_ns[key] = max(self._launch_ns.get(key, 0), lag_ns)
            self._lags[at] = lag_ns
            return
        self._slots[at] = Wait(holder, self._starts[at] - self._ends[holder])
        self._lags[at] = min(lag_ns, max(0, self._launch_ns.get(key, 0)))

    def _gates(self) -> dict[int, Wait]:
        gates: dict[int, Wait] = {}
        for at, unit in enumerate(self._units):
            gate = self._siblings.gates.get(unit.first)
            failed = None if gate is None else self._place.get(gate.first)
            if failed is not None:
                gates[at] = Wait(failed, self._ends[at] - self._ends[failed])
        return gates

    def _groups(self) -> dict[GroupKey, Group]:
        members: dict[GroupKey, list[int]] = {}
        for at, unit in enumerate(self._units):
            order = self._order(at)
            if order.group is None or order.after is not None or unit.windows:
                continue
            if unit.high_ns > unit.low_ns:
                members.setdefault((order.group, order.superstep), []).append(at)
        return {key: self._group(key, places) for key, places in members.items()}

    def _group(self, key: GroupKey, members: Sequence[int]) -> Group:
        places = self._places(members)
        hand_offs = {} if places is None else self._hand_offs(members, places)
        return Group(key=key, members=tuple(members), places=places, hand_offs_ns=hand_offs)

    def _hand_offs(self, members: Sequence[int], places: int) -> dict[int, int]:
        """Give each queued member the earliest end that is left.

        Of two that ended within the tolerance a slot names the later one.
        """
        running: list[int] = []
        found: dict[int, int] = {}
        for at in members:  # by start
            while at not in self._slots and running and running[0] <= self._starts[at]:
                heapq.heappop(running)
            if at in self._slots and len(running) >= places:
                found[at] = self._starts[at] - heapq.heappop(running)
            heapq.heappush(running, self._ends[at])
        return found

    def _places(self, members: Sequence[int]) -> int | None:
        spans, slots = self._timeline.spans, self._siblings.slots
        firsts = [self._units[at].first for at in members]
        limits = (spans[first].fan_out_limit for first in firsts)
        places = next((limit for limit in limits if limit is not None), None)
        if places is None:
            places = next((slots[first].places for first in firsts if first in slots), None)
        return places if places is not None and places < len(members) else None


def _class_of(order: Order) -> _Class:
    return (order.group, order.superstep, order.seq)
