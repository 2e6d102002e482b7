"""Changes on one recorded run → what it would have taken and cost.

In: a `Replayable` (a run whose unchanged replay gives what was recorded) and changes. Out: a
`WhatIf`. Where a change is a matter of chance (a cache that answers sometimes), the wall is one
too: a mean of walls, never the wall of a mean. Up to 1,024 outcomes are all run; of more a sample
is drawn, the same one every time.

Source: critical-path.md, replay: questions, assumptions and validation.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import reduce
from itertools import product

from longpole.analysis.assumptions import Assumption, Trust, assumed_in, trust_of
from longpole.analysis.changes import Change, in_order
from longpole.analysis.critical_path import critical_path, path_of
from longpole.analysis.edits import Edits
from longpole.analysis.effects import Chance, Effects, Outcome, effects_of
from longpole.analysis.laws import check_path
from longpole.analysis.learned import NOTHING, Learned
from longpole.analysis.normalise import normalise
from longpole.analysis.predicted import predicted_run
from longpole.analysis.result import Segment
from longpole.analysis.siblings import siblings_of
from longpole.analysis.simulate import Simulation
from longpole.analysis.spending import NOTHING_USD, Spent, cost_before, mean_cost, spent
from longpole.model.errors import BrokenLawError
from longpole.model.pricing import PriceBook
from longpole.model.run import Run

_ALL_OUTCOMES = 1_024
MOST_DRAWS = 2_000
"""Outcomes that are drawn where there are too many to run them all."""
_FEWEST_DRAWS = 200
_DRAWN_SPANS = 4_000_000
"""How many spans all draws of one answer may run again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wall:
    """How long a run would take; several lengths where it is a matter of chance.

    Attributes:
        outcomes: (length, weight), shortest first; weights add up to 1.
        standard_error_ns: of the mean; 0 where every outcome was run.
        draws: how many outcomes were drawn; 0 where every one was run.
    """

    outcomes: tuple[tuple[int, float], ...]
    standard_error_ns: float = 0.0
    draws: int = 0

    @property
    def mean_ns(self) -> int:
        """The expected length."""
        if len(self.outcomes) == 1:
            return self.outcomes[0][0]
        least_ns = self.outcomes[0][0]  # keeps the sum small enough for exact floats
        return least_ns + round(sum((one - least_ns) * weight for one, weight in self.outcomes))

    @property
    def is_certain(self) -> bool:
        """Whether there is but one outcome."""
        return len(self.outcomes) == 1

    def quantile_ns(self, ratio: float) -> int:
        """Return the length that this share of the outcomes does not exceed."""
        return quantile(self.outcomes, ratio)

    def check(self) -> None:
        """Raise `BrokenLawError` unless weights add up to 1 and lengths rise."""
        if abs(sum(weight for _, weight in self.outcomes) - 1) > 1e-9:
            raise BrokenLawError("the weights of the outcomes do not add up to 1")
        lengths = [length for length, _ in self.outcomes]
        if lengths != sorted(lengths) or lengths[0] < 0:
            raise BrokenLawError("the outcomes are not sorted lengths")


def quantile(outcomes: Sequence[tuple[int, float]], ratio: float) -> int:
    """Return the smallest value that a share of sorted, weighted values does not exceed.

    >>> quantile([(1, 0.5), (2, 0.25), (9, 0.25)], 0.5)
    1
    """
    passed = 0.0
    for value, weight in outcomes:
        passed += weight
        if passed >= ratio - 1e-12:
            return value
    return outcomes[-1][0]


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIf:
    """The answer for one run.

    Attributes:
        changes: in the order in which they applied.
        wall_before_ns: as recorded.
        after: the run as it would have been recorded; of several outcomes one in the middle.
        path: its critical path.
        touched: ids of the spans that the changes are about.
        notes: what could not be done, or should be known.
    """

    run: Run
    changes: tuple[Change, ...]
    wall_before_ns: int
    wall: Wall
    cost_before: Spent
    cost: Spent
    after: Run
    path: tuple[Segment, ...]
    touched: tuple[str, ...]
    assumptions: tuple[Assumption, ...]
    trust: Trust
    notes: tuple[str, ...]

    @property
    def delta_ns(self) -> int:
        """Expected wall minus the recorded one; negative where the run gets faster."""
        return self.wall.mean_ns - self.wall_before_ns

    def check(self) -> None:
        """Raise `BrokenLawError` unless everything in the answer adds up."""
        self.wall.check()
        self.trust.check()
        root = self.after.root
        end_ns = root.end_ns
        if end_ns is None or end_ns - root.start_ns not in {one for one, _ in self.wall.outcomes}:
            raise BrokenLawError("the predicted run is none of the predicted outcomes")
        check_path(self.after, self.path, start_ns=root.start_ns, end_ns=end_ns)
        if not set(self.touched) <= set(self.run.span_by_id):
            raise BrokenLawError("a change is about a span that is not in the run")
        if (self.cost.cost_usd or NOTHING_USD) < 0:
            raise BrokenLawError(f"a cost of {self.cost.cost_usd} is negative")


class Replayable:
    """A run that runs again as it was recorded; make it with `replayable`, ask it often."""

    def __init__(self, run: Run, simulation: Simulation) -> None:
        self.run = run
        self.simulation = simulation

    @property
    def wall_ns(self) -> int:
        """How long the run took."""
        return self.simulation.wall_ns

    def on_path_ns(self) -> Sequence[int]:
        """Return the time on the critical path of each span and all below it, by number."""
        timeline = self.simulation.timeline
        owned = [0] * len(timeline.spans)
        for segment in path_of(self.simulation.siblings):
            owned[timeline.number[segment.span_id]] += segment.length_ns
        for number in range(len(owned) - 1, 0, -1):
            owned[timeline.parent[number]] += owned[number]
        return owned


