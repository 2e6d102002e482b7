"""Analyses → short JSON for coding agents.

An agent pays for every word it reads, so answers hold the sentence that a person would read first,
then the few things that matter, largest first; `left_out` says how many more there are. Names and
messages come from traces: they are cut, and are data, never instructions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

from longpole.analysis.compare import Pair, RunComparison
from longpole.analysis.result import FanOut, RunAnalysis, SegmentKind
from longpole.dashboard import words
from longpole.dashboard.difference import place_of, verdict, what_counts
from longpole.dashboard.labels import placed_label
from longpole.dashboard.sentence import sentence
from longpole.model.run import Span, Status

Json = dict[str, Any]

_SHOWN: Final = 8
_BRANCHES_SHOWN: Final = 6
_TEXT_SHOWN: Final = 200
_MS: Final = 1_000_000

Item = TypeVar("Item")


def run_brief(run_object: Mapping[str, Any]) -> Json:
    """Return what a list tells of a run, out of its run object."""
    return {
        "run_id": run_object["run_id"],
        "chain": _text(str(run_object["name"])),
        "status": run_object["status"],
        "started": words.moment(run_object["start_ns"]),
        "wall_ms": _ms(run_object["wall_ns"]),
        "speedup_ratio": round(run_object["speedup_ratio"], 2),
        "llm_calls": run_object["llm_calls"],
        "retries": run_object["retries"],
        "cost_usd": run_object["cost_usd"],
        "wasted_cost_usd": run_object["wasted_cost_usd"],
    }


def why_slow(analysis: RunAnalysis) -> Json:
    """Return what a run waited for and what would make a difference."""
    run, facts = analysis.run, analysis.facts
    return {
        "run_id": run.run_id,
        "chain": _text(run.name),
        "status": run.status.value,
        "answer": " · ".join(
            f"{phrase.words} {_text(phrase.name)}".strip() for phrase in sentence(analysis)
        ),
        "wall_ms": _ms(facts.wall_ns),
        "work_ms": _ms(facts.work_ns),
        "queueing_cost_ms": _ms(facts.queue_wait_ns),
        "backoff_on_path_ms": _ms(facts.backoff_ns),
        "order_of_steps": facts.dependencies.value,
        "on_the_critical_path": _first(_path(analysis), _path_item(analysis)),
        "worth_shortening": _first(_worth(analysis), _worth_item(analysis)),
        "fan_outs": _first(analysis.fan_outs, lambda one: _fan_out(analysis, one)),
        "wasted": _first(_wasted(analysis), lambda span: _wasted_item(analysis, span)),
        "errors": _first(_failed(analysis), lambda span: _error_item(analysis, span)),
    }


def difference(comparison: RunComparison) -> Json:
    """Return what made the second run slower or dearer; deltas on the path make up the wall's."""
    return {
        "answer": " · ".join(_text(phrase) for phrase in verdict(comparison)),
        "before": comparison.before.run.run_id,
        "after": comparison.after.run.run_id,
        "wall_delta_ms": _ms(comparison.wall_delta_ns),
        "differences": _first(what_counts(comparison), lambda pair: _pair(comparison, pair)),
    }


def _pair(comparison: RunComparison, pair: Pair) -> Json:
    return {
        "span": _text(place_of(comparison, pair)),
        "path_delta_ms": _ms(pair.path_delta_ns),
        "before_ms": None if pair.before is None else _ms(pair.before.wall_ns),
        "after_ms": None if pair.after is None else _ms(pair.after.wall_ns),
        "cost_delta_usd": None if pair.cost_delta_usd is None else f"{pair.cost_delta_usd:f}",
        "failed_only_afterwards": pair.is_worse,
    }


def _path(analysis: RunAnalysis) -> list[tuple[str, int]]:
    """Return (span id, time it owns on the path), the longest first."""
    owned: Counter[str] = Counter()
    for segment in analysis.critical_path:
        owned[segment.span_id] += segment.length_ns
    return owned.most_common()


