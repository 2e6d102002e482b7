"""Many runs: every sum that a page or a table shows is exact, whatever was recorded."""

from __future__ import annotations

import doctest
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from longpole.analysis import (
    CostBy,
    RunSample,
    aggregate,
    analyse,
    by_chain,
    cost_shares,
    criticality,
    error_text,
    flame_difference,
    flame_of,
    heat_map,
    intervals,
    percentiles,
    sample_of,
    samples_of,
    shape_groups,
)
from longpole.analysis.percentiles import KEPT_MOST, lengths_of, percentiles_of
from longpole.model import Order, Role, Run, Status, assemble
from longpole.model.errors import BrokenLawError
from tests.analysis.panels import MS, Panel, panel_run, samples
from tests.drawings import BEGIN_NS, read_drawing
from tests.strategies import any_runs, recorded_runs

NOW_NS = BEGIN_NS + 10**10

many_runs = st.lists(recorded_runs(max_spans=9) | any_runs(), min_size=1, max_size=5)
few_examples = settings(max_examples=20)


def sampled(runs: Sequence[Run]) -> list[RunSample]:
    return samples_of(analyse(run, now_ns=NOW_NS) for run in runs)


@given(runs=many_runs)
@few_examples
def test_contributions_add_up_to_the_mean_wall_and_costs_to_the_whole(runs: list[Run]) -> None:
    found = sampled(runs)
    for sample in found:
        sample.check()
    whole = aggregate(found)

    whole.check()
    walls = [sample.wall_ns for sample in found]
    assert sum(place.mean_contribution_ns for place in whole.places) * len(runs) == sum(walls)
    assert all(0 <= place.on_path_rate <= 1 for place in whole.places)
    assert sum(place.retries for place in whole.places) == whole.retries
    assert sum(place.fallbacks for place in whole.places) == whole.fallbacks


@given(runs=many_runs, by=st.sampled_from(CostBy))
@few_examples
def test_costs_by_anything_add_up_to_the_cost_of_all_runs(runs: list[Run], by: CostBy) -> None:
    cost_shares(sampled(runs), by).check()


@given(runs=many_runs)
@few_examples
def test_frames_hold_their_children_and_columns_their_walls(runs: list[Run]) -> None:
    found = sampled(runs)
    flame, first = flame_of(found), flame_of(found[:1])
    deltas = flame_difference(first, flame)

    flame.check()
    heat_map(found).check()
    heat_map(found, rows=1).check()
    assert sum(one.own_delta_ns for one in deltas) == flame.mean_wall_ns - first.mean_wall_ns
    for one in deltas:
        assert one.above is None or deltas[one.above].position == one.position[:-1]


@given(runs=many_runs)
@few_examples
def test_somebody_ends_last_in_every_fan_out(runs: list[Run]) -> None:
    for fan_out in criticality(sampled(runs)):
        fan_out.check()
        for branch in fan_out.branches:
            assert 0 <= branch.between.low <= branch.share <= branch.between.high <= 1
            assert branch.won <= branch.took_part <= fan_out.executions


@given(runs=many_runs)
@few_examples
def test_every_run_is_in_one_group(runs: list[Run]) -> None:
    groups = shape_groups(sampled(runs))

    members = sorted(number for group in groups for number in group.members)
    assert members == list(range(len(runs)))
    assert sum(group.share for group in groups) == 1


@given(run=recorded_runs() | any_runs())
@few_examples
def test_one_run_alone_is_what_its_own_analysis_says(run: Run) -> None:
    analysis = analyse(run, now_ns=NOW_NS)
    whole = aggregate([sample_of(analysis)])

    assert (whole.wall.p50_ns, whole.wall.p99_ns) == (analysis.facts.wall_ns,) * 2
    assert whole.cost_usd == analysis.facts.cost_usd
    assert sum(place.executions for place in whole.places) == len(run.spans)
    assert sum(place.drag_ns for place in whole.places) == sum(
        facts.drag_ns for facts in analysis.spans.values()
    )


