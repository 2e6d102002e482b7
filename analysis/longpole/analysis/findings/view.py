"""One analysed run, prepared for the rules: positions, calls, costs of subtrees."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property

from longpole.analysis.learned import NOTHING, Learned
from longpole.analysis.positions import Position, positions_of
from longpole.analysis.result import RunAnalysis
from longpole.model.run import Kind, Role, Span

CALLED = (Kind.LLM, Kind.EMBEDDING, Kind.RETRIEVER, Kind.TOOL)
"""Kinds of spans that ask somebody something, the dearest first."""
_PAID = frozenset({Kind.LLM, Kind.EMBEDDING})
_NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Digests:
    """What calls were asked and what was answered, by span id; equal text has an equal digest.

    Attributes:
        inputs: of model calls, tools and retrievers.
        answers: of model calls and of whole runs (under the id of their root span).
    """

    inputs: Mapping[str, str] = field(default_factory=dict)
    answers: Mapping[str, str] = field(default_factory=dict)


NO_DIGESTS = Digests()


@dataclass(frozen=True, kw_only=True)
class View:
    """One run as the rules see it.

    Attributes:
        digests: empty where inputs and outputs were not recorded or not asked for.
        learned: what other runs tell about models.
    """

    analysis: RunAnalysis
    digests: Digests = NO_DIGESTS
    learned: Learned = NOTHING

    @cached_property
    def position(self) -> Mapping[str, Position]:
        """Where each span stands, parents before children."""
        return positions_of(self.analysis.run)

    @cached_property
    def calls(self) -> frozenset[str]:
        """The calls that count for money: model calls with no model call below them."""
        run = self.analysis.run
        above: set[str] = set()
        found: set[str] = set()
        for span_id in reversed(list(self.position)):
            span = run.span_by_id[span_id]
            if span.kind in _PAID and span_id not in above:
                found.add(span_id)
            if span.parent_span_id is not None and (span.kind in _PAID or span_id in above):
                above.add(span.parent_span_id)
        return frozenset(found)

    def subtree(self, span_id: str) -> Iterator[Span]:
        """Yield a span and all below it."""
        work = [span_id]
        while work:
            at = work.pop()
            yield self.analysis.run.span_by_id[at]
            work.extend(child.span_id for child in self.analysis.run.children(at))

    def calls_in(self, span_id: str) -> list[Span]:
        """Return the calls in a subtree that count for money."""
        return [span for span in self.subtree(span_id) if span.span_id in self.calls]

    def length_ns(self, span: Span) -> int:
        """Return how long a span took; one that has no end until the run was looked at."""
        end_ns = self.analysis.facts.end_ns if span.end_ns is None else span.end_ns
        return max(0, end_ns - span.start_ns)

    @cached_property
    def called(self) -> Mapping[str, Kind]:
        """What each span is there for: the first of `CALLED` that it is, or that is below it."""
        run = self.analysis.run
        rank: dict[str, int] = {}
        for span_id in reversed(list(self.position)):
            span = run.span_by_id[span_id]
            if span.kind in CALLED:
                rank[span_id] = CALLED.index(span.kind)
            mine = rank.get(span_id)
            if mine is not None and span.parent_span_id is not None:
                above = rank.get(span.parent_span_id, mine)
                rank[span.parent_span_id] = min(above, mine)
        return {span_id: CALLED[one] for span_id, one in rank.items()}

    @cached_property
    def branch_ids(self) -> frozenset[str]:
        """Branches of fan-outs that really have several."""
        return frozenset(
            branch.span_id for fan_out in self.analysis.fan_outs for branch in fan_out.branches
        )

    def is_in_branch(self, span: Span) -> bool:
        """Tell whether a span is, or is below, a branch of a fan-out."""
        at: Span | None = span
        while at is not None:
            if at.span_id in self.branch_ids:
                return True
            at = self.analysis.run.span_by_id.get(at.parent_span_id or "")
        return False

    @cached_property
    def tries(self) -> tuple[tuple[Span, ...], ...]:
        """The tries of each call that was tried at all, in order; most were tried once.

        Those of a node of a graph are branches; the second one names the first.
        """
        spans = self.analysis.run.spans
        again = (one for one in spans if one.attempt == 2)
        firsts = {one.order.after[-1] for one in again if one.order.after}
        groups: dict[tuple[str | None, str, str | None], list[Span]] = {}
        for span in spans:
            if span.role is Role.ATTEMPT or span.attempt > 1 or span.span_id in firsts:
                key = (span.parent_span_id, span.name, span.branch)
                groups.setdefault(key, []).append(span)
        runs: list[tuple[Span, ...]] = []
        for group in groups.values():
            runs.extend(_split(sorted(group, key=lambda one: (one.start_ns, one.attempt))))
        return tuple(runs)


def cost_usd(span: Span) -> Decimal:
    """Return what is known of a call's cost; an answer from a cache costs nothing."""
    return _NOTHING if span.cache_hit else span.cost_usd or _NOTHING


def _split(tries: list[Span]) -> list[tuple[Span, ...]]:
    """Return executions: each begins anew with a number that does not go on."""
    found: list[list[Span]] = []
    for one in tries:
        if found and one.attempt == found[-1][-1].attempt + 1:
            found[-1].append(one)
        else:
            found.append([one])
    return [tuple(group) for group in found]
