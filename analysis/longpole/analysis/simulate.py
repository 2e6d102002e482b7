"""A whole run, run again with something changed.

In: judged siblings and `Edits`. Out: how long the run takes, and when each span starts and ends.
Pools and gates belong to one family, so how long a span takes does not depend on when it starts:
lengths are found from below, only above what was edited, and times from above. Run again without an
edit, every recorded start and end comes out to the nanosecond: `check` says so, and where no pool
reproduces a family its queued units are bound to the very units they were recorded to wait for.

Source: critical-path.md, replay; list scheduling (Graham 1969).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain

from longpole.analysis.edits import NO_EDITS, AtMost, Edits, Length, edited
from longpole.analysis.normalise import Bond
from longpole.analysis.plan import GroupKey, Plan, plan_of
from longpole.analysis.play import Played, Rules, play
from longpole.analysis.siblings import Siblings, Unit
from longpole.model.errors import NotReplayableError


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """When everything happens, by span number, on the root's clock.

    Attributes:
        low_ns, high_ns: the stays; of a span nobody waited for its start and end.
        start_ns, end_ns: as they would be recorded.
        is_gone: the span never happens.
        is_cut: it is ended from outside, by a time limit or the failure of another.
        waits_ns: for a free place, of spans in a pool.
        scale: how much slower a moment inside the span passes than recorded.
    """

    low_ns: Sequence[int]
    high_ns: Sequence[int]
    start_ns: Sequence[int]
    end_ns: Sequence[int]
    is_gone: Sequence[bool]
    is_cut: Sequence[bool]
    waits_ns: Mapping[int, int]
    scale: Sequence[float]

    @property
    def wall_ns(self) -> int:
        """How long the run takes."""
        return self.end_ns[0] - self.start_ns[0]


@dataclass(frozen=True, slots=True)
class _Outcome:
    """Lengths that differ from the recorded ones, and the families that were run again."""

    lengths: Mapping[int, Length]
    inner_ns: Mapping[int, int]
    played: Mapping[int, Played]
    windows: Mapping[int, Sequence[int]]


class Simulation:
    """A run that can be run again; made once, asked often."""

    def __init__(self, siblings: Siblings) -> None:
        self.siblings = siblings
        self.timeline = timeline = siblings.timeline
        self.plans: dict[int, Plan] = {
            number: plan_of(siblings, number)
            for number, units in enumerate(siblings.units)
            if units
        }
        self._recorded_ns = [
            high - low for low, high in zip(timeline.low_ns, timeline.high_ns, strict=True)
        ]
        self._unit: dict[int, int] = {}  # place among its siblings; stages share their stream's
        self.stages: dict[int, list[int]] = {}
        """All stages of each stream, by the number of its first."""
        for parent, plan in self.plans.items():
            for at, unit in enumerate(plan.units):
                self._unit[unit.first] = at
            if any(unit.windows for unit in plan.units):
                self._note_stages(parent, plan)
        self.is_fixed = frozenset(
            number for number, plan in self.plans.items() if not self._is_reproduced(plan)
        )

    def _note_stages(self, parent: int, plan: Plan) -> None:
        """Find the stages of streams: whatever was waited for and is no unit by itself."""
        firsts = {unit.first for unit in plan.units if not unit.windows}
        stages = [
            child
            for child in self.timeline.children[parent]
            if self.timeline.bond[child].holds and child not in firsts
        ]
        streams = [(at, unit) for at, unit in enumerate(plan.units) if unit.windows]
        for stage in stages:
            position = self._seq(stage)
            within = (
                (at, unit)
                for at, unit in streams
                if self._seq(unit.first) <= position <= self._seq(unit.last)
                and unit.low_ns <= self.timeline.low_ns[stage] <= unit.high_ns
            )
            at, unit = next(within, streams[0])
            self._unit[stage] = at
            self.stages.setdefault(unit.first, []).append(stage)

    def _seq(self, number: int) -> int:
        return self.timeline.spans[number].order.seq or 0

    # --- what there is -----------------------------------------------------------------------

    @property
    def wall_ns(self) -> int:
        """How long the run took."""
        return self._recorded_ns[0]

    def plan_above(self, number: int) -> tuple[Plan, int] | None:
        """Return the family a span is a unit of and its place; `None`: nobody waited for it."""
        plan = self.plans.get(self.timeline.parent[number]) if number else None
        at = self._unit.get(number)
        return None if plan is None or at is None else (plan, at)

    def ancestors(self, numbers: Iterable[int]) -> list[int]:
        """Return spans and all above them, deepest first."""
        found: set[int] = set()
        for number in numbers:
            at = number
            while at >= 0 and at not in found:
                found.add(at)
                at = self.timeline.parent[at]
        return sorted(found, reverse=True)

    def check(self) -> None:
        """Run again without a change.

        Raises:
            NotReplayableError: a start or end differs from what was recorded, or there is no end.
        """
        timeline = self.timeline
        if timeline.is_open[0]:
            raise NotReplayableError(
                f"run {timeline.run.run_id!r} has no recorded end, so it cannot be run again; "
                "expected one that has ended"
            )
        times = self.times(NO_EDITS, plays_all=True)
        for number, span in enumerate(timeline.spans):
            again = (times.start_ns[number], times.end_ns[number])
            if again != (timeline.start_ns[number], timeline.end_ns[number]):
                raise NotReplayableError(
                    f"run again without a change, span {span.span_id!r} does not get its recorded "
                    "times, so nothing is predicted for this run"
                )

    # --- running again -----------------------------------------------------------------------

    def length_ns(self, edits: Edits) -> int:
        """Return how long the run takes with these edits; asks only what is above them."""
        return self._run(edits, self._touched(edits)).lengths[0].cut_ns

    def times(self, edits: Edits, *, plays_all: bool = False) -> Times:
        """Return when everything happens; `plays_all`: families run again that nothing changed."""
        whole = range(len(self.timeline.spans) - 1, -1, -1)
        return _Layout(self, self._run(edits, whole, plays_all=plays_all), edits).times()

    def drag_ns(self, numbers: Iterable[int]) -> int:
        """Return how much sooner the run would end were these spans, together, instant."""
        instant = {number: (AtMost(0),) for number in numbers}
        return self.wall_ns - self.length_ns(Edits(lengths=instant))

    def queue_wait_ns(self) -> int:
        """Return what limits cost: the wall minus the wall without any."""
        return self.wall_ns - self.length_ns(Edits(has_limits=False))

    def _touched(self, edits: Edits) -> Sequence[int]:
        if not edits.has_limits:
            return range(len(self.timeline.spans) - 1, -1, -1)
        numbers = {0, *edits.lengths, *edits.gone, *edits.lags_ns, *edits.fail_fast}
        numbers.update(parent for parent, _ in edits.places)
        return self.ancestors(numbers)

    def _run(self, edits: Edits, numbers: Iterable[int], *, plays_all: bool = False) -> _Outcome:
        """Find the lengths of spans, given with all above them, deepest first."""
        lengths: dict[int, Length] = {}
        inner_ns: dict[int, int] = {}
        played: dict[int, Played] = {}
        windows: dict[int, Sequence[int]] = {}
        below: dict[int, list[int]] = {}
        for number in numbers:
            plan = self.plans.get(number)
            inner = self._recorded_ns[number]
            if plan is not None:
                rules = self._rules(number, plan, below.get(number, ()), edits)
                unit_lengths = self._unit_lengths(plan, below.get(number, ()), lengths, windows)
                if plays_all or rules is not None or unit_lengths is not None:
                    played[number] = play(
                        plan,
                        unit_lengths or [unit.high_ns - unit.low_ns for unit in plan.units],
                        rules or self._recorded_rules(number, plan, NO_EDITS),
                    )
                    inner = played[number].length_ns
            inner_ns[number] = inner
            found = edited(inner, edits.lengths.get(number, ()))
            lengths[number] = Length(0, 0) if number in edits.gone else found
            if number and (
                number in edits.gone
                or number in edits.lags_ns
                or lengths[number].cut_ns != self._recorded_ns[number]
            ):
                below.setdefault(self.timeline.parent[number], []).append(number)
        return _Outcome(lengths, inner_ns, played, windows)

    def _unit_lengths(
        self,
        plan: Plan,
        changed: Iterable[int],
        lengths: Mapping[int, Length],
        windows: dict[int, Sequence[int]],
    ) -> list[int] | None:
        """Return how long each unit takes; `None` where all take as long as recorded."""
        found: list[int] | None = None
        for number in changed:
            at = self._unit.get(number)
            if at is None:
                continue
            if found is None:
                found = [unit.high_ns - unit.low_ns for unit in plan.units]
            unit = plan.units[at]
            if unit.windows:
                windows[unit.first] = self._window_lengths(unit, lengths)
                found[at] = sum(windows[unit.first])
            else:
                found[at] = lengths[number].cut_ns
        return found

    def _window_lengths(self, unit: Unit, lengths: Mapping[int, Length]) -> list[int]:
        """Return how long each window of a stream takes: in proportion to its owner."""
        found = []
        for owner, low_ns, high_ns in unit.windows:
            recorded = self._recorded_ns[owner]
            length = lengths.get(owner)
            length_ns = high_ns - low_ns
            if length is not None and recorded:
                length_ns = length_ns * length.cut_ns // recorded
            found.append(length_ns)
        return found

    # --- rules of one family -----------------------------------------------------------------

    def _rules(self, number: int, plan: Plan, changed: Iterable[int], edits: Edits) -> Rules | None:
        """Return what holds in a family; `None` where that is what was recorded."""
        mine = {key: places for (parent, key), places in edits.places.items() if parent == number}
        special = [one for one in changed if one in edits.gone or one in edits.lags_ns]
        if not (mine or special or number in edits.fail_fast or not edits.has_limits):
            return None
        recorded = self._recorded_rules(number, plan, edits)
        places = {**recorded.places, **mine}
        units = [(self._unit[one], one) for one in special if one in self._unit]
        lags = {at: edits.lags_ns[one] for at, one in units if one in edits.lags_ns}
        gone = frozenset(at for at, one in units if one in edits.gone)
        freed = [plan.groups[key].members for key, most in mine.items() if most is None]
        return Rules(
            places={key: most for key, most in places.items() if most is not None},
            is_fixed=recorded.is_fixed,
            freed=frozenset(chain.from_iterable(freed)),
            lags_ns={**dict.fromkeys(gone, 0), **lags},
            gone=gone,
            fails_fast=number in edits.fail_fast,
        )

    def _recorded_rules(self, number: int, plan: Plan, edits: Edits) -> Rules:
        if not edits.has_limits:
            return Rules()
        if number in self.is_fixed:
            return Rules(is_fixed=True)
        return Rules(places=_recorded_places(plan))

    def _is_reproduced(self, plan: Plan) -> bool:
        """Tell whether first come, first served gives the recorded times."""
        places = _recorded_places(plan)
        if not places:
            # Without a limit that binds there is nobody who could have queued.
            return not plan.slots
        again = play(
            plan,
            [unit.high_ns - unit.low_ns for unit in plan.units],
            Rules(places=places),
        )
        return list(again.starts_ns) == list(plan.starts_ns) and list(again.ends_ns) == list(
            plan.ends_ns
        )


def _recorded_places(plan: Plan) -> dict[GroupKey, int]:
    return {key: group.places for key, group in plan.groups.items() if group.places is not None}


class _Clock:
    """How moments of a span's subtree are moved: origin + scale · passed, no later than `until`."""

    __slots__ = ("cut_ns", "from_ns", "origin_ns", "scale", "until_ns")

    def __init__(
        self, from_ns: int, origin_ns: int, scale: float, until_ns: int | None, cut_ns: int | None
    ) -> None:
        self.from_ns, self.origin_ns, self.scale = from_ns, origin_ns, scale
        self.until_ns, self.cut_ns = until_ns, cut_ns

    def at(self, passed_ns: int) -> int:
        """Return the moment when so much of the span's own time has passed."""
        return (
            self.whenever(passed_ns)
            if self.until_ns is None
            else min(self.whenever(passed_ns), self.until_ns)
        )

    def whenever(self, passed_ns: int) -> int:
        """Return the same, even if the span has ended by then."""
        moved = passed_ns if self.scale == 1 else round(passed_ns * self.scale)
        return self.origin_ns + moved


