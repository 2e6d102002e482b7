"""Everything else that one run tells: laws on random runs, tables on small ones."""

from __future__ import annotations

import random
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from longpole.analysis import analyse, check_analysis
from longpole.analysis.fan_outs import stragglers
from longpole.analysis.normalise import normalise
from longpole.analysis.replay import Replay
from longpole.analysis.result import Dependencies, RunAnalysis, WasteReason
from longpole.analysis.siblings import siblings_of
from longpole.model import Kind, Role, Run, Status, Usage, assemble
from longpole.model.errors import BrokenLawError
from tests.drawings import BEGIN_NS, STEP_NS, read_drawing
from tests.strategies import any_runs, recorded_runs

MS = 1_000_000


def seen(text: str) -> RunAnalysis:
    analysis = analyse(read_drawing(text).run, now_ns=BEGIN_NS)
    check_analysis(analysis)
    return analysis


def replay_of(run: Run) -> Replay:
    return Replay(siblings_of(normalise(run, now_ns=BEGIN_NS)))


# --- laws ----------------------------------------------------------------------------------------


@given(recorded_runs() | any_runs())
def test_everything_adds_up_whatever_the_run(run: Run) -> None:
    check_analysis(analyse(run, now_ns=BEGIN_NS))


@given(recorded_runs() | any_runs(), st.integers(0, 2**32))
def test_the_order_of_the_input_does_not_matter(run: Run, seed: int) -> None:
    shuffled = list(run.spans)
    random.Random(seed).shuffle(shuffled)
    again = analyse(assemble(run.run_id, shuffled), now_ns=BEGIN_NS)

    assert replace(again, run=run) == analyse(run, now_ns=BEGIN_NS)


@given(recorded_runs() | any_runs())
def test_replay_without_a_change_is_the_run(run: Run) -> None:
    replay = replay_of(run)

    assert replay.length_ns() == replay.timeline.wall_ns


@given(recorded_runs() | any_runs())
def test_lifting_limits_or_gaps_never_makes_a_recorded_run_longer(run: Run) -> None:
    replay = replay_of(run)
    free_ns = replay.length_ns(has_limits=False)

    assert replay.length_ns(has_limits=False, is_ideal=True) <= replay.timeline.wall_ns
    assert free_ns <= replay.timeline.wall_ns


@given(recorded_runs())
def test_what_is_on_the_path_has_no_slack_and_the_rest_no_drag(run: Run) -> None:
    analysis = analyse(run, now_ns=BEGIN_NS)
    for span in run.spans:
        facts = analysis.spans[span.span_id]
        if facts.on_path_ns == 0:
            assert facts.drag_ns == 0
        if facts.drag_ns > 0:
            assert facts.slack_ns == 0


@given(recorded_runs(max_spans=14), st.data())
def test_drag_is_what_the_run_gains_when_a_leaf_takes_no_time(
    run: Run, data: st.DataObject
) -> None:
    """Run again with the leaf at zero, by the same families but span by span from below."""
    leaves = [span for span in run.spans if not run.children(span.span_id)]
    leaf = data.draw(st.sampled_from(leaves))
    assume(len(run.spans) > 1)
    analysis = analyse(run, now_ns=BEGIN_NS)
    replay = replay_of(run)
    without_ns = _length_when(replay, replay.timeline.number[leaf.span_id], 0)

    drag_ns = analysis.spans[leaf.span_id].drag_ns
    gained_ns = replay.timeline.wall_ns - without_ns
    if analysis.spans[leaf.span_id].on_path_ns:
        assert drag_ns == min(gained_ns, analysis.spans[leaf.span_id].on_path_ns)
    else:
        assert drag_ns == 0


@given(recorded_runs(max_spans=14), st.data(), st.integers(1, 50))
def test_slack_is_how_much_slower_a_leaf_may_get(
    run: Run, data: st.DataObject, more_ms: int
) -> None:
    leaves = [span for span in run.spans if not run.children(span.span_id)]
    leaf = data.draw(st.sampled_from(leaves))
    slack_ns = analyse(run, now_ns=BEGIN_NS).spans[leaf.span_id].slack_ns
    replay = replay_of(run)
    number = replay.timeline.number[leaf.span_id]
    length_ns = replay.timeline.high_ns[number] - replay.timeline.low_ns[number]
    assume(slack_ns is not None)
    assert slack_ns is not None

    wall_ns = replay.timeline.wall_ns
    assert _length_when(replay, number, length_ns + slack_ns) == wall_ns
    assert _length_when(replay, number, length_ns + slack_ns + more_ms) == wall_ns + more_ms


