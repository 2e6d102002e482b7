"""A run as durations and waits, which can be run again with something changed.

In: the judged siblings of a run. Out: a `Replay`: per parent when each child starts, given when
those it waited for end (plus a lag that is the parent's own), and how long the parent goes on after
the last of them. Run again unchanged it gives every recorded time exactly: lags and tails are
measured, not assumed. A queued child also waits for the sibling that freed its place.

Everything is a maximum of sums, so how a parent's length depends on one child's is known in closed
form: it stays at what the run would take without that child, until the child is long enough to hold
it up. From that slack and drag of all spans follow in one pass, without running again for each.

Source: critical path method (total float); Devaux's drag; work-span model for the ideal length.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from longpole.analysis.normalise import Timeline
from longpole.analysis.siblings import Siblings, Unit, precedes
from longpole.model.run import Order

_NEVER = -(2**80)
_CLASSES_KEPT = 6
"""Order classes that are told apart; what is older than these has ended before all that follows."""

_Class = tuple[str | None, int | None, int | None]


@dataclass(frozen=True, slots=True)
class _Named:
    """A wait for one certain sibling: start at its end plus `lag_ns`."""

    unit: int
    lag_ns: int


@dataclass(slots=True)
class _Child:
    """One unit below a parent; times count from the parent's start."""

    unit: Unit
    duration_ns: int
    order_class: _Class
    lag_ns: int = 0
    has_base: bool = True
    named: tuple[_Named, ...] = ()
    holder: _Named | None = None
    submit_lag_ns: int = 0
    allowed: tuple[int, ...] = ()
    start_ns: int = 0
    end_ns: int = 0
    to_end_ns: int = _NEVER
    without_ns: int = _NEVER


@dataclass(frozen=True, slots=True)
class Held:
    """How the length of a parent depends on one child.

    Attributes:
        without_ns: the parent's length however short the child is.
        start_ns: when the child starts, from the parent's start.
        to_end_ns: from the child's end to the parent's, along the longest way.
    """

    without_ns: int
    start_ns: int
    to_end_ns: int

    def length_ns(self, duration_ns: int) -> int:
        """Return the parent's length were the child this long."""
        return max(self.without_ns, self.start_ns + duration_ns + self.to_end_ns)


