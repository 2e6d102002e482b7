"""Who spent the money of a run."""

from __future__ import annotations

import tomllib
from decimal import Decimal

from hypothesis import given, settings

from longpole.analysis import analyse
from longpole.analysis.result import RunAnalysis
from longpole.dashboard.price_entries import price_entries
from longpole.dashboard.spent import check_spending, cost_usd, spending_of
from longpole.model import Run
from longpole.model.price_file import parse_prices
from tests.browser import stories
from tests.strategies import BEGIN_NS, any_runs


def _analysis(run: Run) -> RunAnalysis:
    return analyse(run, now_ns=BEGIN_NS + 10**12)


@given(any_runs())
@settings(max_examples=60)
def test_calls_add_up_to_the_cost_of_the_run_on_the_path_and_beside_it(run: Run) -> None:
    found = _analysis(run)

    spending = spending_of(found)
    check_spending(spending, found)
    on_path = cost_usd(one for one in spending if one.is_on_path)
    assert on_path == found.breakdown.on_path_cost_usd
    assert cost_usd(spending) - on_path == found.breakdown.off_path_cost_usd
    unpriced = sum(one.cost_usd is None and one.wasted is not None for one in spending)
    assert unpriced == found.breakdown.wasted_unpriced_calls


def test_a_call_belongs_to_the_branch_it_is_in() -> None:
    spending = spending_of(_analysis(stories.panel(1)))

    assert [one.branch[-1:] for one in spending] == [
        ("RunnableSequence[claude]",),
        ("RunnableSequence[gpt]",),
        ("RunnableSequence[mini]",),
        (),
    ]
    assert [one.is_on_path for one in spending] == [True, False, False, True]


def test_an_answer_that_nobody_used_is_told_with_its_reason() -> None:
    reasons = [one.wasted for one in spending_of(_analysis(stories.failing(1)))]

    assert reasons[0] == "failed"
    assert reasons[1] is not None


def test_an_entry_for_every_model_can_be_put_into_the_price_file() -> None:
    text = price_entries([("openai", stories.CANARY), (None, 'a "quoted"\nname')])

    assert [one["model"] for one in tomllib.loads(text)["price"]] == [
        stories.CANARY,
        'a "quoted"\nname',
    ]
    rules = parse_prices(text, name="entries")
    assert [rule.tokens and rule.tokens.input_usd for rule in rules] == [Decimal(0), Decimal(0)]
