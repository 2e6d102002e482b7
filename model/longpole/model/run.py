"""What was recorded: spans, and the run they make up.

In: spans as a loader or a test has them, in any order, possibly damaged. Out: a `Run`, a proper
tree whose laws `Run.check` states. All times are integer nanoseconds since the Unix epoch; values
are frozen and know nothing of their storage. `assemble` repairs structure only (who is whose
parent); times are taken as they are, analysis decides what they mean.

Source: the word list of the project's design; OpenTelemetry trace model for ids.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from operator import attrgetter
from types import MappingProxyType
from typing import Any

from longpole.model.errors import BrokenLawError
from longpole.model.usage import Usage


class Kind(StrEnum):
    """What a span does."""

    CHAIN = "chain"
    LLM = "llm"
    TOOL = "tool"
    RETRIEVER = "retriever"
    EMBEDDING = "embedding"
    PROMPT = "prompt"
    PARSER = "parser"
    NODE = "node"
    HTTP = "http"
    OTHER = "other"


class Status(StrEnum):
    """How a span ended, or that it has not.

    `cancelled`: stopped from outside (a cancelled task, a closed stream). `interrupted`: a
    LangGraph interrupt or hand-over, not a failure. `lost`: its process died while it was running.
    """

    OK = "ok"
    ERROR = "error"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"
    RUNNING = "running"
    LOST = "lost"


class Role(StrEnum):
    """What a span is to its parent; of several the first that fits, in this order."""

    FALLBACK = "fallback"
    ATTEMPT = "attempt"
    BRANCH = "branch"
    ITEM = "item"
    FAN_OUT = "fan_out"
    STEP = "step"


class FanOutKind(StrEnum):
    """What made siblings run side by side."""

    PARALLEL = "parallel"
    MAP = "map"
    BATCH = "batch"
    SUPERSTEP = "superstep"
    SEND = "send"
    TOOLS = "tools"
    RECORD = "record"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What the framework told about a span's order among its siblings; all of it optional.

    Attributes:
        group: siblings of one fan-out share it; they are never ordered among themselves.
        seq: position in a sequence; step n waits for step n-1.
        superstep: LangGraph superstep; a barrier lies between two numbers.
        after: ids of the siblings this one waited for; empty means none of them.
        streamed: the span passed chunks on, so it overlaps the steps beside it.
        detached: nobody waits for it (a background task, a link).
    """

    group: str | None = None
    seq: int | None = None
    superstep: int | None = None
    after: tuple[str, ...] | None = None
    streamed: bool = False
    detached: bool = False

    @property
    def is_recorded(self) -> bool:
        """Whether the framework told anything, so that nothing needs to be inferred."""
        return (
            self.group is not None
            or self.seq is not None
            or self.superstep is not None
            or self.after is not None
        )


