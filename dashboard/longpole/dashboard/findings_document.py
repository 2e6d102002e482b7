"""Findings → the JSON of `longpole findings --json`, schema 1; docs/findings.md explains it.

Keys are only ever added. Times are integer nanoseconds, money is text, unknown is null.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

from longpole.analysis.change_text import describe
from longpole.analysis.findings import Finding, Number
from longpole.dashboard.documents import SCHEMA, Json
from longpole.dashboard.findings_text import finding_text
from longpole.dashboard.found import Found


def findings_document(found: Found, shown: Sequence[Finding]) -> Json:
    """Return the findings that are shown, and what was looked at."""
    return {
        "schema": SCHEMA,
        "runs": found.runs,
        "matching_runs": found.matching,
        "unfinished_runs": found.unfinished,
        "unreadable_runs": found.unreadable,
        "chains": [{"name": name, "runs": runs} for name, runs in found.chains.items()],
        "silent": [{"rule": rule.value, "reason": reason} for rule, reason in found.silent.items()],
        "left_out": len(found.findings) - len(shown),
        "findings": [_finding(one) for one in shown],
    }


def _finding(finding: Finding) -> Json:
    text, whole = finding_text(finding), finding.whole
    return {
        "rule": finding.rule.value,
        "is_question": finding.is_question,
        "chain": finding.chain,
        "position": list(finding.position),
        "sentence": text.sentence,
        "evidence_text": text.evidence,
        "advice": text.advice,
        "gain_of": finding.gain_of.value,
        "gain_mean_ns": finding.gain_mean_ns,
        "gain_p50_ns": finding.gain_p50_ns,
        "gain_p95_ns": finding.gain_p95_ns,
        "gain_usd_per_1000_runs": f"{finding.gain_usd_per_1000_runs:f}",
        "wall_p50_ns": whole.wall_p50_ns,
        "wall_p95_ns": whole.wall_p95_ns,
        "runs": whole.runs,
        "affected_runs": finding.affected,
        "replayed_runs": finding.replayed,
        "run_ids": list(finding.run_ids),
        "evidence": {name: _number(value) for name, value in finding.evidence.items()},
        "names": dict(finding.names),
        "changes": [describe(change) for change in finding.changes],
        "trust": None if finding.trust is None else finding.trust.label,
        "assumptions": [{"id": one.name, "text": one.value} for one in finding.assumptions],
    }


def _number(value: Number) -> int | float | str:
    if isinstance(value, Decimal):
        return f"{value:f}"
    return float(value) if isinstance(value, Fraction) else value