class Family:
    """One parent and the units it waited for."""

    def __init__(self, siblings: Siblings, parent: int) -> None:
        timeline = siblings.timeline
        self._base_ns = timeline.low_ns[parent]
        self.length_ns = timeline.high_ns[parent] - self._base_ns
        units = siblings.units[parent]
        self._place = {unit.first: at for at, unit in enumerate(units)}
        self._children = [
            _Child(unit, unit.high_ns - unit.low_ns, _class_of(siblings.order(unit.first)))
            for unit in units
        ]
        self._classes: dict[_Class, int] = {}
        self._class_orders: list[Order] = []
        self._merged: dict[int, int] = {}
        self._siblings = siblings
        self._events = self._plan(timeline)
        self._calibrate()
        ends = [child.end_ns for child in self._children]
        self.tail_ns = self.length_ns - max(ends, default=0)
        self.is_leaf = not units

    # --- what happens in which order ---------------------------------------------------------

    def _plan(self, timeline: Timeline) -> list[tuple[bool, int]]:
        """Return the events: (True, n) child n starts, (False, n) those after may wait for it."""
        events: list[tuple[bool, int]] = []
        running: list[tuple[int, int]] = []
        for at, child in enumerate(self._children):
            unit = child.unit
            reach_ns = unit.low_ns + timeline.tolerance_ns[unit.first]
            while running and running[0][0] <= reach_ns:
                events.append((False, heapq.heappop(running)[1]))
            events.append((True, at))
            heapq.heappush(running, (unit.high_ns, at))
        while running:
            events.append((False, heapq.heappop(running)[1]))
        return events

    def _class_number(self, child: _Child) -> int:
        number = self._classes.get(child.order_class)
        if number is None:
            number = self._classes[child.order_class] = len(self._class_orders)
            self._class_orders.append(self._siblings.order(child.unit.first))
        return number

    def _calibrate(self) -> None:
        """Measure lags so that running again gives the recorded times; note who waited for whom."""
        ended: dict[int, int] = {}  # class -> latest end
        old_ns = 0
        is_added = [False] * len(self._children)
        launch_ns: dict[_Class, int] = {}
        for place, (is_start, at) in enumerate(self._events):
            child = self._children[at]
            if not is_start:
                is_added[at] = True
                number = self._class_number(child)
                ended[number] = max(ended.pop(number, _NEVER), child.end_ns)
                if len(ended) > _CLASSES_KEPT:
                    oldest = self._merged[place] = next(iter(ended))
                    old_ns = max(old_ns, ended.pop(oldest))
                continue
            child.start_ns = child.unit.low_ns - self._base_ns
            child.end_ns = child.start_ns + child.duration_ns
            order = self._siblings.order(child.unit.first)
            base_ns = old_ns
            if order.after is not None:
                base_ns = self._name_predecessors(child, order, is_added)
            else:
                child.allowed = tuple(
                    number for number in ended if precedes(self._class_orders[number], order)
                )
                base_ns = max([old_ns, *(ended[number] for number in child.allowed)])
            child.lag_ns = child.start_ns - base_ns
            slot = self._siblings.slots.get(child.unit.first)
            holder = None if slot is None else self._place.get(slot.holder)
            if holder is not None and is_added[holder]:
                child.holder = _Named(holder, child.start_ns - self._children[holder].end_ns)
                child.submit_lag_ns = min(child.lag_ns, max(0, launch_ns.get(child.order_class, 0)))
            else:
                child.submit_lag_ns = child.lag_ns
                launch_ns[child.order_class] = max(
                    launch_ns.get(child.order_class, 0), child.lag_ns
                )

    def _name_predecessors(self, child: _Child, order: Order, is_added: list[bool]) -> int:
        named = [
            self._place[number]
            for span_id in order.after or ()
            if (number := self._siblings.timeline.number.get(span_id)) in self._place
            and is_added[self._place[number]]
        ]
        base_ns = max((self._children[at].end_ns for at in named), default=0)
        child.has_base = not named
        child.named = tuple(_Named(at, child.start_ns - base_ns) for at in named)
        return base_ns

    # --- running again -----------------------------------------------------------------------

    def run(
        self, duration_of: dict[int, int], *, has_limits: bool = True, is_ideal: bool = False
    ) -> int:
        """Return the parent's length when its units take these times (by their first number)."""
        ended: dict[int, int] = {}
        old_ns = 0
        ends = [0] * len(self._children)
        last_ns = 0
        for is_start, at in self._events:
            child = self._children[at]
            if not is_start:
                number = self._classes[child.order_class]
                ended[number] = max(ended.pop(number, _NEVER), ends[at])
                if len(ended) > _CLASSES_KEPT:
                    old_ns = max(old_ns, ended.pop(next(iter(ended))))
                continue
            start_ns = _NEVER
            if child.has_base:
                base_ns = max([old_ns, *(ended.get(one, _NEVER) for one in child.allowed)])
                lag_ns = 0 if is_ideal else child.submit_lag_ns
                start_ns = base_ns + lag_ns
            for one in child.named:
                start_ns = max(start_ns, ends[one.unit] + (0 if is_ideal else one.lag_ns))
            if has_limits and child.holder is not None:
                start_ns = max(start_ns, ends[child.holder.unit] + child.holder.lag_ns)
            duration_ns = duration_of.get(child.unit.first, child.duration_ns)
            ends[at] = max(start_ns, 0) + duration_ns
            last_ns = max(last_ns, ends[at])
        return last_ns + (0 if is_ideal else self.tail_ns)

    # --- one child at a time -----------------------------------------------------------------

    def held(self) -> dict[int, Held]:
        """Return for each unit (by its first number) how the parent's length depends on it."""
        self._look_back()
        self._look_ahead()
        return {
            child.unit.first: Held(child.without_ns, child.start_ns, child.to_end_ns)
            for child in self._children
        }

    def _look_back(self) -> None:
        """From the end to the start: the longest way from each child's end to the parent's."""
        ahead: dict[int, int] = {}
        old_ns = _NEVER
        named: dict[int, int] = {}
        members = Counter(child.order_class for child in self._children)
        self._ahead: list[tuple[dict[int, int], int]] = []
        for place in range(len(self._events) - 1, -1, -1):
            is_start, at = self._events[place]
            child = self._children[at]
            if not is_start:
                merged = self._merged.get(place)
                if merged is not None:  # from here on everybody may have waited for the class
                    ahead[merged] = max(ahead.get(merged, _NEVER), old_ns)
                number = self._classes[child.order_class]
                child.to_end_ns = max(
                    self.tail_ns, ahead.get(number, _NEVER), named.pop(at, _NEVER)
                )
                members[child.order_class] -= 1
                if not members[child.order_class]:
                    # Before its first member has ended nobody can wait for the class.
                    ahead.pop(number, None)
                self._ahead.append((dict(ahead), old_ns))
                continue
            rest_ns = child.duration_ns + child.to_end_ns
            if child.has_base:
                way_ns = child.submit_lag_ns + rest_ns
                for number in child.allowed:
                    if way_ns > ahead.get(number, _NEVER):
                        ahead[number] = way_ns
                old_ns = max(old_ns, way_ns)
            for one in child.named:
                named[one.unit] = max(named.get(one.unit, _NEVER), one.lag_ns + rest_ns)
            if child.holder is not None:
                at_holder = child.holder.unit
                named[at_holder] = max(named.get(at_holder, _NEVER), child.holder.lag_ns + rest_ns)
        self._ahead.reverse()

    def _look_ahead(self) -> None:
        """From the start to the end: the longest way that does not go through each child."""
        ended: dict[int, int] = {}
        old_ns = 0
        joined_ns = 0
        flying: list[tuple[int, int, int]] = []  # minus the length of the way, kind, child
        landed: set[tuple[int, int]] = set()
        pending: dict[int, list[int]] = {}
        for at, child in enumerate(self._children):
            for one in (*child.named, *((child.holder,) if child.holder else ())):
                pending.setdefault(one.unit, []).append(at)
        additions = iter(self._ahead)
        for is_start, at in self._events:
            child = self._children[at]
            if is_start:
                landed.add((1, at))
                heapq.heappush(flying, (-(child.end_ns + child.to_end_ns), 0, at))
                continue
            ahead, old_ahead_ns = next(additions)
            ways = [joined_ns + self.tail_ns, old_ns + old_ahead_ns]
            ways += [ended[number] + ahead.get(number, _NEVER) for number in ended]
            ways.append(_highest_but(flying, landed, at))
            child.without_ns = max(0, *ways)
            landed.add((0, at))
            number = self._classes[child.order_class]
            ended[number] = max(ended.pop(number, _NEVER), child.end_ns)
            if len(ended) > _CLASSES_KEPT:
                old_ns = max(old_ns, ended.pop(next(iter(ended))))
            joined_ns = max(joined_ns, child.end_ns)
            for waiting in pending.get(at, ()):
                one = self._children[waiting]
                edge = next(
                    n for n in (*one.named, *((one.holder,) if one.holder else ())) if n.unit == at
                )
                way_ns = child.end_ns + edge.lag_ns + one.duration_ns + one.to_end_ns
                heapq.heappush(flying, (-way_ns, 1, waiting))