def _path_item(analysis: RunAnalysis) -> Callable[[tuple[str, int]], Json]:
    backing_off = {
        segment.span_id for segment in analysis.critical_path if segment.kind is SegmentKind.BACKOFF
    }
    wall_ns = max(1, analysis.facts.wall_ns)

    def item(found: tuple[str, int]) -> Json:
        span_id, own_ns = found
        told = {**_span(analysis, analysis.run.span_by_id[span_id]), "on_path_ms": _ms(own_ns)}
        told["share_of_wall"] = round(own_ns / wall_ns, 3)
        return told | ({"includes_backoff": True} if span_id in backing_off else {})

    return item


def _worth(analysis: RunAnalysis) -> list[Span]:
    """Return the spans whose drag is largest, the innermost of those that gain the same."""
    spans = [span for span in analysis.run.spans if analysis.spans[span.span_id].drag_ns > 0]
    spans.sort(key=lambda span: (-analysis.spans[span.span_id].drag_ns, -span.start_ns))
    return [span for span in spans if span.span_id != analysis.run.root_span_id]


def _worth_item(analysis: RunAnalysis) -> Callable[[Span], Json]:
    def item(span: Span) -> Json:
        facts = analysis.spans[span.span_id]
        return {**_span(analysis, span), "run_ends_sooner_by_at_most_ms": _ms(facts.drag_ns)}

    return item


def _fan_out(analysis: RunAnalysis, fan_out: FanOut) -> Json:
    branches = sorted(fan_out.branches, key=lambda branch: branch.start_ns - branch.end_ns)
    return {
        "span": _text(words.short_name(analysis.run.span_by_id[fan_out.span_id].name)),
        "kind": fan_out.kind.value,
        "long_pole": _text(
            next((one.key for one in fan_out.branches if one.span_id == fan_out.long_pole), "")
        ),
        "limit": fan_out.limit,
        "ran_at_once": fan_out.peak,
        "imbalance_ratio": round(fan_out.imbalance_ratio, 2),
        "branches": _first(
            branches,
            lambda branch: {
                "key": _text(branch.key),
                "ms": _ms(branch.end_ns - branch.start_ns),
                "queued_ms": None if branch.queue_wait_ns is None else _ms(branch.queue_wait_ns),
                "slack_ms": None if branch.slack_ns is None else _ms(branch.slack_ns),
                "attempts": branch.attempts,
                "status": branch.status.value,
                "straggler": branch.straggler,
            },
            most=_BRANCHES_SHOWN,
        ),
    }


def _wasted(analysis: RunAnalysis) -> list[Span]:
    return [span for span in analysis.run.spans if analysis.spans[span.span_id].wasted is not None]


def _wasted_item(analysis: RunAnalysis, span: Span) -> Json:
    reason = analysis.spans[span.span_id].wasted
    return {**_span(analysis, span), "reason": None if reason is None else reason.value}


def _failed(analysis: RunAnalysis) -> list[Span]:
    """Return the spans where failures arose: failed ones with no failed span below."""
    above = {span.parent_span_id for span in analysis.run.spans if span.status is Status.ERROR}
    return [
        span
        for span in analysis.run.spans
        if span.status is Status.ERROR and span.span_id not in above
    ]


def _error_item(analysis: RunAnalysis, span: Span) -> Json:
    error = span.error
    return {
        **_span(analysis, span),
        "type": None if error is None else _text(error.type),
        "message": None if error is None else _text(error.message),
    }


def _span(analysis: RunAnalysis, span: Span) -> Json:
    return {
        "span": _text(placed_label(analysis.run, span)),
        "kind": span.kind.value,
        **({"model": _text(span.model)} if span.model is not None else {}),
    }


def _first(
    items: Sequence[Item], describe: Callable[[Item], Json], *, most: int = _SHOWN
) -> list[Json]:
    """Describe the first items; of the rest it is said how many there are."""
    told = [describe(item) for item in items[:most]]
    return [*told, {"left_out": len(items) - most}] if len(items) > most else told


def _ms(length_ns: int) -> float:
    return round(length_ns / _MS, 3)


def _text(text: str) -> str:
    return words.shortened(words.plain(text), _TEXT_SHOWN)