class _Warp:
    """How moments of a stream are moved: each window by its own measure."""

    __slots__ = ("_after", "_before")

    def __init__(self, before: Sequence[int], after: Sequence[int]) -> None:
        self._before, self._after = before, after

    def at(self, moment_ns: int) -> int:
        place = min(max(bisect_right(self._before, moment_ns) - 1, 0), len(self._before) - 2)
        low, high = self._before[place], self._before[place + 1]
        first, last = self._after[place], self._after[place + 1]
        if high - low == last - first:
            return first + moment_ns - low
        return first + round((moment_ns - low) * ((last - first) / (high - low)))


class _Layout:
    """From lengths to times, parents first."""

    def __init__(self, simulation: Simulation, outcome: _Outcome, edits: Edits) -> None:
        self._simulation, self._outcome, self._edits = simulation, outcome, edits
        self._timeline = timeline = simulation.timeline
        count = len(timeline.spans)
        self._low, self._high = [0] * count, [0] * count
        self._start, self._end = [0] * count, [0] * count
        self._is_gone, self._is_cut = [False] * count, [False] * count
        self._clocks: list[_Clock | None] = [None] * count
        self._warps: list[_Warp | None] = [None] * count
        self._waits: dict[int, int] = {}
        self._scale = [1.0] * count

    def times(self) -> Times:
        length = self._outcome.lengths[0]
        begin_ns = self._timeline.low_ns[0]
        self._place(0, begin_ns, begin_ns + length.cut_ns, 1.0, None)
        for number in range(len(self._timeline.spans)):
            if number:
                self._from_above(number)
            if number in self._simulation.plans:
                self._family(number)
        return Times(
            low_ns=self._low,
            high_ns=self._high,
            start_ns=self._start,
            end_ns=self._end,
            is_gone=self._is_gone,
            is_cut=self._is_cut,
            waits_ns=self._waits,
            scale=self._scale,
        )

    def _place(
        self, number: int, low_ns: int, high_ns: int, scale: float, cut_ns: int | None
    ) -> None:
        """Put a span that was waited for where it belongs, and set the clock below it."""
        timeline, length = self._timeline, self._outcome.lengths[number]
        recorded_low, recorded_high = timeline.low_ns[number], timeline.high_ns[number]
        inner_ns = self._outcome.inner_ns[number]
        if inner_ns != length.stretched_ns:
            scale *= length.stretched_ns / inner_ns if inner_ns else 0
        is_cut = length.cut_ns < length.stretched_ns
        if is_cut:
            cut_ns = high_ns if cut_ns is None else min(cut_ns, high_ns)
        self._low[number], self._high[number] = low_ns, high_ns
        self._start[number] = low_ns + timeline.start_ns[number] - recorded_low
        self._end[number] = max(
            self._start[number], high_ns + timeline.end_ns[number] - recorded_high
        )
        self._is_cut[number] = is_cut or (cut_ns is not None and high_ns >= cut_ns)
        self._scale[number] = scale
        self._clocks[number] = _Clock(recorded_low, low_ns, scale, high_ns, cut_ns)

    def _family(self, number: int) -> None:
        """Place the units below a span."""
        clock = self._clocks[number]
        if clock is None or self._is_gone[number]:
            return
        plan = self._simulation.plans[number]
        played = self._outcome.played.get(number)
        starts = plan.starts_ns if played is None else played.starts_ns
        ends = plan.ends_ns if played is None else played.ends_ns
        stopped = frozenset[int]() if played is None else played.stopped
        for at, unit in enumerate(plan.units):
            low, high = clock.at(starts[at]), clock.at(ends[at])
            if unit.first in self._edits.gone and not unit.windows:
                self._is_gone[unit.first] = True
                continue
            never = at in stopped and starts[at] == ends[at]
            if never or (clock.cut_ns is not None and low >= clock.cut_ns):
                for member in self._simulation.stages.get(unit.first, (unit.first,)):
                    self._is_gone[member] = True
                continue
            cut_ns = clock.cut_ns if at not in stopped else high
            if unit.windows:
                self._stream(unit, low, high, clock.scale)
                continue
            self._place(unit.first, low, high, clock.scale, cut_ns)
            if played is not None and at in played.ready_ns:
                self._waits[unit.first] = starts[at] - played.ready_ns[at]

    def _stream(self, unit: Unit, low_ns: int, high_ns: int, scale: float) -> None:
        lengths = self._outcome.windows.get(unit.first)
        if lengths is None:
            lengths = [high - low for _, low, high in unit.windows]
        before = [unit.low_ns, *(window.high_ns for window in unit.windows)]
        passed = accumulate(lengths, initial=0)
        after = [
            min(high_ns, low_ns + (one if scale == 1 else round(one * scale))) for one in passed
        ]
        warp = _Warp(before, after)
        for stage in self._simulation.stages[unit.first]:
            self._warps[stage] = warp

    def _from_above(self, number: int) -> None:
        """Place what no family placed: parts of streams, and what nobody waited for."""
        timeline = self._timeline
        above = timeline.parent[number]
        if self._is_gone[above] or number in self._edits.gone or self._is_gone[number]:
            self._is_gone[number] = True
            return
        warp = self._warps[number] or self._warps[above]
        if warp is not None:
            self._warp(number, warp)
        elif self._clocks[number] is None:
            self._beside(number)

    def _warp(self, number: int, warp: _Warp) -> None:
        timeline = self._timeline
        self._warps[number] = warp
        low, high = warp.at(timeline.low_ns[number]), warp.at(timeline.high_ns[number])
        self._low[number], self._high[number] = low, high
        self._start[number] = low + timeline.start_ns[number] - timeline.low_ns[number]
        self._end[number] = max(
            self._start[number], high + timeline.end_ns[number] - timeline.high_ns[number]
        )

    def _beside(self, number: int) -> None:
        """Place a span that nobody waited for: as far from its parent as it was."""
        timeline = self._timeline
        above = timeline.parent[number]
        clock = self._clocks[above]
        start, end = timeline.start_ns[number], timeline.end_ns[number]
        if clock is None or timeline.bond[number] is Bond.LATE:
            moved = self._end[above] + start - timeline.end_ns[above]
            scale = 1.0
        else:
            moved, scale = clock.whenever(start - clock.from_ns), clock.scale
        length = edited(end - start, self._edits.lengths.get(number, ()))
        if end - start and length.stretched_ns != end - start:
            scale *= length.stretched_ns / (end - start)
        until = moved + (end - start if scale == 1 else round((end - start) * scale))
        if length.cut_ns < length.stretched_ns:
            until = min(until, moved + length.cut_ns)
        self._low[number] = self._start[number] = moved
        self._high[number] = self._end[number] = until
        self._scale[number] = scale
        self._clocks[number] = _Clock(start, moved, scale, None, None)
