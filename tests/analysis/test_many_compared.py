"""Slow runs beside usual ones, before beside after, day beside day, and what failed."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from longpole.analysis import (
    RunSample,
    bucket_for,
    change_points,
    compare_sets,
    error_groups,
    sample_of,
    samples_of,
    tail_of,
    trend_of,
)
from longpole.analysis import analyse as analyse_run
from longpole.analysis.intervals import middle_95, percentile_draws
from longpole.analysis.trends import DAY_NS, HOUR_NS
from longpole.model import Role, Run, SpanError, Status, assemble
from longpole.model.errors import BrokenLawError
from tests.analysis.panels import MS, Panel, panel_run, samples
from tests.drawings import BEGIN_NS
from tests.strategies import any_runs, recorded_runs

NOW_NS = BEGIN_NS + 10**10

panels = st.builds(
    Panel,
    web=st.integers(1, 400),
    notes=st.integers(1, 400),
    plan=st.integers(1, 30),
    cost_usd=st.none() | st.integers(0, 5).map(lambda cents: Decimal(cents) / 100),
)


def noisy(count: int, base_ms: int, seed: int, scale: float = 1.0) -> list[Panel]:
    """Runs whose long pole varies by a fifth or so, and now and then takes twice as long."""
    random = Random(seed)
    return [
        Panel(
            web=int(
                scale * base_ms * random.lognormvariate(0, 0.2) * (1 + (random.random() < 0.03))
            ),
            notes=20,
        )
        for _ in range(count)
    ]


def series(runs: list[Panel]) -> list[RunSample]:
    """Samples of runs that only their walls tell apart."""
    (base,) = samples([Panel()])
    return [
        replace(base, run_id=str(at), start_ns=BEGIN_NS + at, wall_ns=run.web * MS)
        for at, run in enumerate(runs)
    ]


@given(st.lists(panels, min_size=20, max_size=45))
@settings(max_examples=10)
def test_excesses_add_up_to_what_a_slow_run_takes_longer(runs: list[Panel]) -> None:
    found = samples(runs)
    tail = tail_of(found, resamples=40)
    assert tail is not None

    tail.check()
    slow = {found[at].wall_ns for at in tail.slow}
    usual = {found[at].wall_ns for at in tail.usual}
    assert min(slow) >= max(usual)
    assert not set(tail.slow) & set(tail.usual)
    shares = [place.share for place in tail.places if place.share is not None]
    assert sum(shares) == (1 if tail.difference_ns else 0)


def test_a_branch_that_rarely_bounds_the_run_can_explain_the_tail() -> None:
    usual = [Panel(web=300 + at, notes=100) for at in range(90)]
    slow = [Panel(web=200, notes=900 + at) for at in range(10)]
    tail = tail_of(samples([*usual, *slow]), resamples=100)
    assert tail is not None
    share = {place.position[-1]: place.share for place in tail.places}
    notes = tail.places[0]

    assert len(tail.slow) == 5
    assert not tail.is_widened
    assert notes.position[-1] == "notes"
    assert notes.share is not None
    assert notes.share > 1
    assert (share["web"] or 0) < 0
    assert notes.between_ns is not None
    assert notes.between_ns.low <= notes.excess_ns <= notes.between_ns.high


def test_few_runs_have_a_wider_tail_and_very_few_have_none() -> None:
    tail = tail_of(samples([Panel(web=100 + at) for at in range(30)]), resamples=10)

    assert tail is not None
    assert len(tail.slow) == 5
    assert tail.is_widened
    assert tail_of(samples([Panel()] * 19)) is None


def test_equal_seeds_give_equal_intervals() -> None:
    found = samples(noisy(40, 200, seed=1))

    assert tail_of(found, seed=3, resamples=30) == tail_of(found, seed=3, resamples=30)
    assert tail_of(found, seed=3, resamples=30) != tail_of(found, seed=4, resamples=30)


def test_order_of_the_runs_changes_nothing() -> None:
    found = samples(noisy(40, 200, seed=1))
    one, other = tail_of(found, resamples=20), tail_of(found[::-1], resamples=20)
    assert one is not None
    assert other is not None

    assert one.places == other.places
    assert change_points(found) == change_points(found[::-1])


@given(
    before=st.lists(recorded_runs(max_spans=8) | any_runs(), min_size=1, max_size=6),
    after=st.lists(recorded_runs(max_spans=8) | any_runs(), min_size=1, max_size=6),
)
@settings(max_examples=15)
def test_any_two_sets_can_be_compared_and_add_up(before: list[Run], after: list[Run]) -> None:
    one, other = (
        samples_of(analyse_run(run, now_ns=NOW_NS) for run in runs) for runs in (before, after)
    )
    comparison = compare_sets(one, other, resamples=20)

    comparison.check()
    assert (comparison.between is None) == (min(len(one), len(other)) < 5)
    walls = [Fraction(sum(run.wall_ns for run in side), len(side)) for side in (one, other)]
    assert sum(place.delta_ns for place in comparison.places) == walls[1] - walls[0]


def test_a_set_beside_itself_differs_in_nothing() -> None:
    found = samples(noisy(30, 200, seed=2))
    comparison = compare_sets(found, found, resamples=50)

    assert {place.delta_ns for place in comparison.places} == {0}
    assert comparison.between is not None
    assert comparison.between.mean_wall_ns.low <= 0 <= comparison.between.mean_wall_ns.high


def test_a_change_is_found_where_it_was_made_and_is_no_chance() -> None:
    comparison = compare_sets(
        samples(noisy(40, 200, seed=1)),
        samples(noisy(40, 200, seed=2, scale=1.5), first=100),
        resamples=200,
    )
    (web, *_) = comparison.places

    assert web.position == ("experts", "web")
    assert comparison.p50_wall_delta_ns > 0
    assert comparison.between is not None
    assert comparison.between.p50_wall_ns.low > 0
    assert web.between_ns is not None
    assert web.between_ns.low > 0


def test_a_renamed_chain_is_still_the_same_chain() -> None:
    comparison = compare_sets(samples([Panel()]), samples([Panel(name="panel-2")]))

    assert {place.delta_ns for place in comparison.places} == {0}


def test_sets_of_several_chains_are_matched_by_their_names() -> None:
    both = samples([Panel(), Panel(name="other")])
    comparison = compare_sets(both, samples([Panel(web=400)]))

    assert {place.position[0] for place in comparison.places} == {"panel", "other"}


def test_too_few_runs_have_differences_but_no_intervals() -> None:
    comparison = compare_sets(samples([Panel()] * 4), samples([Panel(web=400)] * 9))

    assert comparison.p50_wall_delta_ns == 100 * MS
    assert comparison.between is None
    assert comparison.places[0].between_ns is None
    with pytest.raises(BrokenLawError, match="no run"):
        compare_sets([], samples([Panel()]))


def test_costs_and_errors_are_compared() -> None:
    failed = SpanError(type="ValueError", message="no")
    comparison = compare_sets(
        samples([Panel(cost_usd=Decimal("0.01"))] * 6),
        samples([Panel(cost_usd=Decimal("0.02"), error=failed)] * 6),
        resamples=20,
    )

    assert comparison.mean_cost_delta_usd == Decimal("0.02")
    assert comparison.error_rate_delta == 1
    assert comparison.between is not None
    assert comparison.between.mean_cost_usd.low == Decimal("0.02")
    assert comparison.between.error_rate.high == 1


def test_percentiles_of_resamples_are_drawn_as_if_runs_had_been() -> None:
    values = sorted(Random(5).choices(range(1000), k=31))
    direct = percentile_draws(values, 95, random=Random(1), resamples=2000)
    random = Random(2)
    drawn = [sorted(random.choices(values, k=31))[29] for _ in range(2000)]

    for value in values[-6:]:
        shares = [sum(one <= value for one in draws) / 2000 for draws in (direct, drawn)]
        assert shares[0] == pytest.approx(shares[1], abs=0.05)


def test_the_middle_of_the_draws_leaves_out_as_many_on_both_sides() -> None:
    found = middle_95(range(1000))

    assert (found.low, found.high) == (25, 974)


@pytest.mark.parametrize("count", [5, 12, 40])
def test_intervals_of_means_hold_the_truth_as_often_as_they_say(count: int) -> None:
    random, held = Random(count), 0
    resamples = 1_000 if count == 5 else 200
    for _ in range(300):
        runs = [random.gauss(100, 20) for _ in range(count)]
        draws = [sum(random.choices(runs, k=count)) / count for _ in range(resamples)]
        interval = middle_95(draws, mean_of=count)
        held += interval.low <= 100 <= interval.high

    # Of five runs it is 92 % in the long run, of more than that 93 to 95.
    assert 0.90 <= held / 300 <= 0.98


# --- one day beside the next ------------------------------------------------------------------


def test_series_without_a_change_show_none() -> None:
    told = [change_points(series(noisy(60, 200, seed=seed))) for seed in range(30)]

    # One in a hundred would be chance.
    assert sum(bool(found) for found in told) <= 1


def test_a_lasting_change_is_found_where_it_began() -> None:
    found = change_points(samples([*noisy(60, 200, seed=1), *noisy(40, 200, seed=2, scale=1.6)]))
    (change,) = found

    assert 55 * 10**9 <= change.at_ns - BEGIN_NS <= 66 * 10**9
    assert change.ratio == pytest.approx(1.5, abs=0.2)
    assert change.runs_before + change.runs_after == 100
    assert change.p50_after_ns > change.p50_before_ns
    assert change.chance <= 0.01


def test_a_change_for_a_while_has_a_beginning_and_an_end() -> None:
    series = [noisy(40, 200, 1), noisy(40, 200, 2, scale=2.0), noisy(40, 200, 3)]
    up, down = change_points(samples([run for part in series for run in part]))

    assert up.ratio > 1 > down.ratio
    assert 35 <= up.runs_before <= 45
    assert 35 <= up.runs_after <= 45


def test_long_series_are_condensed_and_cut_exactly_all_the_same() -> None:
    (base,) = samples([Panel()])
    random = Random(4)
    series = [
        replace(
            base,
            run_id=str(number),
            start_ns=number,
            wall_ns=int((1.0 if number < 1501 else 1.3) * 10**8 * random.lognormvariate(0, 0.02)),
        )
        for number in range(3000)
    ]
    (change,) = change_points(series)

    assert change.runs_before == 1501


def test_one_slow_run_and_a_small_difference_are_no_change() -> None:
    outlier = [*noisy(30, 200, seed=3), Panel(web=30_000), *noisy(30, 200, seed=4)]
    small = [Panel(web=1000 + at % 3) for at in range(40)] + [
        Panel(web=1020 + at % 3) for at in range(40)
    ]

    assert change_points(samples(outlier)) == ()
    assert change_points(samples(small)) == ()
    assert change_points([]) == ()


def test_days_hold_what_started_in_them() -> None:
    day = BEGIN_NS // DAY_NS
    found = samples(
        [
            Panel(start_ns=day * DAY_NS, web=100),
            Panel(start_ns=day * DAY_NS + DAY_NS - 1, web=300, cost_usd=None),
            Panel(start_ns=(day + 9) * DAY_NS, error=SpanError(type="E", message="m")),
        ]
    )
    first, last = trend_of(found, bucket_ns=DAY_NS)

    assert (first.runs, last.runs) == (2, 1)
    assert first.p50_wall_ns < first.p95_wall_ns
    assert (first.cost_usd, first.unpriced_calls) == (Decimal("0.02"), 2)
    assert [day.error_rate for day in (first, last)] == [0, 1]
    assert last.start_ns == (day + 9) * DAY_NS
    assert bucket_for(found) == DAY_NS
    assert bucket_for(found[:2]) == HOUR_NS


# --- failures ---------------------------------------------------------------------------------


def failing(number: int, message: str, error_type: str = "TimeoutError") -> RunSample:
    panel = Panel(error=SpanError(type=error_type, message=message))
    return sample_of(analyse_run(panel_run(number, panel), now_ns=0))


def test_failures_of_one_kind_are_one_group() -> None:
    found = error_groups(
        [
            failing(1, "request 7f3e1c3a-0000-4000-8000-2b1d5e6f7a8b timed out after 30.5 s"),
            failing(2, "request 11111111-2222-4333-8444-555555555555 timed out after 9 s"),
            failing(3, "answer is no JSON", "ValueError"),
            *samples([Panel()], first=4),
        ]
    )

    assert [(group.message, group.count, group.rate) for group in found] == [
        ("request <id> timed out after <n> s", 2, Fraction(1, 2)),
        ("answer is no JSON", 1, Fraction(1, 4)),
    ]
    (slow, _) = found
    assert slow.position == ("panel", "check")
    assert slow.example.endswith("after 9 s")
    assert slow.run_id == f"{2:032x}"
    assert slow.last_seen_ns - slow.first_seen_ns == 10**9
    assert not slow.is_rate_limit


def test_a_failure_counts_once_where_it_arose_and_each_try_is_one() -> None:
    run = panel_run(1, Panel())
    web = next(span for span in run.spans if span.name == "web")
    tries = [
        replace(
            web,
            span_id=f"try{number}",
            parent_span_id=web.span_id,
            name="call",
            branch=None,
            fan_out=None,
            role=Role.ATTEMPT,
            attempt=number,
            status=Status.ERROR if number < 3 else Status.OK,
            error=SpanError(type="RateLimitError", message="429") if number < 3 else None,
        )
        for number in (1, 2, 3)
    ]
    found = sample_of(analyse_run(assemble("a" * 32, [*run.spans, *tries]), now_ns=0))
    groups = error_groups([found])

    assert [(group.position[-1], group.count) for group in groups] == [
        ("call", 1),
        ("call (retry)", 1),
    ]
    assert all(group.is_rate_limit for group in groups)
