"""`longpole reprice`: costs of recorded runs at the prices of now."""

from __future__ import annotations

import contextlib
import time
from typing import Any

import click
from rich.console import Console
from rich.progress import Progress
from rich.text import Text

from longpole.dashboard import words
from longpole.dashboard.cli.options import json_option, parsed_filter, store_option, write_json
from longpole.dashboard.cli.table import column, table
from longpole.dashboard.cli.terminal import console
from longpole.dashboard.prices import price_book, prices_path
from longpole.dashboard.repricing import Repriced, Repricing
from longpole.dashboard.repricing import reprice as reprice_runs
from longpole.storage import RunQuery, open_store

_Row = tuple[tuple[str | None, str | None], Repriced]


@click.command()
@store_option
@json_option
@click.argument("words_of_filter", metavar="[FILTER]...", nargs=-1)
@click.option("--dry-run", is_flag=True, help="Only say what would change.")
def reprice(store: str, as_json: bool, words_of_filter: tuple[str, ...], dry_run: bool) -> None:
    """Compute costs anew and say what changed.

    Costs are kept when a run is first looked at. After a change of your price file, or with newer
    public prices, this prices recorded calls again, each as on its own day; FILTER chooses runs.
    """
    query = RunQuery(where=parsed_filter(" ".join(words_of_filter)))
    book = price_book()
    opened = open_store(store, mode="read" if dry_run else "change")
    with contextlib.closing(opened), Progress(console=Console(stderr=True), transient=True) as bar:
        run_ids = opened.run_ids(query)
        task = bar.add_task("pricing", total=len(run_ids))
        outcome = reprice_runs(
            opened,
            run_ids,
            book=book,
            now_ns=time.time_ns(),
            saves=not dry_run,
            advance=lambda: bar.advance(task),
        )
    if as_json:
        write_json(_document(outcome, dry_run=dry_run))
    else:
        _print(outcome, console(), dry_run=dry_run)


def _print(outcome: Repricing, out: Console, *, dry_run: bool) -> None:
    total = outcome.total
    changed = words.count(outcome.changed_runs, "run")
    verb = "would cost" if dry_run else "now costs" if outcome.changed_runs == 1 else "now cost"
    out.print(
        f"{changed} of {outcome.runs:,} {verb} something else: "
        f"{words.cost(total.before_usd, total.unpriced_before)} → "
        f"{words.cost(total.after_usd, total.unpriced_after)}"
        if outcome.changed_runs
        else f"No cost changes: {words.count(outcome.runs, 'run')} looked at, "
        f"{words.cost(total.after_usd, total.unpriced_after)}.",
        highlight=False,
    )
    if outcome.unreadable_runs:
        out.print(f"{words.count(outcome.unreadable_runs, 'run')} could not be read.")
    rows = [(key, one) for key, one in outcome.models.items() if one.calls]
    rows.sort(key=lambda row: -abs(row[1].after_usd - row[1].before_usd))
    for line in table(_columns(rows), out.width) if rows else ():
        out.print(line, no_wrap=True, overflow="crop")
    if total.unpriced_after:
        out.print(Text(f"Prices of your own go into {prices_path()}: docs/prices.md", style="dim"))


def _columns(rows: list[_Row]) -> list[Any]:
    return [
        column("provider", rows, lambda row: words.plain(row[0][0] or "unknown"), need=1),
        column("model", rows, lambda row: words.plain(row[0][1] or "unknown")),
        column("calls changed", rows, lambda row: f"{row[1].calls:,}", is_number=True),
        column("before", rows, lambda row: _cost(row[1].before_usd, row[1].unpriced_before)),
        column("after", rows, lambda row: _cost(row[1].after_usd, row[1].unpriced_after)),
    ]


def _cost(amount: Any, unpriced: int) -> str:
    return words.cost(amount, unpriced)


def _document(outcome: Repricing, *, dry_run: bool) -> dict[str, Any]:
    return {
        "schema": 1,
        "dry_run": dry_run,
        "runs": outcome.runs,
        "changed_runs": outcome.changed_runs,
        "unreadable_runs": outcome.unreadable_runs,
        "total": _repriced(outcome.total),
        "models": [
            {"provider": provider, "model": model, **_repriced(one)}
            for (provider, model), one in outcome.models.items()
        ],
    }


def _repriced(one: Repriced) -> dict[str, Any]:
    return {
        "calls": one.calls,
        "before_usd": f"{one.before_usd:f}",
        "after_usd": f"{one.after_usd:f}",
        "unpriced_before": one.unpriced_before,
        "unpriced_after": one.unpriced_after,
    }
