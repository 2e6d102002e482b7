"""`longpole export otlp`: runs into any OpenTelemetry backend."""

from __future__ import annotations

import time
from typing import Any

import click

from longpole.dashboard.cli.exports.delivering import Exporting, How, delivering_options
from longpole.dashboard.cli.exports.leaving import Leaving, leaving_options
from longpole.dashboard.cli.exports.selection import selection, selection_options
from longpole.dashboard.cli.options import json_option, store_option
from longpole.model.errors import SettingsError
from longpole.storage import open_store


@click.command(short_help="Into an OpenTelemetry backend.")
@store_option
@json_option
@click.option(
    "--endpoint",
    metavar="URL",
    default="http://127.0.0.1:4318",
    show_default=True,
    help="The backend's OTLP/HTTP address; /v1/traces is added.",
)
@click.option(
    "--header", "headers", multiple=True, metavar="NAME=VALUE", help="Sent along; repeatable."
)
@selection_options
@leaving_options()
@delivering_options
def otlp(
    store: str,
    as_json: bool,
    endpoint: str,
    headers: tuple[str, ...],
    with_content: bool,
    redact: Any,
    dry_run: bool,
    force: bool,
    retry_failed: bool,
    follow: bool,
    **chosen: Any,
) -> None:
    """Send runs to an OpenTelemetry backend, such as a Collector, Jaeger, Tempo or Phoenix.

    What was sent is noted in the store, as for LangSmith.
    """
    import requests

    from longpole.storage.exchange.otlp_destination import Otlp
    from longpole.storage.exchange.otlp_send import OtlpSender

    opened = open_store(store, mode="read" if dry_run else "change")
    session = requests.Session()
    try:
        sender = OtlpSender(endpoint, _headers(headers), session=session, sleep=time.sleep)
        Exporting(
            opened,
            Otlp(sender, endpoint),
            selection(**chosen),
            Leaving(with_content=with_content, redact=redact),
            How(
                force=force,
                retry_failed=retry_failed,
                follow=follow,
                as_json=as_json,
                dry_run=dry_run,
            ),
        ).run()
    finally:
        session.close()
        opened.close()


def _headers(given: tuple[str, ...]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for header in given:
        name, separator, value = header.partition("=")
        if not separator or not name.strip():
            raise SettingsError("--header needs NAME=VALUE")
        headers[name.strip()] = value.strip()
    return headers
