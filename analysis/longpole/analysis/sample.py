"""One analysed run → the little that is kept of it when many runs are looked at.

In: a `RunAnalysis`, which holds every span. Out: a `RunSample`, which holds one value a position,
so that runs can be analysed one by one and dropped. Nothing that must add up is lost: what the
positions own of the critical path tiles the wall, and their costs make the run's
(`RunSample.check`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeVar

from longpole.analysis.error_text import is_rate_limit, normalised
from longpole.analysis.fan_out_sample import FanOutSample, fan_out_samples
from longpole.analysis.percentiles import NO_LENGTHS, Lengths, lengths_of
from longpole.analysis.positions import Position, positions_of
from longpole.analysis.result import RunAnalysis, Waste, WasteReason
from longpole.analysis.shape import Shape, folded, shape_of
from longpole.model.errors import BrokenLawError
from longpole.model.run import Kind, Role, Run, Span, Status

_NOTHING = Decimal(0)
_CALLS = frozenset({Kind.LLM, Kind.EMBEDDING})

Shared = TypeVar("Shared", bound=Hashable)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceSample:
    """All spans at one position of one run.

    Attributes:
        executions: how many spans stand there.
        own_path_ns: what they themselves own of the critical path.
        on_path_ns: what they and all below them own.
        drag_ns: how much sooner the run would end were a span instant; the sum over the spans.
        errors: spans that failed.
        retries: how often one of them was tried again, wherever the later tries stand.
        fallbacks: fallback candidates tried right below them.
        calls: model calls that count for money.
        cost_usd: of the priced calls.
        unpriced_calls: calls whose cost is not known.
    """

    executions: int
    own_path_ns: int
    on_path_ns: int
    drag_ns: int
    durations: Lengths
    queue_waits: Lengths
    errors: int
    retries: int
    fallbacks: int
    calls: int
    cost_usd: Decimal
    unpriced_calls: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorSample:
    """Failures of one kind at one position, counted where they arose.

    Attributes:
        message: without what differs from one time to the next.
        example: one message as it was, its end left out.
        models: that the failing calls went to; empty where it was no call of a model.
    """

    position: Position
    type: str
    message: str
    example: str
    is_rate_limit: bool
    count: int
    models: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CostSample:
    """Calls of one model in one branch.

    Attributes:
        branch: position of the innermost branch around the calls; empty outside of any.
        cache_hits: calls that LangChain's cache answered, for nothing.
        cache_read_tokens: input tokens that the provider had cached.
    """

    branch: Position
    model: str | None
    provider: str | None
    calls: int
    cost_usd: Decimal
    unpriced_calls: int
    cache_hits: int
    cache_read_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WasteSample:
    """What was for nothing at one position for one reason.

    Attributes:
        count: how many spans; what is below them is in the sums.
    """

    position: Position
    reason: WasteReason
    count: int
    wasted_ns: int
    cost_usd: Decimal
    unpriced_calls: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSample:
    """What is kept of one run.

    Attributes:
        chain: name of the run.
        cost_usd: `None` when calls were made and none is priced.
        places: every position of the run, parents before children.
    """

    run_id: str
    chain: str
    status: Status
    start_ns: int
    wall_ns: int
    work_ns: int
    queue_wait_ns: int
    backoff_ns: int
    peak_concurrency: int
    workers: int
    retries: int
    fallbacks: int
    llm_calls: int
    cost_usd: Decimal | None
    unpriced_calls: int
    wasted_ns: int
    wasted_cost_usd: Decimal
    session_id: str | None
    tags: tuple[str, ...]
    shape: Shape
    places: Mapping[Position, PlaceSample]
    fan_outs: tuple[FanOutSample, ...]
    errors: tuple[ErrorSample, ...]
    costs: tuple[CostSample, ...]
    wastes: tuple[WasteSample, ...]

    def check(self) -> None:
        """Raise `BrokenLawError` unless path, costs, waste, retries and fallbacks add up."""
        places = self.places.values()
        totals: tuple[tuple[str, int | Decimal, int | Decimal], ...] = (
            ("path", sum(place.own_path_ns for place in places), self.wall_ns),
            ("cost", sum(place.cost_usd for place in places), self.cost_usd or _NOTHING),
            ("cost of calls", sum(call.cost_usd for call in self.costs), self.cost_usd or _NOTHING),
            ("unpriced", sum(place.unpriced_calls for place in places), self.unpriced_calls),
            ("retries", sum(place.retries for place in places), self.retries),
            ("fallbacks", sum(place.fallbacks for place in places), self.fallbacks),
            ("waste", sum(waste.wasted_ns for waste in self.wastes), self.wasted_ns),
            ("wasted cost", sum(waste.cost_usd for waste in self.wastes), self.wasted_cost_usd),
        )
        for what, total, whole in totals:
            if total != whole:
                raise BrokenLawError(
                    f"run {self.run_id!r}: {what} of the positions adds up to {total}, "
                    f"of the run it is {whole}"
                )


def sample_of(analysis: RunAnalysis) -> RunSample:
    """Return what is kept of one run."""
    return Sampler().sample(analysis)


def samples_of(analyses: Iterable[RunAnalysis]) -> list[RunSample]:
    """Return what is kept of each run; analyses may come one by one and are not held."""
    sampler = Sampler()
    return [sampler.sample(analysis) for analysis in analyses]


class Sampler:
    """Takes samples of runs; what many of them have in common is kept only once."""

    def __init__(self) -> None:
        self._shared: dict[Hashable, Hashable] = {}

    def sample(self, analysis: RunAnalysis) -> RunSample:
        """Return what is kept of one run."""
        run, facts = analysis.run, analysis.facts
        position = {
            span_id: self._once(found) for span_id, found in positions_of(run).items()
        }  # parents before children
        calls = _calls(run, position)
        return RunSample(
            run_id=run.run_id,
            chain=run.name,
            status=run.status,
            start_ns=run.root.start_ns,
            wall_ns=facts.wall_ns,
            work_ns=facts.work_ns,
            queue_wait_ns=facts.queue_wait_ns,
            backoff_ns=facts.backoff_ns,
            peak_concurrency=facts.peak_concurrency,
            workers=facts.workers,
            retries=facts.retries,
            fallbacks=facts.fallbacks,
            llm_calls=facts.llm_calls,
            cost_usd=facts.cost_usd,
            unpriced_calls=facts.unpriced_calls,
            wasted_ns=facts.wasted_ns,
            wasted_cost_usd=facts.wasted_cost_usd,
            session_id=run.session_id,
            tags=tuple(sorted(set(run.tags))),
            shape=self._once(shape_of(run, position)),
            places=_places(analysis, position, calls),
            fan_outs=fan_out_samples(analysis, position),
            errors=_errors(run, position),
            costs=_costs(run, position, calls),
            wastes=_wastes(analysis.wastes, position),
        )

    def _once(self, value: Shared) -> Shared:
        kept = self._shared.setdefault(value, value)
        assert isinstance(kept, type(value))
        return kept


def _calls(run: Run, position: Mapping[str, Position]) -> frozenset[str]:
    """Return the calls that count for money: model calls with no model call below them."""
    above: set[str] = set()
    found: set[str] = set()
    for span_id in reversed(list(position)):
        span = run.span_by_id[span_id]
        is_call = span.kind in _CALLS
        if is_call and span_id not in above:
            found.add(span_id)
        if (is_call or span_id in above) and span.parent_span_id is not None:
            above.add(span.parent_span_id)
    return frozenset(found)


def _places(
    analysis: RunAnalysis, position: Mapping[str, Position], calls: frozenset[str]
) -> Mapping[Position, PlaceSample]:
    own_ns: Counter[str] = Counter()
    for segment in analysis.critical_path:
        own_ns[segment.span_id] += segment.length_ns
    retries, fallbacks = _more_tries(analysis.run, position)
    standing: dict[Position, list[Span]] = {}
    for span_id, at in position.items():
        standing.setdefault(at, []).append(analysis.run.span_by_id[span_id])
    return {
        at: _place(analysis, spans, own_ns, calls, retries=retries[at], fallbacks=fallbacks[at])
        for at, spans in standing.items()
    }


def _place(
    analysis: RunAnalysis,
    spans: Sequence[Span],
    own_ns: Mapping[str, int],
    calls: frozenset[str],
    *,
    retries: int,
    fallbacks: int,
) -> PlaceSample:
    facts = [analysis.spans[span.span_id] for span in spans]
    waits = [one.queue_wait_ns for one in facts if one.queue_wait_ns is not None]
    made = [span for span in spans if span.span_id in calls]
    return PlaceSample(
        executions=len(spans),
        own_path_ns=sum(own_ns.get(span.span_id, 0) for span in spans),
        on_path_ns=sum(one.on_path_ns for one in facts),
        drag_ns=sum(one.drag_ns for one in facts),
        durations=lengths_of(analysis.ended_ns(span) - span.start_ns for span in spans),
        queue_waits=lengths_of(waits) if waits else NO_LENGTHS,
        errors=sum(span.status is Status.ERROR for span in spans),
        retries=retries,
        fallbacks=fallbacks,
        calls=len(made),
        cost_usd=sum((_cost_usd(span) or _NOTHING for span in made), _NOTHING),
        unpriced_calls=sum(_cost_usd(span) is None for span in made),
    )


def _cost_usd(span: Span) -> Decimal | None:
    return span.cost_usd or _NOTHING if span.cache_hit else span.cost_usd


def _more_tries(
    run: Run, position: Mapping[str, Position]
) -> tuple[Counter[Position], Counter[Position]]:
    """Return retries by the position of the first try, fallbacks by that of what they stand in for.

    A run that holds no first try has its retries where they stand.
    """
    retries: Counter[Position] = Counter()
    fallbacks: Counter[Position] = Counter()
    taken = set(position.values())
    for span_id, at in position.items():
        span = run.span_by_id[span_id]
        if span.attempt > 1:
            first = (*at[:-1], folded(span, at[-1]))
            retries[first if first in taken else at] += 1
        if span.role is Role.FALLBACK:
            fallbacks[at[:-1] or at] += 1
    return retries, fallbacks


def _errors(run: Run, position: Mapping[str, Position]) -> tuple[ErrorSample, ...]:
    """Return the failures, each at the deepest span that it made fail."""
    passed_on = {span.parent_span_id for span in run.spans if span.status is Status.ERROR}
    counted: Counter[tuple[Position, str, str]] = Counter()
    first: dict[tuple[Position, str, str], str] = {}
    models: dict[tuple[Position, str, str], set[str]] = {}
    for span in run.spans:
        if span.status is not Status.ERROR or span.span_id in passed_on:
            continue
        told, message = ("", "") if span.error is None else (span.error.type, span.error.message)
        key = (position[span.span_id], told, normalised(message))
        counted[key] += 1
        first.setdefault(key, message)
        models.setdefault(key, set()).update(() if span.model is None else (span.model,))
    return tuple(
        ErrorSample(
            position=at,
            type=told,
            message=message,
            example=first[at, told, message][:_EXAMPLE_MOST],
            is_rate_limit=is_rate_limit(told, first[at, told, message]),
            count=count,
            models=tuple(sorted(models[at, told, message])),
        )
        for (at, told, message), count in counted.items()
    )


_EXAMPLE_MOST = 300


def _costs(
    run: Run, position: Mapping[str, Position], calls: frozenset[str]
) -> tuple[CostSample, ...]:
    branch: dict[str, Position] = {}
    spent: dict[tuple[Position, str | None, str | None], list[Span]] = {}
    for span_id, at in position.items():
        span = run.span_by_id[span_id]
        is_branch = span.fan_out is not None and span.parent_span_id is not None
        branch[span_id] = at if is_branch else branch.get(span.parent_span_id or "", ())
        if span_id in calls:
            spent.setdefault((branch[span_id], span.model, span.provider), []).append(span)
    return tuple(
        CostSample(
            branch=at,
            model=model,
            provider=provider,
            calls=len(spans),
            cost_usd=sum((_cost_usd(span) or _NOTHING for span in spans), _NOTHING),
            unpriced_calls=sum(_cost_usd(span) is None for span in spans),
            cache_hits=sum(span.cache_hit for span in spans),
            cache_read_tokens=sum(_cache_read_tokens(span) for span in spans),
        )
        for (at, model, provider), spans in spent.items()
    )


def _cache_read_tokens(span: Span) -> int:
    # An answer out of the cache repeats the usage of the call that it was stored from.
    return 0 if span.cache_hit or span.usage is None else span.usage.cache_read_tokens


def _wastes(wastes: Sequence[Waste], position: Mapping[str, Position]) -> tuple[WasteSample, ...]:
    together: dict[tuple[Position, WasteReason], list[Waste]] = {}
    for waste in wastes:
        together.setdefault((position[waste.span_id], waste.reason), []).append(waste)
    return tuple(
        WasteSample(
            position=at,
            reason=reason,
            count=len(found),
            wasted_ns=sum(one.wasted_ns for one in found),
            cost_usd=sum((one.cost_usd for one in found), _NOTHING),
            unpriced_calls=sum(one.unpriced_calls for one in found),
        )
        for (at, reason), found in together.items()
    )
