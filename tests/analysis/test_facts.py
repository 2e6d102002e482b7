"""The facts that are computed for lists are those of the whole analysis, whatever the run."""

from __future__ import annotations

from hypothesis import given, settings

from longpole.analysis import analyse, facts_of
from longpole.model import Run
from tests.large_store import drawn_runs
from tests.strategies import BEGIN_NS, MS, any_runs, recorded_runs

NOW_NS = BEGIN_NS + 50 * MS


@given(run=recorded_runs())
@settings(max_examples=25)
def test_facts_of_recorded_runs_are_those_of_their_analysis(run: Run) -> None:
    assert facts_of(run, now_ns=NOW_NS) == analyse(run, now_ns=NOW_NS).facts


@given(run=any_runs())
@settings(max_examples=50)
def test_facts_of_any_runs_are_those_of_their_analysis(run: Run) -> None:
    facts, whole = facts_of(run, now_ns=NOW_NS), analyse(run, now_ns=NOW_NS)

    assert facts == whole.facts
    assert facts.peak_concurrency == max(step.running for step in whole.concurrency)
    assert facts.backoff_ns == sum(
        segment.length_ns for segment in whole.critical_path if segment.kind == "backoff"
    )


def test_facts_of_runs_as_people_have_them_are_those_of_their_analysis() -> None:
    for run in drawn_runs(100, seed=5, begin_ns=BEGIN_NS):
        assert facts_of(run, now_ns=NOW_NS) == analyse(run, now_ns=NOW_NS).facts