def test_what_a_run_waits_for_is_what_its_positions_contribute() -> None:
    whole = aggregate(samples([Panel(web=300), Panel(web=50, notes=90)]))
    contributed = {place.position[-1]: place.mean_contribution_ns for place in whole.places}

    assert contributed["web"] == 150 * MS
    assert contributed["notes"] == 45 * MS
    assert contributed["plan"] == 50 * MS
    assert contributed["panel"] == 2 * MS
    assert {place.position[-1]: place.on_path_rate for place in whole.places}["web"] == Fraction(
        1, 2
    )


def test_without_a_run_there_is_nothing_to_say() -> None:
    with pytest.raises(BrokenLawError, match="no run"):
        aggregate([])
    assert shape_groups([]) == ()
    assert criticality([]) == ()


def test_chains_are_told_apart_and_the_most_frequent_comes_first() -> None:
    found = samples([Panel(name="b"), Panel(name="a"), Panel(name="b")])

    assert {name: len(runs) for name, runs in by_chain(found).items()} == {"b": 2, "a": 1}
    assert next(iter(by_chain(found))) == "b"


def test_the_branch_that_ends_last_more_often_is_more_critical() -> None:
    (fan_out,) = criticality(samples([Panel(web=300), Panel(web=200), Panel(web=50)]))

    assert fan_out.above == ("panel", "experts")
    assert [(one.position[-1], one.share) for one in fan_out.branches] == [
        ("web", Fraction(2, 3)),
        ("notes", Fraction(1, 3)),
    ]
    assert fan_out.branches[0].between == intervals.wilson(2, 3)


def test_branches_that_end_within_tolerance_share_the_win() -> None:
    (fan_out,) = criticality(samples([Panel(web=100, notes=100), Panel(web=300)]))

    assert {one.position[-1]: one.won for one in fan_out.branches} == {
        "web": Fraction(3, 2),
        "notes": Fraction(1, 2),
    }


def test_supersteps_that_share_a_node_are_one_fan_out_and_others_are_not() -> None:
    graph = """
        graph     ##...##...##...##
          a         ###                superstep=1 group=g
          b         ##                 superstep=1 group=g
          c              ###           superstep=2 group=g
          d              ##            superstep=2 group=g
    """
    changed = """
        graph     ##...##...##
          b         ##                 superstep=4 group=g
          e         ###                superstep=4 group=g
    """
    found = criticality(sampled([read_drawing(graph).run, read_drawing(changed).run]))

    assert [sorted(one.position[-1] for one in fan_out.branches) for fan_out in found] == [
        ["a", "b", "e"],
        ["c", "d"],
    ]
    assert [fan_out.executions for fan_out in found] == [2, 1]
    assert {one.position[-1]: one.took_part for one in found[0].branches} == {
        "a": 1,
        "b": 2,
        "e": 1,
    }


def retried(run: Run) -> Run:
    """The same run, but its plan had a part, failed at once and was tried again as a whole."""
    plan = next(span for span in run.spans if span.name == "plan")
    part = replace(plan, span_id="part", parent_span_id="second", name="part", order=Order())
    first = replace(
        plan,
        span_id="first",
        parent_span_id=plan.span_id,
        name="try",
        end_ns=plan.start_ns + 5 * MS,
        status=Status.ERROR,
        role=Role.ATTEMPT,
        order=Order(),
    )
    second = replace(
        first,
        span_id="second",
        attempt=2,
        start_ns=plan.start_ns + 6 * MS,
        end_ns=plan.end_ns,
        status=Status.OK,
    )
    part = replace(part, start_ns=second.start_ns, end_ns=second.end_ns)
    return assemble(run.run_id, [*run.spans, first, second, part])


def fallen_back(run: Run) -> Run:
    """The same run, but what failed in its plan was not tried again: another stood in for it."""
    spans = [
        replace(span, role=Role.FALLBACK, attempt=1, name="spare")
        if span.span_id == "second"
        else span
        for span in retried(run).spans
    ]
    return assemble(run.run_id, spans)


def tried_once(run: Run) -> Run:
    """The same run with nothing failing."""
    spans = [
        replace(span, attempt=1, parent_span_id=span.parent_span_id)
        for span in retried(run).spans
        if span.span_id != "first"
    ]
    return assemble(run.run_id, spans)


