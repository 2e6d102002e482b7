"""Laws of findings on any runs, what a healthy chain says, and the order of the list."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import overload

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from longpole.analysis import RunAnalysis, analyse
from longpole.analysis.findings import DETECTORS, Digests, Finding, Rule, Whole, find, rank
from longpole.model import Run
from longpole.model.errors import BrokenLawError
from tests.analysis.findings.making import NOW_NS, call, chain, drawn
from tests.strategies import any_runs, recorded_runs

many_runs = st.lists(recorded_runs(max_spans=12) | any_runs(), min_size=1, max_size=4)


def digests_of_all(runs: Sequence[Run]) -> Digests:
    """Everybody asked and answered the same."""
    ids = [span.span_id for run in runs for span in run.spans]
    return Digests(inputs=dict.fromkeys(ids, "a"), answers=dict.fromkeys(ids, "b"))


@given(runs=many_runs)
@settings(max_examples=60)
def test_no_gain_is_negative_or_more_than_there_is(runs: list[Run]) -> None:
    analysed = [analyse(run, now_ns=NOW_NS) for run in runs]
    for one in find(analysed, digests=digests_of_all(runs)):
        one.check()
        assert one.run_ids
        assert set(one.run_ids) <= {run.run_id for run in runs}
        assert one.replayed or not (one.gain_mean_ns or one.gain_total_usd)


@given(runs=many_runs, seed=st.integers(0, 3))
@settings(max_examples=20)
def test_the_same_runs_and_seed_give_the_same_findings(runs: list[Run], seed: int) -> None:
    analysed = [analyse(run, now_ns=NOW_NS) for run in runs]

    assert find(analysed, seed=seed) == find(analysed, seed=seed)


HEALTHY = """
    chat     ##############
      plan   ##                       seq=1 kind=prompt
      fan      ########               seq=2
        a      ########               group=g
        b      ........               group=g
        c      .......                group=g
      say              ####           seq=3
"""


def test_a_healthy_chain_has_no_findings() -> None:
    healthy = drawn(HEALTHY, a=call(), b=call(), c=call(), say=call())
    runs = chain(*[healthy] * 10)
    ids = [span.span_id for run in runs for span in run.run.spans]
    digests = Digests(inputs={one: one for one in ids}, answers={one: one for one in ids})

    assert find(runs, digests=digests) == ()


def test_of_no_runs_there_is_nothing_to_find() -> None:
    assert find([]) == ()


def test_there_is_one_detector_for_each_rule() -> None:
    assert sorted(one.rule for one in DETECTORS) == sorted(Rule)


class Counting(Sequence[RunAnalysis]):
    """Runs that are counted whenever one is asked for."""

    def __init__(self, runs: Sequence[RunAnalysis]) -> None:
        self.runs = runs
        self.asked = 0

    def __len__(self) -> int:
        return len(self.runs)

    @overload
    def __getitem__(self, at: int) -> RunAnalysis: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[RunAnalysis]: ...
    def __getitem__(self, at: int | slice) -> RunAnalysis | Sequence[RunAnalysis]:
        self.asked += 1
        return self.runs[at]


def test_each_run_is_asked_for_once_and_those_of_the_sample_once_more() -> None:
    slow = drawn(HEALTHY.replace("b      ........", "b      ..      "))
    runs = Counting(chain(*[slow] * 100))
    findings = find(runs)

    assert len(findings) == 1
    assert runs.asked <= 101 + 30  # the end of an iteration asks once in vain


# --- the order of the list ----------------------------------------------------------------------


def finding(chain: str, rule: Rule, *, ms: int = 0, usd: str = "0", runs: int = 10) -> Finding:
    """A finding in a chain of runs of one second for a cent each."""
    whole = Whole(
        chain=chain,
        runs=runs,
        wall_ns=runs * 10**9,
        wall_p50_ns=10**9,
        wall_p95_ns=10**9,
        cost_usd=Decimal("0.01") * runs,
        calls=runs,
    )
    return Finding(
        rule=rule,
        whole=whole,
        position=(chain,),
        gain_mean_ns=ms * 10**6,
        gain_p50_ns=ms * 10**6,
        gain_p95_ns=ms * 10**6,
        gain_usd_per_1000_runs=Decimal(usd),
        evidence={},
        names={},
        run_ids=("1",),
        affected=1,
        replayed=1,
        is_question=rule is Rule.SERIAL_STEPS,
    )


def test_what_runs_often_comes_before_what_runs_seldom() -> None:
    seldom = finding("seldom", Rule.LONG_POLE, ms=300, runs=10)
    often = finding("often", Rule.LONG_POLE, ms=100, runs=100)

    assert rank([seldom, often]) == (often, seldom)


def test_time_and_money_count_as_shares_of_what_there_is() -> None:
    half_the_money = finding("one", Rule.UNUSED_RESULTS, usd="5")
    some_time = finding("one", Rule.LONG_POLE, ms=300)
    both = finding("one", Rule.REPEATED_CALLS, ms=290, usd="2.9")

    assert rank([some_time, half_the_money, both]) == (both, half_the_money, some_time)


def test_questions_come_last_and_equal_findings_in_the_order_of_their_names() -> None:
    question = finding("a", Rule.SERIAL_STEPS, ms=900)
    one = finding("a", Rule.QUEUEING, ms=10)
    other = finding("b", Rule.QUEUEING, ms=10)
    idle = finding("a", Rule.IGNORED_LIMIT)
    expected = (one, other, idle, question)

    assert rank([question, other, idle, one]) == expected
    assert rank([one, idle, question, other]) == expected


@pytest.mark.parametrize(
    "broken",
    [
        {"gain_mean_ns": -1},
        {"gain_p50_ns": 10**9 + 1},
        {"gain_p95_ns": -5},
        {"gain_usd_per_1000_runs": Decimal("10.01")},
        {"run_ids": ()},
        {"replayed": 2},
    ],
)
def test_a_finding_that_cannot_be_breaks_a_law(broken: dict[str, object]) -> None:
    good = finding("a", Rule.LONG_POLE, ms=1)
    good.check()

    with pytest.raises(BrokenLawError):
        replace(good, **broken).check()  # type: ignore[arg-type]
    with pytest.raises(dataclasses.FrozenInstanceError):
        good.gain_mean_ns = 0  # type: ignore[misc]
