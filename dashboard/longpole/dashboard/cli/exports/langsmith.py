"""`longpole export langsmith`: runs into a LangSmith project."""

from __future__ import annotations

import os
import random
import time
from typing import Any

import click

from longpole.dashboard.cli.exports.delivering import Exporting, How, delivering_options
from longpole.dashboard.cli.exports.leaving import Leaving, leaving_options
from longpole.dashboard.cli.exports.selection import selection, selection_options
from longpole.dashboard.cli.options import json_option, store_option
from longpole.storage import open_store
from longpole.storage.exchange.langsmith.order import days_shift_ns, is_old
from longpole.storage.exchange.parcel import Parcel


@click.command(short_help="Into a LangSmith project.")
@store_option
@json_option
@click.option("--project", required=True, metavar="NAME", help="LangSmith's project.")
@selection_options
@leaving_options()
@delivering_options
@click.option(
    "--shift-time",
    is_flag=True,
    help="Move runs older than a day by whole days, so that LangSmith's cloud takes them.",
)
@click.option(
    "--new-ids",
    is_flag=True,
    help="Give runs ids of their own, for what was traced to LangSmith already.",
)
def langsmith(
    store: str,
    as_json: bool,
    project: str,
    with_content: bool,
    redact: Any,
    dry_run: bool,
    force: bool,
    retry_failed: bool,
    follow: bool,
    shift_time: bool,
    new_ids: bool,
    **chosen: Any,
) -> None:
    """Send runs to a LangSmith project.

    Endpoint and key come from LANGSMITH_ENDPOINT and LANGSMITH_API_KEY. What was sent is noted in
    the store, so that the same command again sends only what is new or did not go.
    """
    # Loaded here: `requests` takes a while that other commands need not wait for.
    from longpole.storage.exchange.langsmith.client import (
        NotingSession,
        check_answering,
        ignored_variables,
        open_client,
        quiet_client,
    )
    from longpole.storage.exchange.langsmith.destination import LangSmith

    how = How(
        force=force, retry_failed=retry_failed, follow=follow, as_json=as_json, dry_run=dry_run
    )
    for name, why in ignored_variables(os.environ).items():
        click.echo(f"note: {name} is set and does not count here; {why}", err=True)
    opened = open_store(store, mode="read" if dry_run else "change")
    session = NotingSession()
    try:
        with quiet_client():
            client = open_client(session)
            if not dry_run:
                check_answering(client, session)
            destination = LangSmith(
                client,
                session,
                project=project,
                now_ns=time.time_ns,
                sleep=time.sleep,
                random=random.random,
                salt=project if new_ids else None,
            )
            Exporting(
                opened,
                destination,
                selection(**chosen),
                Leaving(with_content=with_content, redact=redact),
                how,
                shift_ns=_shift(is_wanted=shift_time),
            ).run()
    finally:
        session.close()
        opened.close()


def _shift(*, is_wanted: bool) -> Any:
    """Return what a run's times are shifted by; tells once when old runs go as they are."""
    told: list[bool] = []

    def shift_ns(parcel: Parcel) -> int:
        now_ns = time.time_ns()
        if is_wanted:
            return days_shift_ns(parcel.run, now_ns)
        if not told and is_old(parcel.run, now_ns):
            told.append(True)
            click.echo(
                "note: some runs started over a day ago; LangSmith's cloud refuses such runs, "
                "--shift-time moves them by whole days and notes the original time",
                err=True,
            )
        return 0

    return shift_ns
