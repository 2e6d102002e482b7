"""`longpole prune`: delete old runs."""

from __future__ import annotations

import contextlib
import re
import sys
import time
from typing import Final

import click
from rich.console import Console
from rich.progress import Progress

from longpole.dashboard import words
from longpole.dashboard.cli.options import (
    filter_option,
    json_option,
    parsed_filter,
    store_option,
    write_json,
)
from longpole.dashboard.pruning import Keep, Pruned, plan
from longpole.dashboard.pruning import prune as prune_runs
from longpole.model.errors import SettingsError
from longpole.storage import Store, open_store
from longpole.storage.moments import moment_ns

_SIZE: Final = re.compile(r"(\d{1,12}(?:\.\d{1,6})?)\s*([kmgt]?)(i?)b?")


class _Size(click.ParamType[int]):
    """Bytes, as `500MB` or `2GiB`."""

    name = "size"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """Return the number of bytes."""
        found = _SIZE.fullmatch(str(value).strip().lower())
        if found is None:
            self.fail(f"{value!r} is no size, expected one such as 500MB or 2GiB", param, ctx)
        step = 1024 if found[3] else 1000
        power = " kmgt".index(found[2] or " ")
        return int(float(found[1]) * step**power)


@click.command(short_help="Delete runs and give their space back.")
@store_option
@json_option
@click.option("--older-than", metavar="AGE", help="Runs that started before: 30d, 12h, 2026-11-24.")
@click.option(
    "--max-size", "most_bytes", type=_Size(), help="The oldest runs, until the store fits: 2GB."
)
@filter_option("Only such runs.")
@click.option("--content-only", is_flag=True, help="Only inputs and outputs; runs and costs stay.")
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def prune(
    store: str,
    as_json: bool,
    older_than: str | None,
    most_bytes: int | None,
    filter_text: str,
    content_only: bool,
    dry_run: bool,
    yes: bool,
) -> None:
    """Delete runs that are too old, too many or not wanted, and give their space back.

    Criteria add up: a run goes only if it meets them all. Runs under way always stay.
    """
    if older_than is None and most_bytes is None and not filter_text.strip():
        raise click.UsageError("say which runs go: --older-than, --max-size or --filter")
    if content_only and most_bytes is not None:
        raise click.UsageError("--max-size deletes whole runs; it does not go with --content-only")
    keep = Keep(
        since_ns=None if older_than is None else _moment(older_than),
        where=parsed_filter(filter_text),
        most_bytes=most_bytes,
    )
    opened = open_store(store, mode="read" if dry_run else "change")
    with contextlib.closing(opened):
        planned = plan(opened, keep)
        if dry_run or not planned.runs:
            _tell(planned, as_json=as_json, dry_run=dry_run, content_only=content_only)
            return
        if not yes:
            _ask(planned, content_only=content_only)
        outcome = _pruned(opened, keep, planned, content_only=content_only)
    _tell(outcome, as_json=as_json, dry_run=False, content_only=content_only)


def _pruned(store: Store, keep: Keep, planned: Pruned, *, content_only: bool) -> Pruned:
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("deleting", total=planned.runs)
        return prune_runs(
            store, keep, content_only=content_only, advance=lambda runs: bar.advance(task, runs)
        )


def _moment(text: str) -> int:
    try:
        return moment_ns(text, time.time_ns())
    except ValueError as error:
        raise SettingsError(f"--older-than {error}") from error


def _ask(planned: Pruned, *, content_only: bool) -> None:
    what = "inputs and outputs of " if content_only else ""
    question = f"Delete {what}{words.count(planned.runs, 'run')}? This cannot be undone."
    if not sys.stdin.isatty():
        raise click.UsageError(f"{question} Add --yes to say so.")
    click.confirm(question, abort=True)


def _tell(outcome: Pruned, *, as_json: bool, dry_run: bool, content_only: bool) -> None:
    if as_json:
        write_json(
            {
                "schema": 1,
                "dry_run": dry_run,
                "content_only": content_only,
                "runs": outcome.runs,
                "spans": outcome.spans,
                "before_bytes": outcome.before_bytes,
                "after_bytes": outcome.after_bytes,
            }
        )
        return
    before = words.size(outcome.before_bytes)
    if not outcome.runs:
        click.echo(f"No run has to go; the store has {before}.")
        return
    what = "inputs and outputs of " if content_only else ""
    runs = f"{what}{words.count(outcome.runs, 'run')}"
    after = words.size(outcome.after_bytes)
    if not dry_run:
        click.echo(f"Deleted {runs}; the store had {before} and has {after}.")
    elif content_only:
        click.echo(f"Would delete {runs}; the store has {before}.")
    else:
        click.echo(f"Would delete {runs}; the store has {before} and would have about {after}.")
