"""What analysis finds in one run: values only, made by `longpole.analysis.analyse`.

Names, units and meanings are those of `longpole show --json` (schema 1). Times are integer
nanoseconds, ratios have no unit, money is `Decimal` USD.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from longpole.model.run import FanOutKind, Run, Span, Status
from longpole.model.usage import Usage


class SegmentKind(StrEnum):
    """What the owner of a segment was doing.

    `work`: nothing below it is on the path; `head`, `between`, `tail`: before, between, after the
    children that are; `backoff`: between a failed try and the next one.
    """

    WORK = "work"
    HEAD = "head"
    BETWEEN = "between"
    TAIL = "tail"
    BACKOFF = "backoff"


class Via(StrEnum):
    """Why the path runs through the owner of a segment.

    `root`: it is the run; `join`: its parent waited for it to end; `seq`: the next one waited for
    it; `slot`: it held the place that the next one needed; `cancel`: it was stopped by a failure;
    `stream`: an estimate, its chunks were passed on while it ran.
    """

    ROOT = "root"
    JOIN = "join"
    SEQ = "seq"
    SLOT = "slot"
    CANCEL = "cancel"
    STREAM = "stream"


class Dependencies(StrEnum):
    """Where the order of siblings comes from: told by the framework, or inferred from times."""

    RECORDED = "recorded"
    INFERRED = "inferred"
    MIXED = "mixed"


class WasteReason(StrEnum):
    """Why nobody used a span's result."""

    FAILED_ATTEMPT = "failed attempt"
    FAILED = "failed"
    FAILED_TOLERATED = "failed, tolerated"
    SIBLING_FAILED = "sibling failed"
    CANCELLED = "cancelled"
    ABANDONED = "abandoned"


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A stretch [start_ns, end_ns) of the critical path, owned by one span.

    Attributes:
        inferred: whether the edge to what follows was inferred, not recorded.
        tied_with: spans that ended as late as the owner, within tolerance.
    """

    span_id: str
    start_ns: int
    end_ns: int
    kind: SegmentKind
    via: Via
    inferred: bool
    tied_with: tuple[str, ...] = ()

    @property
    def length_ns(self) -> int:
        """How long the segment is; always more than 0."""
        return self.end_ns - self.start_ns


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanFacts:
    """What analysis adds to one span.

    Attributes:
        self_ns: time covered by no child.
        on_path_ns: critical-path time of the span and all below it.
        slack_ns: how much later it could end without moving the run's end; `None`: any amount.
        drag_ns: how much sooner the run would end were the span instant.
        queue_wait_ns: ready until started; `None` where it cannot be known.
        queue_wait_inferred: whether that was inferred from the siblings.
        wasted: why the result was not used; `None` when it was. Stands on the topmost wasted span.
    """

    self_ns: int
    on_path_ns: int
    slack_ns: int | None
    drag_ns: int
    queue_wait_ns: int | None
    queue_wait_inferred: bool
    wasted: WasteReason | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanOutline:
    """What is known of one span as long as the run has not been run again: some of `SpanFacts`."""

    on_path_ns: int
    queue_wait_ns: int | None
    queue_wait_inferred: bool
    wasted: WasteReason | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """One branch of a fan-out; cost and attempts are those of its whole subtree.

    Attributes:
        cost_usd: `None` when nothing in it was priced although a model was called.
        attempts: tries of the branch itself, 1 when it was done once.
        idle_at_join_ns: how long its result lay there until the join; 0 for the long pole.
    """

    key: str
    span_id: str
    start_ns: int
    end_ns: int
    queue_wait_ns: int | None
    slack_ns: int | None
    drag_ns: int
    on_path_ns: int
    cost_usd: Decimal | None
    attempts: int
    status: Status
    straggler: bool
    idle_at_join_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BranchOutline:
    """Some of what `Branch` tells."""

    key: str
    span_id: str
    on_path_ns: int
    attempts: int
    straggler: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FanOut:
    """Siblings that ran side by side under `span_id`, ordered by start.

    Attributes:
        limit: the concurrency asked for, or the hidden pool's; `None` when unlimited or unknown.
        hidden_limit: places that branches queued for although no limit was recorded; inferred.
        limit_ignored: a concurrency that was asked for and that the library does not keep.
        peak: how many ran at once.
        joined_ns: when the last branch that was waited for ended.
        imbalance_ratio: longest over mean branch; 1 when all are equal.
        lost_ns: longest minus mean branch: what perfectly even branches would save.
        long_pole: the branch the join waited for.
        waited_after_failure_ns: from the first failed branch to the end of the span, if that failed
            too; 0 when nothing failed.
        avoidable_ns: work done in its branches after that.
        avoidable_cost_usd: cost of the calls started in its branches after that.
    """

    span_id: str
    kind: FanOutKind
    limit: int | None
    hidden_limit: int | None
    limit_ignored: int | None
    peak: int
    joined_ns: int
    imbalance_ratio: float
    lost_ns: int
    long_pole: str
    waited_after_failure_ns: int
    avoidable_ns: int
    avoidable_cost_usd: Decimal
    branches: tuple[Branch, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FanOutOutline:
    """Some of what `FanOut` tells."""

    span_id: str
    limit: int | None
    long_pole: str
    branches: tuple[BranchOutline, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """The numbers of a whole run.

    Attributes:
        end_ns: of the root, or the moment of analysis while it runs.
        work_ns: T₁, the sum of all leaf work.
        span_length_ns: T∞, the longest chain of dependent work.
        speedup_ratio: work over wall.
        parallelism_ratio: work over span length, the best speed-up possible.
        efficiency_ratio: work over wall × workers.
        workers: how many could work at once: the widest limit known, or the peak if more did.
        queue_wait_ns: what queueing cost: wall minus the wall without any limit.
        backoff_ns: back-off on the critical path.
        retries: attempts after the first.
        fallbacks: fallback candidates tried.
        cost_usd: sum over the priced calls; `None` when calls were made and none is priced.
        unpriced_calls: model calls without a known cost.
        wasted_ns: work of the wasted spans.
    """

    end_ns: int
    wall_ns: int
    work_ns: int
    span_length_ns: int
    speedup_ratio: float
    parallelism_ratio: float
    efficiency_ratio: float
    peak_concurrency: int
    workers: int
    queue_wait_ns: int
    backoff_ns: int
    retries: int
    fallbacks: int
    llm_calls: int
    cache_hits: int
    usage: Usage
    cost_usd: Decimal | None
    unpriced_calls: int
    wasted_ns: int
    wasted_cost_usd: Decimal
    time_to_first_token_ns: int | None
    dependencies: Dependencies


@dataclass(frozen=True, slots=True, kw_only=True)
class Breakdown:
    """Where the wall time and the money of a run went.

    Attributes:
        work_on_path_ns: critical path in spans without children on it. With `head_ns`,
            `between_ns`, `tail_ns` (overhead of spans with children) and the run's `backoff_ns` it
            makes up the wall.
        idle_ns: nothing was at work. With `serial_ns` and `parallel_ns` it makes up the wall.
        serial_ns: exactly one span was at work; more workers do not shorten that.
        parallel_ns: two or more were.
        backoff_total_ns: pauses before further tries, on the critical path or not.
        on_path_cost_usd: priced calls that are on the critical path.
        off_path_cost_usd: priced calls that are not.
        wasted_wall_ns: critical path inside wasted spans, and back-off on it.
        wasted_unpriced_calls: calls in wasted spans without a known cost.
        avoidable_ns: work done in fan-outs that failed after their first branch had.
        avoidable_cost_usd: cost of the calls started then.
        tokens_per_s: output tokens a second while calls streamed; `None` when none did.
    """

    work_on_path_ns: int
    head_ns: int
    between_ns: int
    tail_ns: int
    idle_ns: int
    serial_ns: int
    parallel_ns: int
    backoff_total_ns: int
    on_path_cost_usd: Decimal
    off_path_cost_usd: Decimal
    wasted_wall_ns: int
    wasted_unpriced_calls: int
    avoidable_ns: int
    avoidable_cost_usd: Decimal
    tokens_per_s: float | None

    @property
    def idle_ratio(self) -> float:
        """Share of the wall in which nothing was at work; 0 when there is no wall."""
        return _share(self.idle_ns, self)

    @property
    def serial_ratio(self) -> float:
        """Share of the wall in which one span was at work; 0 when there is no wall."""
        return _share(self.serial_ns, self)


def _share(part_ns: int, of: Breakdown) -> float:
    wall_ns = of.idle_ns + of.serial_ns + of.parallel_ns
    return part_ns / wall_ns if wall_ns else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ConcurrencyStep:
    """From this moment on, `running` spans were at work."""

    at_ns: int
    running: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Waste:
    """A span whose result nobody used, with all below it.

    Attributes:
        span_id: the topmost wasted span; `SpanFacts.wasted` stands on it.
        wasted_ns: its part of `RunFacts.wasted_ns`.
        cost_usd: of the priced calls in it.
        unpriced_calls: the others.
    """

    span_id: str
    reason: WasteReason
    wasted_ns: int
    cost_usd: Decimal
    unpriced_calls: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunAnalysis:
    """Everything that one run tells by itself.

    Attributes:
        now_ns: the moment of analysis, which ends whatever was still running.
        critical_path: earliest first; tiles the run exactly.
        fan_outs: by first start; only those with two branches or more.
        concurrency: the profile of leaf work over time; starts at the run's start, ends with 0.
        wastes: what was for nothing, parents before children; adds up to the facts' waste.
    """

    run: Run
    now_ns: int
    facts: RunFacts
    breakdown: Breakdown
    spans: Mapping[str, SpanFacts]
    critical_path: tuple[Segment, ...]
    fan_outs: tuple[FanOut, ...]
    concurrency: tuple[ConcurrencyStep, ...]
    wastes: tuple[Waste, ...]

    def ended_ns(self, span: Span) -> int:
        """Return when a span of the run ended, or how far it has come.

        What its process took along was last seen when the run was; what still runs, runs until now.
        """
        return _ended_ns(self, span)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOutline:
    """What happened in a run: as much of its analysis as a first look needs.

    Everything is as in the `RunAnalysis`; what would have happened otherwise (slack, drag) is left
    out, and so is what nobody sees at first.
    """

    run: Run
    now_ns: int
    facts: RunFacts
    spans: Mapping[str, SpanOutline]
    critical_path: tuple[Segment, ...]
    fan_outs: tuple[FanOutOutline, ...]
    concurrency: tuple[ConcurrencyStep, ...]

    def ended_ns(self, span: Span) -> int:
        """Return the same as `RunAnalysis.ended_ns`."""
        return _ended_ns(self, span)


def _ended_ns(told: RunOutline | RunAnalysis, span: Span) -> int:
    if span.end_ns is not None:
        return span.end_ns
    ended_ns = told.facts.end_ns if span.status is Status.LOST else told.now_ns
    return max(span.start_ns, ended_ns)
