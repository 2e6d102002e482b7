"""What names begin with is remembered, without remembering more than a bound."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from longpole.storage.exchange.dialects.keys import Beginnings

BEGINNINGS = ("llm.", "llm.input_messages.", "metadata.")
NAMES = st.sampled_from([*BEGINNINGS, "", "llm", "x"]).flatmap(
    lambda begin: st.text("abl.", max_size=200).map(lambda rest: begin + rest)
)


@given(st.lists(NAMES, max_size=20))
@settings(max_examples=50)
def test_a_name_begins_as_it_says_asked_once_or_twice(names: list[str]) -> None:
    begun = Beginnings(BEGINNINGS)

    for name in [*names, *names]:
        assert begun[name] == next((one for one in BEGINNINGS if name.startswith(one)), "")
    assert all(len(name) <= 128 for name in begun)


def test_no_more_than_some_thousand_names_are_remembered() -> None:
    begun = Beginnings(BEGINNINGS)

    assert {begun[f"llm.{number}"] for number in range(10_000)} == {"llm."}
    assert len(begun) == 4_096
