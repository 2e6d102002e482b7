"""`longpole doctor`: what is wrong with my set-up."""

from __future__ import annotations

import os
import textwrap
import time

import click
from rich.text import Text

from longpole.dashboard.cli.options import json_option, store_option, write_json
from longpole.dashboard.cli.terminal import console
from longpole.dashboard.health import Finding, Verdict, examine
from longpole.storage import open_store
from longpole.storage.urls import spool_path

_MARKS = {
    Verdict.OK: Text("✓", "green"),
    Verdict.NOTE: Text("!", "yellow"),
    Verdict.PROBLEM: Text("✗", "red"),
}
_SUBJECT_WIDTH = 14


@click.command(short_help="Look for what is wrong with a set-up.")
@store_option
@json_option
@click.option("--thorough", is_flag=True, help="Read every page of the store.")
@click.pass_context
def doctor(context: click.Context, store: str, as_json: bool, thorough: bool) -> None:
    """Look for what is wrong: store, spool, lost spans, clocks, prices, versions.

    Exit code 1 when a problem was found; notes are no problems.
    """
    findings = list(
        examine(
            lambda: open_store(store, mode="read"),
            path=spool_path(store),
            environ=sorted(os.environ.items()),
            now_ns=time.time_ns(),
            is_thorough=thorough,
        )
    )
    if as_json:
        write_json({"schema": 1, "findings": [_document(finding) for finding in findings]})
    else:
        _print(findings)
    if any(finding.verdict is Verdict.PROBLEM for finding in findings):
        context.exit(1)


def _print(findings: list[Finding]) -> None:
    out = console()
    for finding in findings:
        mark = Text.assemble(_MARKS[finding.verdict], " ", f"{finding.subject:<{_SUBJECT_WIDTH}}")
        for line in _wrapped(finding.told, out.width):
            out.print(mark + Text(line), soft_wrap=True)
            mark = Text(" " * (_SUBJECT_WIDTH + 2))
        if finding.advice:
            out.print(Text(" " * (_SUBJECT_WIDTH + 2) + finding.advice, "dim"), soft_wrap=True)


def _wrapped(told: str, width: int) -> list[str]:
    """Return lines that fit beside the subject; what has no spaces, as a path, stays whole."""
    room = max(20, width - _SUBJECT_WIDTH - 2)
    return textwrap.wrap(told, room, break_long_words=False, break_on_hyphens=False) or [""]


def _document(finding: Finding) -> dict[str, str]:
    return {
        "subject": finding.subject,
        "verdict": finding.verdict.value,
        "told": finding.told,
        "advice": finding.advice,
    }
