"""An analysis → the JSON of `longpole show --json`, schema 1.

The schema is stable: keys are only ever added. Times are integer nanoseconds since the epoch,
money is text (a decimal number of USD), what is not known is null.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from longpole.analysis.compare import Pair, RunComparison, Side
from longpole.analysis.result import (
    Branch,
    Breakdown,
    FanOut,
    RunAnalysis,
    RunFacts,
    Segment,
    SpanFacts,
)
from longpole.analysis.streamed import path_to_first_token
from longpole.model.run import Run, Span
from longpole.model.usage import Usage

SCHEMA: Final = 1

Json = dict[str, Any]


def show_document(analysis: RunAnalysis) -> Json:
    """Return everything of one run."""
    first = path_to_first_token(analysis)
    return {
        "schema": SCHEMA,
        "run": run_object(analysis),
        "breakdown": _breakdown(analysis.breakdown),
        "spans": [_span(span, analysis.spans[span.span_id]) for span in analysis.run.spans],
        "critical_path": [_segment(segment) for segment in analysis.critical_path],
        "path_to_first_token": None if first is None else [_segment(one) for one in first],
        "fan_outs": [_fan_out(fan_out) for fan_out in analysis.fan_outs],
    }


def compare_document(comparison: RunComparison) -> Json:
    """Return two runs side by side; the `path_delta_ns` add up to the `wall_delta_ns`."""
    before, after = run_object(comparison.before), run_object(comparison.after)
    return {
        "schema": SCHEMA,
        "before": before,
        "after": after,
        "wall_delta_ns": comparison.wall_delta_ns,
        "pairs": [_pair(pair) for pair in comparison.pairs],
    }


def _pair(pair: Pair) -> Json:
    return {
        "label": pair.label,
        "depth": pair.depth,
        "above": pair.above,
        "path_delta_ns": pair.path_delta_ns,
        "cost_delta_usd": money_text(pair.cost_delta_usd),
        "is_worse": pair.is_worse,
        "before": _side(pair.before),
        "after": _side(pair.after),
    }


def _side(side: Side | None) -> Json | None:
    return (
        None
        if side is None
        else {
            "span_id": side.span_id,
            "wall_ns": side.wall_ns,
            "own_path_ns": side.own_path_ns,
            "slack_ns": side.slack_ns,
            "cost_usd": money_text(side.cost_usd),
            "tokens": side.tokens,
            "status": side.status.value,
        }
    )


def run_object(analysis: RunAnalysis) -> Json:
    """Return what a list shows of a run."""
    return run_object_from(analysis.run, analysis.facts)


def run_object_from(run: Run, facts: RunFacts) -> Json:
    """Return what a list shows of a run of which only the facts are known."""
    root = run.root
    return {
        "run_id": run.run_id,
        "name": root.name,
        "status": root.status.value,
        "start_ns": root.start_ns,
        "end_ns": root.end_ns,
        "wall_ns": facts.wall_ns,
        "work_ns": facts.work_ns,
        "span_length_ns": facts.span_length_ns,
        "speedup_ratio": facts.speedup_ratio,
        "parallelism_ratio": facts.parallelism_ratio,
        "efficiency_ratio": facts.efficiency_ratio,
        "peak_concurrency": facts.peak_concurrency,
        "queue_wait_ns": facts.queue_wait_ns,
        "backoff_ns": facts.backoff_ns,
        "retries": facts.retries,
        "fallbacks": facts.fallbacks,
        "llm_calls": facts.llm_calls,
        "cache_hits": facts.cache_hits,
        "usage": _usage(facts.usage),
        "cost_usd": money_text(facts.cost_usd),
        "unpriced_calls": facts.unpriced_calls,
        "wasted_ns": facts.wasted_ns,
        "wasted_cost_usd": money_text(facts.wasted_cost_usd),
        "time_to_first_token_ns": facts.time_to_first_token_ns,
        "dependencies": facts.dependencies.value,
        "session_id": run.session_id,
        "user_id": run.user_id,
        "tags": list(run.tags),
        "metadata": dict(run.metadata),
    }


def _breakdown(parts: Breakdown) -> Json:
    return {
        "work_on_path_ns": parts.work_on_path_ns,
        "head_ns": parts.head_ns,
        "between_ns": parts.between_ns,
        "tail_ns": parts.tail_ns,
        "idle_ns": parts.idle_ns,
        "idle_ratio": parts.idle_ratio,
        "serial_ns": parts.serial_ns,
        "serial_ratio": parts.serial_ratio,
        "parallel_ns": parts.parallel_ns,
        "backoff_total_ns": parts.backoff_total_ns,
        "on_path_cost_usd": money_text(parts.on_path_cost_usd),
        "off_path_cost_usd": money_text(parts.off_path_cost_usd),
        "wasted_wall_ns": parts.wasted_wall_ns,
        "wasted_unpriced_calls": parts.wasted_unpriced_calls,
        "avoidable_ns": parts.avoidable_ns,
        "avoidable_cost_usd": money_text(parts.avoidable_cost_usd),
        "tokens_per_s": parts.tokens_per_s,
    }


def _span(span: Span, facts: SpanFacts) -> Json:
    error = span.error
    return {
        "span_id": span.span_id,
        "parent_span_id": span.parent_span_id,
        "langchain_run_id": span.langchain_run_id,
        "name": span.name,
        "kind": span.kind.value,
        "role": span.role and span.role.value,
        "branch": span.branch,
        "step": span.step,
        "attempt": span.attempt,
        "start_ns": span.start_ns,
        "end_ns": span.end_ns,
        "status": span.status.value,
        "error": None if error is None else {"type": error.type, "message": error.message},
        "queue_wait_ns": facts.queue_wait_ns,
        "self_ns": facts.self_ns,
        "on_path_ns": facts.on_path_ns,
        "slack_ns": facts.slack_ns,
        "drag_ns": facts.drag_ns,
        "cache_hit": span.cache_hit,
        "result_swapped": span.result_swapped,
        "model": span.model,
        "provider": span.provider,
        "usage": None if span.usage is None else _usage(span.usage),
        "cost_usd": money_text(span.cost_usd),
        "unpriced": span.unpriced,
        "time_to_first_token_ns": span.time_to_first_token_ns,
        "wasted": facts.wasted and facts.wasted.value,
    }


def _segment(segment: Segment) -> Json:
    return {
        "span_id": segment.span_id,
        "start_ns": segment.start_ns,
        "end_ns": segment.end_ns,
        "kind": segment.kind.value,
        "via": segment.via.value,
        "inferred": segment.inferred,
    }


def _fan_out(fan_out: FanOut) -> Json:
    return {
        "span_id": fan_out.span_id,
        "kind": fan_out.kind.value,
        "limit": fan_out.limit,
        "hidden_limit": fan_out.hidden_limit,
        "limit_ignored": fan_out.limit_ignored,
        "peak": fan_out.peak,
        "joined_ns": fan_out.joined_ns,
        "imbalance_ratio": fan_out.imbalance_ratio,
        "lost_ns": fan_out.lost_ns,
        "long_pole": fan_out.long_pole,
        "waited_after_failure_ns": fan_out.waited_after_failure_ns,
        "avoidable_ns": fan_out.avoidable_ns,
        "avoidable_cost_usd": money_text(fan_out.avoidable_cost_usd),
        "branches": [_branch(branch) for branch in fan_out.branches],
    }


def _branch(branch: Branch) -> Json:
    return {
        "key": branch.key,
        "span_id": branch.span_id,
        "start_ns": branch.start_ns,
        "end_ns": branch.end_ns,
        "queue_wait_ns": branch.queue_wait_ns,
        "slack_ns": branch.slack_ns,
        "drag_ns": branch.drag_ns,
        "on_path_ns": branch.on_path_ns,
        "cost_usd": money_text(branch.cost_usd),
        "attempts": branch.attempts,
        "status": branch.status.value,
        "straggler": branch.straggler,
        "idle_at_join_ns": branch.idle_at_join_ns,
    }


def _usage(usage: Usage) -> Mapping[str, int]:
    return {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cache_read_tokens": usage.cache_read_tokens,
        "cache_write_tokens": usage.cache_write_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
    }


def money_text(amount: Decimal | None) -> str | None:
    """Return the amount in plain digits, never in exponents."""
    return None if amount is None else f"{amount:f}"
