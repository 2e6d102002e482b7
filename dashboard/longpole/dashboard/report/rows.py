"""Which spans a waterfall shows, and where: all of them, or of many the most telling ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from longpole.analysis.result import RunAnalysis
from longpole.model import Span, Status

MAX_ROWS: Final = 400

_BAD: Final = frozenset({Status.ERROR, Status.LOST})


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A line of the waterfall.

    Attributes:
        depth: how many of the spans above it are shown.
    """

    span: Span
    depth: int


def shown_rows(analysis: RunAnalysis, most: int = MAX_ROWS) -> tuple[Row, ...]:
    """Return the rows from top to bottom: depth first, children by start."""
    kept = _most_telling(analysis, most)
    rows: list[Row] = []
    waiting = [(analysis.run.root, 0)]
    while waiting:
        span, depth = waiting.pop()
        is_kept = span.span_id in kept
        if is_kept:
            rows.append(Row(span=span, depth=depth))
        waiting.extend(
            (child, depth + is_kept) for child in reversed(analysis.run.children(span.span_id))
        )
    return tuple(rows)


def row_of_each(analysis: RunAnalysis, rows: tuple[Row, ...]) -> Mapping[str, int]:
    """Return for every span its row, or that of the nearest span above it that has one."""
    shown = {row.span.span_id: place for place, row in enumerate(rows)}
    found = {analysis.run.root_span_id: shown.get(analysis.run.root_span_id, 0)}
    waiting = [analysis.run.root_span_id]
    while waiting:
        above = waiting.pop()
        for child in analysis.run.children(above):
            found[child.span_id] = shown.get(child.span_id, found[above])
            waiting.append(child.span_id)
    return found


def _most_telling(analysis: RunAnalysis, most: int) -> frozenset[str]:
    spans = analysis.run.spans
    if len(spans) <= most:
        return frozenset(span.span_id for span in spans)
    tier = _tiers(analysis)
    now_ns = analysis.now_ns

    def rank(span: Span) -> tuple[int, int]:
        end_ns = now_ns if span.end_ns is None else span.end_ns
        return tier.get(span.span_id, 9), span.start_ns - end_ns

    chosen = sorted(spans, key=rank)[:most]
    return frozenset(span.span_id for span in chosen)


def _tiers(analysis: RunAnalysis) -> dict[str, int]:
    """Return how soon a span is chosen, the lowest first; those that say little have no tier."""
    tier: dict[str, int] = {}
    for fan_out in analysis.fan_outs:
        for branch in fan_out.branches:
            is_odd = branch.straggler or branch.span_id == fan_out.long_pole
            tier[branch.span_id] = 4 if is_odd else 5
    tier.update((span.span_id, 3) for span in analysis.run.spans if span.status in _BAD)
    tier.update((fan_out.span_id, 2) for fan_out in analysis.fan_outs)
    tier.update((segment.span_id, 1) for segment in analysis.critical_path)
    tier[analysis.run.root_span_id] = 0
    return tier
