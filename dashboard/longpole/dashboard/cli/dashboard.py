"""`longpole dashboard`: the web app on this machine."""

from __future__ import annotations

import importlib.util

import click

from longpole.dashboard.cli.children import become_module
from longpole.dashboard.cli.options import json_option, store_option
from longpole.dashboard.prices import price_book
from longpole.model.errors import MissingExtraError

PORT = click.IntRange(1, 65535)


@click.command()
@store_option
@json_option
@click.option("--port", type=PORT, help="Default: 8765, or the next free one.")
@click.option("--no-browser", is_flag=True, help="Do not open a browser.")
def dashboard(store: str, as_json: bool, port: int | None, no_browser: bool) -> None:
    """Open the dashboard; it listens on 127.0.0.1 only."""
    open_dashboard(store, port, no_browser=no_browser, as_json=as_json)


def open_dashboard(store: str, port: int | None, *, no_browser: bool, as_json: bool) -> None:
    """Turn this process into the dashboard's server.

    Raises:
        MissingExtraError: the dashboard's packages are not installed.
        SettingsError: the price file cannot be used; better told here than on every page.
    """
    require_dashboard()
    price_book()
    arguments = ["--store", store]
    if port is not None:
        arguments += ["--port", str(port)]
    if no_browser:
        arguments.append("--no-browser")
    if as_json:
        arguments.append("--json")
    become_module("longpole.dashboard.web", arguments)


def require_dashboard() -> None:
    """Raise `MissingExtraError` unless the dashboard's packages are there."""
    for package in ("streamlit", "plotly"):
        if importlib.util.find_spec(package) is None:
            raise MissingExtraError("the dashboard", package, "dashboard")
