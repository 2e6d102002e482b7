from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from longpole.analysis import analyse
from longpole.dashboard.course import course_of
from longpole.model import Run
from tests.browser import stories
from tests.strategies import recorded_runs

_NOW_NS = stories.START_NS + 60_000 * stories.MS


def test_a_limit_shows_as_a_level_course() -> None:
    course = course_of(analyse(stories.wide(1, branches=80), now_ns=_NOW_NS))

    assert len(course) == 24
    assert all(3.0 < running <= 4.0 for running in course[1:-2])


@settings(max_examples=40)
@given(recorded_runs(), st.integers(1, 40))
def test_the_mean_of_the_course_is_work_over_wall(run: Run, slices: int) -> None:
    analysis = analyse(run, now_ns=_NOW_NS)

    course = course_of(analysis, slices=slices)
    if not course:
        return
    mean = analysis.facts.work_ns / analysis.facts.wall_ns
    assert sum(course) / slices == pytest.approx(mean, rel=1e-6, abs=1e-9)
    assert max(course) <= analysis.facts.peak_concurrency + 1e-9
