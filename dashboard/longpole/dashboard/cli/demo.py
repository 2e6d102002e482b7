"""`longpole demo`: records real parallel chains, then opens the dashboard on them."""

from __future__ import annotations

import sys
from typing import Final

import click

from longpole.dashboard.cli.children import run_module
from longpole.dashboard.cli.dashboard import PORT, open_dashboard, require_dashboard
from longpole.dashboard.cli.options import json_option, store_option, write_json
from longpole.dashboard.words import plain

_NEXT: Final = "Look at them with: longpole runs, longpole show last, longpole dashboard"


@click.command(short_help="Record the demo's runs and look at them.")
@store_option
@json_option
@click.option("--record-only", is_flag=True, help="End after recording.")
@click.option(
    "--speed",
    type=click.FloatRange(min=0, min_open=True),
    default=1.0,
    show_default=True,
    metavar="FACTOR",
    help="How many times faster than life; 20 takes a few seconds.",
)
@click.option("--port", type=PORT, help="Port of the dashboard.")
@click.option("--no-browser", is_flag=True, help="Do not open a browser.")
def demo(
    store: str,
    as_json: bool,
    record_only: bool,
    speed: float,
    port: int | None,
    no_browser: bool,
) -> None:
    """Record the demo's runs (fake models, no key, no network) and look at them."""
    if not record_only:
        require_dashboard()
    # A process of its own: the recording side and the looking side meet only in the store.
    code = run_module(
        "longpole.tracer.demo", ["--store", store, "--speed", str(speed)], quiet=as_json
    )
    if code:
        sys.exit(code)
    if as_json:
        write_json({"store": store})
    else:
        click.echo(f"\nThe runs are in {plain(store)}")
        click.echo(_NEXT if record_only else "Opening the dashboard; end it with Ctrl+C.\n")
    if not record_only:
        open_dashboard(store, port, no_browser=no_browser, as_json=as_json)
