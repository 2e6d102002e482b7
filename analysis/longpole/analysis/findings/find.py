"""Analysed runs of one chain → what would be worth changing.

First every rule looks at every run, once, and keeps a few numbers; runs may come from a sequence
that loads them when asked. Then the rules claim what passes their thresholds, and each claim is run
again on a sample of the runs it is about (`longpole.analysis.findings.gain`). A claim that gains
too little is no finding. The same runs and seed give the same findings.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Final

from longpole.analysis.findings.barriers import BARRIER_WAIT
from longpole.analysis.findings.caching import REPEATED_CALLS
from longpole.analysis.findings.cascade import CHEAP_ANSWER_KEPT
from longpole.analysis.findings.claim import Case, Claim, Detector, Seen, Tally
from longpole.analysis.findings.finding import Finding, Rule, Whole
from longpole.analysis.findings.gain import Gain, Replayer
from longpole.analysis.findings.limits import IGNORED_LIMIT
from longpole.analysis.findings.long_pole import LONG_POLE, UNEQUAL
from longpole.analysis.findings.overhead import TINY_TASKS
from longpole.analysis.findings.queueing import QUEUEING
from longpole.analysis.findings.rank import rank
from longpole.analysis.findings.retries import FREQUENT_FALLBACK, HOPELESS_RETRIES, RATE_LIMIT
from longpole.analysis.findings.serial import SERIAL_STEPS
from longpole.analysis.findings.streaming import NOT_STREAMED
from longpole.analysis.findings.view import NO_DIGESTS, Digests, View
from longpole.analysis.findings.waste import UNUSED_RESULTS
from longpole.analysis.intervals import SEED
from longpole.analysis.learned import NOTHING, Learned
from longpole.analysis.percentiles import percentile
from longpole.analysis.positions import Position
from longpole.analysis.result import RunAnalysis

DETECTORS: Final[tuple[Detector, ...]] = (
    LONG_POLE,
    UNEQUAL,
    TINY_TASKS,
    QUEUEING,
    IGNORED_LIMIT,
    RATE_LIMIT,
    HOPELESS_RETRIES,
    FREQUENT_FALLBACK,
    UNUSED_RESULTS,
    REPEATED_CALLS,
    CHEAP_ANSWER_KEPT,
    BARRIER_WAIT,
    SERIAL_STEPS,
    NOT_STREAMED,
)
"""Every rule."""

CLAIMS_MOST: Final = 5
"""Of each rule so many claims are run again, those with most at stake first."""
_RUNS_TOLD: Final = 3


def find(
    runs: Sequence[RunAnalysis],
    *,
    digests: Digests = NO_DIGESTS,
    learned: Learned = NOTHING,
    seed: int = SEED,
) -> tuple[Finding, ...]:
    """Return the findings of one chain, what is worth most first; all laws hold.

    Args:
        runs: of one chain, priced, ended by themselves; gone through once, then asked for again by
            number. Of no run there is no finding.
        digests: of inputs and answers; without them `REPEATED_CALLS` is silent, and a cheap answer
            counts as kept only where the expensive one was given up (`needs_digests`).
        learned: what other runs tell about models, for answers that are not streamed.
        seed: of the choice of the runs that are run again.
    """
    if not runs:
        return ()
    looked = _Looked()
    for at, analysis in enumerate(runs):
        looked.add(at, View(analysis=analysis, digests=digests, learned=learned))
    whole = looked.whole()
    replayer = Replayer(runs, looked.walls_ns, digests=digests, learned=learned, seed=seed)
    found = [
        finding
        for claim in _claims(looked, whole)
        if (finding := _finding(claim, whole, replayer, looked.run_ids)) is not None
    ]
    for one in found:
        one.check()
    return rank(found)


def needs_digests(digests: Digests) -> Mapping[Rule, str]:
    """Return the rules that are silent, or see less, as digests are missing, with the reason."""
    silent: dict[Rule, str] = {}
    if not digests.inputs:
        silent[Rule.REPEATED_CALLS] = "the inputs of calls are not recorded"
    if not digests.answers:
        silent[Rule.CHEAP_ANSWER_KEPT] = "answers are not recorded"
    return silent


@dataclass(slots=True)
class _Looked:
    """What the rules saw, run by run."""

    chain: str = ""
    run_ids: list[str] = field(default_factory=list)
    walls_ns: list[int] = field(default_factory=list)
    costs_usd: list[Decimal] = field(default_factory=list)
    calls: int = 0
    executions: Counter[Position] = field(default_factory=Counter)
    tallies: dict[Rule, dict[Position, Tally]] = field(default_factory=dict)

    def add(self, at: int, view: View) -> None:
        """Let every rule look at a run."""
        facts = view.analysis.facts
        self.chain = view.analysis.run.name
        self.run_ids.append(view.analysis.run.run_id)
        self.walls_ns.append(facts.wall_ns)
        if facts.cost_usd is not None:
            self.costs_usd.append(facts.cost_usd)
        self.calls += len(view.calls)
        self.executions.update(view.position.values())
        for detector in DETECTORS:
            tallies = self.tallies.setdefault(detector.rule, {})
            for position, seen in _by_position(detector.see(view)).items():
                tallies.setdefault(position, Tally()).add(at, seen)

    def whole(self) -> Whole:
        """Return what all runs come to."""
        walls = sorted(self.walls_ns)
        return Whole(
            chain=self.chain,
            runs=len(walls),
            wall_ns=sum(walls),
            wall_p50_ns=percentile(walls, 50),
            wall_p95_ns=percentile(walls, 95),
            cost_usd=sum(self.costs_usd, Decimal(0)) if self.costs_usd else None,
            calls=self.calls,
        )


def _by_position(seen: Iterable[Seen]) -> dict[Position, list[Seen]]:
    found: dict[Position, list[Seen]] = {}
    for one in seen:
        found.setdefault(one.position, []).append(one)
    return found


def _claims(looked: _Looked, whole: Whole) -> list[Claim]:
    """Return what the rules claim and at least one run is about, not too many of each rule."""
    every: list[Claim] = []
    for detector in DETECTORS:
        tallies = looked.tallies.get(detector.rule, {})
        case = Case(
            tallies={position: tallies[position] for position in sorted(tallies)},
            executions=looked.executions,
            whole=whole,
        )
        claims = [claim for claim in detector.judge(case) if claim.tally.affected]
        claims.sort(key=lambda claim: (-claim.tally.weight, claim.position))
        every.extend(claims[:CLAIMS_MOST])
    return every


def _finding(
    claim: Claim, whole: Whole, replayer: Replayer, run_ids: Sequence[str]
) -> Finding | None:
    """Return what a claim is worth; `None` where that is too little, or cannot be told."""
    gain = replayer.gain(claim, whole)
    if gain is None or not _is_enough(claim, gain, whole):
        return None
    return Finding(
        rule=claim.rule,
        whole=whole,
        position=claim.position,
        gain_of=claim.gain_of,
        gain_mean_ns=gain.mean_ns,
        gain_p50_ns=gain.p50_ns,
        gain_p95_ns=gain.p95_ns,
        gain_usd_per_1000_runs=gain.usd * 1000 / whole.runs,
        evidence=claim.evidence,
        names=claim.names,
        run_ids=tuple(run_ids[at] for at in _most_telling(claim)),
        affected=len(claim.tally.affected),
        replayed=len(gain.again),
        changes=() if gain.change is None else (gain.change,),
        trust=gain.trust,
        assumptions=gain.assumptions,
        is_question=claim.is_question,
    )


def _is_enough(claim: Claim, gain: Gain, whole: Whole) -> bool:
    if not claim.least_ratio:
        return True
    saves_time = gain.mean_ns * whole.runs >= claim.least_ratio * max(1, whole.wall_ns)
    cost_usd = whole.cost_usd or Decimal(0)
    saves_money = gain.usd > 0 and Fraction(gain.usd) >= claim.least_ratio * Fraction(cost_usd)
    return saves_time or saves_money


def _most_telling(claim: Claim) -> list[int]:
    """Return the places of a few runs: those with most at stake, of equal ones the first."""
    ordered = sorted(claim.tally.affected, key=lambda one: (-one[0], one[1]))
    return [at for _, at in ordered[:_RUNS_TOLD]]
