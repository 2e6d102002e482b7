"""Bars of a tree → lanes on which they nest or lie apart, as trace viewers ask for.

In: bars with parents before children, at any times. Out: the lane of each. A child stays on its
parent's lane when it lies inside of it and nothing there is in its way; otherwise it gets the first
lane that is free. The wait before a bar is a bar of its own: on the same lane where that was free
so long, else on a lane that holds nothing but waits.

Greedy interval partitioning, O(n log n): J. Kleinberg, É. Tardos, Algorithm Design, 4.1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from math import inf
from typing import Final

MAX_DEPTH: Final = 200
"""Bars inside of each other on one lane; viewers drop what lies a few hundred deep."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A stretch of time to draw.

    Attributes:
        parent: number of the bar that it belongs to; -1 for none.
        wait_ns: how long it could have begun before it did.
    """

    start_ns: int
    end_ns: int
    parent: int
    wait_ns: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Where each bar lies.

    Attributes:
        lane: of each bar, from 0.
        tops: for each lane the bars that lie in no other bar there.
        wait_lane: of each bar that waited; from `len(tops)` on lanes hold nothing but waits.
        lanes: how many there are, those for waits included.
    """

    lane: Sequence[int]
    tops: Sequence[Sequence[int]]
    wait_lane: Mapping[int, int]
    lanes: int


def lay_out(bars: Sequence[Bar]) -> Layout:
    """Return the lanes of these bars; parents stand before their children."""
    placer = _Placer(bars)
    for number in sorted(range(len(bars)), key=lambda number: bars[number].start_ns):
        placer.place(number)
    lanes = placer.place_waits()
    return Layout(
        lane=placer.lane,
        tops=[lane.tops for lane in placer.lanes],
        wait_lane=placer.wait_lane,
        lanes=lanes,
    )


@dataclass(slots=True)
class _Lane:
    """A lane as far as it is filled.

    Attributes:
        open_bars: one inside of the other, the innermost last; ended ones are dropped when met.
        quiet_since_ns: nothing but the open bars was on it from then on.
    """

    tops: list[int] = field(default_factory=list)
    open_bars: list[int] = field(default_factory=list)
    quiet_since_ns: float = -inf


class _Free:
    """Lanes by when they become free; hands out the one of the lowest number."""

    def __init__(self) -> None:
        self._busy: list[tuple[int, int]] = []
        self._free: list[int] = []
        self._count = 0

    def take(self, start_ns: int, end_ns: int) -> int:
        while self._busy and self._busy[0][0] <= start_ns:
            heappush(self._free, heappop(self._busy)[1])
        if self._free:
            number = heappop(self._free)
        else:
            number, self._count = self._count, self._count + 1
        heappush(self._busy, (end_ns, number))
        return number


class _Placer:
    """One layout in the making; bars come by start."""

    def __init__(self, bars: Sequence[Bar]) -> None:
        self._bars = bars
        self._free = _Free()
        self._homeless: list[tuple[int, int]] = []
        self.lanes: list[_Lane] = []
        self.lane = [-1] * len(bars)
        self.wait_lane: dict[int, int] = {}

    def place(self, number: int) -> None:
        bar = self._bars[number]
        is_inside = self._fits_into_parent(bar)
        if is_inside:
            place = self.lane[bar.parent]
        else:
            place = self._free.take(bar.start_ns, bar.end_ns)
            if place == len(self.lanes):
                self.lanes.append(_Lane())
            self._clear(self.lanes[place])
            self.lanes[place].tops.append(number)
        if bar.wait_ns > 0:
            self._place_wait(number, place, is_inside=is_inside)
        self.lane[number] = place
        self.lanes[place].open_bars.append(number)

    def _fits_into_parent(self, bar: Bar) -> bool:
        if bar.parent < 0 or self.lane[bar.parent] < 0:
            return False
        lane = self.lanes[self.lane[bar.parent]]
        above, open_bars = self._bars[bar.parent], lane.open_bars
        while open_bars and open_bars[-1] != bar.parent:
            end_ns = self._bars[open_bars[-1]].end_ns
            if end_ns > bar.start_ns:
                return False
            open_bars.pop()
            lane.quiet_since_ns = max(lane.quiet_since_ns, end_ns)
        return bool(open_bars) and bar.end_ns <= above.end_ns and len(open_bars) < MAX_DEPTH

    def _clear(self, lane: _Lane) -> None:
        if lane.open_bars:
            lane.quiet_since_ns = max(lane.quiet_since_ns, self._bars[lane.open_bars[0]].end_ns)
            lane.open_bars.clear()

    def _place_wait(self, number: int, place: int, *, is_inside: bool) -> None:
        bar = self._bars[number]
        ready_ns = bar.start_ns - bar.wait_ns
        is_quiet = self.lanes[place].quiet_since_ns <= ready_ns
        if is_quiet and (not is_inside or self._bars[bar.parent].start_ns <= ready_ns):
            self.wait_lane[number] = place
        else:
            self._homeless.append((ready_ns, number))

    def place_waits(self) -> int:
        """Give the waits that fit nowhere lanes of their own; return how many lanes there are."""
        free, lanes = _Free(), len(self.lanes)
        for ready_ns, number in sorted(self._homeless):
            place = len(self.lanes) + free.take(ready_ns, self._bars[number].start_ns)
            self.wait_lane[number] = place
            lanes = max(lanes, place + 1)
        return lanes
