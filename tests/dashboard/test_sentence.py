from __future__ import annotations

from collections.abc import Iterator

from longpole.analysis import analyse
from longpole.dashboard.sentence import long_pole, sentence
from longpole.model import Kind, Run, Span, SpanError, Status, assemble
from tests.browser import stories

_NOW_NS = stories.START_NS + 60_000 * stories.MS


def _text(run: Run) -> str:
    phrases = sentence(analyse(run, now_ns=_NOW_NS))
    return " · ".join(f"{phrase.words} {phrase.name}".strip() for phrase in phrases)


def test_a_panel_is_told_by_its_long_pole() -> None:
    text = _text(stories.panel(1))

    assert text.startswith("2.30 s · 69 % in claude · ")
    assert "of a possible" in text
    assert text.endswith("$0.047")


def test_a_run_that_goes_on_is_told_so_far() -> None:
    assert _text(stories.running(1, start_ns=stories.START_NS)).startswith("1m 00s so far")


def test_the_long_pole_is_the_branch_with_most_time_on_the_path() -> None:
    run = stories.panel(1)
    found = long_pole(analyse(run, now_ns=_NOW_NS))

    assert found is not None
    assert found.label == "claude"
    assert [branch.key for branch in found.branches] == ["claude"]


def test_branches_that_take_turns_under_a_limit_are_told_together() -> None:
    run = stories.wide(1, branches=40)
    found = long_pole(analyse(run, now_ns=_NOW_NS))

    assert found is not None
    assert found.label == "summarise[*]"
    assert found.alike == 40
    assert found.on_path_ns == sum(branch.on_path_ns for branch in found.branches)
    assert found.on_path_ns > 0.9 * (run.root.end_ns or 0) - 0.9 * run.root.start_ns
    assert f" % in {len(found.branches)} of 40 summarise[*] · " in _text(run)


def test_a_run_that_failed_says_of_what_and_where() -> None:
    assert _text(stories.failing(1)).startswith("1.25 s · failed: RateLimitError in tone › ")


def test_a_failure_is_followed_to_the_branch_that_it_came_from() -> None:
    def spans() -> Iterator[Span]:
        for number, (name, kind) in enumerate(
            (("run", "b.Late"), ("first", "a.Early"), ("x", None))
        ):
            yield Span(
                span_id=f"{number:016x}",
                parent_span_id=None if number == 0 else f"{0:016x}",
                name=name,
                kind=Kind.CHAIN,
                start_ns=0,
                end_ns=100 - number,
                status=Status.ERROR,
                error=SpanError(type=kind or "b.Late", message=""),
            )

    assert " · failed: Late in x" in _text(assemble("0" * 32, list(spans())))


def test_a_lost_run_is_told_as_far_as_it_was_seen() -> None:
    assert _text(stories.lost(1)).startswith("120 ms, then lost · ")
