"""Two runs beside each other: every nanosecond between their walls is told, and by whom."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from hypothesis import given

from longpole.analysis import analyse
from longpole.analysis.compare import RunComparison, compare
from longpole.model import Kind, Run, Span, Status, assemble
from tests.drawings import BEGIN_NS, STEP_NS, read_drawing
from tests.strategies import any_runs, recorded_runs

NOW_NS = BEGIN_NS + 10**10

BEFORE = """
    panel    ##......#
      web      ######    group=p
      notes    ...       group=p
"""
AFTER = """
    panel    ##.........#
      web      ####         group=p
      notes    .........    group=p
"""


def drawn(text: str) -> Run:
    return read_drawing(text).run


def places(comparison: RunComparison) -> list[str]:
    """The labels from the root down, one text a pair."""
    found: list[str] = []
    for pair in comparison.pairs:
        above = "" if pair.above is None else f"{found[pair.above]}/"
        found.append(f"{above}{pair.label}")
    return found


def test_what_made_the_run_longer_is_named_and_adds_up() -> None:
    comparison = compare(analyse(drawn(BEFORE), now_ns=0), analyse(drawn(AFTER), now_ns=0))

    deltas = {pair.label: pair.path_delta_ns // STEP_NS for pair in comparison.pairs}
    assert comparison.wall_delta_ns == 3 * STEP_NS
    assert deltas == {"": 0, "web": -6, "notes": 9}


@given(before=any_runs(), after=recorded_runs())
def test_any_two_runs_can_be_compared(before: Run, after: Run) -> None:
    comparison = compare(analyse(before, now_ns=NOW_NS), analyse(after, now_ns=NOW_NS))

    comparison.check()
    assert len(set(places(comparison))) == len(comparison.pairs)
    assert sum(pair.after is not None for pair in comparison.pairs) == len(after.spans)
    assert sum(pair.before is not None for pair in comparison.pairs) == len(before.spans)


@given(run=any_runs())
def test_a_run_differs_from_itself_in_nothing(run: Run) -> None:
    analysis = analyse(run, now_ns=NOW_NS)
    comparison = compare(analysis, analysis)

    assert {pair.path_delta_ns for pair in comparison.pairs} == {0}
    assert all(pair.before == pair.after for pair in comparison.pairs)
    assert not any(pair.is_worse for pair in comparison.pairs)


def test_siblings_that_are_alike_are_told_apart_by_their_turn() -> None:
    run = drawn(BEFORE)
    doubled = assemble(
        "d" * 32,
        [*run.spans, replace(run.span_by_id["web"], span_id="web2", start_ns=BEGIN_NS + 5)],
    )

    analysis = analyse(doubled, now_ns=0)
    comparison = compare(analyse(run, now_ns=0), analysis)

    assert {pair.label: pair.before is not None for pair in comparison.pairs} == {
        "": True,
        "web": True,
        "web #2": False,
        "notes": True,
    }


def test_deep_and_wide_runs_are_compared_without_recursion() -> None:
    deep = [
        Span(
            span_id=f"{number:016x}",
            parent_span_id=f"{number - 1:016x}" if number else None,
            name="call",
            kind=Kind.CHAIN,
            start_ns=BEGIN_NS + number,
            end_ns=BEGIN_NS + 10**9 - number,
            status=Status.OK,
        )
        for number in range(5_000)
    ]
    wide = [replace(span, parent_span_id=deep[0].span_id) for span in deep[1:]]
    one = analyse(assemble("a" * 32, deep), now_ns=0)
    other = analyse(assemble("b" * 32, [deep[0], *wide]), now_ns=0)

    assert max(pair.depth for pair in compare(one, other).pairs) == 4_999


def test_costs_and_failures_are_compared() -> None:
    run = drawn(BEFORE)
    priced = [replace(span, cost_usd=Decimal("0.01")) for span in run.spans]
    dearer = [
        replace(span, cost_usd=Decimal("0.03"), status=Status.ERROR)
        if span.name == "web"
        else replace(span, cost_usd=None)
        for span in run.spans
    ]
    comparison = compare(
        analyse(assemble("a" * 32, priced), now_ns=0), analyse(assemble("b" * 32, dearer), now_ns=0)
    )
    by_place = {pair.label: pair for pair in comparison.pairs}

    assert by_place["web"].cost_delta_usd == Decimal("0.02")
    assert by_place["web"].is_worse
    assert by_place["notes"].cost_delta_usd is None
    assert not by_place["notes"].is_worse
