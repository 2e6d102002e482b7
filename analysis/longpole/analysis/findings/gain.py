"""A claim → what it would be worth, by running recorded runs again.

Of the runs that a claim is about at most `SAMPLE` are run again, chosen by a seed; each of them
stands for as many. All other runs stay as they were. So rare troubles are not lost in a sample of
all runs, and percentiles before and after are those of the whole chain. A run that cannot be run
again is passed over for the next one.

Source: critical-path.md, what-if over runs: the change of each run, never of an average one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from random import Random
from typing import Final

from longpole.analysis.assumptions import Assumption, Trust, assumed_in, trust_of
from longpole.analysis.changes import Change
from longpole.analysis.edits import Edits
from longpole.analysis.effects import effects_of
from longpole.analysis.findings.claim import Claim, Supposed, target_path
from longpole.analysis.findings.finding import Whole
from longpole.analysis.findings.view import Digests, View, cost_usd
from longpole.analysis.learned import Learned
from longpole.analysis.normalise import normalise
from longpole.analysis.positions import Position
from longpole.analysis.result import RunAnalysis
from longpole.analysis.siblings import siblings_of
from longpole.analysis.simulate import Simulation
from longpole.analysis.targets import spans_of
from longpole.analysis.what_if import Replayable, quantile
from longpole.model.errors import NotReplayableError, TargetError
from longpole.model.pricing import PriceBook

SAMPLE: Final = 30
"""How many runs are run again for one claim: the middle of so many is known to a few percent."""
SAMPLE_LEAST: Final = 3
"""So many at least, however large they are."""
SPANS_AGAIN: Final = 100_000
"""Beyond so many spans together no more runs are run again for one claim, nor kept for the next."""
_TRIED_MOST: Final = 3 * SAMPLE
_LABELS_MOST: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """One run as it was and as it would have been; a negative gain is a loss."""

    at: int
    wall_ns: int
    gain_ns: int
    gain_usd: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Gain:
    """What a claim is worth, over all runs of the chain.

    Attributes:
        mean_ns, p50_ns, p95_ns, usd: never negative, never more than there is.
        again: the runs that were run again.
        change: what to ask what-if, its target as short as it is clear in all of these runs.
    """

    mean_ns: int
    p50_ns: int
    p95_ns: int
    usd: Decimal
    again: tuple[Again, ...]
    trust: Trust | None
    assumptions: tuple[Assumption, ...]
    change: Change | None


@dataclass(frozen=True, slots=True)
class _Ready:
    """A run that runs again as it was recorded."""

    view: View
    replayable: Replayable


@dataclass(frozen=True, slots=True)
class _Answer:
    """What one run says about a claim."""

    ready: _Ready
    again: Again
    trust: Trust
    assumptions: frozenset[Assumption]


class Replayer:
    """Runs the runs of a chain again; keeps the last ones, as claims share them."""

    def __init__(
        self,
        runs: Sequence[RunAnalysis],
        walls_ns: Sequence[int],
        *,
        digests: Digests,
        learned: Learned,
        seed: int,
    ) -> None:
        self._runs, self._walls_ns = runs, walls_ns
        self._digests, self._learned = digests, learned
        order = Random(seed).sample(range(len(walls_ns)), len(walls_ns))
        self._rank = {at: rank for rank, at in enumerate(order)}
        self._kept: dict[int, _Ready | None] = {}
        self._spans_kept = 0

    def gain(self, claim: Claim, whole: Whole) -> Gain | None:
        """Return what a claim is worth; `None` where no run could be run again."""
        if claim.suppose is None and claim.change is None:
            return _nothing()
        answers = self._answers(claim)
        return self._over_all(claim, whole, answers) if answers else None

    def _answers(self, claim: Claim) -> list[_Answer]:
        """Run some of the runs again that a claim is about, always the same ones."""
        affected = sorted((at for _, at in claim.tally.affected), key=lambda at: self._rank[at])
        answers: list[_Answer] = []
        for at in affected[:_TRIED_MOST]:
            ready = self._ready(at)
            answer = None if ready is None else _answer(at, ready, claim)
            if answer is not None:
                answers.append(answer)
            if _is_plenty(answers):
                break
        return answers

    def _over_all(self, claim: Claim, whole: Whole, answers: Sequence[_Answer]) -> Gain:
        again = [answer.again for answer in answers]
        affected = {at for _, at in claim.tally.affected}
        each = Fraction(len(affected), len(again))  # how many runs each of them stands for
        others = [(wall, 1.0) for at, wall in enumerate(self._walls_ns) if at not in affected]
        before = sorted([*others, *((one.wall_ns, float(each)) for one in again)])
        after = sorted([*others, *((one.wall_ns - one.gain_ns, float(each)) for one in again)])
        gain_ns = max(0, int(sum(one.gain_ns for one in again) * each)) // whole.runs
        gained_usd = sum((one.gain_usd for one in again), Decimal(0))
        usd = gained_usd * each.numerator / each.denominator
        return Gain(
            mean_ns=min(gain_ns, whole.wall_ns // whole.runs),
            p50_ns=_less(before, after, 0.5, whole.wall_p50_ns),
            p95_ns=_less(before, after, 0.95, whole.wall_p95_ns),
            usd=min(max(usd, Decimal(0)), whole.cost_usd or Decimal(0)),
            again=tuple(again),
            trust=_trusted(answers),
            assumptions=_assumed(claim, answers),
            change=_worded(claim, answers),
        )

    def _ready(self, at: int) -> _Ready | None:
        if at not in self._kept:
            ready = self._make_ready(at)
            spans = 0 if ready is None else len(ready.replayable.run.spans)
            if self._spans_kept + spans > SPANS_AGAIN:
                self._kept.clear()
                self._spans_kept = 0
            self._kept[at] = ready
            self._spans_kept += spans
        return self._kept[at]

    def _make_ready(self, at: int) -> _Ready | None:
        analysis = self._runs[at]
        try:
            simulation = Simulation(siblings_of(normalise(analysis.run, now_ns=analysis.now_ns)))
            simulation.check()
        except NotReplayableError:
            return None
        view = View(analysis=analysis, digests=self._digests, learned=self._learned)
        return _Ready(view, Replayable(analysis.run, simulation))


def _is_plenty(answers: Sequence[_Answer]) -> bool:
    """Tell whether enough runs were run again."""
    if len(answers) >= SAMPLE:
        return True
    spans = sum(len(answer.ready.replayable.run.spans) for answer in answers)
    return len(answers) >= SAMPLE_LEAST and spans >= SPANS_AGAIN


def _trusted(answers: Sequence[_Answer]) -> Trust:
    return Trust(
        recorded=sum(answer.trust.recorded for answer in answers),
        inferred=sum(answer.trust.inferred for answer in answers),
        estimated=sum(answer.trust.estimated for answer in answers),
    )


def _assumed(claim: Claim, answers: Sequence[_Answer]) -> tuple[Assumption, ...]:
    found = set(claim.assumptions).union(*(answer.assumptions for answer in answers))
    if len(answers) > 1:
        found.discard(Assumption.A7)
    return tuple(sorted(found, key=lambda one: one.name))


def _nothing() -> Gain:
    return Gain(
        mean_ns=0,
        p50_ns=0,
        p95_ns=0,
        usd=Decimal(0),
        again=(),
        trust=None,
        assumptions=(),
        change=None,
    )


def _less(
    before: list[tuple[int, float]], after: list[tuple[int, float]], ratio: float, most_ns: int
) -> int:
    """Return how much less a percentile is; weights need not add up to 1."""
    total = sum(weight for _, weight in before)
    ends = [quantile([(one, w / total) for one, w in both], ratio) for both in (before, after)]
    return min(max(0, ends[0] - ends[1]), most_ns)


# --- one run ------------------------------------------------------------------------------------


def _answer(at: int, ready: _Ready, claim: Claim) -> _Answer | None:
    """Run one run again; `None` where that cannot be told."""
    outcome = _outcome(ready, claim)
    if outcome is None:
        return None
    supposed, assumptions = outcome
    trust, more = _standing(ready, supposed.edits)
    return _Answer(
        ready=ready,
        again=_again(at, ready, supposed),
        trust=trust,
        assumptions=frozenset(assumptions | more),
    )


def _outcome(ready: _Ready, claim: Claim) -> tuple[Supposed, set[Assumption]] | None:
    """Return what is different in a run; `None` where it cannot be told."""
    if claim.suppose is not None:
        supposed = claim.suppose(ready.view, ready.replayable)
        return None if supposed is None else (supposed, set())
    assert claim.change is not None
    change = claim.change(target_path(claim.position))
    try:
        effects = effects_of(ready.replayable.simulation, [change], book=PriceBook())
    except (TargetError, NotReplayableError):
        return None
    return Supposed(edits=effects.edits), effects.assumptions


def _again(at: int, ready: _Ready, supposed: Supposed) -> Again:
    simulation = ready.replayable.simulation
    wall_ns = supposed.wall_ns
    if wall_ns is None:
        wall_ns = simulation.length_ns(supposed.edits)
    return Again(
        at=at,
        wall_ns=ready.replayable.wall_ns,
        gain_ns=ready.replayable.wall_ns - wall_ns,
        gain_usd=_saved_usd(ready, supposed),
    )


def _saved_usd(ready: _Ready, supposed: Supposed) -> Decimal:
    """Return what the calls cost that are gone, or free."""
    saved = set(supposed.free)
    spans = ready.replayable.simulation.timeline.spans
    for number in supposed.edits.gone:
        saved.update(one.span_id for one in ready.view.subtree(spans[number].span_id))
    paid = sorted(saved & ready.view.calls)
    return sum((cost_usd(ready.view.analysis.run.span_by_id[one]) for one in paid), Decimal(0))


def _standing(ready: _Ready, edits: Edits) -> tuple[Trust, set[Assumption]]:
    """Return what the order stands on above what was changed."""
    simulation = ready.replayable.simulation
    changed = {0, *edits.lengths, *edits.gone, *edits.lags_ns}
    families = simulation.ancestors(changed | {parent for parent, _ in edits.places})
    trust = trust_of(simulation, families)
    return trust, assumed_in(simulation, families, trust)


# --- targets ------------------------------------------------------------------------------------


def _worded(claim: Claim, answers: Sequence[_Answer]) -> Change | None:
    """Return the change with the shortest target that fits the same spans in all these runs."""
    if claim.change is None:
        return None
    for target in _targets(claim.position):
        if all(_fits(answer.ready, target, claim.position) for answer in answers):
            return claim.change(target)
    return None


def _targets(position: Position) -> list[str]:
    """Return targets, short ones first: a key, a label, a few more of them, the whole path."""
    last = position[-1]
    name, bracket, rest = last.partition("[")
    key = rest.removesuffix("]") if bracket and last.endswith("]") else ""
    short = [key] if key and key != "*" else []
    if key == "*":
        short.append(name)
    labels = [*range(1, min(_LABELS_MOST, len(position)) + 1), len(position)]
    return [*short, *(target_path(position[-count:]) for count in labels)]


def _fits(ready: _Ready, target: str, position: Position) -> bool:
    timeline = ready.replayable.simulation.timeline
    try:
        found = {timeline.spans[number].span_id for number in spans_of(timeline, target)}
    except TargetError:
        found = set()
    return found == {one for one, at in ready.view.position.items() if at == position}