def _length_when(replay: Replay, leaf: int, leaf_ns: int) -> int:
    timeline = replay.timeline
    lengths = [high - low for low, high in zip(timeline.low_ns, timeline.high_ns, strict=True)]
    lengths[leaf] = leaf_ns
    for number in range(len(lengths) - 1, -1, -1):
        family = replay.families[number]
        if family is not None:
            units = replay.siblings.units[number]
            lengths[number] = family.run({unit.first: lengths[unit.first] for unit in units})
    return lengths[0]


# --- numbers -------------------------------------------------------------------------------------


def test_slack_and_drag_of_a_fan_out() -> None:
    analysis = seen(
        """
        fan      .........#
          a      #########           group=g
          b      ...                 group=g
          c      .....               group=g
        """
    )
    facts = {name: analysis.spans[name] for name in "abc"}

    assert {name: one.slack_ns for name, one in facts.items()} == {
        "a": 0,
        "b": 6 * STEP_NS,
        "c": 4 * STEP_NS,
    }
    assert {name: one.drag_ns for name, one in facts.items()} == {
        "a": 4 * STEP_NS,
        "b": 0,
        "c": 0,
    }
    (fan_out,) = analysis.fan_outs
    assert (fan_out.long_pole, fan_out.peak, len(fan_out.branches)) == ("a", 3, 3)
    assert fan_out.joined_ns == BEGIN_NS + 9 * STEP_NS
    assert fan_out.imbalance_ratio == pytest.approx(9 / (17 / 3))


def test_work_span_length_and_speed_up() -> None:
    facts = seen(
        """
        fan      .........#
          a      #########           group=g
          b      ...                 group=g
          c      .....               group=g
        """
    ).facts

    assert facts.work_ns == 17 * STEP_NS
    assert facts.span_length_ns == 9 * STEP_NS
    assert facts.speedup_ratio == pytest.approx(1.7)
    assert facts.parallelism_ratio == pytest.approx(17 / 9)
    assert facts.peak_concurrency == 3
    assert facts.dependencies is Dependencies.RECORDED


def test_what_queueing_cost() -> None:
    analysis = seen(
        """
        fan      .........
          a      ####                group=g limit=2
          b      ......              group=g limit=2
          c          #####           group=g limit=2
        """
    )
    (fan_out,) = analysis.fan_outs
    waits = {branch.key: branch.queue_wait_ns for branch in fan_out.branches}

    assert analysis.facts.queue_wait_ns == 3 * STEP_NS
    assert waits == {"a": 0, "b": 0, "c": 4 * STEP_NS}
    assert (fan_out.limit, fan_out.peak) == (2, 2)


def test_two_equal_branches_have_no_drag_by_themselves() -> None:
    analysis = seen(
        """
        fan      ......
          a      ######              group=g
          b      ......              group=g
        """
    )

    assert analysis.spans["fan"].drag_ns == 6 * STEP_NS
    assert analysis.spans["a"].drag_ns == analysis.spans["b"].drag_ns == 0


@pytest.mark.parametrize(
    ("lengths_ms", "late"),
    [
        ([100, 110, 105, 900], [False, False, False, True]),
        ([300, 600, 900, 1200], [False] * 4),
        ([1, 1, 1, 50], [False] * 4),
        ([200, 200, 200, 310], [False, False, False, True]),
        ([200, 200, 200, 299], [False] * 4),
        ([100, 250], [False, True]),
        ([100, 190], [False, False]),
        ([5], [False]),
    ],
)
def test_stragglers_are_told_by_three_conditions(lengths_ms: list[int], late: list[bool]) -> None:
    assert stragglers([length * MS for length in lengths_ms]) == late


def test_a_failed_try_is_waste_and_its_repetition_is_not() -> None:
    analysis = seen(
        """
        call     ##...##....
          one      ###               seq=1 error
          two           ####         seq=2 attempt=2
        """
    )

    assert analysis.spans["one"].wasted is WasteReason.FAILED_ATTEMPT
    assert analysis.spans["two"].wasted is None
    assert analysis.facts.wasted_ns == 3 * STEP_NS
    assert analysis.facts.backoff_ns == 2 * STEP_NS
    assert analysis.facts.retries == 1


