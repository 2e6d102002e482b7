"""`longpole show RUN`: one run in the terminal, or as JSON."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

import click
from rich.console import Console
from rich.text import Text

from longpole.analysis.result import Branch, Dependencies, FanOut, RunAnalysis, Segment, SegmentKind
from longpole.dashboard import words
from longpole.dashboard.cli.marks import STATUS_MARKS, STATUS_STYLES
from longpole.dashboard.cli.options import json_option, store_option, write_json
from longpole.dashboard.cli.table import Column, column, table
from longpole.dashboard.cli.terminal import console
from longpole.dashboard.cli.waterfall import LEGEND, ROWS_SHOWN, draw, rows_of
from longpole.dashboard.documents import show_document
from longpole.dashboard.labels import placed_label
from longpole.dashboard.prices import price_book
from longpole.dashboard.sentence import sentence
from longpole.dashboard.settle import look_at
from longpole.model.run import Status
from longpole.storage import open_store

_SEGMENTS_SHOWN: Final = 15
_BRANCHES_SHOWN: Final = 12
_REASONS_SHOWN: Final = 4
_ERROR_SHOWN: Final = 400


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
        analysis = look_at(opened, opened.resolve(run), book=price_book(), now_ns=time.time_ns())
    finally:
        opened.close()
    if as_json:
        write_json(show_document(analysis))
    else:
        print_run(analysis, console(), whole=whole)


def print_run(analysis: RunAnalysis, out: Console, *, whole: bool = False) -> None:
    """Write a run to a console."""
    _head(analysis, out, whole=whole)
    rows = rows_of(analysis, limit=None if whole else ROWS_SHOWN)
    for line in draw(analysis, rows, out.width):
        out.print(line, no_wrap=True, overflow="crop")
    out.print(Text(LEGEND, style="dim"))
    _path(analysis, out, whole=whole)
    for fan_out in analysis.fan_outs:
        _branches(analysis, fan_out, out, whole=whole)


def _head(analysis: RunAnalysis, out: Console, *, whole: bool) -> None:
    run, facts = analysis.run, analysis.facts
    title = Text(words.plain(run.name), style="bold")
    title.append(f"  {STATUS_MARKS[run.status]} {run.status.value}", STATUS_STYLES[run.status])
    out.print(title)
    out.print(Text(f"{run.run_id}  {words.moment(run.root.start_ns)}", "dim"))
    phrases = (
        " ".join(part for part in (phrase.words, words.plain(phrase.name)) if part)
        for phrase in sentence(analysis)
    )
    out.print(Text(" · ".join(phrases)))
    error = run.root.error
    if error is not None:
        told = f"{words.plain(error.type)}: {words.plain(error.message)}"
        out.print(Text(told if whole else words.shortened(told, _ERROR_SHOWN), style="red"))
    if facts.unpriced_calls:
        out.print(
            Text(
                f"{words.count(facts.unpriced_calls, 'call')} unpriced: {_reasons(analysis)}",
                style="dim",
            )
        )
    swapped = [span for span in run.spans if span.result_swapped]
    if swapped:
        named = ", ".join(words.plain(words.span_label(span)) for span in swapped[:_REASONS_SHOWN])
        out.print(
            Text(
                f"wrong result: the last try of {named} failed, yet another row's result was "
                "returned for it (a defect of with_retry in batches)",
                style="yellow",
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
    return ", ".join(list(reasons)[:_REASONS_SHOWN] + ["…"] * (len(reasons) > _REASONS_SHOWN))


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
    _print_table(_path_columns(analysis, shown), out)
    if len(shown) < len(segments):
        left = sum(one.length_ns for one in segments) - sum(one.length_ns for one in shown)
        counted = words.count(len(segments) - len(shown), "shorter segment")
        told = f"{counted} left out, {words.duration(left)} in all; --all shows them"
        out.print(Text(told, style="dim"))


def _path_columns(analysis: RunAnalysis, segments: Sequence[Segment]) -> tuple[Column, ...]:
    run = analysis.run
    wall_ns = max(1, analysis.facts.wall_ns)

    def span(segment: Segment) -> Text:
        label = words.plain(placed_label(run, run.span_by_id[segment.span_id]))
        return Text(("~" if segment.inferred else "") + label)

    def note(segment: Segment) -> Text:
        what = "" if segment.kind is SegmentKind.WORK else segment.kind.value
        tied = f"tied with {len(segment.tied_with)} more" if segment.tied_with else ""
        return Text(_joined(what, tied), style="dim")

    return (
        column("share", segments, lambda one: words.share(one.length_ns / wall_ns), is_number=True),
        column("for", segments, lambda one: words.duration(one.length_ns), is_number=True),
        column(
            "from",
            segments,
            lambda one: f"+{words.duration(one.start_ns - run.root.start_ns)}",
            is_number=True,
            need=2,
        ),
        column("span", segments, span),
        column("", segments, note, need=1),
    )


def _print_table(columns: Sequence[Column], out: Console) -> None:
    for line in table(columns, out.width):
        out.print(line, soft_wrap=True)


def _longest(segments: tuple[Segment, ...]) -> tuple[Segment, ...]:
    if len(segments) <= _SEGMENTS_SHOWN:
        return segments
    kept = set(
        sorted(range(len(segments)), key=lambda at: -segments[at].length_ns)[:_SEGMENTS_SHOWN]
    )
    return tuple(segment for at, segment in enumerate(segments) if at in kept)


def _branches(analysis: RunAnalysis, fan_out: FanOut, out: Console, *, whole: bool) -> None:
    span = analysis.run.span_by_id[fan_out.span_id]
    limit = "no limit" if fan_out.limit is None else f"limit {fan_out.limit:,}"
    if fan_out.limit_ignored is not None:
        limit += f"; limit {fan_out.limit_ignored:,} was asked for and is ignored"
    out.print()
    head = Text(f"{fan_out.kind.value} {words.plain(words.span_label(span))}", style="bold")
    head.append(
        f"  {len(fan_out.branches):,} branches, {fan_out.peak:,} at once ({limit}), "
        f"imbalance {words.times(fan_out.imbalance_ratio)}",
        "dim",
    )
    out.print(head)
    shown = _told_first(fan_out)
    if not whole:
        shown = shown[:_BRANCHES_SHOWN]
    _print_table(_branch_columns(fan_out, shown), out)
    if len(shown) < len(fan_out.branches):
        counted = words.count(len(fan_out.branches) - len(shown), "more branch", "more branches")
        out.print(Text(f"{counted} left out; --all shows them", style="dim"))


def _branch_columns(fan_out: FanOut, branches: Sequence[Branch]) -> tuple[Column, ...]:
    def key(branch: Branch) -> Text:
        is_pole = branch.span_id == fan_out.long_pole
        return Text(words.plain(branch.key), style="bold" if is_pole else "")

    def mark(branch: Branch) -> Text:
        if branch.status is Status.OK:
            return Text()
        return Text(STATUS_MARKS[branch.status], STATUS_STYLES[branch.status])

    def note(branch: Branch) -> Text:
        is_pole = branch.span_id == fan_out.long_pole
        told = _joined("long pole" * is_pole, "straggler" * branch.straggler)
        return Text(told, style="dim")

    def slack(branch: Branch) -> str:
        return "any" if branch.slack_ns is None else words.duration(branch.slack_ns)

    return (
        column("branch", branches, key),
        column("", branches, mark, is_whole=True),
        column(
            "took", branches, lambda one: words.duration(one.end_ns - one.start_ns), is_number=True
        ),
        column("queued", branches, lambda one: _some(one.queue_wait_ns), is_number=True, need=4),
        column("on path", branches, lambda one: _some(one.on_path_ns), is_number=True, need=3),
        column("slack", branches, slack, is_number=True),
        column("drag", branches, lambda one: _some(one.drag_ns), is_number=True),
        column("tries", branches, lambda one: str(one.attempts), is_number=True, need=1),
        column("cost", branches, lambda one: words.cost(one.cost_usd, 0), is_number=True, need=2),
        column("", branches, note, need=5),
    )


def _some(length_ns: int | None) -> str:
    return words.duration(length_ns) if length_ns else "–"


def _told_first(fan_out: FanOut) -> list[Branch]:
    """Return the branches: the long pole, what went wrong, then the others, slowest first."""
    return sorted(
        fan_out.branches,
        key=lambda one: (
            one.span_id != fan_out.long_pole,
            one.status is Status.OK,
            one.start_ns - one.end_ns,
        ),
    )


def _joined(*notes: str) -> str:
    return ", ".join(note for note in notes if note)