def _highest_but(flying: list[tuple[int, int, int]], landed: set[tuple[int, int]], at: int) -> int:
    """Return the longest way in flight that is not child `at`'s own; what has landed is dropped."""
    while flying and (flying[0][1], flying[0][2]) in landed:
        heapq.heappop(flying)
    if not flying:
        return _NEVER
    if (flying[0][1], flying[0][2]) != (0, at):
        return -flying[0][0]
    own = heapq.heappop(flying)
    while flying and (flying[0][1], flying[0][2]) in landed:
        heapq.heappop(flying)
    highest = -flying[0][0] if flying else _NEVER
    heapq.heappush(flying, own)
    return highest


def _class_of(order: Order) -> _Class:
    return (order.group, order.superstep, order.seq)


class Replay:
    """A whole run as families."""

    def __init__(self, siblings: Siblings) -> None:
        self.siblings = siblings
        self.timeline = siblings.timeline
        self.families: list[Family | None] = [
            Family(siblings, number) if units else None
            for number, units in enumerate(siblings.units)
        ]

    def length_ns(self, *, has_limits: bool = True, is_ideal: bool = False) -> int:
        """Return how long the run takes, as recorded or with something lifted.

        Args:
            has_limits: whether queued branches wait for a place.
            is_ideal: no launch, gap, back-off or join takes any time: the span length.
        """
        timeline, units = self.timeline, self.siblings.units
        lengths = [high - low for low, high in zip(timeline.low_ns, timeline.high_ns, strict=True)]
        for number in range(len(lengths) - 1, -1, -1):
            family = self.families[number]
            if family is None:
                continue
            durations = {
                unit.first: lengths[unit.first] for unit in units[number] if not unit.windows
            }
            lengths[number] = family.run(durations, has_limits=has_limits, is_ideal=is_ideal)
        return lengths[0]


