"""How long to wait: as long as asked, else longer each time, and never for nonsense."""

from __future__ import annotations

import datetime
import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longpole.storage.exchange import patience
from longpole.storage.exchange.patience import asked_s, wait_s

NOW = datetime.datetime(2026, 11, 25, 12, 0, 0, tzinfo=datetime.UTC)


def waited(failures: int, retry_after: str | None, chance: float = 1.0) -> float:
    return wait_s(failures, retry_after, random=lambda: chance, now=NOW)


def test_waits_double_up_to_a_bound() -> None:
    assert [waited(failures, None) for failures in (1, 2, 3, 40)] == [0.5, 1.0, 2.0, 30.0]


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        ("7", 7.0),
        ("100000", 120.0),
        ("Wed, 25 Nov 2026 12:00:09 GMT", 9.0),
        ("Wed, 25 Nov 2026 11:00:00 GMT", 0.0),
    ],
)
def test_a_server_that_asks_is_obeyed_within_reason(told: str, seconds: float) -> None:
    assert waited(1, told) == seconds


@given(told=st.text(max_size=20) | st.sampled_from(["nan", "inf", "-1", "1e9", ""]))
def test_nonsense_is_passed_over(told: str) -> None:
    assert 0 <= waited(3, told) <= 120
    assert asked_s(told, None) is None or told.strip().isdecimal()


def test_the_examples_in_the_code_hold() -> None:
    assert doctest.testmod(patience).failed == 0
