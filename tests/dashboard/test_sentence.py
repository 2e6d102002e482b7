from __future__ import annotations

from longpole.analysis import analyse
from longpole.dashboard.sentence import long_pole, sentence
from longpole.model import Run
from tests.browser import stories

_NOW_NS = stories.START_NS + 60_000 * stories.MS


def _text(run: Run) -> str:
    phrases = sentence(analyse(run, now_ns=_NOW_NS))
    return " · ".join(f"{phrase.words} {phrase.name}".strip() for phrase in phrases)


def test_a_panel_is_told_by_its_long_pole() -> None:
    text = _text(stories.panel(1))

    assert text.startswith("2.30 s · 69 % in experts[claude] · ")
    assert "of a possible" in text
    assert text.endswith("$0.047")


def test_a_run_that_goes_on_is_told_so_far() -> None:
    assert _text(stories.running(1, start_ns=stories.START_NS)).startswith("1m 00s so far")


def test_the_long_pole_is_the_branch_with_most_time_on_the_path() -> None:
    run = stories.panel(1)
    found = long_pole(analyse(run, now_ns=_NOW_NS))

    assert found is not None
    assert found[1].key == "claude"
