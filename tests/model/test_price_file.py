"""The user's own prices: what a file says, what it costs, and what it may not say."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longpole.model import Usage
from longpole.model.errors import SettingsError
from longpole.model.price_file import parse_prices, read_prices
from longpole.model.pricing import PriceBook

NEW_YEAR_NS = 1_767_225_600_000_000_000  # 2026-01-01
DAY_NS = 86_400_000_000_000
USAGE = Usage(input_tokens=1_000, output_tokens=100, cache_read_tokens=400)


def _cost(text: str, **call: object) -> Decimal | None:
    book = PriceBook(parse_prices(text, name="prices.toml"))
    asked = {"provider": "openai", "model": "house-model", "usage": USAGE, "at_ns": NEW_YEAR_NS}
    return book.price(**{**asked, **call}).cost_usd  # type: ignore[arg-type]


TOKENS = """
[[price]]
model = "house-*"
input_usd_per_million = 2
output_usd_per_million = 10.5
cache_read_usd_per_million = 0.5
from = 2026-01-01
until = 2026-02-01
"""


def test_tokens_are_priced_by_the_million_and_cached_ones_apart() -> None:
    assert (
        _cost(TOKENS)
        == Decimal("600") * 2 / 10**6
        + Decimal("400") / 2 / 10**6
        + Decimal("100") * Decimal("10.5") / 10**6
    )


def test_a_rule_holds_from_its_first_day_until_the_day_before_its_last() -> None:
    assert _cost(TOKENS, at_ns=NEW_YEAR_NS - 1) is None
    assert _cost(TOKENS, at_ns=NEW_YEAR_NS + 31 * DAY_NS - 1) is not None
    assert _cost(TOKENS, at_ns=NEW_YEAR_NS + 31 * DAY_NS) is None


def test_cached_tokens_cost_what_input_costs_unless_told_otherwise() -> None:
    text = "[[price]]\ninput_usd_per_million = 1\noutput_usd_per_million = 0\n"
    assert _cost(text) == Decimal("0.001")


def test_a_local_model_is_priced_by_the_second_without_any_tokens() -> None:
    text = '[[price]]\nprovider = "ollama"\nusd_per_second = 0.0004\n'
    assert _cost(text, provider="ollama", usage=None, duration_ns=2_500_000_000) == Decimal("0.001")
    assert _cost(text, provider="ollama", usage=None, duration_ns=None) is None


def test_a_factor_alone_changes_the_public_price() -> None:
    public = _cost("", model="gpt-4o")
    assert public is not None
    assert _cost("[[price]]\nfactor = 0.5\n", model="gpt-4o") == public / 2
    assert _cost("[[price]]\nfactor = 0.5\n", model="nobody-knows-it") is None


def test_the_first_rule_that_fits_decides() -> None:
    text = (
        '[[price]]\nmodel = "GPT-4o-mini*"\nfactor = 0\n'
        "[[price]]\ninput_usd_per_million = 7\noutput_usd_per_million = 7\n"
    )
    assert _cost(text, model="gpt-4o-mini") == 0
    assert _cost(text, model="gpt-4o") == Decimal(1_100 * 7) / 10**6


def test_an_answer_from_the_cache_costs_nothing_by_any_rule() -> None:
    assert _cost(TOKENS, cache_hit=True) == 0


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.decimals(0, 1000, places=4))
def test_the_price_of_tokens_is_the_sum_of_its_parts(
    input_tokens: int, output_tokens: int, per_million: Decimal
) -> None:
    text = f"[[price]]\ninput_usd_per_million = {per_million}\noutput_usd_per_million = 3\n"
    usage = Usage(input_tokens=input_tokens, output_tokens=output_tokens)
    assert _cost(text, usage=usage) == (
        per_million / 10**6 * input_tokens + Decimal(3) / 10**6 * output_tokens
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[price]]\n", "price 1: no price; give input_usd_per_million"),
        ("[[price]]\nfactor = 1\n[[price]]\nfactor = -1\n", "price 2: factor is -1"),
        ("[[price]]\nusd_per_second = nan\n", "price 1: usd_per_second is NaN"),
        ("[[price]]\ninput_usd_per_million = 1\n", "need input_usd_per_million and output"),
        ('[[price]]\nfactor = 1\nmodle = "x"\n', "price 1: unknown 'modle', expected"),
        ("[[price]]\nfactor = 1\nmodel = 4\n", "price 1: model is 4, expected a name"),
        ('[[price]]\nfactor = 1\nfrom = "May"\n', "price 1: from is 'May', expected a day"),
        ("[price]\nfactor = 1\n", "expected [[price]] entries"),
        ("price = [1]\n", "price 1: expected a [[price]] table"),
        ("[[price]\n", "no TOML: "),
    ],
)
def test_what_means_nothing_is_told_with_its_entry(text: str, message: str) -> None:
    with pytest.raises(SettingsError) as raised:
        parse_prices(text, name="prices.toml")
    assert str(raised.value).startswith("prices.toml: ")
    assert message in str(raised.value)


def test_a_file_that_is_not_there_is_told_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"nowhere\.toml"):
        read_prices(tmp_path / "nowhere.toml")
