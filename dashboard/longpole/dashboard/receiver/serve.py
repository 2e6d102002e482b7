"""Starts the receiver: takes an address, opens the store, serves until told to stop.

On SIGTERM or Ctrl+C no new request is taken, those under way are stored and answered, then the
process ends.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import ipaddress
import json
import os
import secrets
import signal
import socket
import sys
from collections.abc import Sequence
from types import FrameType
from typing import Final, NoReturn

import uvicorn

from longpole.dashboard.receiver.app import LOCAL_NAMES, TRACES, Limits, build_app
from longpole.model.errors import AddressError, LongpoleError, PortTakenError, SettingsError
from longpole.model.settings import LONGPOLE_TOKEN, read_settings
from longpole.storage import Recorder, open_store
from longpole.storage.receiving.intake import Intake
from longpole.storage.urls import shown_url

DEFAULT_HOST: Final = "127.0.0.1"
DEFAULT_PORT: Final = 4318
"""OTLP's own port for HTTP, where senders look by themselves."""
_MIB: Final = 2**20
_LAST_REQUESTS_S: Final = 10
"""Longest time that requests under way may take once the receiver is told to stop."""
_OBJECTS_A_COLLECTION: Final = 50_000
_KEEP_ALIVE_S: Final = 75
"""Senders send every few seconds; a connection must not be closed just when they do."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until interrupted; return the exit code (0 ok, 1 problem, 2 usage)."""
    options = _parser().parse_args(arguments)
    try:
        _serve(options)
    except LongpoleError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2 if isinstance(error, SettingsError) else 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="longpole.dashboard.receiver", description="Receive OTLP/HTTP into the store."
    )
    parser.add_argument("--store", metavar="URL", help="default: as every command")
    parser.add_argument("--host", default=DEFAULT_HOST)
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="0 takes a free one")
    parser.add_argument("--max-request-mib", type=int, default=Limits().request_bytes // _MIB)
    parser.add_argument("--max-waiting-mib", type=int, default=Limits().waiting_bytes // _MIB)
    parser.add_argument("--json", action="store_true", help="say in JSON what is served where")
    return parser


def _serve(options: argparse.Namespace) -> None:
    settings = read_settings()
    check_address(options.host, settings.token)
    limits = Limits(
        request_bytes=options.max_request_mib * _MIB,
        waiting_bytes=max(options.max_waiting_mib, options.max_request_mib) * _MIB,
    )
    with contextlib.ExitStack() as stack:
        listening = stack.enter_context(_listening(options.host, options.port))
        store = stack.enter_context(
            contextlib.closing(open_store(options.store or settings.store, mode="write"))
        )
        recorder = Recorder(
            recorder_id=secrets.token_hex(8), pid=os.getpid(), host=socket.gethostname()
        )
        intake = Intake(store, recorder)
        stack.callback(intake.close)
        told = _announcement(shown_url(store.url), listening, as_json=options.json)
        app = build_app(
            intake,
            hosts=(*LOCAL_NAMES, options.host),
            token=settings.token,
            limits=limits,
            on_start=lambda: print(told, flush=True),
        )
        # The server hands a signal on when it has shut down; that is then the end, no accident.
        signal.signal(signal.SIGTERM, _exit)
        signal.signal(signal.SIGINT, _exit)
        _spare_the_collector()
        with contextlib.suppress(SystemExit):
            uvicorn.Server(_config(app)).run(sockets=[listening])


def _spare_the_collector() -> None:
    """Look for garbage more seldom, and never through what is there for good.

    Spans come as thousands of small objects that go all at once when their request is stored.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_OBJECTS_A_COLLECTION)


def _exit(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(0)


def _config(app: object) -> uvicorn.Config:
    return uvicorn.Config(
        app,  # type: ignore[arg-type]
        lifespan="on",
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=_LAST_REQUESTS_S,
    )


def check_address(host: str, token: str | None) -> None:
    """Make sure that nothing beyond this machine can send without a token.

    Raises:
        AddressError: it could.
    """
    if token is None and not _is_loopback(host):
        raise AddressError(
            f"{host!r} is reached from other machines, so senders must show a token: "
            f"give one with --token or {LONGPOLE_TOKEN}, or leave --host away"
        )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _listening(host: str, port: int) -> socket.socket:
    """Return a socket that listens.

    Raises:
        AddressError: the host names no address of this machine.
        PortTakenError: the port is taken.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        return socket.create_server(address[:2], family=family, backlog=1024)
    except PermissionError as error:
        raise PortTakenError(f"port {port} is not yours to listen on: {error.strerror}") from error
    except socket.gaierror as error:
        raise AddressError(f"--host {host!r} is no address: {error.strerror}") from error
    except OSError as error:
        # `create_server` writes the address behind the reason.
        reason = os.strerror(error.errno) if error.errno else error
        raise PortTakenError(
            f"cannot listen on {host}:{port}: {reason}; "
            "name another port with --port, 0 takes a free one"
        ) from error


def _announcement(store_url: str, listening: socket.socket, *, as_json: bool) -> str:
    host, port = listening.getsockname()[:2]
    shown = f"[{host}]" if listening.family == socket.AF_INET6 else host
    address = f"http://{shown}:{port}"
    if as_json:
        told = {"store": store_url, "address": address, "endpoint": f"{address}{TRACES}"}
        return json.dumps(told)
    return f"Longpole receives OTLP  {address}{TRACES}  into {store_url}"
