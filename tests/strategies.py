"""Random runs for property tests: lawful ones as the tracer records them, and any others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from longpole.model import (
    FanOutKind,
    Kind,
    Order,
    Role,
    Run,
    Span,
    SpanError,
    Status,
    Usage,
    assemble,
)

BEGIN_NS = 1_790_000_000_000_000_000
MS = 1_000_000


class _Maker:
    """Builds one tree of spans; the draws decide its shape and times."""

    def __init__(self, draw: st.DrawFn, size: int) -> None:
        self.draw = draw
        self.left = size
        self.spans: list[Span] = []

    def time(self) -> int:
        # Coarse times make many ends meet, fine ones make none do.
        unit = self.draw(st.sampled_from([MS, 10 * MS, 137_911]))
        return unit * self.draw(st.integers(0, 30))

    def span(self, parent: str | None, start_ns: int, **more: object) -> int:
        """Add a span and what is below it; return when it ends."""
        self.left -= 1
        span_id = f"{len(self.spans):016x}"
        place = len(self.spans)
        bare = Span(
            span_id=span_id,
            parent_span_id=parent,
            name=self.draw(st.sampled_from(["plan", "search", "answer"])),
            kind=self.draw(st.sampled_from([Kind.CHAIN, Kind.LLM, Kind.TOOL])),
            start_ns=start_ns,
            end_ns=start_ns,
            status=Status.OK,
        )
        self.spans.append(replace(bare, **more))  # type: ignore[arg-type]
        end_ns = self.below(span_id, start_ns)
        self.spans[place] = replace(self.spans[place], end_ns=end_ns)
        return end_ns

    def below(self, parent: str, start_ns: int) -> int:
        shape = self.draw(st.sampled_from(["leaf", "sequence", "parallel", "free"]))
        count = min(self.left, self.draw(st.integers(0, 4)))
        if shape == "leaf" or count <= 0:
            return start_ns + self.time()
        at_ns = start_ns + self.time() // 10
        if shape == "sequence":
            for step in range(1, count + 1):
                at_ns = self.span(parent, at_ns, order=Order(seq=step), step=step)
                at_ns += self.time() // 20
            return at_ns + self.time() // 10
        if shape == "free":
            for _ in range(count):
                end_ns = self.span(parent, at_ns)
                at_ns = max(at_ns, end_ns) + self.time() // 20
            return at_ns
        return self._parallel(parent, at_ns, count) + self.time() // 10

    def _parallel(self, parent: str, at_ns: int, count: int) -> int:
        limit = self.draw(st.none() | st.integers(1, 3))
        places = [at_ns] * (limit or count)
        for branch in range(count):
            places.sort()
            places[0] = self.span(
                parent,
                places[0],
                role=Role.BRANCH,
                branch=str(branch),
                fan_out=FanOutKind.PARALLEL,
                fan_out_limit=limit,
                order=Order(group="parallel"),
            )
        return max(places)


@st.composite
def recorded_runs(draw: st.DrawFn, max_spans: int = 25) -> Run:
    """Runs with the hints that the tracer records; every child inside its parent."""
    maker = _Maker(draw, max_spans)
    maker.span(None, BEGIN_NS)
    return assemble("f" * 32, maker.spans)


usages = st.builds(
    lambda read, fresh, reasoning, spoken: Usage(
        input_tokens=read + fresh,
        output_tokens=reasoning + spoken,
        cache_read_tokens=read,
        reasoning_tokens=reasoning,
    ),
    *[st.integers(0, 5000)] * 4,
)

orders = st.builds(
    Order,
    group=st.none() | st.sampled_from(["a", "b"]),
    seq=st.none() | st.integers(1, 4),
    superstep=st.none() | st.integers(1, 3),
    after=st.none() | st.lists(st.integers(0, 11).map("{:016x}".format), max_size=2).map(tuple),
    streamed=st.booleans(),
    detached=st.booleans(),
)


@st.composite
def any_spans(draw: st.DrawFn) -> list[Span]:
    """Spans that fit nothing: open, outside their parents, failed, of several hosts, cyclic."""
    ids = st.integers(0, 11).map("{:016x}".format)
    return draw(
        st.lists(
            st.builds(
                Span,
                span_id=ids,
                parent_span_id=st.none() | ids,
                name=st.sampled_from(["a", "b"]),
                kind=st.sampled_from(Kind),
                start_ns=st.integers(0, 40).map(lambda at: BEGIN_NS + at * MS),
                end_ns=st.none() | st.integers(0, 60).map(lambda at: BEGIN_NS + at * MS),
                status=st.sampled_from(Status),
                role=st.none() | st.sampled_from(Role),
                branch=st.none() | st.sampled_from(["x", "y"]),
                attempt=st.integers(1, 3),
                fan_out=st.none() | st.sampled_from(FanOutKind),
                fan_out_limit=st.none() | st.integers(1, 3),
                limit_ignored=st.none() | st.integers(1, 3),
                order=orders,
                error=st.none() | st.just(SpanError(type="E", message="m")),
                ready_ns=st.none() | st.integers(0, 40).map(lambda at: BEGIN_NS + at * MS),
                first_token_ns=st.none() | st.integers(0, 60).map(lambda at: BEGIN_NS + at * MS),
                usage=st.none() | usages,
                cost_usd=st.none() | st.integers(0, 100).map(lambda cents: Decimal(cents) / 100),
                cache_hit=st.booleans(),
                result_swapped=st.booleans(),
                host=st.none() | st.sampled_from(["one", "two"]),
            ),
            min_size=1,
            max_size=12,
        )
    )


@st.composite
def any_runs(draw: st.DrawFn) -> Run:
    """What `assemble` makes of such spans."""
    return assemble("e" * 32, draw(any_spans()))


def as_stored(run: Run) -> Run:
    """Return a run as a store gives it back: costs are computed later, and nobody runs it."""
    return replace(
        run,
        repairs=(),
        trace_id=None,
        spans=tuple(
            replace(
                span,
                cost_usd=None,
                unpriced=None,
                status=Status.LOST if span.end_ns is None else span.status,
            )
            for span in run.spans
        ),
    )


def json_values(keys: Sequence[str]) -> st.SearchStrategy[Any]:
    """JSON of any shape whose objects often have these keys."""
    return st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(keys) | st.text(max_size=5), inner, max_size=4)
        ),
        max_leaves=25,
    )
