"""What a rule says before its worth is known: what was seen, what is claimed, what is supposed.

A rule has two parts. `see` looks at one run and returns what it saw at which positions; runs can
be dropped then. `judge` has the sums over all runs and claims what it thinks is worth changing. A
claim holds a supposition, which is run again on some of the runs to tell what it would be worth
(`longpole.analysis.findings.gain`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction

from longpole.analysis.assumptions import Assumption
from longpole.analysis.changes import Change
from longpole.analysis.edits import Edits
from longpole.analysis.findings.finding import GainOf, Number, Rule, Whole
from longpole.analysis.findings.view import View
from longpole.analysis.positions import Position
from longpole.analysis.what_if import Replayable

GAIN_LEAST_RATIO = Fraction(2, 100)
"""What must be gained of the mean wall or of the cost: less is lost in the noise of most chains."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call that may be repeated: what was asked, when, and what it cost."""

    key: tuple[str, ...]
    span_id: str
    start_ns: int
    end_ns: int
    cost_usd: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a rule saw at one position of one run.

    Attributes:
        counts, usd: numbers and money that are added up over all runs.
        names: texts, of which the most frequent will be told.
        weight: how telling the run is, in the rule's own unit: at most what could be gained.
        is_affected: whether anything could be gained in this run.
    """

    position: Position
    counts: Mapping[str, int | Fraction] = field(default_factory=dict)
    usd: Mapping[str, Decimal] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    weight: int = 0
    is_affected: bool = True
    calls: tuple[Call, ...] = ()


@dataclass(slots=True)
class Tally:
    """What a rule saw at one position over all runs.

    Attributes:
        runs: in how many runs it saw anything.
        affected: (weight, place of the run among all), in order of the runs.
    """

    runs: int = 0
    counts: dict[str, int | Fraction] = field(default_factory=dict)
    money: dict[str, Decimal] = field(default_factory=dict)
    names: dict[str, Counter[str]] = field(default_factory=dict)
    affected: list[tuple[int, int]] = field(default_factory=list)
    calls: list[tuple[int, Call]] = field(default_factory=list)

    def add(self, at: int, seen: Sequence[Seen]) -> None:
        """Add what was seen in one run."""
        self.runs += 1
        for one in seen:
            for name, value in one.counts.items():
                self.counts[name] = self.counts.get(name, 0) + value
            for name, amount in one.usd.items():
                self.money[name] = self.money.get(name, Decimal(0)) + amount
            for name, text in one.names.items():
                self.names.setdefault(name, Counter())[text] += 1
            self.calls.extend((at, call) for call in one.calls)
        touched = [one.weight for one in seen if one.is_affected]
        if touched:
            self.affected.append((sum(touched), at))

    def count(self, name: str) -> int:
        """Return a sum of whole numbers; 0 where there was none."""
        return int(self.counts.get(name, 0))

    def usd(self, name: str) -> Decimal:
        """Return a sum of money; 0 where there was none."""
        return self.money.get(name, Decimal(0))

    def ratio(self, name: str, of: str) -> Fraction:
        """Return one sum over another; 0 of nothing."""
        total = self.counts.get(of, 0)
        return Fraction(self.counts.get(name, 0)) / Fraction(total) if total else Fraction(0)

    @property
    def told(self) -> dict[str, str]:
        """The most frequent text of each name; of equally frequent ones the first in order."""
        return {
            name: min(texts, key=lambda text: (-texts[text], text))
            for name, texts in self.names.items()
        }

    @property
    def weight(self) -> int:
        """Of all affected runs together."""
        return sum(weight for weight, _ in self.affected)


@dataclass(frozen=True, slots=True, kw_only=True)
class Supposed:
    """What is different in one run.

    Attributes:
        edits: of its times; what is gone costs nothing.
        free: ids of calls that cost nothing although they are still there.
        wall_ns: told directly where it is not the wall that gets shorter.
    """

    edits: Edits = field(default_factory=Edits)
    free: frozenset[str] = frozenset()
    wall_ns: int | None = None


Suppose = Callable[[View, Replayable], Supposed | None]
"""What would be different in a run; `None` where nothing would."""


def target_path(position: Position) -> str:
    """Return the target that fits a position and hardly anything else."""
    return "/".join(position)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Something that a rule thinks is worth changing.

    Attributes:
        change: the change with a target, for a rule that what-if has a word for.
        suppose: what is run again; `None`: the change itself, or nothing at all.
        least_ratio: what must be gained of the mean wall or the cost; 0: told in any case.
        assumptions: what is taken for granted besides what the replay says.
    """

    rule: Rule
    position: Position
    tally: Tally
    evidence: Mapping[str, Number]
    names: Mapping[str, str] = field(default_factory=dict)
    change: Callable[[str], Change] | None = None
    suppose: Suppose | None = None
    gain_of: GainOf = GainOf.WALL
    least_ratio: Fraction = GAIN_LEAST_RATIO
    assumptions: tuple[Assumption, ...] = ()
    is_question: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """All that a rule has to judge.

    Attributes:
        tallies: by position, in order of position.
        executions: of each position that any run has.
    """

    tallies: Mapping[Position, Tally]
    executions: Mapping[Position, int]
    whole: Whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Detector:
    """One rule."""

    rule: Rule
    see: Callable[[View], Iterable[Seen]]
    judge: Callable[[Case], Iterable[Claim]]
