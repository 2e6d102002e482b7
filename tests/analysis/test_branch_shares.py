"""What bounds the walls of many runs, by branch."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from longpole.analysis import analyse, samples_of
from longpole.analysis.branch_shares import branch_shares
from longpole.model import Run
from longpole.model.errors import BrokenLawError
from tests.browser import stories
from tests.strategies import any_runs


def _shares(*shown: Run) -> dict[tuple[str, str], Fraction]:
    samples = samples_of([analyse(run, now_ns=0) for run in shown])
    found = branch_shares(samples)
    return {(row.chain, row.branch[-1]): row.share for row in found.rows}


def test_a_stretch_of_the_path_belongs_to_the_branch_around_it() -> None:
    shares = _shares(stories.panel(1))

    # 15 to 1,600 ms lie in `claude`, which is a branch whatever runs inside it.
    assert shares["panel", "RunnableSequence[claude]"] == Fraction(1_585, 2_300)


def test_a_stretch_outside_of_all_branches_belongs_to_its_step() -> None:
    shares = _shares(stories.panel(1))

    assert shares["panel", "ChatOpenAI"] == Fraction(670, 2_300)
    assert shares["panel", "experts"] == Fraction(15, 2_300)
    assert shares["panel", "panel"] == Fraction(30, 2_300)
    assert len(shares) == 4


def test_shares_are_of_the_walls_of_all_chains_together() -> None:
    shares = _shares(stories.panel(1), stories.panel(2), stories.failing(3))

    assert shares["panel", "RunnableSequence[claude]"] == Fraction(2 * 1_585, 2 * 2_300 + 1_250)
    assert sum(shares.values()) == 1


def test_no_run_waits_for_nothing() -> None:
    assert branch_shares([]).rows == ()


@settings(max_examples=40)
@given(st.lists(any_runs(), min_size=1, max_size=4))
def test_the_branches_add_up_to_the_walls(shown: list[Run]) -> None:
    samples = samples_of([analyse(run, now_ns=0) for run in shown])

    found = branch_shares(samples)
    found.check()
    assert sum(row.own_path_ns for row in found.rows) == sum(one.wall_ns for one in samples)
    assert list(found.rows) == sorted(
        found.rows, key=lambda row: (-row.own_path_ns, row.chain, row.branch)
    )


def test_branches_that_do_not_add_up_are_refused() -> None:
    found = branch_shares(samples_of([analyse(stories.panel(1), now_ns=0)]))

    with pytest.raises(BrokenLawError, match="branches add up to"):
        replace(found, wall_ns=found.wall_ns + 1).check()
