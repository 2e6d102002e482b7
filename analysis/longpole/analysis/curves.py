"""How the wall answers when one branch gets faster and faster: a curve for each branch.

In: replayable runs. Out: for each position of a branch the wall at 0, 10, … 100 % less time, on one
run or as the mean over several. A curve goes down as long as the branch holds the run up and is
flat from its kink on, where something else does; its last point is the drag.

Source: causal profiles of coz (Curtsinger and Berger, SOSP '15), here by replay.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from statistics import fmean

from longpole.analysis.edits import Edits, Stretch
from longpole.analysis.positions import Position, positions_of
from longpole.analysis.what_if import Replayable
from longpole.model.errors import BrokenLawError
from longpole.model.run import Role

STEP_PERCENT = 10
_TRIED = 4
"""Of so many times as many branches as there are to be curves the drag is found out."""
_BRANCHES = frozenset({Role.BRANCH, Role.ITEM})


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """The wall when the branches at one position take less time.

    Attributes:
        walls_ns: (percent of their time saved, wall), from 0 to 100.
        runs: in how many of the runs there are such branches; the others count as unchanged.
    """

    position: Position
    walls_ns: tuple[tuple[int, int], ...]
    runs: int

    @property
    def gain_ns(self) -> int:
        """What the run gains at most: the drag of these branches together."""
        return self.walls_ns[0][1] - self.walls_ns[-1][1]

    @property
    def kink_percent(self) -> int:
        """From how many percent on, in steps of ten, nothing more is gained."""
        least_ns = self.walls_ns[-1][1]
        return next(percent for percent, wall_ns in self.walls_ns if wall_ns == least_ns)

    def check(self) -> None:
        """Raise `BrokenLawError` unless the points go from 0 to 100 percent."""
        if [percent for percent, _ in self.walls_ns] != list(range(0, 101, STEP_PERCENT)):
            raise BrokenLawError("a curve does not go from 0 to 100 percent")


def branches_of(replayable: Replayable) -> Mapping[Position, Sequence[int]]:
    """Return the branches of a run by position; branches that only a number tells apart share one.

    Of branches below each other at one position only the topmost count.
    """
    timeline = replayable.simulation.timeline
    positions = positions_of(timeline.run)
    found: dict[Position, list[int]] = {}
    for number, span in enumerate(timeline.spans):
        if span.role in _BRANCHES and timeline.is_waited_for[number]:
            found.setdefault(positions[span.span_id], []).append(number)
    return found


def curve(replayables: Sequence[Replayable], position: Position) -> Curve:
    """Return the curve of one position over one or more runs."""
    branches = [branches_of(one).get(position, ()) for one in replayables]
    return _curve(replayables, branches, position)


def curves(replayables: Sequence[Replayable], *, most: int = 10) -> tuple[Curve, ...]:
    """Return the curves of the positions that gain most, most first; those that gain nothing not.

    Args:
        replayables: one run or several, of which the mean is taken.
        most: how many curves at most.
    """
    found = [branches_of(one) for one in replayables]
    gains = {
        position: sum(
            one.simulation.drag_ns(branches.get(position, ()))
            for one, branches in zip(replayables, found, strict=True)
        )
        for position in _on_path(replayables, found)[: most * _TRIED]
    }
    best = sorted((one for one in gains if gains[one] > 0), key=lambda one: -gains[one])[:most]
    return tuple(
        _curve(replayables, [one.get(position, ()) for one in found], position) for position in best
    )


def _on_path(
    replayables: Sequence[Replayable], branches: Sequence[Mapping[Position, Sequence[int]]]
) -> list[Position]:
    """Return the positions on the critical paths, longest first: no other has any drag."""
    on_path_ns: dict[Position, int] = {}
    for one, found in zip(replayables, branches, strict=True):
        owned = one.on_path_ns()
        for position, numbers in found.items():
            total = sum(owned[number] for number in numbers)
            if total:
                on_path_ns[position] = on_path_ns.get(position, 0) + total
    return sorted(on_path_ns, key=lambda position: -on_path_ns[position])


def _curve(
    replayables: Sequence[Replayable], branches: Sequence[Sequence[int]], position: Position
) -> Curve:
    points = []
    for percent in range(0, 101, STEP_PERCENT):
        edit = (Stretch(Fraction(100 - percent, 100)),)
        walls = [
            one.simulation.length_ns(Edits(lengths=dict.fromkeys(numbers, edit)))
            for one, numbers in zip(replayables, branches, strict=True)
        ]
        points.append((percent, round(fmean(walls)) if len(walls) > 1 else walls[0]))
    return Curve(position=position, walls_ns=tuple(points), runs=sum(1 for one in branches if one))
