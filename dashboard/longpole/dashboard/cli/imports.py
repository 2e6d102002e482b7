"""`longpole import`: takes runs in from files, or from a LangSmith project.

Whatever can be read is kept; what cannot is counted and named, with the place where it stands.
Importing the same file again changes nothing.
"""

from __future__ import annotations

import datetime
import socket
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from longpole.dashboard import words
from longpole.dashboard.cli.options import json_option, store_option, write_json
from longpole.dashboard.cli.terminal import console
from longpole.model.errors import ExchangeError, SettingsError
from longpole.storage import Recorder, SpanEvent, SpanStart, Store, open_store
from longpole.storage.exchange.parcel import Incoming, Refused
from longpole.storage.exchange.reading import FORMATS, read_file
from longpole.storage.moments import moment_ns

_LANGSMITH: Final = "langsmith"
_BATCH_EVENTS: Final = 2_000
_SHOWN: Final = 20


@dataclass(slots=True)
class Taken:
    """What came of one source.

    Attributes:
        run_ids: of runs that spans came for.
        refused: parts that could not be read, in order.
        error: why nothing more of it could be read.
    """

    source: str
    spans: int = 0
    run_ids: set[str] = field(default_factory=set)
    refused: list[Refused] = field(default_factory=list)
    error: str | None = None


@click.command("import")
@store_option
@json_option
@click.argument("sources", metavar="FILE...", nargs=-1, required=True)
@click.option(
    "--format",
    "format_name",
    type=click.Choice(FORMATS),
    help="What the files are; found out by itself otherwise.",
)
@click.option("--project", metavar="NAME", help="With `langsmith` as FILE: the project to read.")
@click.option("--since", metavar="WHEN", help="With --project: runs started since: 2h, 7d, a date.")
def import_(
    store: str,
    as_json: bool,
    sources: tuple[str, ...],
    format_name: str | None,
    project: str | None,
    since: str | None,
) -> None:
    """Take runs in from files or from LangSmith.

    `longpole import langsmith --project NAME` reads a LangSmith project.

    Known are Longpole's JSON lines, OTLP (JSON, JSON lines, protobuf), Jaeger's JSON and LangSmith
    runs as JSON; gzipped or not.
    """
    readings = _readings(sources, format_name, project, since)
    opened = open_store(store, mode="write")
    try:
        taken = [_take(opened, source, read) for source, read in readings]
    finally:
        opened.close()
    if as_json:
        write_json({"sources": [_object(one) for one in taken]})
    else:
        for one in taken:
            _show(one)
    if any(one.error or one.refused for one in taken):
        sys.exit(1)


def _readings(
    sources: tuple[str, ...], format_name: str | None, project: str | None, since: str | None
) -> list[tuple[str, Callable[[], Iterator[Incoming]]]]:
    if project is not None:
        if sources != (_LANGSMITH,):
            raise SettingsError("--project needs `langsmith` as the only source")
        return [(f"LangSmith project {project!r}", lambda: _fetched(project, since))]
    if since is not None:
        raise SettingsError("--since needs --project")
    if sources == (_LANGSMITH,) and not Path(_LANGSMITH).exists():
        raise SettingsError("name the LangSmith project with --project NAME")
    return [(source, _reading(Path(source), format_name)) for source in sources]


def _reading(path: Path, format_name: str | None) -> Callable[[], Iterator[Incoming]]:
    return lambda: read_file(path, format_name)


def _fetched(project: str, since: str | None) -> Iterator[Incoming]:
    from longpole.storage.exchange.langsmith.client import (
        NotingSession,
        check_answering,
        open_client,
        quiet_client,
    )
    from longpole.storage.exchange.langsmith.fetching import fetch_project

    with NotingSession() as session, quiet_client():
        client = open_client(session)
        check_answering(client, session)
        yield from fetch_project(client, project, since=_moment(since))


def _moment(since: str | None) -> datetime.datetime | None:
    if since is None:
        return None
    try:
        at_ns = moment_ns(since, time.time_ns())
    except ValueError as error:
        raise SettingsError(f"--since: {error}") from error
    return datetime.datetime.fromtimestamp(at_ns / 1e9, datetime.UTC)


def _take(store: Store, source: str, read: Callable[[], Iterator[Incoming]]) -> Taken:
    """Store what a source holds, some thousand events at a time, and count."""
    taken = Taken(source)
    recorder = Recorder(recorder_id=f"import {source}", pid=0, host=socket.gethostname())
    errors = Console(stderr=True)
    with Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
        console=errors,
        transient=True,
        disable=not errors.is_terminal,
    ) as bar:
        task = bar.add_task(words.plain(source))
        try:
            items = read()
            while batch := list(islice(items, _BATCH_EVENTS)):
                _keep(store, recorder, batch, taken)
                bar.update(task, description=f"{words.plain(source)}  {taken.spans:,} spans")
        except ExchangeError as error:
            taken.error = str(error)
    return taken


def _keep(store: Store, recorder: Recorder, batch: list[Incoming], taken: Taken) -> None:
    events: list[SpanEvent] = []
    for item in batch:
        if isinstance(item, Refused):
            taken.refused.append(item)
            continue
        events.append(item)
        if isinstance(item, SpanStart):
            taken.spans += 1
            taken.run_ids.add(item.run_id)
    if events:
        store.write(recorder, events)


def _object(taken: Taken) -> dict[str, Any]:
    return {
        "source": taken.source,
        "runs": len(taken.run_ids),
        "spans": taken.spans,
        "refused": [{"where": one.where, "reason": one.why} for one in taken.refused],
        "error": taken.error,
    }


def _show(taken: Taken) -> None:
    out = console()
    name = words.plain(taken.source)
    if taken.error is not None:
        click.echo(f"error: {words.plain(taken.error)}", err=True)
    if taken.spans or taken.error is None:
        runs, spans = len(taken.run_ids), taken.spans
        out.print(
            Text(f"{runs:,} run{'' if runs == 1 else 's'}, {spans:,} spans taken in from {name}")
        )
    if taken.refused:
        count = len(taken.refused)
        out.print(Text(f"{count:,} part{'' if count == 1 else 's'} could not be read:", "red"))
        for one in taken.refused[:_SHOWN]:
            out.print(Text(f"  {words.plain(one.where)}: {words.plain(one.why)}"))
        if count > _SHOWN:
            out.print(f"  and {count - _SHOWN:,} more; all of them with --json")
