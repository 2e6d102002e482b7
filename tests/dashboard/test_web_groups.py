"""Which rows of the waterfall are shown as one."""

from __future__ import annotations

from dataclasses import replace

from longpole.analysis import analyse
from longpole.dashboard.web.waterfall.groups import groups_of
from longpole.model import Run, SpanError, Status, assemble
from tests.browser import stories

_NOW_NS = stories.START_NS + 3_600_000 * stories.MS


def _groups(run: Run) -> dict[str, int]:
    return dict(groups_of(analyse(run, now_ns=_NOW_NS)))


def test_alike_branches_are_one_and_the_long_pole_stands_by_itself() -> None:
    run = stories.wide(1, branches=100)

    groups = _groups(run)
    assert 90 < len(groups) < 100
    assert set(groups.values()) == {0}
    (fan_out,) = analyse(run, now_ns=_NOW_NS).fan_outs
    assert fan_out.long_pole not in groups


def test_a_branch_that_failed_stands_by_itself() -> None:
    run = stories.wide(1, branches=100)
    branch = next(span for span in run.spans if span.branch == "17")
    error = SpanError(type="TimeoutError", message="too slow")
    broken = replace(branch, status=Status.ERROR, error=error)
    spans = [broken if span.span_id == branch.span_id else span for span in run.spans]

    assert branch.span_id not in _groups(assemble(run.run_id, spans))


def test_few_branches_are_all_shown() -> None:
    assert _groups(stories.panel(1)) == {}


def test_what_still_runs_stands_by_itself() -> None:
    run = stories.wide(1, branches=100)
    branch = next(span for span in run.spans if span.branch == "17")
    running = replace(branch, end_ns=None, status=Status.RUNNING)
    spans = [running if span.span_id == branch.span_id else span for span in run.spans]

    assert branch.span_id in _groups(run)
    assert branch.span_id not in _groups(assemble(run.run_id, spans))
