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
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from longpole.analysis.family import Family
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
        allowed: the order classes that had ended before it and that it can have waited for; `None`
            where it only waits for named siblings.
        submit_lag_ns: from the end of those to its start, had it not had to wait for a place.
        named: its explicit predecessors.
        holder: who freed its place.
        by_name: both of them together.
        to_end_ns: from its end to the parent's, along the longest way.
    """

    __slots__ = (
        "allowed",
        "by_name",
        "duration_ns",
        "end_ns",
        "holder",
        "named",
        "number",
        "order_class",
        "start_ns",
        "submit_lag_ns",
        "to_end_ns",
    )

    def __init__(self, number: int, start_ns: int, end_ns: int, order_class: int) -> None:
        self.number = number
        self.start_ns = start_ns
        self.end_ns = end_ns
        self.duration_ns = end_ns - start_ns
        self.order_class = order_class
        self.allowed: tuple[int, ...] | None = ()
        self.submit_lag_ns = 0
        self.named: tuple[_Named, ...] = ()
        self.holder: _Named | None = None
        self.by_name: tuple[_Named, ...] = ()
        self.to_end_ns = _NEVER


class Woven(Family):
    """A family of any shape."""

    __slots__ = ("_children", "_class_orders", "_events", "_merged", "_place", "_siblings")

    def __init__(self, siblings: Siblings, parent: int) -> None:
        super().__init__(siblings, parent)
        self._siblings = siblings
        self._place = {unit.first: at for at, unit in enumerate(self._units)}
        self._class_orders: list[Order] = []
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
            key = (order.group, order.superstep, order.seq)
            number = classes.setdefault(key, len(classes))
            if number == len(self._class_orders):
                self._class_orders.append(order)
            start_ns, end_ns = unit.low_ns - base_ns, unit.high_ns - base_ns
            children.append(_Child(unit.first, start_ns, end_ns, number))
        return children

    def _plan(self) -> list[int]:
        """Return the events: n, child n starts; ~n (below 0), those after may wait for child n."""
        events: list[int] = []
        running: list[tuple[int, int]] = []
        tolerance_ns = self._siblings.timeline.tolerance_ns
        for at, child in enumerate(self._children):
            reach_ns = child.start_ns + tolerance_ns[child.number]
            while running and running[0][0] <= reach_ns:
                events.append(~heapq.heappop(running)[1])
            events.append(at)
            heapq.heappush(running, (child.end_ns, at))
        events += [~at for _, at in sorted(running)]
        return events

    def _calibrate(self) -> None:
        """Measure lags so that running again gives the recorded times; note who waited for whom."""
        children, spans = self._children, self._siblings.timeline.spans
        ended: dict[int, int] = {}  # class -> latest end
        old_ns = 0
        allowed_of: dict[int, tuple[int, ...]] = {}  # as long as the same classes have ended
        is_added = [False] * len(children)
        launch_ns: dict[int, int] = {}
        for event, at in enumerate(self._events):
            if at < 0:
                child = children[~at]
                is_added[~at] = True
                number = child.order_class
                if number not in ended:
                    allowed_of.clear()
                # Put last, so that the first is the oldest.
                ended[number] = max(ended.pop(number, _NEVER), child.end_ns)
                if len(ended) > _CLASSES_KEPT:
                    oldest = self._merged[event] = next(iter(ended))
                    old_ns = max(old_ns, ended.pop(oldest))
                continue
            child = children[at]
            number = child.order_class
            base_ns = old_ns
            after = spans[child.number].order.after
            if after is not None:
                self._name_predecessors(child, after, is_added)
                if child.named:
                    base_ns = child.start_ns - child.named[0].lag_ns
            else:
                allowed = allowed_of.get(number)
                if allowed is None:
                    allowed = allowed_of[number] = self._allowed(number, ended)
                child.allowed = allowed
                for one in allowed:
                    base_ns = max(base_ns, ended[one])
            lag_ns = child.submit_lag_ns = child.start_ns - base_ns
            launched_ns = launch_ns.get(number, 0)
            if self._find_holder(child, is_added):
                child.submit_lag_ns = min(lag_ns, launched_ns)
            elif lag_ns > launched_ns:
                launch_ns[number] = lag_ns

    def _allowed(self, order_class: int, ended: Iterable[int]) -> tuple[int, ...]:
        """Return the ended classes that units of a class can have waited for."""
        orders = self._class_orders
        return tuple([one for one in ended if precedes(orders[one], orders[order_class])])

    def _name_predecessors(
        self, child: _Child, after: tuple[str, ...], is_added: list[bool]
    ) -> None:
        number_of = self._siblings.timeline.number
        places = [self._place.get(number_of.get(span_id, -1), -1) for span_id in after]
        places = [place for place in places if place >= 0 and is_added[place]]
        if places:
            lag_ns = child.start_ns - max([self._children[place].end_ns for place in places])
            child.named = child.by_name = tuple([_Named(place, lag_ns) for place in places])
            child.allowed = None

    def _find_holder(self, child: _Child, is_added: list[bool]) -> bool:
        slot = self._siblings.slots.get(child.number)
        place = None if slot is None else self._place.get(slot.holder)
        if place is None or not is_added[place]:
            return False
        child.holder = _Named(place, child.start_ns - self._children[place].end_ns)
        child.by_name = (*child.named, child.holder)
        self.is_limited = True
        return True

    # --- running again -----------------------------------------------------------------------

    def run(
        self, duration_of: Mapping[int, int], *, has_limits: bool = True, is_ideal: bool = False
    ) -> int:
        """Return the parent's length when its units take these times."""
        ended: dict[int, int] = {}
        old_ns = joined_ns = 0
        ends = [0] * len(self._children)
        for at in self._events:
            if at < 0:
                number = self._children[~at].order_class
                ended[number] = max(ended.pop(number, _NEVER), ends[~at])
                if len(ended) > _CLASSES_KEPT:
                    old_ns = max(old_ns, ended.pop(next(iter(ended))))
                continue
            child = self._children[at]
            start_ns = 0
            if child.allowed is not None:
                base_ns = old_ns
                for number in child.allowed:
                    base_ns = max(base_ns, ended.get(number, _NEVER))
                lag_ns = child.submit_lag_ns
                start_ns = max(0, base_ns + (min(0, lag_ns) if is_ideal else lag_ns))
            for place, lag_ns in child.named:
                start_ns = max(start_ns, ends[place] + (min(0, lag_ns) if is_ideal else lag_ns))
            if has_limits and child.holder is not None:
                start_ns = max(start_ns, ends[child.holder.place] + child.holder.lag_ns)
            end_ns = ends[at] = start_ns + duration_of.get(child.number, child.duration_ns)
            if end_ns > joined_ns:
                joined_ns = end_ns
        return joined_ns if is_ideal else joined_ns + self.tail_ns

    # --- one child at a time -----------------------------------------------------------------

    def holds_ns(self) -> tuple[Sequence[int], Sequence[int]]:
        """Return `without_ns` and `to_end_ns` of `Held` for each unit, by start."""
        without_ns = self._look_ahead(self._look_back())
        return without_ns, [child.to_end_ns for child in self._children]

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
            at = self._events[event]
            if at < 0:
                child = self._children[~at]
                number = child.order_class
                merged = self._merged.get(event)
                if merged is not None:  # from here on everybody may have waited for the class
                    ahead[merged] = max(ahead.get(merged, _NEVER), old_ns)
                child.to_end_ns = max(
                    self.tail_ns, ahead.get(number, _NEVER), named.pop(~at, _NEVER)
                )
                members[number] -= 1
                if not members[number]:
                    # Before its first member has ended nobody can wait for the class.
                    ahead.pop(number, None)
                found.append((ahead.copy(), old_ns))
                continue
            child = self._children[at]
            rest_ns = child.duration_ns + child.to_end_ns
            if child.allowed is not None:
                way_ns = child.submit_lag_ns + rest_ns
                old_ns = max(old_ns, way_ns)
                for one in child.allowed:
                    if way_ns > ahead.get(one, _NEVER):
                        ahead[one] = way_ns
            for place, lag_ns in child.by_name:
                named[place] = max(named.get(place, _NEVER), lag_ns + rest_ns)
        found.reverse()
        return found

    def _look_ahead(self, ways_ahead: list[tuple[dict[int, int], int]]) -> list[int]:
        """From the start to the end: the longest way that does not go through each child."""
        children, tail_ns = self._children, self.tail_ns
        ended: dict[int, int] = {}
        old_ns = joined_ns = 0
        flying = _Flying()
        waiting = self._waiting()
        without_ns = [0] * len(children)
        additions = iter(ways_ahead)
        for at, following in zip(self._events, (*self._events[1:], None), strict=True):
            if at >= 0:
                child = children[at]
                if child.by_name:
                    flying.land(_waiting(at))
                flying.take_off(child.end_ns + child.to_end_ns, _running(at))
                continue
            child = children[~at]
            flying.land(_running(~at))
            ahead, old_ahead_ns = next(additions)
            longest_ns = max(joined_ns + tail_ns, old_ns + old_ahead_ns, flying.longest_ns())
            for number, end_ns in ended.items():
                if number in ahead:
                    longest_ns = max(longest_ns, end_ns + ahead[number])
            without_ns[~at] = longest_ns
            number, end_ns = child.order_class, child.end_ns
            ended[number] = max(ended.pop(number, _NEVER), end_ns)
            if len(ended) > _CLASSES_KEPT:
                old_ns = max(old_ns, ended.pop(next(iter(ended))))
            joined_ns = max(joined_ns, end_ns)
            for place, lag_ns in waiting.get(~at, ()):
                # Who takes over a place at once is never seen waiting.
                if place != following:
                    one = children[place]
                    way_ns = end_ns + lag_ns + one.duration_ns + one.to_end_ns
                    flying.take_off(way_ns, _waiting(place))
        return without_ns

    def _waiting(self) -> dict[int, list[tuple[int, int]]]:
        """Return who waits for each child by name, with the lag."""
        waiting: dict[int, list[tuple[int, int]]] = {}
        for at, child in enumerate(self._children):
            for place, lag_ns in child.by_name:
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

    def longest_ns(self) -> int:
        heap, landed = self._heap, self._landed
        while heap and heap[0][1] in landed:
            heapq.heappop(heap)
        return -heap[0][0] if heap else _NEVER


def _running(place: int) -> int:
    return 2 * place


def _waiting(place: int) -> int:
    return 2 * place + 1
