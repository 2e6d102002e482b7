"""Options that every command has, and the store they name.

They may also stand before the command: `longpole --store runs.db show last`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

import click
import orjson

from longpole.model.settings import LONGPOLE_STORE, read_settings
from longpole.storage.filter_text import parse
from longpole.storage.filters import Filter

Command = TypeVar("Command", bound=Callable[..., Any])


def store_option(command: Command) -> Command:
    """Add `--store URL`; the command gets the URL in force as `store`."""
    return click.option(
        "--store",
        metavar="URL",
        callback=_url_in_force,
        help="Where the runs are: sqlite:///PATH or a path, clickhouse://… or chdb:///DIR. "
        f"Default: {LONGPOLE_STORE}, else one file in your data folder.",
    )(command)


def json_option(command: Command) -> Command:
    """Add `--json`; the command gets `as_json`."""
    return click.option(
        "--json", "as_json", is_flag=True, help="Write JSON for programs instead of a table."
    )(command)


def filter_option(told: str) -> Callable[[Command], Command]:
    """Return what adds `--filter FILTER`, told so; the command gets the text as `filter_text`."""
    return click.option("--filter", "filter_text", default="", metavar="FILTER", help=told)


def newest_option(
    name: str = "--limit", told: str = "How many runs are looked at, the newest first."
) -> Callable[[Command], Command]:
    """Return what adds the option that bounds how many of the newest runs a command looks at."""
    return click.option(
        name, type=click.IntRange(1, 1_000_000), default=1_000, show_default=True, help=told
    )


def parsed_filter(text: str) -> Filter | None:
    """Return what a filter on the command line means; `None` when it is empty.

    Raises:
        FilterError: it cannot be understood.
    """
    return parse(text, now_ns=time.time_ns()) if text.strip() else None


def write_json(document: object) -> None:
    """Write a document to standard output."""
    # Bytes: JSON is UTF-8, whatever the terminal's encoding is.
    click.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2))


def for_every_command(context: click.Context, *, store: str | None, as_json: bool) -> None:
    """Make what was given before the command what each command falls back to."""
    assert isinstance(context.command, click.Group)
    defaults: dict[str, Any] = {}
    if store is not None:
        defaults["store"] = store
    if as_json:
        defaults["as_json"] = True
    context.default_map = _for_all_below(context.command, defaults)


def _for_all_below(group: click.Group, defaults: dict[str, Any]) -> dict[str, Any]:
    return {
        name: _for_all_below(command, defaults) if isinstance(command, click.Group) else defaults
        for name, command in group.commands.items()
    }


def _url_in_force(_context: click.Context, _option: click.Parameter, given: str | None) -> str:
    return given or read_settings().store
