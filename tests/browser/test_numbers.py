"""The drawing writes numbers in JavaScript, the page in Python; they must not differ."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from longpole.dashboard import words
from longpole.dashboard.web import waterfall

pytestmark = pytest.mark.browser

_SCRIPT = (Path(waterfall.__file__).parent / "numbers.js").read_text(encoding="utf-8")
_DURATIONS_NS = (
    *(0, 1, 412, 999, 1_000, 1_499, 9_994, 9_996, 412_000, 999_400, 999_600, 1_000_000),
    *(30_440_000, 99_940_000, 99_960_000, 928_000_000, 999_499_999, 999_500_000),
    *(2_330_000_000, 9_994_000_000, 59_990_000_000, 59_999_000_000, 60_000_000_000),
    *(402_000_000_000, 3_599_400_000_000, 3_600_000_000_000, 90_061_000_000_000),
)
_COSTS_USD = (
    "0.0000002",
    "0.043",
    "0",
    "0.00001",
    "0.00009",
    "0.000904",
    "0.0041",
    "0.00999",
    "0.01",
    "0.123",
    "0.999",
    "1",
    "8.82",
    "1234.5",
)
_TOKENS = (0, 546, 999, 1_000, 12_345, 99_999, 999_949, 999_950, 1_890_000)
_RATIOS = (0.0, 0.0001, 0.00049, 0.0006, 0.004, 0.081, 0.0995, 0.34, 0.999, 1.0)


@pytest.fixture(scope="module")
def in_javascript(browser: Browser) -> Iterator[Callable[[str, object], str]]:
    page = browser.new_page()
    page.evaluate(
        f"{_SCRIPT}; Object.assign(window, {{ durationText, usdText, tokensText, shareText }})"
    )

    def call(function: str, value: object) -> str:
        text: str = page.evaluate(f"value => window.{function}(value)", value)
        return text

    yield call
    page.close()


@pytest.mark.parametrize("duration_ns", _DURATIONS_NS)
def test_durations_agree(in_javascript: Callable[[str, object], str], duration_ns: int) -> None:
    assert in_javascript("durationText", duration_ns) == words.duration(duration_ns)


@pytest.mark.parametrize("cost", _COSTS_USD)
def test_costs_agree(in_javascript: Callable[[str, object], str], cost: str) -> None:
    assert in_javascript("usdText", float(cost)) == words.usd(Decimal(cost))


@pytest.mark.parametrize("tokens", _TOKENS)
def test_tokens_agree(in_javascript: Callable[[str, object], str], tokens: int) -> None:
    assert in_javascript("tokensText", tokens) == words.tokens(tokens)


@pytest.mark.parametrize("ratio", _RATIOS)
def test_shares_agree(in_javascript: Callable[[str, object], str], ratio: float) -> None:
    assert in_javascript("shareText", ratio) == words.share(ratio)
