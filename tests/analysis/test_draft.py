"""What is told of a run at first is what its whole analysis tells, whatever the run."""

from __future__ import annotations

from hypothesis import given, settings

from longpole.analysis import (
    Lengths,
    RunAnalysis,
    RunOutline,
    analyse,
    analysis_from,
    check_path,
    draft_of,
    outline_from,
)
from longpole.model import Run
from tests.large_store import drawn_runs
from tests.strategies import BEGIN_NS, MS, any_runs, recorded_runs

NOW_NS = BEGIN_NS + 50 * MS
_SPAN = ("on_path_ns", "queue_wait_ns", "queue_wait_inferred", "wasted")
_FAN_OUT = ("span_id", "limit", "long_pole")
_BRANCH = ("key", "span_id", "on_path_ns", "attempts", "straggler")


@given(run=recorded_runs())
@settings(max_examples=25)
def test_the_outline_of_a_recorded_run_agrees_with_its_analysis(run: Run) -> None:
    _check(run)


@given(run=any_runs())
@settings(max_examples=50)
def test_the_outline_of_any_run_agrees_with_its_analysis(run: Run) -> None:
    _check(run)


def test_the_outlines_of_runs_as_people_have_them_agree_with_their_analyses() -> None:
    for run in drawn_runs(50, seed=7, begin_ns=BEGIN_NS):
        _check(run)


def _check(run: Run) -> None:
    """Outline and analysis are made of one draft, as the page of a run does."""
    whole, draft = analyse(run, now_ns=NOW_NS), draft_of(run, now_ns=NOW_NS)
    outline = outline_from(draft, _lengths(whole))

    assert outline.facts == whole.facts
    assert outline.critical_path == whole.critical_path
    assert outline.concurrency == whole.concurrency
    end_ns = outline.facts.end_ns
    check_path(run, outline.critical_path, start_ns=end_ns - outline.facts.wall_ns, end_ns=end_ns)
    assert _spans(outline) == _spans(whole)
    assert _fan_outs(outline) == _fan_outs(whole)
    assert [outline.ended_ns(span) for span in run.spans] == [
        whole.ended_ns(span) for span in run.spans
    ]
    assert analysis_from(draft) == whole


def _lengths(whole: RunAnalysis) -> Lengths:
    return Lengths(
        span_length_ns=whole.facts.span_length_ns, queue_wait_ns=whole.facts.queue_wait_ns
    )


def _spans(told: RunAnalysis | RunOutline) -> dict[str, list[object]]:
    return {
        span_id: [getattr(facts, name) for name in _SPAN] for span_id, facts in told.spans.items()
    }


def _fan_outs(told: RunAnalysis | RunOutline) -> list[object]:
    return [
        (
            [getattr(fan_out, name) for name in _FAN_OUT],
            [[getattr(branch, name) for name in _BRANCH] for branch in fan_out.branches],
        )
        for fan_out in told.fan_outs
    ]