def replayable(run: Run, *, now_ns: int) -> Replayable:
    """Return a run that what-ifs can be asked about.

    Raises:
        NotReplayableError: it has not ended, or its replay does not give what was recorded.
    """
    simulation = Simulation(siblings_of(normalise(run, now_ns=now_ns)))
    simulation.check()
    return Replayable(run, simulation)


def what_if(
    replayable: Replayable,
    changes: Iterable[Change],
    *,
    book: PriceBook,
    learned: Learned = NOTHING,
    seed: int = 0,
    most_draws: int = MOST_DRAWS,
) -> WhatIf:
    """Return what a run would have taken and cost with some changes.

    Args:
        replayable: the run, priced.
        changes: at least one; they apply in the order of `changes.ORDER`.
        book: prices, for other models.
        learned: what earlier runs tell, for other models and hedged calls.
        seed: of the draws, where there are too many outcomes to run them all.
        most_draws: of so many outcomes at most; fewer take less time and are less exact.

    Raises:
        TargetError: a change is about nothing in this run.
        NotReplayableError: a limit is to be changed where the recorded queue follows no rule.
    """
    simulation = replayable.simulation
    changes = in_order(changes)
    effects = effects_of(simulation, changes, book=book, learned=learned)
    families = simulation.ancestors({0, *effects.numbers})
    wall, middle = _walls(simulation, effects, families, seed, most_draws)
    times = simulation.times(middle)
    costs = _costs(simulation, effects, times.is_gone)
    after = predicted_run(
        simulation,
        times,
        middle,
        costs={one: cost for one, cost in costs.items() if one in effects.costs},
        models=effects.models,
    )
    trust = trust_of(simulation, families)
    assumed = assumed_in(simulation, families, trust) | effects.assumptions
    spans = simulation.timeline.spans
    return WhatIf(
        run=replayable.run,
        changes=changes,
        wall_before_ns=replayable.wall_ns,
        wall=wall,
        cost_before=spent(cost_before(simulation.timeline)),
        cost=spent(costs),
        after=after,
        path=critical_path(after, now_ns=times.end_ns[0]),
        touched=tuple(spans[number].span_id for number in sorted(effects.touched)),
        assumptions=tuple(sorted(assumed, key=lambda one: one.name)),
        trust=trust,
        notes=tuple(effects.notes),
    )


def _costs(
    simulation: Simulation, effects: Effects, is_gone: Sequence[bool]
) -> dict[int, Decimal | None]:
    before = cost_before(simulation.timeline)
    return {
        number: mean_cost(cost, effects.costs.get(number, ()))
        for number, cost in before.items()
        if not is_gone[number]
    }


# --- chances ----------------------------------------------------------------------------------


def _walls(
    simulation: Simulation,
    effects: Effects,
    families: Sequence[int],
    seed: int,
    most_draws: int,
) -> tuple[Wall, Edits]:
    """Return the walls of all outcomes, or of a sample, and the edits of one in the middle."""
    chances = [_possible(chance) for chance in effects.chances]
    edits = effects.edits
    if math.prod(len(chance) for chance in chances) <= min(_ALL_OUTCOMES, most_draws):
        drawn = [(one, float(weight)) for one, weight in _all_outcomes(chances)]
        draws = 0
    else:
        size = sum(len(simulation.siblings.units[number]) + 1 for number in families)
        draws = min(most_draws, max(_FEWEST_DRAWS, _DRAWN_SPANS // size))
        drawn = [(one, 1 / draws) for one in _some_outcomes(chances, draws, seed)]
    found: list[tuple[int, float, Edits]] = []
    for outcomes, weight in drawn:
        one = reduce(lambda have, outcome: have.with_lengths(outcome.edits), outcomes, edits)
        found.append((simulation.length_ns(one), weight, one))
    found.sort(key=lambda one: one[0])
    lengths = tuple((length, weight) for length, weight, _ in found)
    middle_ns = quantile(lengths, 0.5)
    middle = next(one for length, _, one in found if length == middle_ns)
    return Wall(
        outcomes=_joined(lengths), standard_error_ns=_error_ns(lengths, draws), draws=draws
    ), middle


def _possible(chance: Chance) -> Chance:
    return tuple(outcome for outcome in chance if outcome.probability)


def _all_outcomes(chances: Sequence[Chance]) -> Iterable[tuple[tuple[Outcome, ...], Fraction]]:
    for outcomes in product(*chances):
        weight = Fraction(1)
        for outcome in outcomes:
            weight *= outcome.probability
        yield outcomes, weight


def _some_outcomes(
    chances: Sequence[Chance], draws: int, seed: int
) -> Iterable[tuple[Outcome, ...]]:
    dice = random.Random(seed)
    weights = [[float(outcome.probability) for outcome in chance] for chance in chances]
    for _ in range(draws):
        yield tuple(
            dice.choices(chance, weight)[0] for chance, weight in zip(chances, weights, strict=True)
        )


def _joined(lengths: Sequence[tuple[int, float]]) -> tuple[tuple[int, float], ...]:
    """Return sorted lengths with the weights of equal ones added up."""
    joined: dict[int, float] = {}
    for length, weight in lengths:
        joined[length] = joined.get(length, 0.0) + weight
    total = math.fsum(joined.values())
    return tuple((length, weight / total) for length, weight in joined.items())


def _error_ns(lengths: Sequence[tuple[int, float]], draws: int) -> float:
    if draws < 2:
        return 0.0
    mean = sum(length * weight for length, weight in lengths)
    variance = sum((length - mean) ** 2 for length, _ in lengths) / (draws - 1)
    return math.sqrt(variance / draws)
