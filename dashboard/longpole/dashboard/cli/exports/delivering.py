"""Runs → a destination on the network, from the command line: progress, ledger, report, follow.

The last line of a report says what to do about what did not go. Exit codes: 0 when everything that
was chosen is there, 1 when something was refused or waits.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
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


class Exporting:
    """One export from the command line: its store, its destination, and what was asked for.

    Args:
        store: open for changing, for a dry run for reading.
        destination: where to.
        chosen: which runs.
        leaving: what of them may leave.
        how: what was asked for of the delivery.
        shift_ns: what to add to the times of a run.
    """

    def __init__(
        self,
        store: Store,
        destination: Destination,
        chosen: Selection,
        leaving: Leaving,
        how: How,
        *,
        shift_ns: Callable[[Parcel], int] = lambda _: 0,
    ) -> None:
        self._store = store
        self._destination = destination
        self._chosen = chosen
        self._leaving = leaving
        self._how = how
        self._shift_ns = shift_ns

    def run(self) -> None:
        """Send what was chosen and say what became of it; exits 1 when something did not go.

        Raises:
            LongpoleError: the destination takes nothing, or the store cannot be used.
        """
        if self._how.dry_run:
            self._preview()
            return
        report = self._send()
        self._show(report)
        if self._how.follow:
            self._follow()
        elif not report.is_complete:
            sys.exit(1)

    def _delivery(self, progress: Callable[[Report], None] = lambda _: None) -> Delivery:
        return Delivery(
            self._store,
            self._destination,
            shift_ns=self._shift_ns,
            clock_ns=time.time_ns,
            retry_refused=self._how.retry_failed,
            force=self._how.force,
            progress=progress,
        )

    def _parcels(self, run_ids: Iterable[str]) -> Iterator[Parcel]:
        return self._leaving.parcels(self._store, run_ids, time.time_ns())

    def _send(self) -> Report:
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

        delivery = self._delivery(progress)
        due = list(delivery.due(self._chosen.run_ids(self._store)))
        bar.update(task, total=len(due))
        with bar:
            return delivery.deliver(self._parcels(due))

    def _follow(self) -> None:
        """Send what ends from now on, and try again what waits."""
        click.echo("Following; end it with Ctrl+C.", err=True)
        seen = -1
        try:
            while True:
                token = self._store.state().token
                if token != seen:
                    report = self._send()
                    if report.runs or report.waiting:
                        self._show(report)
                        # Whoever reads this through a pipe follows too.
                        sys.stdout.flush()
                    seen = -1 if report.waiting or report.stopped else token
                time.sleep(_LOOK_AGAIN_S)
        except KeyboardInterrupt:
            click.echo("", err=True)

    def _preview(self) -> None:
        delivery = self._delivery()
        runs = spans = size_bytes = shifted = 0
        for parcel in self._parcels(delivery.due(self._chosen.run_ids(self._store))):
            shift_ns = self._shift_ns(parcel)
            items = list(self._destination.items(parcel, shift_ns))
            runs, spans = runs + 1, spans + len(items)
            size_bytes += sum(item.size_bytes for item in items)
            shifted += bool(shift_ns)
        preview = {
            "runs": runs,
            "spans": spans,
            "bytes": size_bytes,
            "runs_shifted": shifted,
            "already_there": delivery.report.done_before,
        }
        if self._how.as_json:
            write_json({"destination": self._destination.name, "dry_run": True, **preview})
        else:
            _print_preview(self._destination, preview)

    def _show(self, report: Report) -> None:
        if self._how.as_json:
            write_json({"destination": self._destination.name, **describe(report)})
        else:
            _print_report(self._destination, report)


# --- what is said -----------------------------------------------------------------------------


def _print_preview(destination: Destination, preview: Mapping[str, int]) -> None:
    out = console()
    out.print(Text(f"to {words.plain(destination.title)}"))
    out.print(
        f"would send {words.count(preview['runs'], 'run')}, "
        f"{words.count(preview['spans'], 'span')}, {_size(preview['bytes'])}"
    )
    if preview["runs_shifted"]:
        out.print(f"with the times of {words.count(preview['runs_shifted'], 'run')} shifted")
    if preview["already_there"]:
        out.print(f"{words.count(preview['already_there'], 'run')} there already")


def _print_report(destination: Destination, report: Report) -> None:
    out = console()
    out.print(
        f"{words.count(report.runs, 'run')}, {words.count(report.sent, 'span')} sent to "
        f"{words.plain(destination.title)}"
    )
    if report.existed:
        out.print(f"{words.count(report.existed, 'span')} were there already, from before")
    if report.done_before:
        out.print(f"{words.count(report.done_before, 'run')} sent before and unchanged")
    _show_refused(report, out)
    if report.waiting:
        why = next(iter(report.waiting.values()))
        out.print(Text(f"{words.count(len(report.waiting), 'run')} waiting: {words.plain(why)}"))
    if report.stopped:
        out.print(Text(f"stopped: {words.plain(report.stopped)}", style="red"))
    if report.waiting or report.stopped:
        out.print("Run the same command again to send what is left.")


def _show_refused(report: Report, out: Console) -> None:
    if not report.refused:
        return
    out.print(Text(f"{words.count(len(report.refused), 'span')} refused:", style="red"))
    for run_id, span_id, why in report.refused[:_SHOWN]:
        out.print(Text(f"  {run_id[:8]} {words.plain(span_id)}  {words.plain(why)}"))
    if len(report.refused) > _SHOWN:
        out.print(f"  and {len(report.refused) - _SHOWN:,} more; all of them with --json")
    out.print("Send them again with --retry-failed.")


def _size(size_bytes: int) -> str:
    if size_bytes < 1_000_000:
        return f"{size_bytes / 1000:.1f} kB"
    return f"{size_bytes / 1_000_000:.1f} MB"