NO_ORDER = Order()


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanError:
    """The exception a span ended with: class name and message, both plain text."""

    type: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One timed operation.

    Attributes:
        span_id: 16 hex digits in recorded runs; any unique text in tests.
        parent_span_id: `None` for the root.
        end_ns: `None` while running, or when the process died before the end.
        branch: key of this branch in its fan-out: map key, `Send` or batch index.
        step: position in a sequence, or superstep number, counted from 1.
        attempt: number of the try, from 1.
        fan_out: the kind of the fan-out that this span is a branch of.
        fan_out_limit: the concurrency limit in force for that fan-out, as far as recorded.
        limit_ignored: a concurrency limit that was asked for and that the library does not keep.
        ready_ns: when the span could have started; recorded, never inferred.
        first_token_ns: when the first token arrived.
        result_swapped: its last try failed and yet it returned a result: another row's.
        cost_usd: `None` when unknown; then `unpriced` says why. Only model calls carry either.
        host: names the clock that the times come from.
    """

    span_id: str
    parent_span_id: str | None
    name: str
    kind: Kind
    start_ns: int
    end_ns: int | None
    status: Status
    role: Role | None = None
    branch: str | None = None
    step: int | None = None
    attempt: int = 1
    fan_out: FanOutKind | None = None
    fan_out_limit: int | None = None
    limit_ignored: int | None = None
    order: Order = NO_ORDER
    error: SpanError | None = None
    ready_ns: int | None = None
    first_token_ns: int | None = None
    model: str | None = None
    provider: str | None = None
    usage: Usage | None = None
    cost_usd: Decimal | None = None
    unpriced: str | None = None
    cache_hit: bool = False
    result_swapped: bool = False
    langchain_run_id: str | None = None
    host: str | None = None

    @property
    def is_running(self) -> bool:
        """Whether no end was recorded."""
        return self.end_ns is None

    @property
    def queue_wait_ns(self) -> int | None:
        """Recorded wait between ready and started; `None` when not observed."""
        return None if self.ready_ns is None else max(0, self.start_ns - self.ready_ns)

    @property
    def time_to_first_token_ns(self) -> int | None:
        """First token minus start; `None` where nothing was streamed."""
        return None if self.first_token_ns is None else max(0, self.first_token_ns - self.start_ns)


_start_order = attrgetter("start_ns", "span_id")


@dataclass(frozen=True, kw_only=True)
class Run:
    """One root execution and all below it; build it with `assemble`.

    Attributes:
        run_id: 32 hex digits in recorded runs.
        spans: by start time, then id; the root is among them.
        root_span_id: the one span without a parent.
        metadata: what the caller attached to the root, JSON values.
        repairs: what `assemble` had to mend, in plain words.
    """

    run_id: str
    root_span_id: str
    spans: tuple[Span, ...]
    trace_id: str | None = None
    session_id: str | None = None
    user_id: str | None = None
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    repairs: tuple[str, ...] = ()

    @cached_property
    def span_by_id(self) -> Mapping[str, Span]:
        """Every span under its id."""
        return MappingProxyType({span.span_id: span for span in self.spans})

    @cached_property
    def children_by_id(self) -> Mapping[str, tuple[Span, ...]]:
        """The children of each span that has any, by start time, then id."""
        children: defaultdict[str, list[Span]] = defaultdict(list)
        for span in self.spans:
            if span.parent_span_id is not None:
                children[span.parent_span_id].append(span)
        return MappingProxyType({parent: tuple(below) for parent, below in children.items()})

    def children(self, span_id: str) -> tuple[Span, ...]:
        """The spans right below this one, by start time, then id."""
        return self.children_by_id.get(span_id, ())

    @property
    def root(self) -> Span:
        """The span that the run is."""
        return self.span_by_id[self.root_span_id]

    @property
    def name(self) -> str:
        """The root's name."""
        return self.root.name

    @property
    def status(self) -> Status:
        """The root's status."""
        return self.root.status

    @property
    def is_running(self) -> bool:
        """Whether the root has not ended."""
        return self.root.is_running

    def check(self) -> None:
        """Raise `BrokenLawError` unless this is a proper tree of well-formed spans.

        One root; unique ids; every parent exists; every span is reached from the root (so there is
        no cycle); no span ends before it starts; usage subsets fit into their wholes; a cost is
        never negative and never stands beside a reason why there is none.
        """
        if len(self.span_by_id) != len(self.spans):
            raise BrokenLawError(f"run {self.run_id!r} holds a span id twice")
        roots = [span.span_id for span in self.spans if span.parent_span_id is None]
        if roots != [self.root_span_id]:
            raise BrokenLawError(f"run {self.run_id!r} has roots {roots}, expected one")
        order = list(map(_start_order, self.spans))
        if order != sorted(order):
            raise BrokenLawError(f"run {self.run_id!r} holds its spans out of order")
        if len(_reached(self.root_span_id, self.children_by_id)) != len(self.spans):
            raise BrokenLawError(f"run {self.run_id!r} holds spans that hang under no root")
        for span in self.spans:
            # Of most spans nothing more can be wrong, and a call for each is half of the time.
            if (
                (span.end_ns is not None and span.end_ns < span.start_ns)
                or span.attempt < 1
                or span.usage is not None
                or span.cost_usd is not None
            ):
                _check_span(span)


def _check_span(span: Span) -> None:
    if span.end_ns is not None and span.end_ns < span.start_ns:
        raise BrokenLawError(f"span {span.span_id!r} ends before it starts")
    if span.attempt < 1:
        raise BrokenLawError(
            f"span {span.span_id!r} has attempt {span.attempt}, expected 1 or more"
        )
    if span.usage is not None:
        span.usage.check()
    if span.cost_usd is not None and span.cost_usd < 0:
        raise BrokenLawError(f"span {span.span_id!r} costs {span.cost_usd}, expected 0 or more")
    if span.cost_usd is not None and span.unpriced is not None:
        raise BrokenLawError(f"span {span.span_id!r} has a cost and a reason for having none")


def _reached(root_id: str, children: Mapping[str, Iterable[Span]]) -> list[str]:
    """Return the ids below a root; it ends, as ids are unique and every span has one parent."""
    reached = [root_id]
    for span_id in reached:  # the list grows while it is walked
        if span_id in children:
            reached += [child.span_id for child in children[span_id]]
    return reached


SYNTHETIC_ROOT_ID = "0" * 16


