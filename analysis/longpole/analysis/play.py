"""One family run again: lengths in, starts and ends out.

In: a `Plan`, how long each unit takes, and what else holds this time (places, stops). Out: when
each unit starts and ends, counted from the parent's start. Without pools and stops that is one pass
over the plan. With them it is run event by event: what is ready queues for a place, first come
first served; the end of a unit frees its place, and the end of a failing one stops others.

Source: list scheduling (Graham 1969); critical-path.md, model of the replay.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median_low

from longpole.analysis.plan import Group, GroupKey, Plan, Wait


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What holds when a family runs again.

    Attributes:
        places: of each group that has a limit; groups that are not named have none.
        is_fixed: queued units wait for the end of the very unit they were recorded to wait for, as
            no pool gives the recorded times.
        freed: units that wait for nobody's end, fixed or not, as their group has no limit any more.
        lags_ns: lags that differ from the recorded ones, by unit.
        gone: units that are left out: they take no time and no place.
        fails_fast: the first failure in a group stops the rest of it.
    """

    places: Mapping[GroupKey, int] = field(default_factory=dict)
    is_fixed: bool = False
    freed: frozenset[int] = frozenset()
    lags_ns: Mapping[int, int] = field(default_factory=dict)
    gone: frozenset[int] = frozenset()
    fails_fast: bool = False

    def binds(self, at: int) -> bool:
        """Whether a queued unit waits for the very unit that it was recorded to wait for."""
        return self.is_fixed and at not in self.freed and at not in self.gone


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """When units start and end, from the parent's start.

    Attributes:
        length_ns: the parent's length.
        ready_ns: when queueing units were ready; the others started when they were.
        stopped: units that never started or were ended from outside.
    """

    starts_ns: Sequence[int]
    ends_ns: Sequence[int]
    length_ns: int
    ready_ns: Mapping[int, int] = field(default_factory=dict)
    stopped: frozenset[int] = frozenset()


def play(plan: Plan, lengths_ns: Sequence[int], rules: Rules) -> Played:
    """Run a family again."""
    is_plain = not (rules.places or plan.gates or (rules.fails_fast and plan.failed))
    return (
        _in_one_pass(plan, lengths_ns, rules)
        if is_plain
        else _Engine(plan, lengths_ns, rules).run()
    )


def _in_one_pass(plan: Plan, lengths_ns: Sequence[int], rules: Rules) -> Played:
    count = len(plan.units)
    starts, ends = [0] * count, [0] * count
    passed = [0] * len(plan.barriers)
    lags, changed = plan.lags_ns, rules.lags_ns
    for step in plan.steps:
        if step < 0:
            before, unit = plan.barriers[~step]
            at_ns = 0 if unit < 0 else ends[unit]
            for one in before:
                if passed[one] > at_ns:
                    at_ns = passed[one]
            passed[~step] = at_ns
            continue
        at_ns = 0
        for one in plan.after_barriers[step]:
            if passed[one] > at_ns:
                at_ns = passed[one]
        for one in plan.after_units[step]:
            if ends[one] > at_ns:
                at_ns = ends[one]
        at_ns += changed.get(step, lags[step]) if changed else lags[step]
        if step in plan.slots and rules.binds(step):
            slot = plan.slots[step]
            at_ns = max(at_ns, ends[slot.unit] + slot.lag_ns)
        starts[step] = max(at_ns, 0)
        ends[step] = starts[step] + lengths_ns[step]
    return Played(starts_ns=starts, ends_ns=ends, length_ns=max(ends, default=0) + plan.tail_ns)


_END, _READY = 0, 1


