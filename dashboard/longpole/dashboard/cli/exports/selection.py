"""Which runs an export takes: named ones, or all that fit; and the store they are in."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import click

from longpole.dashboard.cli.options import filter_option, parsed_filter
from longpole.model.run import Status
from longpole.storage import RunQuery, Store
from longpole.storage.moments import moment_ns

Command = TypeVar("Command", bound=Callable[..., Any])

_ENDED = tuple(status for status in Status if status is not Status.RUNNING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What was asked for on the command line.

    Attributes:
        references: RUN arguments; when there are any, nothing else chooses.
        query: which runs otherwise, oldest first; only ended ones unless a status is asked for.
        limit: how many at most.
    """

    references: tuple[str, ...]
    query: RunQuery
    limit: int | None

    def run_ids(self, store: Store) -> Sequence[str]:
        """Return the ids of the runs that are meant.

        Raises:
            RunReferenceError: a RUN argument does not name exactly one run.
        """
        if self.references:
            named = [store.resolve(reference) for reference in self.references]
            return list(dict.fromkeys(named))
        return store.run_ids(self.query)[: self.limit]


def selection_options(command: Command) -> Command:
    """Add `[RUN]...` and the options that choose runs; the command gets their values.

    Pass them on to `selection`.
    """
    for add in reversed(
        (
            click.argument("references", metavar="[RUN]...", nargs=-1),
            filter_option("Only runs that match: 'status:error wall>2s', as in `longpole runs`."),
            click.option("--since", callback=_moment, metavar="WHEN", help="Started since: 2h, …"),
            click.option("--until", callback=_moment, metavar="WHEN", help="Started before."),
            click.option("--name", help="Only runs of this chain."),
            click.option(
                "--status",
                "statuses",
                type=click.Choice([status.value for status in Status]),
                multiple=True,
                help="Only runs that ended so; may be given several times.",
            ),
            click.option("--limit", type=click.IntRange(min=1), help="How many, oldest first."),
        )
    ):
        command = add(command)
    return command


def selection(
    *,
    references: tuple[str, ...],
    filter_text: str,
    since: int | None,
    until: int | None,
    name: str | None,
    statuses: tuple[str, ...],
    limit: int | None,
) -> Selection:
    """Return what the values of `selection_options` choose."""
    return Selection(
        references=references,
        query=RunQuery(
            where=parsed_filter(filter_text),
            name=name,
            status=tuple(Status(status) for status in statuses) or _ENDED,
            since_ns=since,
            until_ns=until,
            descending=False,
        ),
        limit=limit,
    )


def _moment(context: click.Context, option: click.Parameter, given: str | None) -> int | None:
    if given is None:
        return None
    try:
        return moment_ns(given, time.time_ns())
    except ValueError as error:
        raise click.BadParameter(str(error), context, option) from error
