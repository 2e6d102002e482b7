"""What was for nothing, and what caches saved."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings

from longpole.analysis import WasteReason, analyse, check_analysis, sample_of, samples_of
from longpole.analysis.losses import cache_use, wastes
from longpole.analysis.trends import DAY_NS, HOUR_NS, bucket_fitting
from longpole.model import Run, SpanError, Status, assemble
from longpole.model.errors import BrokenLawError
from tests.analysis.panels import MS, Panel, panel_run, samples
from tests.drawings import read_drawing
from tests.strategies import any_runs, recorded_runs

NOW_NS = 1_790_000_010_000_000_000

RETRIED = """
answer   ...##....
  one    ###                 seq=1 error
  two         ####           seq=2 attempt=2
"""


@given(run=recorded_runs(max_spans=12) | any_runs())
@settings(max_examples=40)
def test_what_was_wasted_adds_up_by_span_by_place_and_by_reason(run: Run) -> None:
    analysis = analyse(run, now_ns=NOW_NS)
    check_analysis(analysis)
    sample = sample_of(analysis)
    sample.check()

    whole = wastes([sample, sample])
    whole.check()
    assert whole.wasted_ns == 2 * analysis.facts.wasted_ns
    reasons = {analysis.spans[span_id].wasted for span_id in analysis.spans}
    assert {group.reason for group in whole.groups} == reasons - {None}


def test_a_failed_try_is_waste_with_its_reason_and_place() -> None:
    drawn = read_drawing(RETRIED)
    (found,) = samples_of([analyse(drawn.run, now_ns=NOW_NS)])

    (group,) = wastes([found]).groups
    assert group.reason is WasteReason.FAILED_ATTEMPT
    assert group.position == ("answer", "one")
    assert group.wasted_ns == 30 * MS
    assert (group.count, group.runs, group.run_id) == (1, 1, found.run_id)


def test_waste_that_does_not_add_up_is_told() -> None:
    found = wastes(samples_of([analyse(read_drawing(RETRIED).run, now_ns=NOW_NS)]))

    with pytest.raises(BrokenLawError):
        replace(found, groups=()).check()


def _with_hit(run: Run) -> Run:
    """The same run with the answer of `web` out of the cache."""
    spans = [
        replace(span, cache_hit=True, cost_usd=Decimal(0)) if span.name == "web" else span
        for span in run.spans
    ]
    return assemble(run.run_id, spans)


def test_a_hit_saves_what_the_same_calls_cost_that_were_paid_for() -> None:
    runs = [panel_run(1, Panel(cost_usd=Decimal("0.04"))), _with_hit(panel_run(2, Panel()))]

    (use,) = cache_use(samples_of(analyse(run, now_ns=NOW_NS) for run in runs))
    assert (use.model, use.calls, use.hits, use.unknown_hits) == ("small", 4, 1, 0)
    assert use.saved_usd == Decimal("0.04")


def test_a_hit_that_no_call_was_paid_for_saves_nobody_knows_what() -> None:
    run = _with_hit(panel_run(1, Panel()))

    (use,) = cache_use(samples_of([analyse(run, now_ns=NOW_NS)]))
    assert (use.hits, use.unknown_hits, use.saved_usd) == (1, 1, Decimal(0))


def test_where_no_cache_answered_there_is_nothing_to_tell() -> None:
    assert cache_use(samples([Panel()])) == ()


def test_failures_name_the_models_that_failed() -> None:
    run = panel_run(1, Panel())
    spans = [
        replace(span, status=Status.ERROR, error=SpanError(type="Timeout", message="late"))
        if span.name == "web"
        else span
        for span in run.spans
    ]

    found = sample_of(analyse(assemble(run.run_id, spans), now_ns=NOW_NS))
    assert [error.models for error in found.errors] == [("small",)]


@pytest.mark.parametrize(
    ("apart_ns", "bucket_ns"),
    [
        (0, 5 * 10**9),
        (10 * 60 * 10**9, 15 * 10**9),
        (HOUR_NS, 5 * 60 * 10**9),
        (2 * DAY_NS, HOUR_NS),
        (30 * DAY_NS, DAY_NS),
        (4_000 * DAY_NS, 7 * DAY_NS),
    ],
)
def test_buckets_are_as_short_as_a_picture_has_room_for(apart_ns: int, bucket_ns: int) -> None:
    found = samples([Panel(start_ns=NOW_NS), Panel(start_ns=NOW_NS + apart_ns)])

    assert bucket_fitting(found) == bucket_ns
