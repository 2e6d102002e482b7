"""Starts the web dashboard: picks a port, serves `app.py` on the loopback interface, opens it.

The store's URL reaches the app through `LONGPOLE_STORE`, the one way in which the app learns it,
however it was started.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import socket
import sys
import webbrowser
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from threading import Event, Thread
from types import FrameType
from typing import Any, NoReturn

import streamlit as st
from starlette.middleware import Middleware

from longpole.dashboard.web.first_paint import FirstPaint
from longpole.dashboard.web.headers import SecurityHeaders
from longpole.dashboard.web.preloading import PRELOAD_SCRIPT
from longpole.model.errors import LongpoleError, PortTakenError, SettingsError
from longpole.model.settings import LONGPOLE_STORE, read_settings
from longpole.storage.urls import check_url, shown_url

HOST = "127.0.0.1"
DEFAULT_PORT = 8765
_PORTS_TO_TRY = 50
APP = Path(__file__).with_name("app.py")

# What Streamlit says, and where, of a port that it cannot bind and of being given another one; that
# is no trouble here.
_OTHER_PORT = {
    "streamlit.web.server.starlette.starlette_server": "Port %s is not available",
    "streamlit.config": "An update to the [server] config option section was detected.",
}

_log = logging.getLogger("longpole")


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until interrupted; return the exit code (0 ok, 1 problem, 2 usage)."""
    options = _parser().parse_args(arguments)
    try:
        if options.store:
            os.environ[LONGPOLE_STORE] = options.store
        store_url = read_settings().store
        check_url(store_url)
        _serve_on_some(
            free_ports(options.port),
            shown_url(store_url),
            opens_browser=not options.no_browser,
            as_json=options.json,
        )
    except LongpoleError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2 if isinstance(error, SettingsError) else 1
    return 0


def free_ports(wanted: int | None) -> Iterator[int]:
    """Yield ports that are free when they are asked for: the wanted one, or from `DEFAULT_PORT` on.

    Raises:
        PortTakenError: there are no more.
    """
    if wanted is not None:
        if _is_free(wanted):
            yield wanted
        raise PortTakenError(
            f"port {wanted} is taken on {HOST}; name another one, "
            "or leave --port away to get a free one"
        )
    for port in range(DEFAULT_PORT, DEFAULT_PORT + _PORTS_TO_TRY):
        if _is_free(port):
            yield port
    raise PortTakenError(
        f"ports {DEFAULT_PORT} to {DEFAULT_PORT + _PORTS_TO_TRY - 1} are all taken; "
        "name a free one with --port"
    )


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As the server does: a port whose last connections are still closing is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="longpole.dashboard.web", description="Serve the Longpole dashboard on this machine."
    )
    parser.add_argument("--store", metavar="URL", help=f"default: {LONGPOLE_STORE}, or the user's")
    parser.add_argument("--port", type=_port, help=f"default: {DEFAULT_PORT}, or the next free one")
    parser.add_argument("--json", action="store_true", help="say in JSON what is served where")
    parser.add_argument("--no-browser", action="store_true", help="do not open a browser")
    return parser


def _port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port, expected 1 to 65535")
    return int(text)


def _serve_on_some(
    ports: Iterable[int], store_url: str, *, opens_browser: bool, as_json: bool
) -> None:
    """Serve until interrupted on the first port that can be had.

    Streamlit binds the port itself, a second after it was found free; who started meanwhile may
    have it by then.
    """
    for logger in _OTHER_PORT:
        logging.getLogger(logger).addFilter(_is_trouble)
    for port in ports:
        if _serve(store_url, port, opens_browser=opens_browser, as_json=as_json):
            return


def _serve(store_url: str, port: int, *, opens_browser: bool, as_json: bool) -> bool:
    """Serve until interrupted; return false if the port was taken by the time it was bound."""
    started = Event()
    app = st.App(
        APP,
        lifespan=_announcement(
            store_url, port, started, opens_browser=opens_browser, as_json=as_json
        ),
        middleware=[
            Middleware(SecurityHeaders),
            Middleware(FirstPaint, script=PRELOAD_SCRIPT),
        ],
        on_script_error=_show_error,
    )
    # Streamlit reads .streamlit/config.toml beside the script named here.
    sys.argv = [str(APP)]
    # The server hands a signal on when it has shut down; that is then the end, not an accident.
    signal.signal(signal.SIGTERM, _exit)
    signal.signal(signal.SIGINT, _exit)
    try:
        app.run(config=streamlit_options(port))
    except SystemExit:
        if started.is_set() or _is_free(port):
            raise
        return False
    return True


def _is_trouble(record: logging.LogRecord) -> bool:
    return not str(record.msg).startswith(_OTHER_PORT[record.name])


def _exit(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(0)


def streamlit_options(port: int) -> dict[str, Any]:
    """Return what Streamlit is told, beside the colours and fonts of `.streamlit/config.toml`."""
    return {
        "server.address": HOST,
        "server.port": port,
        # Else a page of another site could rebind its own name to this address and read along.
        "server.allowedHosts": ["localhost", HOST],
        "server.headless": True,
        "server.fileWatcherType": "none",
        "server.showEmailPrompt": False,
        # Else everything alive, large runs too, is walked after every click, before it is answered.
        "runner.postScriptGC": False,
        "browser.gatherUsageStats": False,
        "client.showErrorDetails": "none",
        "client.showErrorLinks": False,
        "logger.hideWelcomeMessage": True,
    }


def _announcement(
    store_url: str, port: int, started: Event, *, opens_browser: bool, as_json: bool
) -> Any:
    address = f"http://{HOST}:{port}"
    told = f"Longpole  {store_url}  {address}"
    if as_json:
        told = json.dumps({"store": store_url, "address": address})

    @asynccontextmanager
    async def announce(_app: st.App) -> AsyncIterator[dict[str, Any] | None]:
        started.set()
        print(told, flush=True)
        if opens_browser:
            # The socket listens already; the browser may take its time to start.
            Thread(target=webbrowser.open, args=(address,), daemon=True).start()
        yield None

    return announce


def _show_error(error: Exception) -> bool:
    if isinstance(error, LongpoleError):
        st.error("Longpole cannot show this page.", icon=":material/error:")
        st.code(str(error), language=None, wrap_lines=True)
    else:
        _log.error("a dashboard page failed", exc_info=error)
        st.error(
            "This page failed. The terminal that runs the dashboard shows the traceback.",
            icon=":material/error:",
        )
    return True
