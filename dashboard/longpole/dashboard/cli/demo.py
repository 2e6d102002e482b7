"""`longpole demo`: records real parallel chains, then opens the dashboard on them."""

from __future__ import annotations

import sys

import click

from longpole.dashboard.cli.children import run_module
from longpole.dashboard.cli.dashboard import PORT, open_dashboard, require_dashboard
from longpole.dashboard.cli.options import store_option
from longpole.dashboard.words import plain


@click.command()
@store_option
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
def demo(store: str, record_only: bool, speed: float, port: int | None, no_browser: bool) -> None:
    """Record the demo's runs (fake models, no key, no network) and look at them."""
    if not record_only:
        require_dashboard()
    # A process of its own: the recording side and the looking side meet only in the store.
    code = run_module("longpole.tracer.demo", ["--store", store, "--speed", str(speed)])
    if code:
        sys.exit(code)
    click.echo(f"\nThe runs are in {plain(store)}")
    if record_only:
        click.echo("Look at them with: longpole runs, longpole show last, longpole dashboard")
        return
    click.echo("Opening the dashboard; end it with Ctrl+C.\n")
    open_dashboard(store, port, no_browser=no_browser)
