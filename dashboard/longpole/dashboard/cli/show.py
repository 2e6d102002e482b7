"""`longpole show RUN`: one run in the terminal, or as JSON."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Final

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from longpole.analysis.result import Dependencies, FanOut, RunAnalysis, Segment
from longpole.dashboard import words
from longpole.dashboard.cli.marks import STATUS_MARKS, STATUS_STYLES
from longpole.dashboard.cli.options import json_option, store_option, write_json
from longpole.dashboard.cli.terminal import console
from longpole.dashboard.cli.waterfall import ROWS_SHOWN, draw, rows_of
from longpole.dashboard.documents import show_document
from longpole.dashboard.labels import placed_label
from longpole.dashboard.sentence import sentence
from longpole.dashboard.settle import look_at
from longpole.model.pricing import PriceBook
from longpole.model.run import Status
from longpole.storage import open_store

_SEGMENTS_SHOWN: Final = 15
_BRANCHES_SHOWN: Final = 12


@click.command()
@click.argument("run")
@store_option
@json_option
@click.option("--all", "whole", is_flag=True, help="Fold and leave out nothing.")
def show(run: str, store: str, as_json: bool, whole: bool) -> None:
    """Show one run: waterfall, critical path, branches.

    RUN is a run's id, the beginning of one, or `last`.
    """
    opened = open_store(store, mode="read")
    try:
        analysis = look_at(opened, opened.resolve(run), book=PriceBook(), now_ns=time.time_ns())
    finally:
        opened.close()
    if as_json:
        write_json(show_document(analysis))
    else:
        print_run(analysis, console(), whole=whole)


def print_run(analysis: RunAnalysis, out: Console, *, whole: bool = False) -> None:
    """Write a run to a console."""
    _head(analysis, out)
    rows = rows_of(analysis, limit=None if whole else ROWS_SHOWN)
    for line in draw(analysis, rows, out.width):
        out.print(line, no_wrap=True, overflow="crop")
    _path(analysis, out, whole=whole)
    for fan_out in analysis.fan_outs:
        _branches(analysis, fan_out, out, whole=whole)


def _head(analysis: RunAnalysis, out: Console) -> None:
    run, facts = analysis.run, analysis.facts
    title = Text(words.plain(run.name), style="bold")
    title.append(f"  {STATUS_MARKS[run.status]} {run.status.value}", STATUS_STYLES[run.status])
    title.append(f"  {run.run_id}  {words.moment(run.root.start_ns)}", "dim")
    out.print(title)
    phrases = (
        " ".join(part for part in (phrase.words, words.plain(phrase.name)) if part)
        for phrase in sentence(analysis)
    )
    out.print(Text(" · ".join(phrases)))
    error = run.root.error
    if error is not None:
        out.print(Text(f"{words.plain(error.type)}: {words.plain(error.message)}", style="red"))
    if facts.unpriced_calls:
        out.print(
            Text(
                f"{words.count(facts.unpriced_calls, 'call')} unpriced: {_reasons(analysis)}",
                style="dim",
            )
        )
    for repair in run.repairs[:3]:
        out.print(Text(f"mended: {words.plain(repair)}", style="yellow"))
    out.print()


def _reasons(analysis: RunAnalysis) -> str:
    reasons: dict[str, None] = {}
    for span in analysis.run.spans:
        if span.unpriced is not None:
            named = f" {words.plain(span.model)}" if span.model else ""
            reasons[f"{span.unpriced}{named}"] = None
    return ", ".join(reasons)


def _table(*columns: tuple[str, str]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for heading, justify in columns:
        table.add_column(
            heading,
            justify="right" if justify == "right" else "left",
            no_wrap=True,
            overflow="ellipsis",
        )
    return table


def _path(analysis: RunAnalysis, out: Console, *, whole: bool) -> None:
    segments = analysis.critical_path
    how = {
        Dependencies.RECORDED: "",
        Dependencies.MIXED: ", partly inferred from times (~)",
        Dependencies.INFERRED: ", inferred from times (~)",
    }[analysis.facts.dependencies]
    out.print()
    out.print(Text(f"critical path{how}", style="bold"))
    shown = segments if whole else _longest(segments)
    table = _table(
        ("share", "right"), ("for", "right"), ("from", "right"), ("", "left"), ("", "left")
    )
    wall_ns = max(1, analysis.facts.wall_ns)
    for segment in shown:
        label = placed_label(analysis.run, analysis.run.span_by_id[segment.span_id])
        note = "" if segment.kind.value == "work" else segment.kind.value
        tied = f"tied with {len(segment.tied_with)} more" if segment.tied_with else ""
        table.add_row(
            words.share(segment.length_ns / wall_ns),
            words.duration(segment.length_ns),
            f"+{words.duration(segment.start_ns - analysis.run.root.start_ns)}",
            ("~" if segment.inferred else " ") + words.plain(label),
            Text(" ".join(part for part in (note, tied) if part), style="dim"),
        )
    out.print(table)
    if len(shown) < len(segments):
        left = sum(one.length_ns for one in segments) - sum(one.length_ns for one in shown)
        out.print(
            Text(
                f"{words.count(len(segments) - len(shown), 'shorter segment')} left out, "
                f"{words.duration(left)} in all; --all shows them",
                style="dim",
            )
        )


def _longest(segments: tuple[Segment, ...]) -> tuple[Segment, ...]:
    if len(segments) <= _SEGMENTS_SHOWN:
        return segments
    kept = set(
        sorted(range(len(segments)), key=lambda at: -segments[at].length_ns)[:_SEGMENTS_SHOWN]
    )
    return tuple(segment for at, segment in enumerate(segments) if at in kept)


def _branches(analysis: RunAnalysis, fan_out: FanOut, out: Console, *, whole: bool) -> None:
    span = analysis.run.span_by_id[fan_out.span_id]
    limit = "no limit" if fan_out.limit is None else f"limit {fan_out.limit}"
    out.print()
    head = Text(f"{fan_out.kind.value} {words.plain(words.span_label(span))}", style="bold")
    head.append(
        f"  {len(fan_out.branches)} branches, {fan_out.peak} at once ({limit}), "
        f"imbalance {words.times(fan_out.imbalance_ratio)}",
        "dim",
    )
    out.print(head)
    table = _table(
        ("branch", "left"),
        ("", "left"),
        ("took", "right"),
        ("queued", "right"),
        ("on path", "right"),
        ("slack", "right"),
        ("drag", "right"),
        ("tries", "right"),
        ("cost", "right"),
        ("", "left"),
    )
    slowest = sorted(fan_out.branches, key=lambda one: one.start_ns - one.end_ns)
    shown = slowest if whole else slowest[:_BRANCHES_SHOWN]
    for branch in shown:
        notes = _notes(
            (branch.span_id == fan_out.long_pole, "long pole"), (branch.straggler, "straggler")
        )
        table.add_row(
            Text(words.plain(branch.key), style="bold" if "long pole" in notes else ""),
            Text(
                "" if branch.status is Status.OK else STATUS_MARKS[branch.status],
                STATUS_STYLES[branch.status],
            ),
            words.duration(branch.end_ns - branch.start_ns),
            "–" if not branch.queue_wait_ns else words.duration(branch.queue_wait_ns),
            "–" if not branch.on_path_ns else words.duration(branch.on_path_ns),
            "any" if branch.slack_ns is None else words.duration(branch.slack_ns),
            "–" if not branch.drag_ns else words.duration(branch.drag_ns),
            str(branch.attempts),
            words.cost(branch.cost_usd, 0),
            Text(notes, style="dim"),
        )
    out.print(table)
    if len(shown) < len(fan_out.branches):
        left_out = len(fan_out.branches) - len(shown)
        counted = words.count(left_out, "quicker branch", "quicker branches")
        out.print(Text(f"{counted} left out; --all shows them", style="dim"))


def _notes(*notes: tuple[bool, str]) -> str:
    return _joined(text for holds, text in notes if holds)


def _joined(parts: Iterable[str]) -> str:
    return ", ".join(parts)