class _Engine:
    """One family, event by event; at one moment ends come before what is ready."""

    def __init__(self, plan: Plan, lengths_ns: Sequence[int], rules: Rules) -> None:
        count = len(plan.units)
        self._plan, self._lengths, self._rules = plan, lengths_ns, rules
        self._starts: list[int | None] = [None] * count
        self._ends: list[int | None] = [None] * count
        self._ready: dict[int, int] = {}
        self._due = [-1] * count  # the end that counts, where one was moved
        self._stopped: set[int] = set()
        self._heap: list[tuple[int, int, int]] = []
        self._group: dict[int, GroupKey] = {}
        self._free: dict[GroupKey, int] = {}
        self._queues: dict[GroupKey, list[tuple[int, int]]] = {}
        self._hand_off_ns: dict[GroupKey, int] = {}
        self._holders: set[int] = set()
        for key, group in plan.groups.items():
            self._group.update(dict.fromkeys(group.members, key))
            if key in rules.places:
                self._free[key] = rules.places[key]
                self._queues[key] = []
                self._hand_off_ns[key] = _usual(group)
        self._gates = {at: gate for at, gate in plan.gates.items() if gate.unit not in rules.gone}
        self._gated: dict[int, list[int]] = {}
        for at, gate in self._gates.items():
            self._gated.setdefault(gate.unit, []).append(at)
        self._link()

    def _link(self) -> None:
        """Count for each unit and barrier what it needs, and note what needs it."""
        plan = self._plan
        self._missing = [0] * len(plan.units)
        self._missing_at = [0] * len(plan.barriers)
        self._base_ns = [0] * len(plan.units)
        self._passed_ns = [0] * len(plan.barriers)
        self._units_after_unit: dict[int, list[Wait]] = {}
        self._barriers_after_unit: dict[int, list[int]] = {}
        self._units_after_barrier: list[list[int]] = [[] for _ in plan.barriers]
        self._barriers_after_barrier: list[list[int]] = [[] for _ in plan.barriers]
        for number, (before, unit) in enumerate(plan.barriers):
            self._missing_at[number] = len(before) + (unit >= 0)
            for one in before:
                self._barriers_after_barrier[one].append(number)
            if unit >= 0:
                self._barriers_after_unit.setdefault(unit, []).append(number)
        for at in range(len(plan.units)):
            barriers, units = plan.after_barriers[at], plan.after_units[at]
            lag_ns = self._rules.lags_ns.get(at, plan.lags_ns[at])
            waits = [Wait(one, lag_ns) for one in units]
            if at in plan.slots and self._rules.binds(at):
                waits.append(plan.slots[at])
            if not units:
                self._base_ns[at] = lag_ns
            self._missing[at] = len(barriers) + len(waits)
            for one in barriers:
                self._units_after_barrier[one].append(at)
            for wait in waits:
                self._units_after_unit.setdefault(wait.unit, []).append(Wait(at, wait.lag_ns))

    def run(self) -> Played:
        for at, missing in enumerate(self._missing):
            if not missing:
                heapq.heappush(self._heap, (self._base_ns[at], _READY, at))
        while True:
            while self._heap:
                at_ns, kind, at = heapq.heappop(self._heap)
                if kind == _READY:
                    self._get_ready(at, at_ns)
                elif self._ends[at] is None and self._due[at] == at_ns:
                    self._end(at, at_ns)
            if not self._let_go():
                break
        starts = [start or 0 for start in self._starts]
        ends = [end or 0 for end in self._ends]
        return Played(
            starts_ns=starts,
            ends_ns=ends,
            length_ns=max(ends, default=0) + self._plan.tail_ns,
            ready_ns=self._ready,
            stopped=frozenset(self._stopped),
        )

    def _let_go(self) -> bool:
        """End cancelled units by their recorded length where the failure waits for them instead."""
        waiting = [
            at
            for at in self._gates
            if self._starts[at] is not None and self._ends[at] is None and self._due[at] < 0
        ]
        for at in waiting:
            self._end_at(at, (self._starts[at] or 0) + self._lengths[at])
        return bool(waiting)

    def _get_ready(self, at: int, at_ns: int) -> None:
        if at in self._stopped:
            return
        key = self._group.get(at)
        if key is None or key not in self._queues or at in self._rules.gone:
            self._start(at, at_ns)
            return
        self._holders.add(at)
        self._ready[at] = at_ns
        if self._free[key]:
            self._free[key] -= 1
            self._start(at, at_ns)
        else:
            heapq.heappush(self._queues[key], (at_ns, at))

    def _start(self, at: int, at_ns: int) -> None:
        start_ns = self._starts[at] = max(at_ns, 0)
        gate = self._gates.get(at)
        if gate is None or at in self._rules.gone:
            self._end_at(at, start_ns + self._lengths[at])
            return
        failed_ns = self._ends[gate.unit]
        if failed_ns is not None:
            self._end_at(at, max(start_ns, failed_ns + gate.lag_ns))

    def _end_at(self, at: int, at_ns: int) -> None:
        self._due[at] = at_ns
        heapq.heappush(self._heap, (at_ns, _END, at))

    def _end(self, at: int, at_ns: int) -> None:
        self._ends[at] = at_ns
        if at in self._holders:
            self._free_place(at, at_ns)
        for cancelled in self._gated.get(at, ()):
            start_ns = self._starts[cancelled]
            if start_ns is not None and self._ends[cancelled] is None:
                self._end_at(cancelled, max(start_ns, at_ns + self._gates[cancelled].lag_ns))
        if self._rules.fails_fast and at in self._plan.failed and at not in self._stopped:
            self._stop_others(at, at_ns)
        self._pass_on(at, at_ns)

    def _free_place(self, at: int, at_ns: int) -> None:
        key = self._group[at]
        while self._queues[key]:
            _, following = heapq.heappop(self._queues[key])
            if following not in self._stopped:
                hand_offs = self._plan.groups[key].hand_offs_ns
                self._start(following, at_ns + hand_offs.get(following, self._hand_off_ns[key]))
                return
        self._free[key] += 1

    def _stop_others(self, failed: int, at_ns: int) -> None:
        key = self._group.get(failed)
        if key is None or failed in self._rules.gone:
            return
        for at in self._plan.groups[key].members:
            if self._ends[at] is not None or at in self._rules.gone:
                continue
            self._stopped.add(at)
            if self._starts[at] is None:
                self._starts[at] = at_ns
                self._holders.discard(at)
            self._end_at(at, max(at_ns, self._starts[at] or 0))

    def _pass_on(self, at: int, at_ns: int) -> None:
        for wait in self._units_after_unit.get(at, ()):
            self._one_less(wait.unit, at_ns + wait.lag_ns)
        work = [(number, at_ns) for number in self._barriers_after_unit.get(at, ())]
        while work:
            number, reached_ns = work.pop()
            self._missing_at[number] -= 1
            passed_ns = self._passed_ns[number] = max(self._passed_ns[number], reached_ns)
            if self._missing_at[number]:
                continue
            work += [(after, passed_ns) for after in self._barriers_after_barrier[number]]
            for unit in self._units_after_barrier[number]:
                lag_ns = self._rules.lags_ns.get(unit, self._plan.lags_ns[unit])
                self._one_less(unit, passed_ns + lag_ns)

    def _one_less(self, at: int, ready_ns: int) -> None:
        self._base_ns[at] = max(self._base_ns[at], ready_ns)
        self._missing[at] -= 1
        if not self._missing[at]:
            heapq.heappush(self._heap, (self._base_ns[at], _READY, at))


def _usual(group: Group) -> int:
    """Return the middle hand-off of a group; 0 where nobody queued."""
    return median_low(group.hand_offs_ns.values()) if group.hand_offs_ns else 0
