"""What a prediction takes for granted, and how far its order is known: said next to the number.

Source: critical-path.md, assumptions of the replay (A1 to A8) and trust.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from longpole.analysis.simulate import Simulation
from longpole.model.errors import BrokenLawError

_LONG_TAIL_RATIO = 0.2


class Assumption(Enum):
    """An assumption; its value is the sentence that says it."""

    A1 = "how long a step takes does not depend on what runs beside it (rate limits, shared GPU)"
    A2 = "the chain would do the same otherwise: same routing, same retries, same answers"
    A3 = "what a parent does after its children takes as long as before, whenever they end"
    A4 = "where no order was recorded, a step waited for everything that had ended before it"
    A5 = "places are given out first come, first served, one pool for each fan-out"
    A6 = "only one stage of a stream sets its pace; the others add no time (an estimate)"
    A7 = "one run is one sample: ask about several runs"
    A8 = "no limit is shared between fan-outs, as a provider's rate limit would be"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """Where the order that a prediction stands on comes from, in waits.

    A wait is a child among siblings; an only child has nobody to be ordered with.

    Attributes:
        recorded: the framework told the order.
        inferred: it was inferred from the times.
        estimated: steps that streamed into each other.
    """

    recorded: int
    inferred: int
    estimated: int

    @property
    def recorded_ratio(self) -> float:
        """Share of waits whose order was recorded; 1 where there are none."""
        total = self.recorded + self.inferred + self.estimated
        return self.recorded / total if total else 1.0

    @property
    def label(self) -> str:
        """The weakest thing the order stands on: `recorded`, `inferred` or `estimated`."""
        if self.estimated:
            return "estimated"
        return "inferred" if self.inferred else "recorded"

    def check(self) -> None:
        """Raise `BrokenLawError` where a count is negative."""
        if min(self.recorded, self.inferred, self.estimated) < 0:
            raise BrokenLawError(f"a count of {self} is negative")


def trust_of(simulation: Simulation, families: Iterable[int]) -> Trust:
    """Return where the order in these families comes from."""
    recorded = inferred = estimated = 0
    siblings = simulation.siblings
    for number in families:
        units = siblings.units[number]
        if len(units) < 2 and not any(unit.windows for unit in units):
            continue
        for unit in units:
            slot = siblings.slots.get(unit.first)
            if unit.windows:
                estimated += 1
            elif siblings.order(unit.first).is_recorded and not (slot and slot.is_inferred):
                recorded += 1
            else:
                inferred += 1
    return Trust(recorded=recorded, inferred=inferred, estimated=estimated)


def assumed_in(simulation: Simulation, families: Iterable[int], trust: Trust) -> set[Assumption]:
    """Return what is taken for granted because of how the families were recorded."""
    found = {Assumption.A7}
    if trust.inferred:
        found.add(Assumption.A4)
    if trust.estimated:
        found.add(Assumption.A6)
    for number in families:
        plan = simulation.plans.get(number)
        if plan is None:
            continue
        if plan.slots:
            found.add(Assumption.A5)
        if plan.length_ns and plan.tail_ns > _LONG_TAIL_RATIO * plan.length_ns:
            found.add(Assumption.A3)
    return found
