"""Chains for the rules: drawn runs with what a drawing cannot say, several of them as one chain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from longpole.analysis import RunAnalysis, analyse
from longpole.analysis.findings import NO_DIGESTS, Digests, Finding, Rule, find
from longpole.analysis.learned import NOTHING, Learned
from longpole.model import Kind, Run, SpanError, Usage, assemble
from tests.drawings import BEGIN_NS, STEP_NS, read_drawing

LIMITED = SpanError(type="RateLimitError", message="429 from openai")
BROKEN = SpanError(type="ValueError", message="not a number")
NOW_NS = BEGIN_NS + 10**12


def call(cost: str = "0.01", model: str = "gpt-4o", **more: Any) -> dict[str, Any]:
    """What makes a span a priced model call."""
    return {
        "kind": Kind.LLM,
        "model": model,
        "provider": "openai",
        "usage": Usage(input_tokens=100, output_tokens=200),
        "cost_usd": Decimal(cost),
        **more,
    }


def drawn(text: str, *, column_ns: int = STEP_NS, **changed: Mapping[str, Any]) -> Run:
    """A drawn run in which some spans, by their drawn name, are changed."""
    run = read_drawing(text).run
    spans = []
    for span in run.spans:
        assert span.end_ns is not None
        first, last = (
            BEGIN_NS + (at - BEGIN_NS) // STEP_NS * column_ns for at in (span.start_ns, span.end_ns)
        )
        moved = replace(span, start_ns=first, end_ns=last)
        spans.append(replace(moved, **changed.get(span.span_id, {})))
    return assemble(run.run_id, spans)


def chain(*runs: Run) -> list[RunAnalysis]:
    """The runs as one chain, an hour apart, each with ids of its own."""
    return [analyse(_numbered(run, number), now_ns=NOW_NS) for number, run in enumerate(runs)]


def _numbered(run: Run, number: int) -> Run:
    later_ns = number * 3_600 * 10**9
    spans = [
        replace(
            span,
            span_id=f"{span.span_id}.{number}",
            parent_span_id=span.parent_span_id and f"{span.parent_span_id}.{number}",
            start_ns=span.start_ns + later_ns,
            end_ns=None if span.end_ns is None else span.end_ns + later_ns,
            first_token_ns=span.first_token_ns and span.first_token_ns + later_ns,
        )
        for span in run.spans
    ]
    return assemble(f"{number:032x}", spans)


def found(
    runs: Sequence[RunAnalysis],
    rule: Rule,
    *,
    digests: Digests = NO_DIGESTS,
    learned: Learned = NOTHING,
) -> list[Finding]:
    """The checked findings of one rule."""
    every = find(runs, digests=digests, learned=learned)
    for one in every:
        one.check()
    return [one for one in every if one.rule is rule]


def steps(length_ns: int) -> float:
    """A length in columns of a drawing."""
    return length_ns / STEP_NS
