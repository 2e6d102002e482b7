"""`longpole mcp`: the questions of this command line as tools for coding agents."""

from __future__ import annotations

import importlib.util

import click

from longpole.dashboard.cli.children import become_module
from longpole.dashboard.cli.options import json_option, store_option
from longpole.model.errors import MissingExtraError


@click.command(short_help="Serve coding agents (Model Context Protocol).")
@store_option
@json_option
def mcp(store: str, as_json: bool) -> None:
    """Serve coding agents over standard input and output (Model Context Protocol).

    An agent starts it by itself; `claude mcp add longpole -- longpole mcp`, for instance, tells one
    to. It only reads the store and listens on no port. What it says is JSON either way.
    """
    del as_json
    if importlib.util.find_spec("mcp") is None:
        raise MissingExtraError("longpole mcp", "mcp", "agent")
    become_module("longpole.dashboard.agent", ["--store", store])
