"""What would be worth changing in a chain, as a value.

A finding is about one position (`longpole.analysis.positions`) of one chain. What it would gain was
found by running recorded runs again, never by rules of thumb; what it stands on is told beside it.
Times are integer nanoseconds, money is `Decimal` USD; `check` states what always holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction

from longpole.analysis.assumptions import Assumption, Trust
from longpole.analysis.changes import Change
from longpole.analysis.positions import Position
from longpole.model.errors import BrokenLawError

Number = int | Fraction | Decimal
"""Of an evidence: a count or `_ns` is whole, a `_ratio` a fraction, a `_usd` a decimal."""


class Rule(StrEnum):
    """What can be found; `docs/findings.md` explains each."""

    LONG_POLE = "long-pole"
    UNEQUAL_BRANCHES = "unequal-branches"
    TINY_TASKS = "tiny-tasks"
    QUEUEING = "queueing"
    IGNORED_LIMIT = "ignored-limit"
    RATE_LIMIT = "rate-limit"
    HOPELESS_RETRIES = "hopeless-retries"
    FREQUENT_FALLBACK = "frequent-fallback"
    UNUSED_RESULTS = "unused-results"
    REPEATED_CALLS = "repeated-calls"
    CHEAP_ANSWER_KEPT = "cheap-answer-kept"
    BARRIER_WAIT = "barrier-wait"
    SERIAL_STEPS = "serial-steps"
    NOT_STREAMED = "not-streamed"


class GainOf(StrEnum):
    """What gets shorter: the whole run, or the time until its first word is seen."""

    WALL = "wall"
    FIRST_TOKEN = "first token"


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """The runs of a chain that were looked at, at least one.

    Attributes:
        wall_ns: of all of them together.
        cost_usd: of all of them, as far as priced; `None` when nothing is.
        calls: model calls, those without a price too.
    """

    chain: str
    runs: int
    wall_ns: int
    wall_p50_ns: int
    wall_p95_ns: int
    cost_usd: Decimal | None
    calls: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that would be worth changing.

    Attributes:
        position: what it is about.
        gain_of: what the gains are gains of.
        gain_mean_ns: what a run would gain, in the mean over all runs of the chain.
        gain_p50_ns, gain_p95_ns: how much less the middle and the 95th percentile would be.
        gain_usd_per_1000_runs: as far as priced.
        evidence: what it was found by; the names end with their units.
        names: what the evidence is about: models, branches, errors; text from the trace.
        run_ids: a few of the runs, the most telling first.
        affected: in how many runs it makes a difference.
        replayed: how many of them were run again for the gain.
        changes: what to ask `longpole what-if`; empty where it has no word for it.
        trust: where the order comes from that the gain stands on; `None`: nothing was run again.
        is_question: whether only somebody who knows the chain can tell if it can be had.
    """

    rule: Rule
    whole: Whole
    position: Position
    gain_of: GainOf = GainOf.WALL
    gain_mean_ns: int = 0
    gain_p50_ns: int = 0
    gain_p95_ns: int = 0
    gain_usd_per_1000_runs: Decimal = Decimal(0)
    evidence: Mapping[str, Number]
    names: Mapping[str, str]
    run_ids: tuple[str, ...]
    affected: int
    replayed: int
    changes: tuple[Change, ...] = ()
    trust: Trust | None = None
    assumptions: tuple[Assumption, ...] = ()
    is_question: bool = False

    @property
    def chain(self) -> str:
        """Name of the chain."""
        return self.whole.chain

    @property
    def gain_total_ns(self) -> int:
        """Time that all runs of the chain would have gained together."""
        return self.gain_mean_ns * self.whole.runs

    @property
    def gain_total_usd(self) -> Decimal:
        """Money that all of them would have saved."""
        return self.gain_usd_per_1000_runs * self.whole.runs / 1000

    def check(self) -> None:
        """Raise `BrokenLawError` unless no gain is negative or more than there is to gain."""
        walls = (
            ("mean", self.gain_total_ns, self.whole.wall_ns),
            ("p50", self.gain_p50_ns, self.whole.wall_p50_ns),
            ("p95", self.gain_p95_ns, self.whole.wall_p95_ns),
        )
        for what, gain_ns, wall_ns in walls:
            if not 0 <= gain_ns <= wall_ns:
                raise BrokenLawError(
                    f"{self.rule} at {self.position} gains {gain_ns} ns of {wall_ns} ns ({what})"
                )
        cost_usd = self.whole.cost_usd or Decimal(0)
        if not 0 <= self.gain_total_usd <= cost_usd:
            raise BrokenLawError(
                f"{self.rule} at {self.position} saves {self.gain_total_usd} of {cost_usd} USD"
            )
        if not (self.run_ids and self.replayed <= self.affected <= self.whole.runs):
            raise BrokenLawError(f"{self.rule} at {self.position} is linked to no proper runs")
