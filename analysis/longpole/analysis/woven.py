"""Families in which somebody waits for a certain sibling, or for some of those before it only.

In: judged siblings of one parent. Out: a `Family` that is run event by event. A queued unit waits
for the sibling that freed its place, one with explicit predecessors for those, any other for the
order classes (group, superstep, seq) before it that its hints allow. Lags are measured so that
running again unchanged gives every recorded time.

Everything is a maximum of sums, so how the parent's length depends on one unit's is known in closed
form: it stays at what the parent would take without that unit, until the unit is long enough to
hold it up. One pass from the end and one from the start give both for all units.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from longpole.analysis.family import Family, Held
from longpole.analysis.siblings import Siblings, precedes
from longpole.model.run import Order

_NEVER = -(2**80)
_CLASSES_KEPT = 6
"""Order classes that are told apart; what is older than these has ended before all that follows."""


class _Named(NamedTuple):
    """A wait for one certain sibling: start at its end plus `lag_ns`."""

    place: int
    lag_ns: int


class _Child:
    """One unit below a parent; times count from the parent's start.

    Attributes:
        number: the unit's first.
        order_class: number of its order class in the family.
        has_base: whether it waits for classes; else only for the named siblings.
        lag_ns: from what it waits for to its start.
        named: its explicit predecessors.
        holder: who freed its place.
        submit_lag_ns: the lag it would have without waiting for a place.
        allowed: the order classes that had ended before it and that it can have waited for.
        to_end_ns: from its end to the parent's, along the longest way.
    """

    __slots__ = (
        "allowed", "duration_ns", "end_ns", "has_base", "holder", "lag_ns", "named", "number",
        "order_class", "start_ns", "submit_lag_ns", "to_end_ns",
    )  # fmt: skip

    def __init__(self, number: int, start_ns: int, end_ns: int, order_class: int) -> None:
        self.number = number
        self.start_ns = start_ns
        self.end_ns = end_ns
        self.duration_ns = end_ns - start_ns
        self.order_class = order_class
        self.lag_ns = 0
        self.submit_lag_ns = 0
        self.has_base = True
        self.named: tuple[_Named, ...] = ()
        self.holder: _Named | None = None
        self.allowed: tuple[int, ...] = ()
        self.to_end_ns = _NEVER

    @property
    def siblings_waited_for(self) -> tuple[_Named, ...]:
        """Everybody it waits for by name."""
        return self.named if self.holder is None else (*self.named, self.holder)


class Woven(Family):
    """A family of any shape."""

    __slots__ = (
        "_children", "_class_orders", "_events", "_merged", "_place", "_siblings", "_waits",
    )  # fmt: skip

    def __init__(self, siblings: Siblings, parent: int) -> None:
        super().__init__(siblings, parent)
        self._siblings = siblings
        self._place = {unit.first: at for at, unit in enumerate(self._units)}
        self._class_orders: list[Order] = []
        self._waits: dict[tuple[int, int], bool] = {}
        self._merged: dict[int, int] = {}
        self._children = self._classed()
        self._events = self._plan()
        self._calibrate()

    # --- what happens in which order ---------------------------------------------------------

    def _classed(self) -> list[_Child]:
        base_ns = self._base_ns
        classes: dict[tuple[str | None, int | None, int | None], int] = {}
        children: list[_Child] = []
        for unit in self._units:
            order = self._siblings.order(unit.first)
            number = classes.setdefault(
                (order.group, order.superstep, order.seq), len(self._class_orders)
            )
            if number == len(self._class_orders):
                self._class_orders.append(order)
            children.append(
                _Child(unit.first, unit.low_ns - base_ns, unit.high_ns - base_ns, number)
            )
        return children

    def _plan(self) -> list[tuple[bool, int]]:
        """Return the events: (True, n) child n starts, (False, n) those after may wait for it."""
        events: list[tuple[bool, int]] = []
        running: list[tuple[int, int]] = []
        tolerance_ns = self._siblings.timeline.tolerance_ns
        for at, child in enumerate(self._children):
            reach_ns = child.start_ns + tolerance_ns[child.number]
            while running and running[0][0] <= reach_ns:
                events.append((False, heapq.heappop(running)[1]))
            events.append((True, at))
            heapq.heappush(running, (child.end_ns, at))
        events += [(False, at) for _, at in sorted(running)]
        return events

    def _calibrate(self) -> None:
        """Measure lags so that running again gives the recorded times; note who waited for whom."""
        slots = self._siblings.slots
        ended: dict[int, int] = {}  # class -> latest end
        old_ns = 0
        is_added = [False] * len(self._children)
        launch_ns: dict[int, int] = {}
        for event, (is_start, at) in enumerate(self._events):
            child = self._children[at]
            if not is_start:
                is_added[at] = True
                # Put last, so that the first is the oldest.
                ended[child.order_class] = max(ended.pop(child.order_class, _NEVER), child.end_ns)
                if len(ended) > _CLASSES_KEPT:
                    oldest = self._merged[event] = next(iter(ended))
                    old_ns = max(old_ns, ended.pop(oldest))
                continue
            base_ns = self._base_of(child, ended, old_ns, is_added)
            child.lag_ns = child.submit_lag_ns = child.start_ns - base_ns
            slot = slots.get(child.number)
            holder = None if slot is None else self._place.get(slot.holder)
            launched_ns = launch_ns.get(child.order_class, 0)
            if holder is not None and is_added[holder]:
                self.is_limited = True
                child.holder = _Named(holder, child.start_ns - self._children[holder].end_ns)
                child.submit_lag_ns = min(child.lag_ns, launched_ns)
            elif child.lag_ns > launched_ns:
                launch_ns[child.order_class] = child.lag_ns

    def _base_of(
        self, child: _Child, ended: dict[int, int], old_ns: int, is_added: list[bool]
    ) -> int:
        """Settle what a child waited for, places apart, and return when that had ended."""
        after = self._siblings.order(child.number).after
        if after is None:
            allowed = [number for number in ended if self._can_wait(child.order_class, number)]
            child.allowed = tuple(allowed)
            return max([old_ns, *[ended[number] for number in allowed]])
        number_of = self._siblings.timeline.number
        places = [self._place.get(number_of.get(span_id, -1), -1) for span_id in after]
        places = [place for place in places if place >= 0 and is_added[place]]
        if not places:
            return old_ns
        base_ns = max([self._children[place].end_ns for place in places])
        child.has_base = False
        child.named = tuple([_Named(place, child.start_ns - base_ns) for place in places])
        return base_ns

    def _can_wait(self, later: int, earlier: int) -> bool:
        """Tell whether units of one class can wait for those of another; worked out once."""
        known = self._waits.get((later, earlier))
        if known is None:
            orders = self._class_orders
            known = self._waits[later, earlier] = precedes(orders[earlier], orders[later])
        return known

    # --- running again -----------------------------------------------------------------------

    def run(
        self, duration_of: Mapping[int, int], *, has_limits: bool = True, is_ideal: bool = False
    ) -> int:
        """Return the parent's length when its units take these times."""
        ended: dict[int, int] = {}
        old_ns = joined_ns = 0
        ends = [0] * len(self._children)
        for is_start, at in self._events:
            child = self._children[at]
            if not is_start:
                ended[child.order_class] = max(ended.pop(child.order_class, _NEVER), ends[at])
                if len(ended) > _CLASSES_KEPT:
                    old_ns = max(old_ns, ended.pop(next(iter(ended))))
                continue
            start_ns = 0
            if child.has_base:
                base_ns = old_ns
                for number in child.allowed:
                    # A class is not there when it has been merged into the old ones.
                    base_ns = max(base_ns, ended.get(number, _NEVER))
                start_ns = max(0, base_ns + (0 if is_ideal else child.submit_lag_ns))
            for place, lag_ns in child.named:
                start_ns = max(start_ns, ends[place] + (0 if is_ideal else lag_ns))
            if has_limits and child.holder is not None:
                start_ns = max(start_ns, ends[child.holder.place] + child.holder.lag_ns)
            ends[at] = start_ns + duration_of.get(child.number, child.duration_ns)
            joined_ns = max(joined_ns, ends[at])
        return joined_ns if is_ideal else joined_ns + self.tail_ns

    # --- one child at a time -----------------------------------------------------------------

    def held_in_order(self) -> list[Held]:
        """Return for each unit, by start, how the parent's length depends on it."""
        without_ns = self._look_ahead(self._look_back())
        return [
            Held(without, child.start_ns, child.to_end_ns)
            for without, child in zip(without_ns, self._children, strict=True)
        ]

    def _look_back(self) -> list[tuple[dict[int, int], int]]:
        """From the end to the start: the longest way from each child's end to the parent's.

        Returns for each end event, earliest first, the longest way from the end of each order
        class, and of the older ones together, through what starts after it.
        """
        ahead: dict[int, int] = {}
        old_ns = _NEVER
        named: dict[int, int] = {}
        members = Counter([child.order_class for child in self._children])
        found: list[tuple[dict[int, int], int]] = []
        for event in range(len(self._events) - 1, -1, -1):
            is_start, at = self._events[event]
            child = self._children[at]
            number = child.order_class
            if not is_start:
                merged = self._merged.get(event)
                if merged is not None:  # from here on everybody may have waited for the class
                    ahead[merged] = max(ahead.get(merged, _NEVER), old_ns)
                child.to_end_ns = max(
                    self.tail_ns, ahead.get(number, _NEVER), named.pop(at, _NEVER)
                )
                members[number] -= 1
                if not members[number]:
                    # Before its first member has ended nobody can wait for the class.
                    ahead.pop(number, None)
                found.append((dict(ahead), old_ns))
                continue
            rest_ns = child.duration_ns + child.to_end_ns
            if child.has_base:
                way_ns = child.submit_lag_ns + rest_ns
                for one in child.allowed:
                    if way_ns > ahead.get(one, _NEVER):
                        ahead[one] = way_ns
                old_ns = max(old_ns, way_ns)
            for place, lag_ns in child.siblings_waited_for:
                named[place] = max(named.get(place, _NEVER), lag_ns + rest_ns)
        found.reverse()
        return found

    def _look_ahead(self, ways_ahead: list[tuple[dict[int, int], int]]) -> list[int]:
        """From the start to the end: the longest way that does not go through each child."""
        ended: dict[int, int] = {}
        old_ns = joined_ns = 0
        flying = _Flying()
        waiting = self._waiting()
        without_ns = [0] * len(self._children)
        additions = iter(ways_ahead)
        for is_start, at in self._events:
            child = self._children[at]
            if is_start:
                flying.land(_waiting(at))
                flying.take_off(child.end_ns + child.to_end_ns, _running(at))
                continue
            flying.land(_running(at))
            ahead, old_ahead_ns = next(additions)
            longest_ns = max(0, joined_ns + self.tail_ns, old_ns + old_ahead_ns, flying.longest_ns)
            for number, end_ns in ended.items():
                longest_ns = max(longest_ns, end_ns + ahead.get(number, _NEVER))
            without_ns[at] = longest_ns
            ended[child.order_class] = max(ended.pop(child.order_class, _NEVER), child.end_ns)
            if len(ended) > _CLASSES_KEPT:
                old_ns = max(old_ns, ended.pop(next(iter(ended))))
            joined_ns = max(joined_ns, child.end_ns)
            for place, lag_ns in waiting.get(at, ()):
                one = self._children[place]
                way_ns = child.end_ns + lag_ns + one.duration_ns + one.to_end_ns
                flying.take_off(way_ns, _waiting(place))
        return without_ns

    def _waiting(self) -> dict[int, list[tuple[int, int]]]:
        """Return who waits for each child by name, with the lag."""
        waiting: dict[int, list[tuple[int, int]]] = {}
        for at, child in enumerate(self._children):
            for place, lag_ns in child.siblings_waited_for:
                waiting.setdefault(place, []).append((at, lag_ns))
        return waiting


class _Flying:
    """Ways that are under way at some moment: through what runs, and what waits by name for it."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int]] = []  # minus the length, traveller
        self._landed: set[int] = set()

    def take_off(self, way_ns: int, traveller: int) -> None:
        heapq.heappush(self._heap, (-way_ns, traveller))

    def land(self, traveller: int) -> None:
        self._landed.add(traveller)

    @property
    def longest_ns(self) -> int:
        heap, landed = self._heap, self._landed
        while heap and heap[0][1] in landed:
            heapq.heappop(heap)
        return -heap[0][0] if heap else _NEVER


def _running(place: int) -> int:
    return 2 * place


def _waiting(place: int) -> int:
    return 2 * place + 1