def test_siblings_of_a_failure_are_waste_too() -> None:
    analysis = seen(
        """
        fan      .....#              error
          bad    ...                 group=g error
          good   #####               group=g
        """
    )

    assert analysis.spans["bad"].wasted is WasteReason.FAILED
    assert analysis.spans["good"].wasted is WasteReason.SIBLING_FAILED


def test_tokens_and_money_count_once_at_the_deepest_call() -> None:
    run = read_drawing(
        """
        agent    ....                kind=llm
          a      ####                kind=llm
          b      ...                 kind=llm
          c      ..                  kind=llm
        """
    ).run
    usage = Usage(input_tokens=100, output_tokens=10)
    costs = {"agent": Decimal(9), "a": Decimal("0.5"), "b": None, "c": None}
    run = replace(
        run,
        spans=tuple(
            replace(
                span,
                usage=usage,
                cost_usd=costs[span.span_id],
                cache_hit=span.span_id == "c",
            )
            for span in run.spans
        ),
    )
    facts = analyse(run, now_ns=0).facts

    assert facts.usage == Usage(input_tokens=200, output_tokens=20)
    assert (facts.llm_calls, facts.cache_hits, facts.unpriced_calls) == (3, 1, 1)
    assert facts.cost_usd == Decimal("0.5")


def test_without_any_price_the_cost_is_unknown_not_nothing() -> None:
    facts = seen("agent    ####   kind=llm").facts

    assert (facts.cost_usd, facts.unpriced_calls) == (None, 1)
    assert seen("agent    ####").facts.cost_usd == 0


def test_a_run_under_way_is_seen_so_far() -> None:
    run = read_drawing("agent    ####   open").run
    facts = analyse(run, now_ns=BEGIN_NS + 7 * STEP_NS).facts

    assert facts.wall_ns == 7 * STEP_NS
    assert facts.end_ns == BEGIN_NS + 7 * STEP_NS


def test_tries_of_one_branch_are_one_branch() -> None:
    drawing = read_drawing(
        """
        graph    ......
          a1     ##                  group=s superstep=1 error
          a2       ####              group=s superstep=1 after=a1
          b      ...                 group=s superstep=1
        """
    )
    spans = [
        replace(span, branch="a", attempt=2, role=Role.ATTEMPT)
        if span.span_id == "a2"
        else replace(span, branch="a")
        if span.span_id == "a1"
        else span
        for span in drawing.run.spans
    ]
    analysis = analyse(assemble("r", spans), now_ns=0)
    check_analysis(analysis)
    (fan_out,) = analysis.fan_outs

    assert {one.key: (one.attempts, one.status) for one in fan_out.branches} == {
        "a": (2, Status.OK),
        "b": (1, Status.OK),
    }
    assert fan_out.long_pole == "a1"


def test_calls_that_followed_one_another_are_no_fan_out() -> None:
    text = """
        record   ........
          one    ####
          two        ####
    """
    drawn = read_drawing(text).run
    spans = [
        span
        if span.parent_span_id is None
        else replace(span, fan_out="record", branch=span.span_id, role=Role.ITEM)  # type: ignore[arg-type]
        for span in drawn.spans
    ]

    assert analyse(assemble("r", spans), now_ns=0).fan_outs == ()


def test_the_first_token_of_a_stream_is_the_runs() -> None:
    drawing = read_drawing(
        """
        chain    ..........
          prompt ##........          seq=1 stream
          model    ########          seq=2 stream kind=llm
        """
    )
    spans = [
        replace(span, first_token_ns=span.start_ns + STEP_NS) if span.kind is Kind.LLM else span
        for span in drawing.run.spans
    ]

    assert analyse(assemble("r", spans), now_ns=0).facts.time_to_first_token_ns == 3 * STEP_NS


def test_broken_laws_are_noticed() -> None:
    analysis = seen("agent    ####")
    torn = replace(analysis, critical_path=())
    greedy = replace(analysis, facts=replace(analysis.facts, wasted_cost_usd=Decimal(1)))

    for broken in (torn, greedy):
        with pytest.raises(BrokenLawError):
            check_analysis(broken)
