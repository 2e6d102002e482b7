from __future__ import annotations

from longpole.dashboard.labels import branch_label, placed_label
from longpole.model import Kind, Run, Span
from tests.browser import stories


def _first(run: Run, *, kind: Kind | None = None, branch: str | None = None) -> Span:
    return next(
        span
        for span in run.spans
        if (kind is None or span.kind is kind) and (branch is None or span.branch == branch)
    )


def test_a_span_in_a_branch_says_which() -> None:
    run = stories.panel(1)

    assert placed_label(run, _first(run, kind=Kind.LLM)) == "claude › ChatAnthropic"


def test_a_span_outside_of_all_branches_stands_alone() -> None:
    run = stories.panel(1)

    assert placed_label(run, run.root) == "panel"


def test_a_numbered_branch_goes_by_its_name_and_number() -> None:
    run = stories.wide(1, branches=3)

    assert branch_label(_first(run, branch="2")) == "summarise[2]"
    assert placed_label(run, _first(run, kind=Kind.TOOL)) == "summarise[0] › load"


def test_a_named_branch_goes_by_its_key() -> None:
    assert branch_label(_first(stories.panel(1), branch="gpt")) == "gpt"
