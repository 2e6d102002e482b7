"""`longpole backup`: copy the store."""

from __future__ import annotations

import contextlib
from pathlib import Path

import click

from longpole.dashboard import words
from longpole.dashboard.cli.options import json_option, store_option, write_json
from longpole.storage import open_store


@click.command(short_help="Copy the store into a new file.")
@store_option
@json_option
@click.argument("target", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path))
def backup(store: str, as_json: bool, target: Path) -> None:
    """Copy the store into a new FILE; chains go on recording meanwhile.

    The copy is a store itself: `longpole --store FILE runs`.
    """
    opened = open_store(store, mode="read")
    with contextlib.closing(opened):
        opened.back_up(target)
    size_bytes = target.stat().st_size
    if as_json:
        write_json({"schema": 1, "file": str(target), "bytes": size_bytes})
    else:
        click.echo(f"{target}: {words.size(size_bytes)}")
