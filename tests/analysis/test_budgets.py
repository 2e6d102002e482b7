"""Budgets: what is measured, what holds, and what the file may not say."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longpole.analysis import analyse, samples_of
from longpole.analysis.budget_text import parse_budgets
from longpole.analysis.budgets import METRICS, Budget, Unit, judge, on_path_ratio
from longpole.analysis.sample import RunSample
from longpole.model import Run
from longpole.model.errors import SettingsError
from tests.drawings import BEGIN_NS, read_drawing
from tests.strategies import recorded_runs

S = 1_000_000_000

DRAWING = """
    agent    #...........#
      plan    ###                seq=1
      fan        #.....          seq=2
        search    #####          group=g
        lookup    ...            group=g
      join             ##        seq=3
"""


def _samples(text: str = DRAWING, times: int = 1) -> list[RunSample]:
    run = read_drawing(text).run
    return samples_of(analyse(run, now_ns=BEGIN_NS) for _ in range(times))


def _budget(text: str) -> Budget:
    (budget,) = parse_budgets(text, name="budgets.toml")
    return budget


def test_a_file_says_what_runs_may_take_in_the_units_of_people() -> None:
    budgets = parse_budgets(
        """
        [chain."*"]
        error_rate = "1%"

        [chain.panel]
        runs_needed = 20
        p95_wall = "4s"
        max_wall = "1.5 min"
        cost_per_run = "$0.05"
        max_cost = 1
        speedup = 1.5

        [chain.panel.on_path]
        gemini = "70%"
        """,
        name="budgets.toml",
    )
    assert budgets[0] == Budget(chain="*", limits={"error_rate": Fraction(1, 100)}, on_path={})
    assert budgets[1].runs_needed == 20
    assert budgets[1].limits == {
        "p95_wall": 4 * S,
        "max_wall": 90 * S,
        "cost_per_run": Decimal("0.05"),
        "max_cost": Decimal(1),
        "speedup": Fraction(3, 2),
    }
    assert budgets[1].on_path == {"gemini": Fraction(7, 10)}


def test_a_limit_holds_up_to_itself_and_no_further() -> None:
    for text, holds in (("130ms", True), ("129ms", False)):
        (judged,) = judge(_budget(f'[chain."*"]\np95_wall = "{text}"'), "agent", _samples())
        assert (judged.measured, judged.holds) == (130_000_000, holds)


def test_a_floor_holds_down_to_itself() -> None:
    budget = _budget('[chain."*"]\nspeedup = 1')
    (judged,) = judge(budget, "agent", _samples())
    # 30 of plan, 50 and 30 of the branches, 20 of join, in 130 ms.
    assert judged.measured == 1
    assert judged.holds
    (judged,) = judge(_budget('[chain."*"]\nspeedup = 1.01'), "agent", _samples())
    assert not judged.holds


def test_the_share_of_a_branch_is_what_was_waited_for_it() -> None:
    budget = _budget("[chain.agent]\nruns_needed = 2\n[chain.agent.on_path]\nsearch = 0.3")
    (judged,) = judge(budget, "agent", _samples(times=2))
    assert (judged.what, judged.measured) == ("on_path search", Fraction(5, 13))
    assert not judged.holds


def test_patterns_of_branches_count_each_stretch_once() -> None:
    samples = _samples()
    assert on_path_ratio(samples, "fan") == Fraction(6, 13)
    assert on_path_ratio(samples, "*") == 1
    assert on_path_ratio(samples, "nobody") is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('[chain."*"]\nruns_needed = 3\np95_wall = "9h"', "2 of 3 runs needed"),
        ('[chain."*".on_path]\nnobody = 1', "no branch is called so"),
    ],
)
def test_what_cannot_be_measured_does_not_hold(text: str, reason: str) -> None:
    (judged,) = judge(_budget(text), "agent", _samples(times=2))
    assert (judged.holds, judged.measured, judged.reason) == (False, None, reason)


def test_without_any_run_no_budget_holds() -> None:
    limits = "\n".join(f"{name} = {_generous(name)}" for name in METRICS)
    judged = judge(_budget(f'[chain."*"]\n{limits}'), "agent", ())
    assert len(judged) == len(METRICS)
    assert not any(one.holds for one in judged)


def _generous(name: str) -> str:
    metric = METRICS[name]
    if metric.is_floor:
        return "0"
    return '"999h"' if metric.unit is Unit.TIME else "1000000"


@given(st.lists(recorded_runs(max_spans=12), min_size=1, max_size=4))
def test_generous_budgets_hold_for_any_runs_whose_calls_are_priced(runs: list[Run]) -> None:
    samples = samples_of(analyse(run, now_ns=0) for run in runs)
    limits = "\n".join(f"{name} = {_generous(name)}" for name in METRICS)
    for one in judge(_budget(f'[chain."*"]\n{limits}'), "any", samples):
        is_priced = not any(sample.unpriced_calls for sample in samples)
        assert one.holds or (one.reason == "calls without a price" and not is_priced)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected tables such as [chain.NAME]"),
        ("chain = 3", "expected tables such as [chain.NAME]"),
        ("[budget.x]\np95_wall = '1s'", "found budget"),
        ("[chain.x]", "chain 'x': limits nothing, expected one of p50_wall"),
        ("[chain.x]\np95_wal = '1s'", "there is no 'p95_wal', did you mean p95_wall?"),
        ("[chain.x]\np95_wall = 4", "p95_wall is 4, expected a length of time such as"),
        ("[chain.x]\np95_wall = '4 weeks'", "p95_wall is '4 weeks', expected a length"),
        ("[chain.x]\nerror_rate = 'few'", "error_rate is 'few', expected a share"),
        ("[chain.x]\nerror_rate = -1", "error_rate is -1, expected a share"),
        ("[chain.x]\nmax_cost = inf", "max_cost is Infinity, expected an amount of USD"),
        ("[chain.x]\nruns_needed = 0\nspeedup = 1", "runs_needed is 0, expected a number from 1"),
        ("[chain.x]\non_path = 3", "on_path is 3, expected branches"),
        ("[chain.x.on_path]\na = true", "on_path a is True, expected a share"),
        ("[chain", "no TOML: "),
    ],
)
def test_what_means_nothing_is_told_with_its_place(text: str, message: str) -> None:
    with pytest.raises(SettingsError) as raised:
        parse_budgets(text, name="budgets.toml")
    assert str(raised.value).startswith("budgets.toml: ")
    assert message in str(raised.value)
