"""Two runs, span beside span: what became slower, dearer or less reliable, and what counted.

Spans are the same when they stand at the same position: below the same parent, with the same name,
branch key and number of attempt, in the same turn where siblings are alike. What a run waited for
is its critical path; every nanosecond of it belongs to one span. So the differences of the times
that spans own on the path add up to the difference of the walls exactly (`RunComparison.check`),
and say what made one run longer than the other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from longpole.analysis.positions import label_of
from longpole.analysis.result import RunAnalysis
from longpole.model.errors import BrokenLawError
from longpole.model.run import Run, Span, Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One span as it was in one of the runs.

    Attributes:
        own_path_ns: what the span itself, nothing below it, owns of the critical path.
        cost_usd: of the call; `None` when it is no call, or its price is not known.
    """

    span_id: str
    wall_ns: int
    own_path_ns: int
    slack_ns: int | None
    cost_usd: Decimal | None
    tokens: int
    status: Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """What stood at one position before and after; one of the two may be missing.

    Attributes:
        label: the span among its siblings; empty for the root.
        depth: 0 for the root.
        above: place of the parent's pair in `RunComparison.pairs`; `None` for the root.
    """

    label: str
    depth: int
    above: int | None
    before: Side | None
    after: Side | None

    @property
    def path_delta_ns(self) -> int:
        """How much longer, or with a minus shorter, the run was for this span."""
        return _own(self.after) - _own(self.before)

    @property
    def cost_delta_usd(self) -> Decimal | None:
        """How much dearer the call became; `None` when either price is not known."""
        before, after = self.before, self.after
        if before is None or after is None:
            there = before or after
            cost_usd = None if there is None else there.cost_usd
            if cost_usd is None:
                return None
            return cost_usd if before is None else -cost_usd
        if before.cost_usd is None or after.cost_usd is None:
            return None
        return after.cost_usd - before.cost_usd

    @property
    def is_worse(self) -> bool:
        """Whether it failed only afterwards."""
        return _is_well(self.before) and self.after is not None and not _is_well(self.after)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunComparison:
    """Two analysed runs and all their positions, parents before children.

    Siblings are in the order of `after`; those that only `before` had come last.
    """

    before: RunAnalysis
    after: RunAnalysis
    pairs: tuple[Pair, ...]

    @property
    def wall_delta_ns(self) -> int:
        """How much longer the second run took."""
        return self.after.facts.wall_ns - self.before.facts.wall_ns

    def check(self) -> None:
        """Raise `BrokenLawError` unless the differences on the path add up to that of the walls."""
        total_ns = sum(pair.path_delta_ns for pair in self.pairs)
        if total_ns != self.wall_delta_ns:
            raise BrokenLawError(
                f"differences on the path add up to {total_ns}, the walls differ by "
                f"{self.wall_delta_ns}"
            )


def compare(before: RunAnalysis, after: RunAnalysis) -> RunComparison:
    """Return the two runs side by side; any two runs can be compared, by their roots down."""
    comparison = RunComparison(before=before, after=after, pairs=_pairs(before, after))
    comparison.check()
    return comparison


def _pairs(before: RunAnalysis, after: RunAnalysis) -> tuple[Pair, ...]:
    old, new = _sides(before), _sides(after)
    found: list[Pair] = []
    waiting: list[tuple[str, int | None, Span | None, Span | None]] = [
        ("", None, before.run.root, after.run.root)
    ]
    while waiting:
        label, above, one, other = waiting.pop()
        at = len(found)
        found.append(
            Pair(
                label=label,
                depth=0 if above is None else found[above].depth + 1,
                above=above,
                before=None if one is None else old[one.span_id],
                after=None if other is None else new[other.span_id],
            )
        )
        ones, others = _children(before.run, one), _children(after.run, other)
        below = [
            (name, at, ones.get(name), others.get(name)) for name in dict.fromkeys((*others, *ones))
        ]
        waiting.extend(reversed(below))
    return tuple(found)


def _children(run: Run, span: Span | None) -> Mapping[str, Span]:
    """Return the spans below one by what tells them apart among themselves."""
    turns: Counter[str] = Counter()
    found: dict[str, Span] = {}
    for child in () if span is None else run.children(span.span_id):
        label = label_of(child)
        turns[label] += 1
        # A span may be called as another one's turn is.
        while (key := _in_turn(label, turns[label])) in found:
            turns[label] += 1
        found[key] = child
    return found


def _in_turn(label: str, turn: int) -> str:
    return label if turn == 1 else f"{label} #{turn}"


def _sides(analysis: RunAnalysis) -> dict[str, Side]:
    owned: Counter[str] = Counter()
    for segment in analysis.critical_path:
        owned[segment.span_id] += segment.length_ns
    return {span.span_id: _side(span, analysis, owned[span.span_id]) for span in analysis.run.spans}


def _side(span: Span, analysis: RunAnalysis, own_path_ns: int) -> Side:
    end_ns = analysis.ended_ns(span)
    usage = span.usage
    return Side(
        span_id=span.span_id,
        wall_ns=end_ns - span.start_ns,
        own_path_ns=own_path_ns,
        slack_ns=analysis.spans[span.span_id].slack_ns,
        cost_usd=span.cost_usd,
        tokens=0 if usage is None else usage.input_tokens + usage.output_tokens,
        status=span.status,
    )


def _own(side: Side | None) -> int:
    return 0 if side is None else side.own_path_ns


def _is_well(side: Side | None) -> bool:
    return side is None or side.status in (Status.OK, Status.RUNNING, Status.INTERRUPTED)
