"""`longpole runs`: the list of runs."""

from __future__ import annotations

import time
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import click
from rich.table import Table
from rich.text import Text

from longpole.dashboard import words
from longpole.dashboard.cli.marks import STATUS_MARKS, STATUS_STYLES
from longpole.dashboard.cli.options import json_option, store_option, write_json
from longpole.dashboard.cli.terminal import console
from longpole.dashboard.documents import run_object
from longpole.dashboard.settle import look_at, settle
from longpole.model.errors import StoreError
from longpole.model.pricing import PriceBook
from longpole.model.run import Status
from longpole.storage import RunOrder, RunPage, RunQuery, RunRow, Store, open_store

Object = Mapping[str, Any]

_ID_DIGITS: Final = 8
_EVERY_RUN: Final = 1_000_000_000


@click.command()
@store_option
@json_option
@click.option("--limit", type=click.IntRange(1, 100_000), default=20, show_default=True)
@click.option("--name", help="Only runs of this chain.")
@click.option(
    "--status",
    "statuses",
    type=click.Choice([status.value for status in Status]),
    multiple=True,
    help="Only runs that ended so; may be given several times.",
)
@click.option("--text", help="Only runs with this text in their name or error.")
@click.option(
    "--order",
    type=click.Choice([order.value for order in RunOrder]),
    default=RunOrder.START.value,
    show_default=True,
    help="Largest first, newest first.",
)
def runs(
    store: str,
    as_json: bool,
    limit: int,
    name: str | None,
    statuses: tuple[str, ...],
    text: str | None,
    order: str,
) -> None:
    """List runs, newest first."""
    query = RunQuery(
        name=name,
        status=tuple(Status(status) for status in statuses),
        text=text,
        order=RunOrder(order),
        limit=limit,
    )
    now_ns = time.time_ns()
    opened = open_store(store, mode="read")
    try:
        page, objects = _looked_up(opened, query, now_ns)
    finally:
        opened.close()
    if as_json:
        write_json({"runs": objects})
    else:
        _print(page, objects, now_ns, store)


def _looked_up(store: Store, query: RunQuery, now_ns: int) -> tuple[RunPage, list[Object]]:
    book = PriceBook()
    if store.unsettled_runs(1):
        # Everything must be settled before it can be ordered by what was computed.
        by_start = query.order is RunOrder.START
        _settle(store.url, book, now_ns, query.limit if by_start else _EVERY_RUN)
    page = store.list_runs(query)
    return page, [_object(store, row, book, now_ns) for row in page.rows]


def _settle(url: str, book: PriceBook, now_ns: int, limit: int) -> None:
    """Keep what is computed, where it can be kept; a store on a read-only disk is still listed."""
    try:
        writable = open_store(url, mode="write")
    except StoreError:
        return
    try:
        settle(writable, book=book, now_ns=now_ns, limit=limit)
    finally:
        writable.close()


def _object(store: Store, row: RunRow, book: PriceBook, now_ns: int) -> Object:
    """Return a row's run object; computed now for a run that is still changing."""
    if row.summary is not None and row.is_settled:
        # A run that was running when it was settled may have been lost since.
        return {**row.summary, "status": row.status.value}
    return run_object(look_at(store, row.run_id, book=book, now_ns=now_ns))


def _print(page: RunPage, objects: list[Object], now_ns: int, store: str) -> None:
    out = console()
    if not objects:
        out.print(f"no runs in {words.plain(store)}")
        if page.total == 0:
            out.print("record some with: longpole demo --record-only")
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for heading, justify in (
        ("run", "left"),
        ("when", "right"),
        ("", "left"),
        ("chain", "left"),
        ("wall", "right"),
        ("speed-up", "right"),
        ("calls", "right"),
        ("retries", "right"),
        ("tokens", "right"),
        ("cost", "right"),
    ):
        table.add_column(
            heading,
            justify=justify,  # type: ignore[arg-type]
            no_wrap=True,
            overflow="ellipsis",
            ratio=1 if heading == "chain" else None,
            min_width=10 if heading == "chain" else None,
        )
    for one in objects:
        table.add_row(*_cells(one, now_ns))
    out.print(table)
    if page.total > len(objects):
        out.print(Text(f"{len(objects)} of {page.total:,} runs; more with --limit", style="dim"))


def _cells(one: Object, now_ns: int) -> list[Text]:
    status = Status(one["status"])
    usage = one["usage"]
    cost = None if one["cost_usd"] is None else Decimal(one["cost_usd"])
    is_parallel = one["peak_concurrency"] > 1
    return [
        Text(one["run_id"][:_ID_DIGITS], style="cyan"),
        Text(words.ago(one["start_ns"], now_ns), style="dim"),
        Text(f"{STATUS_MARKS[status]} {status.value}", style=STATUS_STYLES[status]),
        Text(words.plain(one["name"])),
        Text(words.duration(one["wall_ns"])),
        Text(words.times(one["speedup_ratio"]) if is_parallel else "–"),
        Text(str(one["llm_calls"] or "–")),
        Text(str(one["retries"] or "–"), style="yellow" if one["retries"] else ""),
        Text(words.tokens(usage["input_tokens"] + usage["output_tokens"])),
        Text(words.cost(cost, one["unpriced_calls"])),
    ]
