"""`longpole worker`: computes what lists show of new runs, beside a store that many write to."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import threading
import time

import click

from longpole.dashboard import words
from longpole.dashboard.cli.options import json_option, store_option, write_json
from longpole.dashboard.prices import price_book
from longpole.dashboard.working import PROCESSES_MOST, Round, work
from longpole.model.errors import SettingsError
from longpole.storage import open_store
from longpole.storage.urls import is_clickhouse, is_embedded


def _not_too_many(
    _context: click.Context, _option: click.Parameter, given: int | None
) -> int | None:
    # Each has the analysis in memory; more of them than processors only take turns.
    processors = os.cpu_count() or 1
    most = max(PROCESSES_MOST, processors)
    if given is not None and given > most:
        raise click.BadParameter(
            f"{given} are too many for {words.count(processors, 'processor')}, "
            f"expected {most} at most"
        )
    return given


@click.command()
@store_option
@json_option
@click.option("--once", is_flag=True, help="End when there is nothing left to do.")
@click.option(
    "--every",
    "every_s",
    type=click.FloatRange(min=0.1),
    default=2.0,
    show_default=True,
    metavar="SECONDS",
    help="How often to look for new runs.",
)
@click.option(
    "--processes",
    type=click.IntRange(min=1),
    metavar="N",
    callback=_not_too_many,
    help="How many processes compute a backlog, at most one a processor, or 4.  "
    f"[default: one a processor, up to {PROCESSES_MOST}]",
)
@click.option("--print-ddl", is_flag=True, help="Print the statements that make the tables.")
def worker(
    store: str,
    as_json: bool,
    once: bool,
    every_s: float,
    processes: int | None,
    print_ddl: bool,
) -> None:
    """Price and analyse new runs as they arrive.

    Start as many as the store needs, on any machine: they share the runs among themselves. A store
    that is a file needs none, since whoever looks at it does this; only after a large import is
    `--once` worth it.
    """
    if print_ddl:
        _print_ddl(store, as_json=as_json)
        return
    stopping = threading.Event()
    if not once:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stopping.set())
    processes = _processes_for(store, processes)
    settled = 0

    def tell(outcome: Round) -> None:
        nonlocal settled
        settled += outcome.settled
        _tell(outcome, as_json=as_json)

    opened = open_store(store, mode="write")
    with contextlib.closing(opened):
        work(
            opened,
            f"{os.uname().nodename}-{os.getpid()}-{secrets.token_hex(4)}",
            book=price_book(),
            clock_ns=time.time_ns,
            pause=lambda: once or stopping.wait(every_s),
            tell=tell,
            processes=processes,
            is_over=stopping.is_set,
        )
    if not as_json:
        click.echo(f"{words.count(settled, 'run')} settled.")


def _processes_for(url: str, asked: int | None) -> int:
    if not is_embedded(url):
        return asked or min(PROCESSES_MOST, os.cpu_count() or 1)
    if asked is not None and asked > 1:
        raise SettingsError(f"store {url!r} lets no second process in; leave --processes away")
    return 1


def _tell(outcome: Round, *, as_json: bool) -> None:
    if outcome.trouble is not None:
        click.echo(f"error: {outcome.trouble}; trying again", err=True)
    elif as_json:
        share = outcome.share
        write_json(
            {
                "settled": outcome.settled,
                "share": share and {"index": share.index, "count": share.count},
            }
        )


def _print_ddl(store: str, *, as_json: bool) -> None:
    if not is_clickhouse(store):
        raise SettingsError(f"store {store!r} is a file, which makes its tables by itself")
    from longpole.storage.clickhouse.address import read_address
    from longpole.storage.clickhouse.ddl import statements

    made = list(statements(read_address(store)))
    if as_json:
        write_json({"statements": made})
    else:
        click.echo(";\n\n".join(made) + ";")
