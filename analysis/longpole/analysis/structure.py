"""Many runs → groups of the same structure.

Runs of different structure (another set of branches, an agent that took other tools, a run that
failed halfway) must not be taken for runs of one kind: their positions differ. A retry or a
fallback splits no group (`shape`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from longpole.analysis.positions import Position
from longpole.analysis.sample import RunSample
from longpole.analysis.shape import Shape
from longpole.model.errors import BrokenLawError

_CANDIDATES_MOST: Final = 100
"""Among so many of the most frequent shapes a place is sought for a run that was cut short."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShapeGroup:
    """Runs of one structure.

    Attributes:
        members: their places among the samples, ascending.
        of_runs: how many samples there are in all.
    """

    positions: frozenset[Position]
    members: tuple[int, ...]
    of_runs: int

    @property
    def share(self) -> Fraction:
        """How much of all runs they are."""
        return Fraction(len(self.members), self.of_runs)


def shape_groups(samples: Sequence[RunSample]) -> tuple[ShapeGroup, ...]:
    """Return the runs by structure, the most frequent first; every run is in one group."""
    kinds = Counter(sample.shape for sample in samples)
    wholes = _wholes(kinds)
    members: dict[frozenset[Position], list[int]] = {}
    for number, sample in enumerate(samples):
        members.setdefault(wholes[sample.shape], []).append(number)
    groups = [
        ShapeGroup(positions=positions, members=tuple(numbers), of_runs=len(samples))
        for positions, numbers in members.items()
    ]
    groups.sort(key=lambda group: (-len(group.members), group.members))
    if sum(len(group.members) for group in groups) != len(samples):
        raise BrokenLawError("a run is in no group, or in two")
    return tuple(groups)


def _wholes(kinds: Mapping[Shape, int]) -> Mapping[Shape, frozenset[Position]]:
    """Return the positions of the group that each shape belongs to."""
    whole = Counter[frozenset[Position]]()
    for shape, count in kinds.items():
        if not shape.cut:
            whole[shape.positions] += count
    candidates = sorted(whole, key=lambda one: (-whole[one], sorted(one)))
    found = {shape: shape.positions for shape in kinds}
    # Those of which least is missing come first: others may be parts of them.
    cut_ones = [shape for shape in kinds if shape.cut]
    cut_ones.sort(key=lambda shape: (-len(shape.positions), sorted(shape.positions)))
    for shape in cut_ones:
        fitting = (one for one in candidates[:_CANDIDATES_MOST] if shape.is_part_of(one))
        place = next(fitting, None)
        if place is None:
            candidates.append(shape.positions)
        else:
            found[shape] = place
    return found
