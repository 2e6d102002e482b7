"""Controls and changes say the same."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from longpole.analysis.change_text import describe, parse_change
from longpole.analysis.changes import Change, Faster, Limit, Time, Timeout
from longpole.dashboard.turning import (
    AS_RECORDED,
    NO_TIME,
    put,
    speed_of,
    speed_text,
    speeds,
    with_speed,
)

_CHANGES = st.lists(
    st.sampled_from(
        [
            Faster(target="a", ratio=Fraction(2)),
            Time(target="a", length_ns=0),
            Limit(target="a", places=None),
            Faster(target="b", ratio=Fraction(3)),
            Timeout(target="b", length_ns=10**9),
        ]
    ),
    max_size=4,
)


@given(_CHANGES, st.sampled_from(speeds(AS_RECORDED)))
def test_a_slider_shows_what_it_was_set_to_and_changes_nothing_else(
    changes: list[Change], ratio: Fraction
) -> None:
    turned = with_speed(changes, "a", ratio)

    assert speed_of(turned, "a") == ratio
    others = [one for one in changes if not isinstance(one, Faster | Time) or one.target != "a"]
    assert [one for one in turned if one in others] == others


def test_every_place_of_the_slider_is_a_change_that_can_be_written() -> None:
    for ratio in speeds(AS_RECORDED):
        for change in with_speed([], "gemini", ratio):
            assert parse_change(describe(change)) == change


def test_a_speed_that_was_typed_has_its_own_place() -> None:
    places = speeds(Fraction(7))

    assert Fraction(7) in places
    assert places[-1] == NO_TIME
    assert list(places[:-1]) == sorted(places[:-1])


def test_the_slider_says_slower_and_faster_in_words() -> None:
    assert speed_text(Fraction(1, 2)) == "2.0× as slow"
    assert speed_text(NO_TIME) == "no time"


def test_taking_a_change_out_leaves_the_others() -> None:
    limit = Limit(target="a", places=3)

    assert put([limit, Faster(target="a", ratio=Fraction(2))], "a", (Faster,), None) == (limit,)
