"""What can be changed about a run, and the text that means exactly that."""

from __future__ import annotations

from hypothesis import assume, given, settings

from longpole.analysis import analyse
from longpole.analysis.changes import Time
from longpole.analysis.targets import spans_of
from longpole.analysis.what_if import Replayable, replayable, what_if
from longpole.dashboard.levers import fan_out_levers, levers_of
from longpole.model import Run
from longpole.model.errors import NotReplayableError
from longpole.model.pricing import PriceBook
from tests.browser import stories
from tests.strategies import recorded_runs


def _replayable(run: Run) -> Replayable:
    return replayable(run, now_ns=run.root.end_ns or 0)


def test_branches_come_by_what_the_run_would_gain() -> None:
    levers = levers_of(_replayable(stories.panel(1)))

    assert {lever.target: lever.gain_ns for lever in levers} == {
        "claude": 700 * stories.MS,
        "panel/ChatOpenAI": 670 * stories.MS,
        "gpt": 0,
        "mini": 0,
    }
    gains = [lever.gain_ns for lever in levers]
    assert gains == sorted(gains, reverse=True)


def test_alike_branches_are_one_lever() -> None:
    (lever,) = levers_of(_replayable(stories.wide(1, branches=40)))

    assert (lever.target, lever.spans) == ("summarise", 40)


def test_the_limit_of_every_fan_out_can_be_asked_about() -> None:
    run = stories.wide(1, branches=40)
    fan_outs = analyse(run, now_ns=run.root.end_ns or 0).fan_outs

    assert [lever.target for lever in fan_out_levers(_replayable(run), fan_outs)] == ["map"]


def test_hostile_names_still_mean_what_they_stand_for() -> None:
    one = _replayable(stories.hostile(1))

    levers = levers_of(one)
    assert len(levers) == 2
    for lever in levers:
        assert len(spans_of(one.simulation.timeline, lever.target)) == lever.spans


@given(recorded_runs())
@settings(max_examples=40)
def test_a_lever_gains_what_it_says_and_means_as_many_spans(run: Run) -> None:
    try:
        one = _replayable(run)
    except NotReplayableError:
        assume(False)
    for lever in levers_of(one, most=3):
        answer = what_if(one, [Time(target=lever.target, length_ns=0)], book=PriceBook())

        assert len(answer.touched) == lever.spans
        assert answer.delta_ns == -lever.gain_ns
