"""`longpole export jsonl`, `csv`, `parquet`, `perfetto` and `html`: runs into files.

Tables and JSON lines go to standard output unless a file is named, so that they can be piped. A
file is there whole or not at all. A picture is of the last run unless others are chosen.
"""

from __future__ import annotations

import contextlib
import io
import sys
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal, TypeVar

import click

from longpole.dashboard import words
from longpole.dashboard.cli.exports.leaving import Leaving, leaving_options
from longpole.dashboard.cli.exports.selection import selection, selection_options
from longpole.dashboard.cli.options import json_option, store_option, write_json
from longpole.model.errors import ExchangeError, SettingsError
from longpole.storage import open_store
from longpole.storage.exchange.parcel import Parcel
from longpole.storage.exchange.writing import new_file
from longpole.storage.exchange.written import Written

Command = TypeVar("Command", bound=Callable[..., Any])

STDOUT: Final = "-"


def file_options(default: str, *, with_content: bool = True) -> Callable[[Command], Command]:
    """Add the store, the choice of runs, what may leave, and `--output`."""

    def add(command: Command) -> Command:
        shown = "standard output" if default == STDOUT else default
        command = click.option(
            "--output",
            "-o",
            default=default,
            metavar="PATH",
            help=f"Where to. Default: {shown}.",
        )(command)
        return store_option(
            json_option(selection_options(leaving_options(with_content=with_content)(command)))
        )

    return add


@contextlib.contextmanager
def chosen_parcels(
    store: str, with_content: bool, redact: Any, chosen: dict[str, Any], *, alone: bool = False
) -> Iterator[Iterator[Parcel]]:
    """Open the store and lend the runs that were chosen, one at a time.

    Args:
        store: its URL.
        with_content: whether inputs and outputs leave too.
        redact: cleans what leaves.
        chosen: the values of `selection_options`.
        alone: whether the last run is meant when nothing is chosen.
    """
    if alone and not any(chosen.values()):
        chosen = {**chosen, "references": ("last",)}
    opened = open_store(store, mode="read")
    try:
        leaving = Leaving(with_content=with_content, redact=redact)
        run_ids = selection(**chosen).run_ids(opened)
        yield leaving.parcels(opened, run_ids, time.time_ns())
    finally:
        opened.close()


@contextlib.contextmanager
def output_file(output: str) -> Iterator[BinaryIO]:
    """Open what `--output` names; of a file its end of writing is its beginning of being there."""
    if output == STDOUT:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
    else:
        with new_file(Path(output)) as file:
            yield file


def tell(output: str, written: Written, *, as_json: bool) -> None:
    """Say what was written, unless it went to standard output itself."""
    if output == STDOUT:
        return
    if as_json:
        write_json({"output": output, "runs": written.runs, "spans": written.spans})
        return
    runs, spans = written.runs, written.spans
    click.echo(
        f"{runs:,} run{'' if runs == 1 else 's'}, {spans:,} span{'' if spans == 1 else 's'} "
        f"in {words.plain(output)}"
    )


@click.command(short_help="JSON lines that `longpole import` takes in as they were.")
@file_options(STDOUT)
def jsonl(
    store: str, as_json: bool, with_content: bool, redact: Any, output: str, **chosen: Any
) -> None:
    """Write runs and spans as JSON lines, which `longpole import` takes in as they were.

    A name that ends with .gz is compressed.
    """
    from longpole.storage.exchange.jsonl import write_jsonl

    with chosen_parcels(store, with_content, redact, chosen) as parcels, output_file(output) as out:
        written = write_jsonl(parcels, out)
    tell(output, written, as_json=as_json)


@click.command(short_help="A table of runs or of spans, for a spreadsheet.")
@file_options(STDOUT)
@click.option(
    "--table",
    type=click.Choice(["runs", "spans"]),
    default="runs",
    show_default=True,
    help="Which of the two.",
)
def csv(
    store: str,
    as_json: bool,
    with_content: bool,
    redact: Any,
    output: str,
    table: Literal["runs", "spans"],
    **chosen: Any,
) -> None:
    """Write a table of runs or of spans for a spreadsheet; text in it is never a formula."""
    from longpole.storage.exchange.csv_out import write_csv

    with (
        chosen_parcels(store, with_content, redact, chosen) as parcels,
        output_file(output) as out,
    ):
        text = io.TextIOWrapper(out, encoding="utf-8", newline="", write_through=True)
        try:
            written = write_csv(parcels, text, table)
        finally:
            text.detach()
    tell(output, written, as_json=as_json)


@click.command(short_help="Tables of runs and spans, for data tools.")
@file_options("longpole-parquet")
def parquet(
    store: str, as_json: bool, with_content: bool, redact: Any, output: str, **chosen: Any
) -> None:
    """Write runs.parquet and spans.parquet into a folder."""
    from longpole.storage.exchange.parquet import write_parquet

    with chosen_parcels(store, with_content, redact, chosen) as parcels:
        written = write_parquet(parcels, Path(output))
    tell(output, written, as_json=as_json)


@click.command(short_help="A trace for ui.perfetto.dev and chrome://tracing.")
@file_options("longpole-trace.json")
def perfetto(
    store: str, as_json: bool, with_content: bool, redact: Any, output: str, **chosen: Any
) -> None:
    """Write a trace for ui.perfetto.dev and chrome://tracing; of the last run unless chosen."""
    from longpole.storage.exchange.perfetto import write_perfetto

    with (
        chosen_parcels(store, with_content, redact, chosen, alone=True) as parcels,
        output_file(output) as out,
    ):
        written = write_perfetto(parcels, out)
    tell(output, written, as_json=as_json)
    if output != STDOUT and not as_json:
        click.echo("Open it at https://ui.perfetto.dev; it is read by your browser, not sent.")


@click.command(short_help="A report as one file that opens in any browser.")
@file_options("longpole-report.html", with_content=False)
@click.option("--compare", is_flag=True, help="Of two runs: what made the second one differ.")
def html(
    store: str,
    as_json: bool,
    with_content: bool,
    redact: Any,
    output: str,
    compare: bool,
    **chosen: Any,
) -> None:
    """Write a report as one file that opens in any browser, without a network.

    Of the last run unless others are chosen; without inputs and outputs unless asked for.
    """
    from longpole.dashboard.report import html_report

    with chosen_parcels(store, with_content, redact, chosen, alone=True) as parcels:
        held = list(parcels)
    if not held:
        raise ExchangeError("no run fits; list them with: longpole runs")
    if compare and len(held) != 2:
        raise SettingsError(f"--compare needs two runs, {len(held)} were chosen")
    text = html_report(
        held,
        with_content=with_content,
        version=version("longpole"),
        made_ns=time.time_ns(),
        is_comparison=compare,
    )
    with output_file(output) as out:
        out.write(text.encode())
    spans = sum(len(parcel.run.spans) for parcel in held)
    tell(output, Written(len(held), spans), as_json=as_json)
