"""`longpole serve`: receives OTLP/HTTP into the store."""

from __future__ import annotations

import importlib.util
import os

import click

from longpole.dashboard.cli.children import become_module
from longpole.dashboard.cli.options import json_option, store_option
from longpole.model.errors import MissingExtraError
from longpole.model.settings import LONGPOLE_TOKEN

_MIB = click.IntRange(1, 1 << 20)


@click.command(short_help="Receive OpenTelemetry traces (OTLP/HTTP).")
@store_option
@json_option
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen on; any but this machine's own loopback needs a token.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=4318,
    show_default=True,
    help="0 takes a free one.",
)
@click.option(
    "--token",
    help=f"What senders must show, as `Authorization: Bearer TOKEN`. Default: {LONGPOLE_TOKEN}.",
)
@click.option(
    "--max-request-mib",
    type=_MIB,
    default=64,
    show_default=True,
    help="Largest request, as it comes and inflated.",
)
@click.option(
    "--max-waiting-mib",
    type=_MIB,
    default=128,
    show_default=True,
    help="All requests that wait for the store together; beyond it senders are asked to wait.",
)
def serve(
    store: str,
    as_json: bool,
    host: str,
    port: int,
    token: str | None,
    max_request_mib: int,
    max_waiting_mib: int,
) -> None:
    """Receive traces from any OpenTelemetry SDK or Collector (OTLP/HTTP).

    Spans are stored before they are acknowledged; what is sent twice is stored once.
    """
    for package in ("uvicorn", "starlette", "google.rpc"):
        if importlib.util.find_spec(package) is None:
            raise MissingExtraError("the receiver", package, "serve")
    if token is not None:
        # Not among the arguments, which every user of the machine can read.
        os.environ[LONGPOLE_TOKEN] = token
    arguments = ["--store", store, "--host", host, "--port", str(port)]
    arguments += ["--max-request-mib", str(max_request_mib)]
    arguments += ["--max-waiting-mib", str(max_waiting_mib)]
    become_module("longpole.dashboard.receiver", [*arguments, *(["--json"] if as_json else [])])
