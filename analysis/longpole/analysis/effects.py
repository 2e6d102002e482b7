"""What changes come to in one run: edits, chances, costs, and what has to be said about them.

In: a `Simulation`, changes, and what is known beside the run (prices, earlier runs). Out:
`Effects`, ready to be run. Changes apply in the order of `longpole.analysis.changes`; one that
cannot act here (a limit that the library ignores, a time limit on a thread) is left out, and said.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Final, NamedTuple

from longpole.analysis.assumptions import Assumption
from longpole.analysis.changes import (
    Backoff,
    BatchPrice,
    Cache,
    Change,
    CheapFirst,
    FailFast,
    Faster,
    Hedge,
    Limit,
    NoRetries,
    OtherModel,
    Time,
    Timeout,
    Without,
    in_order,
)
from longpole.analysis.edits import AtMost, Edit, Edits, Exactly, Stretch
from longpole.analysis.held_by import HeldBy, held_by, ignores_limit
from longpole.analysis.learned import NOTHING, Learned
from longpole.analysis.plan import GroupKey
from longpole.analysis.positions import Position, positions_of
from longpole.analysis.simulate import Simulation
from longpole.analysis.spending import Chances, CostStep
from longpole.analysis.targets import below, spans_of
from longpole.analysis.totals import calls_of
from longpole.model.errors import NotReplayableError, TargetError
from longpole.model.pricing import PriceBook
from longpole.model.run import Role, Span, Status

_SURE: Final = Fraction(1)
_HALF: Final = Fraction(1, 2)
_HISTORY_KEPT: Final = 101
_SMALLEST_POOL: Final = 5
_FREE: Final = CostStep(Fraction(0))
_UNCHANGED: Final = CostStep()


class Outcome(NamedTuple):
    """One way a chance can turn out, and which lengths it changes, by span number."""

    probability: Fraction
    edits: Mapping[int, Edit]


Chance = tuple[Outcome, ...]
"""Everything that one throw of the dice can give; probabilities add up to 1."""


@dataclass(slots=True, kw_only=True)
class Effects:
    """What is to be run; built up change by change.

    Attributes:
        costs: steps of the cost of each call, by number.
        models: what model calls go to instead.
        touched: spans that any change is about.
        notes: what could not be done, or should be known, in plain sentences.
    """

    lengths: dict[int, tuple[Edit, ...]] = field(default_factory=dict)
    gone: set[int] = field(default_factory=set)
    lags_ns: dict[int, int] = field(default_factory=dict)
    places: dict[tuple[int, GroupKey], int | None] = field(default_factory=dict)
    fail_fast: set[int] = field(default_factory=set)
    chances: list[Chance] = field(default_factory=list)
    costs: dict[int, list[Chances]] = field(default_factory=dict)
    models: dict[int, str] = field(default_factory=dict)
    touched: set[int] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)
    assumptions: set[Assumption] = field(default_factory=set)

    @property
    def numbers(self) -> set[int]:
        """Spans that are edited, or that something is edited below."""
        return (
            self.touched
            | set(self.lengths)
            | self.gone
            | set(self.lags_ns)
            | self.fail_fast
            | {parent for parent, _ in self.places}
        )

    @property
    def edits(self) -> Edits:
        """What is certain."""
        return Edits(
            lengths=self.lengths,
            gone=frozenset(self.gone),
            lags_ns=self.lags_ns,
            places=self.places,
            fail_fast=frozenset(self.fail_fast),
        )

    def stretch(self, number: int, edit: Edit) -> None:
        """Edit the length of a span after what was edited before."""
        self.lengths[number] = (*self.lengths.get(number, ()), edit)

    def charge(self, number: int, chances: Chances) -> None:
        """Change the cost of a call after what was changed before."""
        self.costs.setdefault(number, []).append(chances)

    def note(self, text: str) -> None:
        """Say something once."""
        if text not in self.notes:
            self.notes.append(text)


def effects_of(
    simulation: Simulation,
    changes: Iterable[Change],
    *,
    book: PriceBook,
    learned: Learned = NOTHING,
) -> Effects:
    """Return what changes come to.

    Raises:
        TargetError: a change is about nothing in this run.
        NotReplayableError: a limit is to be changed where the recorded queue follows no rule.
    """
    maker = _Maker(simulation, book, learned)
    for change in in_order(changes):
        maker.add(change)
    return maker.effects


class _Maker:
    def __init__(self, simulation: Simulation, book: PriceBook, learned: Learned) -> None:
        self._simulation, self._book, self._learned = simulation, book, learned
        self._timeline = simulation.timeline
        self._calls = frozenset(calls_of(simulation.timeline))
        self._positions: Mapping[str, Position] | None = None
        self.effects = Effects()

    def add(self, change: Change) -> None:
        numbers = spans_of(self._timeline, change.target)
        self.effects.touched.update(numbers)
        match change:
            case Without():
                self._without(change, numbers)
            case NoRetries():
                self._no_retries(change, numbers)
            case Backoff():
                self._backoff(change, numbers)
            case Faster() | Time():
                self._length(change, numbers)
            case Timeout():
                self._timeout(change, numbers)
            case Limit():
                self._limit(change, numbers)
            case FailFast():
                self._fail_fast(change, numbers)
            case _:
                self._about_calls(change, numbers)

    def _about_calls(self, change: Change, numbers: Sequence[int]) -> None:
        match change:
            case OtherModel():
                self._other_model(change, self._model_calls(change, numbers))
            case BatchPrice():
                self._batch_price(change, self._model_calls(change, numbers))
            case Cache():
                self._cache(change, self._calls_below(numbers))
            case CheapFirst():
                self._cheap_first(change, self._calls_below(numbers))
            case Hedge():
                self._hedge(change, self._calls_below(numbers))
            case _:
                raise TypeError(f"no effect of {type(change).__name__}")

    # --- structure ---------------------------------------------------------------------------

    def _without(self, change: Change, numbers: Sequence[int]) -> None:
        if 0 in numbers:
            raise TargetError(
                f"{change.target!r} is the whole run, which cannot be left out; name a part of it",
                change.target,
            )
        self.effects.gone.update(numbers)
        self.effects.assumptions.add(Assumption.A2)
        self.effects.note("the answer itself may be another one; that is not looked at")

    def _no_retries(self, change: Change, numbers: Sequence[int]) -> None:
        last_lags: dict[int, int] = {}
        for number, before in self._tries(change, numbers):
            above = self._simulation.plan_above(before)
            if above is None or self._timeline.status[before] not in (
                Status.ERROR,
                Status.CANCELLED,
            ):
                continue
            plan, at = above
            self.effects.gone.add(before)
            first_lag = last_lags.get(before, plan.lags_ns[at])
            last_lags[number] = self.effects.lags_ns[number] = first_lag
            self.effects.lags_ns.pop(before, None)
        self.effects.assumptions.add(Assumption.A2)

    def _backoff(self, change: Backoff, numbers: Sequence[int]) -> None:
        for number, before in self._tries(change, numbers):
            above = self._simulation.plan_above(number)
            if above is not None and before not in self.effects.gone:
                plan, at = above
                lag_ns = self.effects.lags_ns.get(number, plan.lags_ns[at])
                self.effects.lags_ns[number] = round(max(0, lag_ns) * change.ratio)
        self.effects.assumptions.add(Assumption.A2)

    def _tries(self, change: Change, numbers: Sequence[int]) -> list[tuple[int, int]]:
        """Return later tries with the one before each, in order."""
        found: list[tuple[int, int]] = []
        for number in below(self._timeline, numbers):
            span = self._timeline.spans[number]
            if span.attempt >= 2:
                before = self._try_before(number, span)
                if before is not None:
                    found.append((number, before))
        if not found:
            raise TargetError(
                f"nothing in {change.target!r} was tried a second time, so there are no retries",
                change.target,
            )
        self.effects.touched.update(number for pair in found for number in pair)
        return sorted(found, key=lambda pair: (self._timeline.start_ns[pair[0]], pair))

    def _try_before(self, number: int, span: Span) -> int | None:
        timeline = self._timeline
        if span.order.after:
            return timeline.number.get(span.order.after[-1])
        for other in timeline.children[timeline.parent[number]]:
            one = timeline.spans[other]
            if (
                one.attempt == span.attempt - 1
                and one.branch == span.branch
                and (one.role is Role.ATTEMPT)
            ):
                return other
        return None

    # --- lengths -----------------------------------------------------------------------------

    def _length(self, change: Faster | Time, numbers: Sequence[int]) -> None:
        edit: Edit = (
            Stretch(1 / change.ratio) if isinstance(change, Faster) else Exactly(change.length_ns)
        )
        for number in numbers:
            self.effects.stretch(number, edit)

    def _timeout(self, change: Timeout, numbers: Sequence[int]) -> None:
        self.effects.assumptions.add(Assumption.A2)
        for number in numbers:
            held = held_by(self._timeline, number)
            if held is HeldBy.THREADS:
                self.effects.note(
                    f"{change.target} runs in threads: they cannot be given up and are waited "
                    "for, so a time limit gains nothing"
                )
                continue
            if held is HeldBy.UNKNOWN:
                self.effects.note(
                    f"gains only if {change.target} can be given up (asyncio); "
                    "a thread would be waited for"
                )
            self.effects.stretch(number, AtMost(change.length_ns))

    # --- calls -------------------------------------------------------------------------------

    def _calls_below(self, numbers: Sequence[int]) -> list[int]:
        """Return the model calls in spans, or the spans themselves where there are none."""
        found: list[int] = []
        for number in numbers:
            calls = [one for one in below(self._timeline, [number]) if one in self._calls]
            found += calls or [number]
        calls = [one for one in found if not self._timeline.spans[one].cache_hit]
        self.effects.touched.update(calls)
        return calls

    def _model_calls(self, change: Change, numbers: Sequence[int]) -> list[int]:
        calls = [one for one in self._calls_below(numbers) if one in self._calls]
        if not calls:
            raise TargetError(
                f"{change.target!r} calls no model; name a model call or something above one",
                change.target,
            )
        return calls

    def _other_model(self, change: OtherModel, calls: Sequence[int]) -> None:
        self.effects.assumptions.add(Assumption.A2)
        for number in calls:
            span = self._timeline.spans[number]
            speed = self._learned.speed_of(change.model)
            edit = _at_speed(change, span, self._timeline.end_ns[number], self._learned)
            if edit is None:
                self.effects.note(
                    f"the speed of {change.model} is not known from other runs, so the time is "
                    "left as it is; say it with faster="
                )
            else:
                self.effects.stretch(number, edit)
            cost = self._priced(span, change.model, None if speed is None else speed.provider)
            self.effects.charge(number, ((_SURE, CostStep(Fraction(0), cost)),))
            self.effects.models[number] = change.model

    def _priced(self, span: Span, model: str, provider: str | None) -> Decimal | None:
        for served_by in dict.fromkeys((provider, span.provider, None)):
            price = self._book.price(
                provider=served_by, model=model, usage=span.usage, at_ns=span.start_ns
            )
            if price.cost_usd is not None:
                return price.cost_usd
        self.effects.note(f"no price is known for {model}")
        return None

    def _batch_price(self, change: BatchPrice, calls: Sequence[int]) -> None:
        for number in calls:
            self.effects.charge(number, ((_SURE, CostStep(_HALF)),))
            if change.turnaround_ns is not None:
                self.effects.stretch(number, Exactly(change.turnaround_ns))
        if change.turnaround_ns is None:
            self.effects.note(
                "how long a batch API takes cannot be told from a trace: the time is left as it "
                "is; say the turnaround with batch-price=24h"
            )

    # --- chances -----------------------------------------------------------------------------

    def _cache(self, change: Cache, calls: Sequence[int]) -> None:
        self.effects.assumptions.add(Assumption.A2)
        hit, missed = change.hit_ratio, 1 - change.hit_ratio
        answered = Exactly(change.hit_ns)
        for number in calls:
            if number in self._calls:
                self.effects.charge(number, ((hit, _FREE), (missed, _UNCHANGED)))
        together = [calls] if change.is_together else [[number] for number in calls]
        for numbers in together:
            self.effects.chances.append(
                (Outcome(hit, dict.fromkeys(numbers, answered)), Outcome(missed, {}))
            )

    def _cheap_first(self, change: CheapFirst, calls: Sequence[int]) -> None:
        self.effects.assumptions.add(Assumption.A2)
        accepted, rejected = change.accepted_ratio, 1 - change.accepted_ratio
        for number in calls:
            span = self._timeline.spans[number]
            self.effects.chances.append(
                (
                    Outcome(accepted, {number: Exactly(change.cheap_ns)}),
                    Outcome(rejected, {number: Stretch(more_ns=change.cheap_ns)}),
                )
            )
            if number not in self._calls:
                continue
            cost = change.cost_usd
            if cost is None and change.model is not None:
                cost = self._priced(span, change.model, None)
            elif cost is None:
                self.effects.note("what the cheap call costs is not said: add cost= or model=")
            self.effects.charge(
                number,
                (
                    (accepted, CostStep(Fraction(0), cost)),
                    (rejected, CostStep(Fraction(1), cost)),
                ),
            )

    def _hedge(self, change: Hedge, calls: Sequence[int]) -> None:
        self.effects.assumptions.update((Assumption.A1, Assumption.A2))
        timeline = self._timeline
        lengths = {one: timeline.end_ns[one] - timeline.start_ns[one] for one in calls}
        for number in calls:
            if lengths[number] <= change.after_ns:
                continue
            if number in self._calls:
                self.effects.charge(number, ((_SURE, CostStep(Fraction(2))),))
            second = self._second_lengths(number, lengths)
            share = Fraction(1, len(second))
            self.effects.chances.append(
                tuple(
                    Outcome(share, {number: AtMost(change.after_ns + length_ns, False)})
                    for length_ns in second
                )
            )
        if not any(lengths[number] > change.after_ns for number in calls):
            self.effects.note(f"no call of {change.target} took longer, so none is made twice")

    def _second_lengths(self, number: int, lengths: Mapping[int, int]) -> Sequence[int]:
        """Return how long the second call may take: as earlier ones here, else as those beside."""
        if self._positions is None:
            self._positions = positions_of(self._timeline.run)
        position = self._positions[self._timeline.spans[number].span_id]
        known: Sequence[int] = self._learned.lengths_ns.get(position, ())
        if len(known) < 2:
            known = sorted(lengths.values())
            self.effects.note(
                "a second call is taken to last as long as any of the calls in this run; "
                "more runs of the chain would tell better"
            )
        if len(known) <= _HISTORY_KEPT:
            return known
        step = (len(known) - 1) / (_HISTORY_KEPT - 1)
        return [known[round(at * step)] for at in range(_HISTORY_KEPT)]

    # --- fan-outs ----------------------------------------------------------------------------

    def _limit(self, change: Limit, numbers: Sequence[int]) -> None:
        groups = self._groups(numbers)
        if not groups:
            raise TargetError(_no_fan_out(change), change.target)
        self.effects.assumptions.update((Assumption.A1, Assumption.A5, Assumption.A8))
        for parent, key in groups:
            plan = self._simulation.plans[parent]
            members = plan.groups[key].members
            branch = self._timeline.spans[plan.units[members[0]].first]
            if ignores_limit(branch):
                self.effects.note(
                    f"{change.target} is an asynchronous RunnableParallel, which ignores "
                    "max_concurrency: nothing changes"
                )
                continue
            if parent in self._simulation.is_fixed and change.places is not None:
                raise NotReplayableError(
                    f"the queue of {change.target!r} does not follow from its limit, so another "
                    "limit cannot be predicted; limit=none can"
                )
            if change.places is None and len(members) > _SMALLEST_POOL:
                self._note_default_pool(parent)
            self.effects.places[parent, key] = change.places

    def _note_default_pool(self, parent: int) -> None:
        branch = self._simulation.plans[parent].units[0].first
        if held_by(self._timeline, branch) is HeldBy.THREADS:
            self.effects.note(
                "threads without max_concurrency still share a pool of min(32, processors + 4); "
                "to run all at once ask for max_concurrency as large as the fan-out"
            )

    def _groups(self, numbers: Sequence[int]) -> list[tuple[int, GroupKey]]:
        """Return the fan-outs in spans, as a limit is handed down; else those they belong to."""
        plans = self._simulation.plans
        inside = [
            (parent, key)
            for parent in below(self._timeline, numbers)
            if parent in plans
            for key, group in plans[parent].groups.items()
            if self._is_fan_out(parent, group.members)
        ]
        around = [
            (self._timeline.parent[number], key)
            for number in numbers
            if (above := self._simulation.plan_above(number)) is not None
            for key, group in above[0].groups.items()
            if above[1] in group.members
        ]
        return list(dict.fromkeys(inside or around))

    def _is_fan_out(self, parent: int, members: Sequence[int]) -> bool:
        plan = self._simulation.plans[parent]
        return any(self._timeline.spans[plan.units[at].first].fan_out is not None for at in members)

    def _fail_fast(self, change: FailFast, numbers: Sequence[int]) -> None:
        groups = self._groups(numbers)
        if not groups:
            raise TargetError(_no_fan_out(change), change.target)
        self.effects.assumptions.add(Assumption.A2)
        parents = {parent for parent, _ in groups}
        failed = {one for one in parents if self._timeline.status[one] is Status.ERROR}
        if not failed:
            self.effects.note(f"no fan-out of {change.target} failed, so nothing changes")
        if any(held_by(self._timeline, one) is HeldBy.THREADS for one in failed):
            self.effects.note("threads cannot be stopped: this needs asyncio or steps that look")
        if failed:
            self.effects.note("calls that are cut off are counted at their full cost")
        self.effects.fail_fast |= failed


def _no_fan_out(change: Change) -> str:
    return f"{change.target!r} is no fan-out or branch of one; `longpole show` lists them"


def _at_speed(change: OtherModel, span: Span, end_ns: int, learned: Learned) -> Stretch | None:
    """Return how a call's length changes with its model; `None` where nothing tells."""
    old = learned.speed_of(span.model or "")
    new = learned.speed_of(change.model)
    faster, later_ns = change.faster, change.first_token_ns
    if faster is None and old is not None and new is not None and new.tokens_per_s > 0:
        faster = Fraction(new.tokens_per_s / old.tokens_per_s).limit_denominator(10**6)
        if later_ns is None and None not in (old.first_token_ns, new.first_token_ns):
            later_ns = (new.first_token_ns or 0) - (old.first_token_ns or 0)
    if not faster and later_ns is None:
        return None
    ratio = 1 / faster if faster else _SURE
    first_ns = span.time_to_first_token_ns or 0
    kept_ns = round(first_ns * (1 - ratio))  # only what follows the first token is sped up
    return Stretch(ratio, kept_ns + (later_ns or 0))
