"""`longpole runs`: the list of runs."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

import click
from rich.text import Text

from longpole.analysis import analyse
from longpole.dashboard import words
from longpole.dashboard.cli.marks import STATUS_MARKS, STATUS_STYLES
from longpole.dashboard.cli.options import json_option, parsed_filter, store_option, write_json
from longpole.dashboard.cli.table import Column, column, table
from longpole.dashboard.cli.terminal import console
from longpole.dashboard.listing import Object, looked_up
from longpole.dashboard.prices import price_book
from longpole.dashboard.sentence import long_pole
from longpole.model.run import Status
from longpole.storage import RunOrder, RunPage, RunQuery, Store, open_store
from longpole.storage.urls import shown_url

_ID_DIGITS: Final = 8
_POLES_SHOWN: Final = 50
_POLES_MAX_SPANS: Final = 2_000


@click.command()
@store_option
@json_option
@click.argument("words_of_filter", metavar="[FILTER]...", nargs=-1)
@click.option(
    "--limit", type=click.IntRange(1, 100_000), default=20, show_default=True, help="How many."
)
@click.option("--name", help="Only runs of this chain.")
@click.option(
    "--status",
    "statuses",
    type=click.Choice([status.value for status in Status]),
    multiple=True,
    help="Only runs that ended so; may be given several times.",
)
@click.option(
    "--text",
    help="Only runs with this text in their name or error, or as words in an input or output.",
)
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
    words_of_filter: tuple[str, ...],
    limit: int,
    name: str | None,
    statuses: tuple[str, ...],
    text: str | None,
    order: str,
) -> None:
    """List runs, newest first.

    FILTER chooses among them, in quotes where the shell would read it otherwise:

    longpole runs 'status:error wall>2s model:gpt-4o* since:2h'
    """
    query = RunQuery(
        where=parsed_filter(" ".join(words_of_filter)),
        name=name,
        status=tuple(Status(status) for status in statuses),
        text=text,
        order=RunOrder(order),
        limit=limit,
    )
    now_ns = time.time_ns()
    opened = open_store(store, mode="read")
    try:
        page, objects = looked_up(opened, query, book=price_book(), now_ns=now_ns)
        if as_json:
            write_json({"runs": objects})
        elif objects:
            _print_table(objects, page, _long_poles(opened, page, objects, now_ns), now_ns)
        else:
            _print_nothing(opened, page)
    finally:
        opened.close()


def _long_poles(
    store: Store, page: RunPage, objects: Sequence[Object], now_ns: int
) -> Mapping[str, str]:
    """Return the branches that runs waited for longest, by run id.

    No list keeps them, so they are found out for as many runs as a screen holds and not for huge
    ones.
    """
    found: dict[str, str] = {}
    for row, one in list(zip(page.rows, objects, strict=True))[:_POLES_SHOWN]:
        if one["peak_concurrency"] > 1 and row.spans <= _POLES_MAX_SPANS:
            pole = long_pole(analyse(store.load_run(row.run_id), now_ns=now_ns))
            if pole is not None:
                found[row.run_id] = pole.label
    return found


def _print_nothing(store: Store, page: RunPage) -> None:
    out = console()
    if store.state().runs:
        out.print("no run fits")
        return
    out.print(Text(f"no runs in {words.plain(shown_url(store.url))}"))
    out.print("record some with: longpole demo --record-only")


def _print_table(
    objects: Sequence[Object], page: RunPage, poles: Mapping[str, str], now_ns: int
) -> None:
    out = console()
    for line in table(_columns(objects, poles, now_ns), out.width):
        out.print(line, soft_wrap=True)
    if page.total > len(objects):
        out.print(Text(f"{len(objects)} of {page.total:,} runs; more with --limit", style="dim"))


def _columns(
    objects: Sequence[Object], poles: Mapping[str, str], now_ns: int
) -> tuple[Column, ...]:
    def when(one: Object) -> Text:
        return Text(words.ago(one["start_ns"], now_ns), style="dim")

    def pole(one: Object) -> str:
        return words.plain(poles.get(one["run_id"], ""))

    return (
        column("run", objects, _id, is_whole=True),
        column("when", objects, when, is_number=True, need=4),
        column("status", objects, _status, is_whole=True),
        column("chain", objects, lambda one: words.plain(one["name"])),
        column("wall", objects, _wall, is_number=True),
        column("speed-up", objects, _speedup, is_number=True, need=3),
        column("long pole", objects, pole, need=5),
        column("retries", objects, _retries, is_number=True, need=1),
        column("tokens", objects, _tokens, is_number=True, need=2),
        column("cost", objects, _cost, is_number=True),
    )


def _id(one: Object) -> Text:
    return Text(one["run_id"][:_ID_DIGITS], style="cyan")


def _status(one: Object) -> Text:
    status = Status(one["status"])
    return Text(f"{STATUS_MARKS[status]} {status.value}", style=STATUS_STYLES[status])


def _wall(one: Object) -> str:
    return words.duration(one["wall_ns"]) + ("+" if one["end_ns"] is None else "")


def _speedup(one: Object) -> str:
    is_parallel = one["peak_concurrency"] > 1
    return words.times(one["speedup_ratio"]) if is_parallel else "–"


def _retries(one: Object) -> Text:
    retries = one["retries"]
    return Text(f"{retries:,}", style="yellow") if retries else Text("–")


def _tokens(one: Object) -> str:
    usage = one["usage"]
    return words.tokens(usage["input_tokens"] + usage["output_tokens"])


def _cost(one: Object) -> str:
    cost_usd = None if one["cost_usd"] is None else Decimal(one["cost_usd"])
    return words.cost(cost_usd, one["unpriced_calls"])