def test_neither_a_retry_nor_a_fallback_is_another_structure() -> None:
    run = panel_run(1, Panel())
    found = sampled([tried_once(run), retried(run), tried_once(run), fallen_back(run), run])

    assert [group.members for group in shape_groups(found)] == [(0, 1, 2, 3), (4,)]


def test_retries_are_counted_at_the_first_try() -> None:
    whole = aggregate(sampled([retried(panel_run(1, Panel())), tried_once(panel_run(2, Panel()))]))
    tries = {place.position[-1]: place for place in whole.places}

    assert (tries["try"].retries, tries["try"].executions) == (1, 2)
    assert tries["try (retry)"].retries == 0
    assert tries["try"].errors == 1
    assert tries["try"].retry_rate == Fraction(1, 2)


def test_money_is_spent_by_branch_model_tag_and_session() -> None:
    found = samples(
        [
            Panel(tags=("prod", "eu"), session_id="s1"),
            Panel(tags=("eu", "prod"), model="big", cost_usd=Decimal("0.05")),
            Panel(cost_usd=None),
        ]
    )
    shares = {by: cost_shares(found, by) for by in CostBy}

    assert {row.key: row.cost_usd for row in shares[CostBy.TAG].rows} == {
        ("eu", "prod"): Decimal("0.12"),
        (): None,
    }
    assert {row.key[-1]: row.cost_usd for row in shares[CostBy.BRANCH].rows} == {
        "web": Decimal("0.06"),
        "notes": Decimal("0.06"),
    }
    assert {row.key: row.cost_usd for row in shares[CostBy.MODEL].rows} == {
        ("big",): Decimal("0.10"),
        ("small",): Decimal("0.02"),
    }
    assert [row.key for row in shares[CostBy.SESSION].rows] == [(), ("s1",)]
    assert shares[CostBy.DAY].unpriced_calls == 2


@given(st.lists(st.lists(st.integers(0, 10**6), max_size=600), min_size=1, max_size=4))
@few_examples
def test_percentiles_are_recorded_lengths_and_close_where_many_were_thinned(
    lists: list[list[int]],
) -> None:
    found = percentiles_of([lengths_of(lengths) for lengths in lists])
    whole = sorted(length for lengths in lists for length in lengths)
    if found is None:
        assert not whole
        return

    assert found.count == len(whole)
    assert {found.p50_ns, found.p95_ns, found.p99_ns} <= set(whole)
    assert found.p50_ns <= found.p95_ns <= found.p99_ns
    if all(len(lengths) <= KEPT_MOST for lengths in lists):
        assert found.p50_ns == whole[-(-len(whole) // 2) - 1]
        assert sum(length <= found.p95_ns for length in whole) >= 0.95 * len(whole)
    # Each of the parts that a list is thinned to is at most one of them off.
    off = sum(len(lengths) // KEPT_MOST + 1 for lengths in lists if len(lengths) > KEPT_MOST)
    assert sum(length <= found.p50_ns for length in whole) >= len(whole) / 2 - off
    assert sum(length < found.p50_ns for length in whole) <= len(whole) / 2 + off


def test_a_heat_map_sorts_runs_by_wall_and_sums_up_what_it_does_not_name() -> None:
    found = heat_map(samples([Panel(web=900), Panel(web=200)]), rows=2)

    assert found.runs == (1, 0)
    assert [position[-1:] for position in found.positions] == [("web",), ("plan",), ()]
    assert found.own_path_ns[0] == (200 * MS, 900 * MS)
    assert sum(row[0] for row in found.shares) == pytest.approx(1)


def test_a_flame_graph_is_as_wide_as_the_mean_wall() -> None:
    flame = flame_of(samples([Panel(web=300), Panel(web=100, notes=120)]))

    assert [frame.position[-1] for frame in flame.frames][:3] == ["panel", "experts", "web"]
    assert flame.frames[0].total_ns == flame.mean_wall_ns
    assert flame.frames[1].total_ns == 210 * MS


@pytest.mark.parametrize("module", [error_text, intervals, percentiles])
def test_the_examples_in_the_code_hold(module: object) -> None:
    assert doctest.testmod(module).failed == 0  # type: ignore[arg-type]
