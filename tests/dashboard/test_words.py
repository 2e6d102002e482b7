"""How numbers are written, and that text from traces cannot act."""

from __future__ import annotations

import doctest
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longpole.dashboard import words


def test_the_examples_in_the_docstrings_hold() -> None:
    outcome = doctest.testmod(words)

    assert outcome.attempted >= 10
    assert outcome.failed == 0


@pytest.mark.parametrize(
    ("length_ns", "written"),
    [
        (999_499, "999 µs"),
        (999_500, "1.0 ms"),
        (99_949_999, "99.9 ms"),
        (99_950_000, "100 ms"),
        (999_499_999, "999 ms"),
        (999_500_000, "1.00 s"),
        (9_994_999_999, "9.99 s"),
        (9_995_000_000, "10.0 s"),
        (59_949_999_999, "59.9 s"),
        (59_950_000_000, "1m 00s"),
        (3_599_499_999_999, "59m 59s"),
        (3_599_500_000_000, "1h 00m"),
        (-5_000_000, "−5.0 ms"),
    ],
)
def test_durations_round_into_the_next_unit(length_ns: int, written: str) -> None:
    assert words.duration(length_ns) == written


@given(st.integers(0, 10**16), st.integers(0, 10**16))
def test_durations_are_short(one: int, other: int) -> None:
    assert len(words.duration(one)) <= 9


@given(st.decimals(0, 10**9, places=9))
def test_money_is_never_written_as_nothing_unless_it_is(amount: Decimal) -> None:
    assert (words.usd(amount) == "$0") is (amount == 0)


@given(st.text())
def test_plain_text_holds_nothing_that_acts_on_a_terminal(text: str) -> None:
    kept = words.plain(text)

    assert not any(ord(character) < 32 or 127 <= ord(character) < 160 for character in kept)


def test_escapes_are_shown_instead_of_run() -> None:
    assert words.plain("\x1b]52;c;x\x07") == "\\x1b]52;c;x\\x07"
    assert words.plain("\u202eabc") == "\\u202eabc"
    assert words.plain("naïve – ×3") == "naïve – ×3"
