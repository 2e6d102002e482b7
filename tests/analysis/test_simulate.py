"""The replay: unchanged it is the run, changed it is what list scheduling and sums say."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from longpole.analysis import analyse
from longpole.analysis.edits import Edits, Exactly, Stretch
from longpole.analysis.normalise import normalise
from longpole.analysis.replay import Replay
from longpole.analysis.siblings import siblings_of
from longpole.analysis.simulate import Simulation
from longpole.model import FanOutKind, Kind, Order, Role, Run, Span, Status, assemble
from longpole.model.errors import NotReplayableError
from tests.drawings import BEGIN_NS, STEP_NS, read_drawing
from tests.strategies import any_runs, recorded_runs

MS = 1_000_000


def simulation_of(run: Run) -> Simulation:
    return Simulation(siblings_of(normalise(run, now_ns=BEGIN_NS)))


# --- the identity ---------------------------------------------------------------------------------


@settings(max_examples=100)
@given(recorded_runs() | any_runs())
def test_run_again_without_a_change_every_recorded_time_comes_out(run: Run) -> None:
    simulation = simulation_of(run)
    assume(not simulation.timeline.is_open[0])

    simulation.check()


def test_a_run_that_has_not_ended_is_refused() -> None:
    simulation = simulation_of(
        read_drawing(
            """
            agent    #####        open
            """
        ).run
    )

    with pytest.raises(NotReplayableError, match="no recorded end"):
        simulation.check()


@settings(max_examples=30)
@given(recorded_runs())
def test_real_queues_are_reproduced_by_a_pool(run: Run) -> None:
    assert not simulation_of(run).is_fixed


# --- beside the closed form -----------------------------------------------------------------------


@settings(max_examples=40)
@given(recorded_runs() | any_runs())
def test_what_queueing_cost_is_what_the_closed_form_says(run: Run) -> None:
    simulation = simulation_of(run)
    replay = Replay(simulation.siblings)
    assume(not any(plan.gates for plan in simulation.plans.values()))

    free_ns = replay.length_ns(has_limits=False)
    assert simulation.queue_wait_ns() == replay.timeline.wall_ns - free_ns


@settings(max_examples=30)
@given(recorded_runs(max_spans=14), st.data())
def test_drag_is_what_the_run_gains_when_a_span_takes_no_time(
    run: Run, data: st.DataObject
) -> None:
    simulation = simulation_of(run)
    assume(not any(plan.slots for plan in simulation.plans.values()))
    span = data.draw(st.sampled_from(run.spans))
    facts = analyse(run, now_ns=BEGIN_NS).spans[span.span_id]

    assert simulation.drag_ns([simulation.timeline.number[span.span_id]]) == facts.drag_ns


@settings(max_examples=30)
@given(recorded_runs(max_spans=14), st.data())
def test_the_drag_of_a_set_is_no_less_than_that_of_any_part(run: Run, data: st.DataObject) -> None:
    simulation = simulation_of(run)
    assume(not any(plan.slots for plan in simulation.plans.values()))
    numbers = data.draw(st.sets(st.integers(0, len(run.spans) - 1), min_size=1, max_size=4))
    part = data.draw(st.sampled_from(sorted(numbers)))

    together = simulation.drag_ns(numbers)
    assert simulation.drag_ns([part]) <= together <= simulation.wall_ns


def test_two_equal_branches_have_drag_only_together() -> None:
    simulation = simulation_of(
        read_drawing(
            """
            fan      #####......
              a       ##########   group=g
              b       ##########   group=g
            """
        ).run
    )
    number = simulation.timeline.number

    assert simulation.drag_ns([number["a"]]) == simulation.drag_ns([number["b"]]) == 0
    assert simulation.drag_ns([number["a"], number["b"]]) == 10 * STEP_NS


@settings(max_examples=30)
@given(recorded_runs(max_spans=14), st.data(), st.integers(1, 50))
def test_slack_is_how_much_slower_a_span_may_get(
    run: Run, data: st.DataObject, more_ms: int
) -> None:
    simulation = simulation_of(run)
    assume(not any(plan.slots for plan in simulation.plans.values()))
    span = data.draw(st.sampled_from(run.spans))
    slack_ns = analyse(run, now_ns=BEGIN_NS).spans[span.span_id].slack_ns
    number = simulation.timeline.number[span.span_id]
    assert slack_ns is not None

    assert _wall_if(simulation, number, Stretch(more_ns=slack_ns)) == simulation.wall_ns
    slower = _wall_if(simulation, number, Stretch(more_ns=slack_ns + more_ms))
    assert slower == simulation.wall_ns + more_ms


@settings(max_examples=30)
@given(recorded_runs(max_spans=14), st.data(), st.integers(0, 100))
def test_speeding_up_never_lengthens_a_run_without_limits(
    run: Run, data: st.DataObject, percent: int
) -> None:
    simulation = simulation_of(run)
    assume(not any(plan.slots for plan in simulation.plans.values()))
    number = data.draw(st.integers(0, len(run.spans) - 1))

    faster = _wall_if(simulation, number, Stretch(Fraction(percent, 100)))
    assert faster <= simulation.wall_ns


@settings(max_examples=30)
@given(recorded_runs())
def test_the_span_length_is_no_more_than_wall_or_work(run: Run) -> None:
    facts = analyse(run, now_ns=BEGIN_NS).facts

    assert facts.span_length_ns <= min(simulation_of(run).wall_ns, facts.work_ns)


@settings(max_examples=30)
@given(recorded_runs(max_spans=14), st.data(), st.integers(0, 300))
def test_only_what_is_above_an_edit_need_be_run_again(
    run: Run, data: st.DataObject, percent: int
) -> None:
    simulation = simulation_of(run)
    number = data.draw(st.integers(0, len(run.spans) - 1))
    edits = Edits(lengths={number: (Stretch(Fraction(percent, 100)),)})

    times = simulation.times(edits)
    assert times.wall_ns == simulation.length_ns(edits)
    for child in range(1, len(run.spans)):
        above = simulation.timeline.parent[child]
        assert times.low_ns[above] <= times.low_ns[child] <= times.high_ns[child]
        assert times.high_ns[child] <= times.high_ns[above]


def _wall_if(simulation: Simulation, number: int, edit: Stretch) -> int:
    return simulation.length_ns(Edits(lengths={number: (edit,)}))


# --- limits ---------------------------------------------------------------------------------------

lengths = st.lists(st.integers(1, 40), min_size=1, max_size=9)


def flat(lengths_ms: Sequence[int], places: int | None = None) -> Run:
    """A fan-out of branches of these lengths, recorded as a pool of so many places runs them.

    Each is submitted a nanosecond after the one before it, which tells their order in the queue.
    """
    free_ns = [0] * (places or len(lengths_ms))
    spans = []
    for branch, length in enumerate(lengths_ms):
        start_ns = max(heapq.heappop(free_ns), branch)
        end_ns = start_ns + length * MS
        heapq.heappush(free_ns, end_ns)
        spans.append(_branch(branch, start_ns, end_ns, places))
    return assemble("f" * 32, [_branch(-1, 0, max(free_ns), None), *spans])


def _branch(number: int, start_ns: int, end_ns: int, places: int | None) -> Span:
    span = Span(
        span_id=f"{number + 1:016x}",
        parent_span_id=None if number < 0 else "0" * 16,
        name="fan" if number < 0 else "work",
        kind=Kind.CHAIN,
        start_ns=BEGIN_NS + start_ns,
        end_ns=BEGIN_NS + end_ns,
        status=Status.OK,
    )
    if number < 0:
        return span
    return replace(
        span,
        role=Role.BRANCH,
        branch=str(number),
        fan_out=FanOutKind.PARALLEL,
        fan_out_limit=places,
        order=Order(group="g"),
    )


def _listed_ms(lengths_ms: Sequence[int], places: int) -> int:
    """First come, first served, on so many machines (Graham)."""
    ends = [0] * places
    for length in lengths_ms:
        ends.sort()
        ends[0] += length
    return max(ends)


@settings(max_examples=40)
@given(lengths, st.integers(1, 5))
def test_a_limit_makes_a_flat_fan_out_a_list_schedule(lengths_ms: list[int], places: int) -> None:
    simulation = simulation_of(flat(lengths_ms))
    wall_ms = simulation.length_ns(Edits(places={(0, ("g", None)): places})) // MS

    assert wall_ms == _listed_ms(lengths_ms, places)
    longest, work = max(lengths_ms), sum(lengths_ms)
    assert max(longest, work / places) <= wall_ms <= work / places + longest


@settings(max_examples=40)
@given(lengths, st.integers(1, 5), st.integers(1, 5))
def test_one_limit_becomes_another(lengths_ms: list[int], recorded: int, places: int) -> None:
    simulation = simulation_of(flat(lengths_ms, recorded))
    wall_ns = simulation.length_ns(Edits(places={(0, ("g", None)): places}))

    assert wall_ns // MS == _listed_ms(lengths_ms, places)


@settings(max_examples=40)
@given(lengths, st.integers(1, 5))
def test_without_its_limit_a_fan_out_takes_as_long_as_its_longest_branch(
    lengths_ms: list[int], places: int
) -> None:
    simulation = simulation_of(flat(lengths_ms, places))

    assert simulation.length_ns(Edits(has_limits=False)) // MS == max(lengths_ms)
    lifted = Edits(places={(0, ("g", None)): None})
    assert simulation.length_ns(lifted) // MS == max(lengths_ms)


@settings(max_examples=40)
@given(lengths, st.integers(1, 4), st.data())
def test_a_branch_that_takes_another_time_moves_those_behind_it_in_the_queue(
    lengths_ms: list[int], places: int, data: st.DataObject
) -> None:
    simulation = simulation_of(flat(lengths_ms, places))
    branch = data.draw(st.integers(0, len(lengths_ms) - 1))
    length = data.draw(st.integers(0, 60))
    number = simulation.timeline.number[f"{branch + 1:016x}"]
    changed = [*lengths_ms[:branch], length, *lengths_ms[branch + 1 :]]

    edits = Edits(lengths={number: (Exactly(length * MS),)})
    assert simulation.length_ns(edits) // MS == _listed_ms(changed, places)


def test_deep_and_wide_runs_are_run_again_without_recursion() -> None:
    deep = simulation_of(
        assemble("d", [_plain(at, at - 1, at, 200_000 - at) for at in range(50_000)])
    )
    wide = simulation_of(flat([5] * 20_000))

    assert deep.length_ns(Edits(lengths={49_999: (Exactly(0),)})) < deep.wall_ns
    assert wide.length_ns(Edits(places={(0, ("g", None)): 100})) // MS == 1_000


def _plain(number: int, parent: int, start: int, end: int) -> Span:
    return Span(
        span_id=f"{number:016x}",
        parent_span_id=None if parent < 0 else f"{parent:016x}",
        name="span",
        kind=Kind.CHAIN,
        start_ns=start * 1000,
        end_ns=end * 1000,
        status=Status.OK,
    )


# --- failures -------------------------------------------------------------------------------------


def test_a_cancelled_branch_ends_when_the_failure_does() -> None:
    simulation = simulation_of(
        read_drawing(
            """
            agent    #.....#             error
              bad     ####               group=g error
              other   ....#              group=g cancelled
            """
        ).run
    )
    bad = simulation.timeline.number["bad"]
    half = Edits(lengths={bad: (Stretch(Fraction(1, 2)),)})

    assert simulation.length_ns(half) == 5 * STEP_NS
    assert simulation.length_ns(Edits(lengths={bad: (Stretch(Fraction(2)),)})) == 11 * STEP_NS


def test_failing_fast_ends_the_siblings_of_the_first_failure() -> None:
    simulation = simulation_of(
        read_drawing(
            """
            agent    ........            error
              bad    ##                  group=g error limit=2
              slow   ########            group=g limit=2
              queued   ...               group=g limit=2
            """
        ).run
    )
    times = simulation.times(Edits(fail_fast=frozenset({0})))
    number = simulation.timeline.number

    assert times.wall_ns == 2 * STEP_NS
    assert times.is_gone[number["queued"]]
    assert times.is_cut[number["slow"]]
