"""Runs → a destination on the network, from the command line: progress, ledger, report, follow.

The last line of a report says what to do about what did not go. Exit codes: 0 when everything that
was chosen is there, 1 when something was refused or waits.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from longpole.dashboard import words
from longpole.dashboard.cli.exports.leaving import Leaving
from longpole.dashboard.cli.exports.selection import Selection
from longpole.dashboard.cli.options import write_json
from longpole.dashboard.cli.terminal import console
from longpole.storage import Store
from longpole.storage.exchange.delivery import Delivery, Destination, Report, describe
from longpole.storage.exchange.parcel import Parcel

Command = TypeVar("Command", bound=Callable[..., Any])

_SHOWN: Final = 20
_LOOK_AGAIN_S: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class How:
    """What was asked for of the delivery itself."""

    force: bool
    retry_failed: bool
    follow: bool
    as_json: bool
    dry_run: bool


def delivering_options(command: Command) -> Command:
    """Add the options of every delivery; pass their values on to `How`."""
    for name, text in reversed(
        (
            ("--dry-run", "Send nothing; show how much would go."),
            ("--force", "Send runs that the ledger says are there already, too."),
            ("--retry-failed", "Send again what was refused before."),
            ("--follow", "Go on: send runs as they end, until Ctrl+C."),
        )
    ):
        command = click.option(name, is_flag=True, help=text)(command)
    return command


def deliver(
    store: Store,
    destination: Destination,
    chosen: Selection,
    leaving: Leaving,
    how: How,
    *,
    shift_ns: Callable[[Parcel], int] = lambda _: 0,
) -> None:
    """Send what was chosen and say what became of it; exits 1 when something did not go.

    Raises:
        LongpoleError: the destination takes nothing, or the store cannot be used.
    """
    run_ids = chosen.run_ids(store)
    if how.dry_run:
        _preview(store, destination, run_ids, leaving, how, shift_ns)
        return
    report = _sent(store, destination, run_ids, leaving, how, shift_ns)
    _show(report, destination, how)
    if how.follow:
        _follow(store, destination, chosen, leaving, how, shift_ns)
    elif not report.is_complete:
        sys.exit(1)


def _sent(
    store: Store,
    destination: Destination,
    run_ids: Iterable[str],
    leaving: Leaving,
    how: How,
    shift_ns: Callable[[Parcel], int],
) -> Report:
    errors = Console(stderr=True)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("runs"),
        TimeElapsedColumn(),
        console=errors,
        transient=True,
        disable=not errors.is_terminal,
    )
    task = bar.add_task("sending", total=None)

    def progress(report: Report) -> None:
        bar.update(task, completed=report.runs + len(report.waiting))

    delivery = Delivery(
        store,
        destination,
        shift_ns=shift_ns,
        clock_ns=time.time_ns,
        retry_refused=how.retry_failed,
        force=how.force,
        progress=progress,
    )
    due = list(delivery.due(run_ids))
    bar.update(task, total=len(due))
    with bar:
        return delivery.deliver(leaving.parcels(store, due, time.time_ns()))


def _follow(
    store: Store,
    destination: Destination,
    chosen: Selection,
    leaving: Leaving,
    how: How,
    shift_ns: Callable[[Parcel], int],
) -> None:
    """Send what ends from now on, and try again what waits."""
    click.echo("Following; end it with Ctrl+C.", err=True)
    seen = -1
    try:
        while True:
            token = store.state().token
            if token != seen:
                seen = token
                report = _sent(store, destination, chosen.run_ids(store), leaving, how, shift_ns)
                if report.runs or report.waiting:
                    _show(report, destination, how)
                    # Whoever reads this through a pipe follows too.
                    sys.stdout.flush()
                if report.waiting or report.stopped:
                    seen = -1
            time.sleep(_LOOK_AGAIN_S)
    except KeyboardInterrupt:
        click.echo("", err=True)


# --- what is said -----------------------------------------------------------------------------


def _preview(
    store: Store,
    destination: Destination,
    run_ids: Iterable[str],
    leaving: Leaving,
    how: How,
    shift_ns: Callable[[Parcel], int],
) -> None:
    delivery = Delivery(
        store,
        destination,
        shift_ns=shift_ns,
        clock_ns=time.time_ns,
        retry_refused=how.retry_failed,
        force=how.force,
    )
    runs = spans = size_bytes = shifted = 0
    for parcel in leaving.parcels(store, delivery.due(run_ids), time.time_ns()):
        shift = shift_ns(parcel)
        items = list(destination.items(parcel, shift))
        runs, spans = runs + 1, spans + len(items)
        size_bytes += sum(item.size_bytes for item in items)
        shifted += bool(shift)
    if how.as_json:
        write_json(
            {
                "destination": destination.name,
                "dry_run": True,
                "runs": runs,
                "spans": spans,
                "bytes": size_bytes,
                "runs_shifted": shifted,
                "already_there": delivery.report.done_before,
            }
        )
        return
    out = console()
    out.print(Text(f"to {words.plain(destination.title)}"))
    out.print(f"would send {_count(runs, 'run')}, {_count(spans, 'span')}, {_size(size_bytes)}")
    if shifted:
        out.print(f"with the times of {_count(shifted, 'run')} shifted")
    if delivery.report.done_before:
        out.print(f"{_count(delivery.report.done_before, 'run')} there already")


def _show(report: Report, destination: Destination, how: How) -> None:
    if how.as_json:
        write_json({"destination": destination.name, **describe(report)})
        return
    out = console()
    out.print(
        f"{_count(report.runs, 'run')}, {_count(report.sent, 'span')} sent to "
        f"{words.plain(destination.title)}"
    )
    if report.existed:
        out.print(f"{_count(report.existed, 'span')} were there already, from before")
    if report.done_before:
        out.print(f"{_count(report.done_before, 'run')} sent before and unchanged")
    _show_refused(report, out)
    if report.waiting:
        why = next(iter(report.waiting.values()))
        out.print(Text(f"{_count(len(report.waiting), 'run')} waiting: {words.plain(why)}"))
    if report.stopped:
        out.print(Text(f"stopped: {words.plain(report.stopped)}", style="red"))
    if report.waiting or report.stopped:
        out.print("Run the same command again to send what is left.")


def _show_refused(report: Report, out: Console) -> None:
    if not report.refused:
        return
    out.print(Text(f"{_count(len(report.refused), 'span')} refused:", style="red"))
    for run_id, span_id, why in report.refused[:_SHOWN]:
        out.print(Text(f"  {run_id[:8]} {words.plain(span_id)}  {words.plain(why)}"))
    if len(report.refused) > _SHOWN:
        out.print(f"  and {len(report.refused) - _SHOWN:,} more; all of them with --json")
    out.print("Send them again with --retry-failed.")


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" + ("" if number == 1 else "s")


def _size(size_bytes: int) -> str:
    if size_bytes < 1_000_000:
        return f"{size_bytes / 1000:.1f} kB"
    return f"{size_bytes / 1_000_000:.1f} MB"
