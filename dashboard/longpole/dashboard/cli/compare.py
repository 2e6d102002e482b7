"""`longpole compare`: what made the second run, or set of runs, slower, dearer or less reliable."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

import click
from rich.console import Console
from rich.text import Text

from longpole.analysis.compare import Pair, RunComparison
from longpole.analysis.compare import compare as compare_runs
from longpole.dashboard import words
from longpole.dashboard.cli.compare_sets import compare_two_sets
from longpole.dashboard.cli.options import (
    json_option,
    newest_option,
    parsed_filter,
    store_option,
    write_json,
)
from longpole.dashboard.cli.table import column, table
from longpole.dashboard.cli.terminal import console
from longpole.dashboard.difference import (
    place_of,
    side_by_side,
    signed_duration,
    signed_usd,
    verdict,
    what_counts,
)
from longpole.dashboard.documents import compare_document
from longpole.dashboard.prices import price_book
from longpole.dashboard.settle import look_at
from longpole.storage import open_store

_ROWS_SHOWN: Final = 20


@click.command(short_help="Compare two runs, or two sets of runs.")
@click.argument("before", required=False)
@click.argument("after", required=False)
@store_option
@json_option
@click.option("--all", "whole", is_flag=True, help="Leave out nothing that differs.")
@click.option(
    "--before",
    "filter_before",
    metavar="FILTER",
    help="Compare sets: the runs before, 'name:panel until:2d', as in `longpole runs`.",
)
@click.option("--after", "filter_after", metavar="FILTER", help="And the runs after.")
@newest_option(told="Of sets, how many runs are looked at on each side, the newest first.")
def compare(
    before: str | None,
    after: str | None,
    store: str,
    as_json: bool,
    whole: bool,
    filter_before: str | None,
    filter_after: str | None,
    limit: int,
) -> None:
    """Compare two runs, or two sets of runs: what made the second slower, dearer, less reliable.

    BEFORE and AFTER are ids of runs, beginnings of them, or `last`. The differences on the critical
    path add up to the difference of the walls. With --before and --after two sets are compared, and
    what can be chance is said to be:

    longpole compare --before 'tag:v1' --after 'tag:v2'
    """
    most = None if whole else _ROWS_SHOWN
    if filter_before is not None and filter_after is not None and before is None:
        sets = parsed_filter(filter_before), parsed_filter(filter_after)
        compare_two_sets(store, *sets, limit=limit, as_json=as_json, most=most)
    elif before is not None and after is not None and filter_before is filter_after is None:
        _compare_two_runs(store, before, after, as_json=as_json, most=most)
    else:
        raise click.UsageError("name two runs, or two sets of runs by --before and --after")


def _compare_two_runs(
    store: str, before: str, after: str, *, as_json: bool, most: int | None
) -> None:
    opened = open_store(store, mode="read")
    try:
        book, now_ns = price_book(), time.time_ns()
        one, other = (
            look_at(opened, opened.resolve(run), book=book, now_ns=now_ns)
            for run in (before, after)
        )
    finally:
        opened.close()
    comparison = compare_runs(one, other)
    if as_json:
        write_json(compare_document(comparison))
    else:
        print_comparison(comparison, console(), limit=most)


def print_comparison(comparison: RunComparison, out: Console, *, limit: int | None) -> None:
    """Write two runs side by side to a console."""
    for word, analysis in (("before", comparison.before), ("after ", comparison.after)):
        run = analysis.run
        line = Text(f"{word}  ", style="dim")
        line.append(words.plain(run.name), style="bold")
        line.append(f"  {run.run_id[:8]}  {words.moment(run.root.start_ns)}", style="dim")
        out.print(line)
    out.print(Text(" · ".join(verdict(comparison))))
    told = what_counts(comparison)
    if not told:
        out.print(Text("no span differs on the critical path", style="dim"))
        return
    out.print()
    _print_pairs(comparison, told[:limit], out)
    left = told[limit:] if limit is not None else ()
    if left:
        left_ns = sum(pair.path_delta_ns for pair in left)
        counted = words.count(len(left), "span")
        out.print(
            Text(f"{counted} left out, {signed_duration(left_ns)} in all; --all shows them", "dim")
        )


def _print_pairs(comparison: RunComparison, rows: Sequence[Pair], out: Console) -> None:
    sides = [side_by_side(pair) for pair in rows]
    columns = (
        column("span", rows, lambda pair: words.plain(place_of(comparison, pair))),
        column("before", sides, lambda side: side[0], is_number=True, need=3),
        column("after", sides, lambda side: side[1], is_number=True, need=4),
        column("on the path", rows, _path_delta, is_number=True),
        column("cost", rows, lambda pair: signed_usd(pair.cost_delta_usd), is_number=True, need=2),
        column("", sides, lambda side: side[2], need=1),
    )
    for line in table(columns, out.width):
        out.print(line, soft_wrap=True)


def _path_delta(pair: Pair) -> Text:
    style = "red" if pair.path_delta_ns > 0 else "green" if pair.path_delta_ns < 0 else ""
    return Text(signed_duration(pair.path_delta_ns), style=style)
