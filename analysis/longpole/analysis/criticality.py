"""Many runs → how often each branch of a fan-out is the one that the join waits for.

Executions belong to one fan-out when they stand at the same position, are of the same kind and
share branches, directly or through others: a graph's superstep that runs some of its nodes is the
same one each time, two supersteps with no node in common are two. The shares of a fan-out's
branches add up to 1 exactly (`FanOutCriticality.check`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from longpole.analysis.fan_out_sample import FanOutSample
from longpole.analysis.intervals import Interval, wilson
from longpole.analysis.positions import Position
from longpole.analysis.sample import RunSample
from longpole.model.errors import BrokenLawError
from longpole.model.run import FanOutKind


@dataclass(frozen=True, slots=True, kw_only=True)
class BranchCriticality:
    """How often one branch ended last.

    Attributes:
        won: executions of the fan-out in which it did; one with a tie is split.
        took_part: executions that had the branch.
        share: of all executions of the fan-out.
        between: Wilson's 95 % interval of the share.
    """

    position: Position
    won: Fraction
    took_part: int
    share: Fraction
    between: Interval[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class FanOutCriticality:
    """One fan-out over many runs; branches by share, the greatest first.

    Attributes:
        above: position of the span whose children ran side by side.
        imbalance_ratio: mean of longest over mean branch.
    """

    above: Position
    kind: FanOutKind
    executions: int
    imbalance_ratio: float
    branches: tuple[BranchCriticality, ...]

    def check(self) -> None:
        """Raise `BrokenLawError` unless somebody ended last in every execution."""
        total = sum((branch.share for branch in self.branches), Fraction(0))
        if total != 1:
            raise BrokenLawError(f"shares of the fan-out at {self.above} add up to {total}, not 1")


def criticality(samples: Sequence[RunSample]) -> tuple[FanOutCriticality, ...]:
    """Return the fan-outs of many runs, the one with most executions first."""
    at: dict[tuple[Position, FanOutKind], list[FanOutSample]] = {}
    for sample in samples:
        for fan_out in sample.fan_outs:
            at.setdefault((fan_out.above, fan_out.kind), []).append(fan_out)
    found = [_one(same) for together in at.values() for same in _connected(together)]
    found.sort(key=lambda one: (-one.executions, one.above, one.branches[0].position))
    for one in found:
        one.check()
    return tuple(found)


def _connected(executions: Iterable[FanOutSample]) -> list[list[FanOutSample]]:
    """Return the executions that share branches, directly or through others."""
    leader: dict[Position, Position] = {}

    def first_of(position: Position) -> Position:
        while leader[position] != position:
            leader[position] = leader[leader[position]]
            position = leader[position]
        return position

    listed = list(executions)
    for branches in {fan_out.branches for fan_out in listed}:
        for position in branches:
            leader.setdefault(position, position)
            leader[first_of(position)] = first_of(branches[0])
    groups: dict[Position, list[FanOutSample]] = {}
    for fan_out in listed:
        groups.setdefault(first_of(fan_out.branches[0]), []).append(fan_out)
    return list(groups.values())


def _one(same: Sequence[FanOutSample]) -> FanOutCriticality:
    executions = sum(fan_out.executions for fan_out in same)
    won: dict[Position, Fraction] = {}
    took_part: Counter[Position] = Counter()
    for fan_out in same:
        for position in fan_out.branches:
            took_part[position] += fan_out.executions
            won[position] = won.get(position, Fraction(0)) + fan_out.won.get(position, 0)
    branches = [
        BranchCriticality(
            position=position,
            won=wins,
            took_part=took_part[position],
            share=wins / executions,
            between=wilson(wins, executions),
        )
        for position, wins in won.items()
    ]
    branches.sort(key=lambda branch: (-branch.share, branch.position))
    return FanOutCriticality(
        above=same[0].above,
        kind=same[0].kind,
        executions=executions,
        imbalance_ratio=sum(fan_out.imbalance_ratio for fan_out in same) / executions,
        branches=tuple(branches),
    )