def assemble(
    run_id: str,
    spans: Iterable[Span],
    *,
    trace_id: str | None = None,
    session_id: str | None = None,
    user_id: str | None = None,
    tags: Iterable[str] = (),
    metadata: Mapping[str, Any] | None = None,
) -> Run:
    """Build a run out of spans in any state; structure is mended and every mend is told.

    The second span of an id is renamed (`id#2`). A span that ends before it starts ends when it
    starts. A cycle is broken at its earliest span. With one true root, orphans hang under it; with
    none or several, a synthetic root spans them all.

    Raises:
        BrokenLawError: there is no span at all.
    """
    given = tuple(spans)
    about: dict[str, Any] = {
        "run_id": run_id,
        "trace_id": trace_id,
        "session_id": session_id,
        "user_id": user_id,
        "tags": tuple(tags),
        "metadata": MappingProxyType(dict(metadata or {})),
    }
    tops = [span.span_id for span in given if span.parent_span_id is None]
    if len(tops) == 1:
        # As nearly always: what breaks no law needs no mending.
        run = Run(root_span_id=tops[0], spans=tuple(sorted(given, key=_start_order)), **about)
        with suppress(BrokenLawError):
            run.check()
            return run
    return _mended(given, about)


def _mended(given: Iterable[Span], about: Mapping[str, Any]) -> Run:
    repairs: list[str] = []
    unique = _well_formed(given, repairs)
    if not unique:
        raise BrokenLawError(f"run {about['run_id']!r} has no spans")
    rooted, root_id = _rooted(_acyclic(unique, repairs), repairs)
    run = Run(
        root_span_id=root_id,
        spans=tuple(sorted(rooted.values(), key=_start_order)),
        repairs=tuple(repairs),
        **about,
    )
    run.check()
    return run


def _well_formed(spans: Iterable[Span], repairs: list[str]) -> dict[str, Span]:
    unique: dict[str, Span] = {}
    for given in spans:
        span = given
        if span.end_ns is not None and span.end_ns < span.start_ns:
            repairs.append(f"span {span.span_id} ended before it started")
            span = replace(span, end_ns=span.start_ns)
        if span.span_id in unique:
            copy = 2
            while f"{span.span_id}#{copy}" in unique:
                copy += 1
            repairs.append(f"span id {span.span_id} was used twice")
            span = replace(span, span_id=f"{span.span_id}#{copy}")
        unique[span.span_id] = span
    return unique


def _acyclic(spans: dict[str, Span], repairs: list[str]) -> dict[str, Span]:
    """Cut the parent link of the earliest span of every cycle, whatever the input order."""
    result = dict(spans)
    cleared: set[str] = set()
    for start_id, span in spans.items():
        if span.parent_span_id is None or span.parent_span_id in cleared:
            cleared.add(start_id)  # as nearly always: what leads to the top is in no cycle
            continue
        trail: dict[str, None] = {}
        at: str | None = start_id
        while at is not None and at in result and at not in cleared and at not in trail:
            trail[at] = None
            at = result[at].parent_span_id
        if at is not None and at in trail:
            loop = list(trail)[list(trail).index(at) :]
            cut = min((result[member] for member in loop), key=_start_order)
            repairs.append(f"span {cut.span_id} was its own ancestor")
            result[cut.span_id] = replace(cut, parent_span_id=None)
        cleared.update(trail)
    return result


def _rooted(spans: dict[str, Span], repairs: list[str]) -> tuple[dict[str, Span], str]:
    tops = [span for span in spans.values() if span.parent_span_id is None]
    orphans = [
        span
        for span in spans.values()
        if span.parent_span_id is not None and span.parent_span_id not in spans
    ]
    result = dict(spans)
    if len(tops) == 1:
        root_id = tops[0].span_id
        stray = orphans
    elif not tops and len(orphans) == 1:
        root_id = orphans[0].span_id
        result[root_id] = replace(orphans[0], parent_span_id=None)
        return result, root_id
    else:
        stray = tops + orphans
        root = _synthetic_root(list(spans.values()))
        repairs.append(f"{len(stray)} spans had no common root")
        root_id = root.span_id
        result[root_id] = root
    for span in stray:
        if span.parent_span_id is not None:
            repairs.append(f"span {span.span_id} had an unknown parent {span.parent_span_id}")
        result[span.span_id] = replace(span, parent_span_id=root_id)
    return result, root_id


def _synthetic_root(spans: list[Span]) -> Span:
    taken = {span.span_id for span in spans}
    root_id = SYNTHETIC_ROOT_ID
    while root_id in taken:
        root_id += "0"
    ends = [span.end_ns for span in spans]
    known_ends = [end for end in ends if end is not None]
    is_running = len(known_ends) < len(ends)
    return Span(
        span_id=root_id,
        parent_span_id=None,
        name="(several roots)",
        kind=Kind.OTHER,
        start_ns=min(span.start_ns for span in spans),
        end_ns=None if is_running else max(known_ends),
        status=Status.RUNNING if is_running else Status.OK,
    )