@dataclass(frozen=True, slots=True)
class Floats:
    """Slack and drag of every span, by number.

    Attributes:
        slack_ns: `None` where nobody waited for the span.
        drag_ns: 0 off the critical path.
    """

    slack_ns: Sequence[int | None]
    drag_ns: Sequence[int]


def floats_of(replay: Replay, on_path_ns: Sequence[int]) -> Floats:
    """Return slack and drag of every span.

    Args:
        replay: the run.
        on_path_ns: critical-path time of each span's subtree, by number.
    """
    timeline = replay.timeline
    count = len(timeline.spans)
    slack_ns: list[int | None] = [None] * count
    slack_ns[0] = 0
    held: dict[int, tuple[int, Held, int]] = {}  # span -> its parent, how it holds it, unit length
    stage_of: dict[int, int] = {}
    for number in range(count):
        family = replay.families[number]
        own_slack = slack_ns[number]
        if family is None or own_slack is None:
            continue
        holding = family.held()
        for unit in replay.siblings.units[number]:
            one = holding[unit.first]
            length_ns = unit.high_ns - unit.low_ns
            local_ns = family.length_ns - (one.start_ns + length_ns + one.to_end_ns)
            members = {window.owner for window in unit.windows} | {unit.first, unit.last}
            for member in members:
                slack_ns[member] = max(0, local_ns) + own_slack
                held[member] = (number, one, length_ns)
                if unit.windows:
                    stage_of[member] = unit.first
    drag_ns = [
        _drag_ns(replay, held, stage_of, number, on_path_ns) if on_path_ns[number] else 0
        for number in range(count)
    ]
    return Floats(slack_ns, drag_ns)


def _drag_ns(
    replay: Replay,
    held: dict[int, tuple[int, Held, int]],
    stage_of: dict[int, int],
    number: int,
    on_path_ns: Sequence[int],
) -> int:
    timeline = replay.timeline
    lengths = timeline.high_ns[number] - timeline.low_ns[number]
    gain_ns = lengths if number not in stage_of else on_path_ns[number]
    at = number
    while at != 0 and gain_ns > 0:
        if at not in held:
            # Below a stage of a stream; its time is taken to shorten the stage one to one.
            at = timeline.parent[at]
            continue
        parent, one, length_ns = held[at]
        before_ns = one.length_ns(length_ns)
        gain_ns = before_ns - one.length_ns(max(0, length_ns - gain_ns))
        at = parent
    return max(0, min(gain_ns, on_path_ns[number]))
