"""Families in closed form and event by event: the same answers, exact when nothing changes."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from longpole.analysis.levels import Levels, levels_of
from longpole.analysis.normalise import normalise
from longpole.analysis.replay import Replay
from longpole.analysis.siblings import Siblings, siblings_of
from longpole.analysis.woven import Woven
from longpole.model import Kind, Order, Run, Span, Status, assemble
from tests.drawings import BEGIN_NS, read_drawing
from tests.strategies import any_runs, recorded_runs


def siblings_in(run: Run) -> Siblings:
    return siblings_of(normalise(run, now_ns=BEGIN_NS))


def level_sizes(text: str) -> list[int] | None:
    siblings = siblings_in(read_drawing(text).run)
    levels = levels_of(siblings, 0)
    return None if levels is None else [level.last - level.first for level in levels]


@settings(max_examples=60)
@given(recorded_runs(max_spans=40) | any_runs(), st.data())
def test_levels_answer_as_the_general_way_does(run: Run, data: st.DataObject) -> None:
    siblings = siblings_in(run)
    for number, family in enumerate(Replay(siblings).families):
        if not isinstance(family, Levels):
            continue
        woven = Woven(siblings, number)
        changed = data.draw(
            st.dictionaries(
                st.sampled_from([unit.first for unit in siblings.units[number]]),
                st.integers(0, 10**9),
            )
        )

        assert family.held() == woven.held()
        assert (family.length_ns, family.tail_ns) == (woven.length_ns, woven.tail_ns)
        for is_ideal in (False, True):
            assert family.run(changed, is_ideal=is_ideal) == woven.run(changed, is_ideal=is_ideal)


@given(recorded_runs() | any_runs())
def test_every_family_run_again_unchanged_takes_as_long_as_recorded(run: Run) -> None:
    for family in Replay(siblings_in(run)).families:
        assert family is None or family.run({}) == family.length_ns


@given(recorded_runs() | any_runs())
def test_no_family_gets_longer_without_gaps(run: Run) -> None:
    for family in Replay(siblings_in(run)).families:
        assert family is None or family.run({}, is_ideal=True) <= family.length_ns


def test_steps_that_overlap_a_little_are_no_longer_together_than_recorded() -> None:
    """As two hosts record them; the second one has begun 1 ms before the first has ended."""
    root = Span(
        span_id="root",
        parent_span_id=None,
        name="root",
        kind=Kind.CHAIN,
        start_ns=0,
        end_ns=19_000_000,
        status=Status.OK,
        host="one",
    )
    first = replace(_step(0, Order(seq=1)), end_ns=19_000_000)
    second = replace(_step(180_000, Order(seq=2)), end_ns=19_000_000, host="two")
    run = assemble("r", [root, first, second])

    ideal_ns = Replay(siblings_in(run)).length_ns(has_limits=False, is_ideal=True)
    assert ideal_ns == 19_000_000


def test_sequences_fan_outs_and_supersteps_stand_in_levels() -> None:
    assert level_sizes(
        """
        chain    ............
          a       ###                seq=1
          b           ###            seq=2
        """
    ) == [1, 1]
    assert level_sizes(
        """
        fan      ............
          a      ###                 group=g
          b       ##########         group=g
          c           ###            group=g
        """
    ) == [3]
    assert level_sizes(
        """
        graph    .............
          a      ####                group=s superstep=1
          b      ######              group=s superstep=1
          c            ###           group=s superstep=2
          d            ####          group=s superstep=2
          e                 ##       group=s superstep=3
        """
    ) == [2, 2, 1]


def test_queued_named_and_half_ended_siblings_stand_in_none() -> None:
    queued = """
        fan      .........
          a      ####                group=g limit=2
          b      ......              group=g limit=2
          c          #####           group=g limit=2
        """
    named = """
        chain    ........
          a      ###
          b         ##               after=a
        """
    half_ended = """
        chain    .........
          a      ###
          b      ######
          c          ####
        """

    assert [level_sizes(text) for text in (queued, named, half_ended)] == [None] * 3


def test_who_waited_for_nobody_starts_when_it_did_after_any_number_of_steps() -> None:
    steps = [_step(number, Order(seq=number)) for number in range(1, 10)]
    root = Span(
        span_id="root",
        parent_span_id=None,
        name="root",
        kind=Kind.CHAIN,
        start_ns=0,
        end_ns=2000,
        status=Status.OK,
    )
    run = assemble("r", [root, *steps, _step(15, Order(after=()))])

    assert Replay(siblings_in(run)).length_ns() == 2000


def _step(number: int, order: Order) -> Span:
    return Span(
        span_id=f"{number:x}",
        parent_span_id="root",
        name="step",
        kind=Kind.CHAIN,
        start_ns=number * 100,
        end_ns=number * 100 + 50,
        status=Status.OK,
        order=order,
    )
