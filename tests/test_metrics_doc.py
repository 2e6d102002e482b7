"""docs/metrics.md computes what it claims: each drawing is a run, each line below it an answer."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from longpole.analysis import Breakdown, RunAnalysis, RunFacts, analyse, check_analysis
from tests.drawings import BEGIN_NS, owned_columns, read_drawing

PAGE = Path(__file__).parent.parent / "docs" / "metrics.md"
MS = 1_000_000

_DRAWING = re.compile(r"```text drawing\n(?P<drawing>.*?)\n\n(?P<claims>.*?)```", re.S)
_CLAIM = re.compile(r"^(?P<metric>\w+)(?:\((?P<span>\w+)\))?: (?P<value>.+)$")


def _drawings() -> list[tuple[str, str]]:
    return [(found["drawing"], found["claims"]) for found in _DRAWING.finditer(PAGE.read_text())]


def _measured(analysis: RunAnalysis, metric: str, span: str | None) -> object:
    """The value of a metric of the run, of a span, of a fan-out or of a branch."""
    if span is None:
        whole = analysis.facts if hasattr(analysis.facts, metric) else analysis.breakdown
        return getattr(whole, metric)
    places = [analysis.spans[span]]
    fan_outs = [fan_out for fan_out in analysis.fan_outs if fan_out.span_id == span]
    branches = [one for fan_out in analysis.fan_outs for one in fan_out.branches if one.key == span]
    for place in (*places, *fan_outs, *branches):
        if hasattr(place, metric):
            return getattr(place, metric)
    raise AttributeError(f"{span} has no {metric}")


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.2f}" if isinstance(value, float) else str(value)


@pytest.mark.parametrize(("drawing", "claims"), _drawings())
def test_the_page_claims_what_is_computed(drawing: str, claims: str) -> None:
    drawn = read_drawing(drawing)
    analysis = analyse(drawn.run, now_ns=BEGIN_NS)
    check_analysis(analysis)
    assert owned_columns(drawn.run, analysis.critical_path) == drawn.owned
    for line in claims.splitlines():
        claim = _CLAIM.match(line)
        assert claim is not None, line
        value = _measured(analysis, claim["metric"], claim["span"])
        in_ms = f"{value // MS} ms" if isinstance(value, int) else ""
        assert claim["value"] in (_shown(value), in_ms), f"{line} is really {value}"


def test_the_page_has_drawings() -> None:
    assert len(_drawings()) >= 5


def test_the_page_names_every_number_of_a_run() -> None:
    page = PAGE.read_text()
    # Counts and identities that need no formula.
    plain = {"end_ns", "llm_calls", "cache_hits", "usage", "dependencies", "workers"}
    numbers = {one.name for value in (RunFacts, Breakdown) for one in fields(value)}
    assert {name for name in numbers - plain if f"`{name}`" not in page} == set()
