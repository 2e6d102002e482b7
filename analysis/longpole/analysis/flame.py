"""Many runs → the mean critical path as a flame graph, and as a heat map of the runs.

A flame graph has one frame a position, as wide as its mean time on the critical path with all below
it; what is left over beside its children is its own. A heat map has one row a position and one
column a run: which part of the run's wall the position owns. Both are numbers only: frames name
their parents, so that an icicle chart can be drawn from them as they are.

Source: Gregg, The Flame Graph (CACM 59(6), 2016), also for differences; CRISP for critical paths.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from longpole.analysis.positions import Position
from longpole.analysis.sample import RunSample
from longpole.analysis.tail import contributions_ns, slowest_last
from longpole.model.errors import BrokenLawError


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One position in a flame graph.

    Attributes:
        above: place of the parent among the frames; `None` for a root.
        own_ns: mean own time on the critical path.
        total_ns: the same with all below.
    """

    position: Position
    above: int | None
    own_ns: Fraction
    total_ns: Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class Flame:
    """A flame graph, parents before children, wide siblings first."""

    runs: int
    mean_wall_ns: Fraction
    frames: tuple[Frame, ...]

    def check(self) -> None:
        """Raise `BrokenLawError` unless frames hold their children and the roots the wall."""
        left = [frame.total_ns - frame.own_ns for frame in self.frames]
        roots = Fraction(0)
        for frame in self.frames:
            if frame.above is None:
                roots += frame.total_ns
            else:
                left[frame.above] -= frame.total_ns
        if any(left) or roots != self.mean_wall_ns:
            raise BrokenLawError(f"frames add up to {roots}, the mean wall is {self.mean_wall_ns}")


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameDelta:
    """One position in two flame graphs; 0 where one of them lacks it."""

    position: Position
    above: int | None
    before_ns: Fraction
    after_ns: Fraction
    own_delta_ns: Fraction

    @property
    def delta_ns(self) -> Fraction:
        """How much wider the frame is afterwards."""
        return self.after_ns - self.before_ns


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatMap:
    """Runs beside each other, by wall; positions by contribution, the greatest first.

    Attributes:
        positions: of the rows; the last one, empty, is all others where some were left out.
        runs: places of the columns among the samples, slowest last.
        walls_ns: of the columns.
        own_path_ns: rows of cells; each column adds up to its wall.
    """

    positions: tuple[Position, ...]
    runs: tuple[int, ...]
    walls_ns: tuple[int, ...]
    own_path_ns: tuple[tuple[int, ...], ...]

    @property
    def shares(self) -> tuple[tuple[float, ...], ...]:
        """The cells as parts of their run's wall; 0 in a run that took no time."""
        return tuple(
            tuple(
                own_ns / wall_ns if wall_ns else 0.0
                for own_ns, wall_ns in zip(row, self.walls_ns, strict=True)
            )
            for row in self.own_path_ns
        )

    def check(self) -> None:
        """Raise `BrokenLawError` unless each column adds up to its wall."""
        sums = tuple(sum(cells) for cells in zip(*self.own_path_ns, strict=True))
        if sums != self.walls_ns:
            raise BrokenLawError("the cells of a run do not add up to its wall")


def flame_of(samples: Sequence[RunSample]) -> Flame:
    """Return the flame graph of the mean critical path of these runs, at least one.

    Raises:
        BrokenLawError: there is no run at all.
    """
    if not samples:
        raise BrokenLawError("there is no run to draw, expected one or more")
    own_ns = contributions_ns(samples)
    total_ns = _totals(own_ns)
    frames: list[Frame] = []
    for position, above in _parents_first(total_ns):
        frames.append(
            Frame(
                position=position,
                above=above,
                own_ns=Fraction(own_ns.get(position, 0), len(samples)),
                total_ns=Fraction(total_ns[position], len(samples)),
            )
        )
    flame = Flame(
        runs=len(samples),
        mean_wall_ns=Fraction(sum(sample.wall_ns for sample in samples), len(samples)),
        frames=tuple(frames),
    )
    flame.check()
    return flame


def flame_difference(before: Flame, after: Flame) -> tuple[FrameDelta, ...]:
    """Return both flame graphs in one, parents before children, what is widest in either first.

    The `own_delta_ns` add up to the difference of the mean walls.
    """
    one, other = ({frame.position: frame for frame in side.frames} for side in (before, after))
    width = {
        position: max(_widths(one.get(position))[0], _widths(other.get(position))[0])
        for position in {**one, **other}
    }
    found: list[FrameDelta] = []
    for position, above in _parents_first(width):
        before_ns, own_before_ns = _widths(one.get(position))
        after_ns, own_after_ns = _widths(other.get(position))
        found.append(
            FrameDelta(
                position=position,
                above=above,
                before_ns=before_ns,
                after_ns=after_ns,
                own_delta_ns=own_after_ns - own_before_ns,
            )
        )
    return tuple(found)


def heat_map(samples: Sequence[RunSample], *, rows: int = 30) -> HeatMap:
    """Return which part of each run's wall the positions own, at most so many of them by name."""
    order = slowest_last(samples)
    total_ns = contributions_ns(samples)
    ranked = sorted(total_ns, key=lambda position: (-total_ns[position], position))
    named = ranked[:rows]
    cells = [tuple(_own_ns(samples[at], position) for at in order) for position in named]
    walls_ns = tuple(samples[at].wall_ns for at in order)
    if len(ranked) > len(named):
        told = [sum(column) for column in zip(*cells, strict=True)] or [0] * len(order)
        others = tuple(wall - known for wall, known in zip(walls_ns, told, strict=True))
        named, cells = [*named, ()], [*cells, others]
    found = HeatMap(
        positions=tuple(named), runs=tuple(order), walls_ns=walls_ns, own_path_ns=tuple(cells)
    )
    found.check()
    return found


def _own_ns(sample: RunSample, position: Position) -> int:
    place = sample.places.get(position)
    return 0 if place is None else place.own_path_ns


def _totals(own_ns: Mapping[Position, int]) -> dict[Position, int]:
    total_ns = dict(own_ns)
    # The deepest first, so that what is below a position is complete when it goes up.
    for position in sorted(own_ns, key=len, reverse=True):
        if len(position) > 1:
            total_ns[position[:-1]] += total_ns[position]
    return total_ns


def _widths(frame: Frame | None) -> tuple[Fraction, Fraction]:
    return (Fraction(0), Fraction(0)) if frame is None else (frame.total_ns, frame.own_ns)


def _parents_first(
    width: Mapping[Position, int] | Mapping[Position, Fraction],
) -> Sequence[tuple[Position, int | None]]:
    """Return positions with the place of their parent in the result, wide siblings first."""
    below: dict[Position, list[Position]] = {}
    for position in width:
        below.setdefault(position[:-1], []).append(position)
    for siblings in below.values():
        siblings.sort(key=lambda position: (width[position], position))
    found: list[tuple[Position, int | None]] = []
    waiting: list[tuple[Position, int | None]] = [(root, None) for root in below.get((), ())]
    while waiting:
        position, above = waiting.pop()
        waiting.extend((child, len(found)) for child in below.get(position, ()))
        found.append((position, above))
    return found
