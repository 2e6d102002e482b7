"""A server that speaks as much of ClickHouse's HTTP interface as its client uses, backed by chDB.

Query text, bound values, settings and bytes of Native format go to the engine as they come, and
what the engine answers goes back: the client, its bytes and the SQL are the real ones, only the
server's own door is replaced.
"""

from __future__ import annotations

import base64
import contextlib
import email
import email.policy
import itertools
import os
import tempfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import zstandard

USER = "longpole"
PASSWORD = "s3cr:t/@"

_TRANSPORT = frozenset(
    {
        "query",
        "database",
        "query_id",
        "session_id",
        "wait_end_of_query",
        "send_progress_in_http_headers",
        "http_headers_progress_interval_ms",
        "enable_http_compression",
        "client_protocol_version",
        "cancel_http_readonly_queries_on_client_close",
        "default_format",
    }
)
# How long the server waits for more small inserts, in milliseconds; its own default is 200.
_OWN_SETTINGS = {"async_insert_busy_timeout_max_ms": "5", "async_insert_busy_timeout_min_ms": "5"}
_DATA = b"FORMAT Native\n"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Engine

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)) or 0)
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            body = self._chunks()
        if self.server.is_down:
            self._answer(503, b"the server is down")
            return
        if self.headers.get("Authorization") != _expected_authorization():
            self._answer(401, b"Code: 516. DB::Exception: Authentication failed", code="516")
            return
        body = _plain(body, self.headers.get("Content-Encoding", ""))
        parameters = dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))
        content_type = self.headers.get("Content-Type", "")
        if content_type.startswith("multipart/form-data"):
            parameters.update(_form(content_type, body))
            body = b""
        self.server.requests.append(parameters)
        try:
            answer = self.server.run(parameters, body)
        except RuntimeError as error:
            text = str(error)
            code = text.partition("Code: ")[2].partition(".")[0]
            self._answer(500, text.encode(), code=code or "1000")
            return
        self._answer(200, answer)

    def _chunks(self) -> bytes:
        body = b""
        while length := int(self.rfile.readline().strip() or b"0", 16):
            body += self.rfile.read(length)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _answer(self, status: int, body: bytes, code: str | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if code is not None:
            self.send_header("X-ClickHouse-Exception-Code", code)
        self.end_headers()
        self.wfile.write(body)


class Engine(ThreadingHTTPServer):
    """The server; `folder` is the one that chDB has in this process."""

    daemon_threads = True

    def __init__(self, folder: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder = folder
        self.is_down = False
        self.requests: list[dict[str, str]] = []

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def run(self, parameters: dict[str, str], body: bytes) -> bytes:
        """Run one request as the server would."""
        import chdb

        connection = chdb.connect(self.folder)  # type: ignore[no-untyped-call]
        try:
            if parameters.get("database"):
                connection.query(f"USE `{parameters['database']}`", "TabSeparated")
            for name, value in {**_OWN_SETTINGS, **parameters}.items():
                if name not in _TRANSPORT and not name.startswith("param_"):
                    quoted = value.replace("\\", "\\\\").replace("'", "\\'")
                    connection.query(f"SET {name} = '{quoted}'", "TabSeparated")
            bound = {
                name.removeprefix("param_"): value
                for name, value in parameters.items()
                if name.startswith("param_")
            }
            return _run(connection, parameters.get("query", ""), bound, body)
        finally:
            connection.close()


def _run(connection: Any, query: str, bound: dict[str, str], body: bytes) -> bytes:
    head, data_mark, data = body.partition(_DATA)
    if data_mark and head.lstrip()[:6].upper() == b"INSERT":
        with tempfile.NamedTemporaryFile(suffix=".native") as file:
            file.write(data)
            file.flush()
            statement = f"{head.decode()} FROM INFILE '{file.name}' FORMAT Native"
            connection.query(statement, "TabSeparated")
            return b""
    text = (query + body.decode()).rstrip()
    format_name = "Native" if text.endswith("FORMAT Native") else "TabSeparated"
    return bytes(connection.query(text, format_name, params=bound).bytes() or b"")


def _expected_authorization() -> str:
    return "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


def _plain(body: bytes, encoding: str) -> bytes:
    if encoding == "lz4":
        import lz4.frame

        return bytes(lz4.frame.decompress(body))
    if encoding == "zstd":
        return zstandard.ZstdDecompressor().decompressobj().decompress(body)
    return body


def _form(content_type: str, body: bytes) -> dict[str, str]:
    head = f"Content-Type: {content_type}\r\n\r\n".encode()
    message = email.message_from_bytes(head + body, policy=email.policy.HTTP)
    fields = {}
    for part in message.iter_parts():
        payload = part.get_payload(decode=True)
        assert isinstance(payload, bytes)
        fields[str(part.get_param("name", header="content-disposition"))] = payload.decode()
    return fields


@contextlib.contextmanager
def running(folder: str) -> Iterator[Engine]:
    """Serve in a thread for the length of a block."""
    engine = Engine(folder)
    thread = threading.Thread(target=engine.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield engine
    finally:
        engine.shutdown()
        thread.join()
        engine.server_close()


_numbers = itertools.count(1)


def new_database() -> str:
    """A name that no other test has."""
    return f"test_{os.getpid()}_{next(_numbers)}"


def server_url(engine: Engine, database: str) -> str:
    """The URL of a database behind the HTTP server."""
    return f"clickhouse://{USER}:{quote(PASSWORD, safe='')}@127.0.0.1:{engine.port}/{database}"
