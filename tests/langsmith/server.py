"""LangSmith's API on the loopback, as strict as the real one or stricter.

In: HTTP requests of any client, with or without a path prefix such as `/api`. Out: the answers of
the real API, and for the test that runs it what was stored and what was asked. One `StandIn` is one
server on a free port of 127.0.0.1; it is a context manager and needs no clean-up.
"""

from __future__ import annotations

import re
import socket
import struct
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Final, Self, cast
from urllib.parse import parse_qs, urlsplit

import orjson

from tests.langsmith import wire
from tests.langsmith.checks import Json, RefusedError, is_id
from tests.langsmith.faults import STATUSES, Fault, Faults
from tests.langsmith.records import Records
from tests.langsmith.wire import Posted

API_KEY: Final = "lsv2_pt_stand_in"

_PATH: Final = re.compile(r"(?:/api)?(?:/v1)?/(info|sessions|runs)(?:/([^/]+))?/?")
_REASONS: Final = {
    400: "Bad request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not found",
    409: "Conflict",
    411: "Length required",
    413: "Payload too large",
    415: "Unsupported media type",
    422: "Unprocessable entity",
    429: "Rate limit exceeded",
    500: "Internal server error",
    502: "Bad gateway",
    503: "Service unavailable",
}
# Lingering for no time makes the close of a socket a reset.
_LINGER_NOT: Final = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request that has come.

    Attributes:
        method: the HTTP method.
        path: the path as it came, with its prefix.
        status: what was answered; None when the connection was reset instead.
        runs: how many runs it would create or change.
        size_bytes: how long its body was on the wire.
        encoding: the compression of its body, empty for none.
        fault: what befell it.
    """

    method: str
    path: str
    status: int | None
    runs: int = 0
    size_bytes: int = 0
    encoding: str = ""
    fault: Fault | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back; status None is a reset of the connection."""

    status: int | None
    value: object = None
    headers: Mapping[str, str] = field(default_factory=dict)
    runs: int = 0
    fault: Fault | None = None


@dataclass(kw_only=True)
class StandIn:
    """A running stand-in.

    Attributes:
        api_key: the key that may read and write.
        read_only_key: a key that may only read.
        faults: what goes wrong.
        refuse: says what is wrong with a run, or None: that run is poison to the API.
        window: whether runs that started more than 24 hours from now are refused.
        now: the clock.
        projects: the names of the only projects there are; None: a project is made when named.
        size_limit: how many runs a request should have; told by `/info`, not enforced.
        size_limit_bytes: how many bytes a body may have, unpacked.
        zstd: whether `/info` asks for compressed bodies.
        retry_after_s: what a 429 with Retry-After tells.
        slow_limit_s: how long a slow answer is held back at most.
        held: set when a slow answer is being held back.
        release: set it to let slow answers go.
    """

    api_key: str = API_KEY
    read_only_key: str | None = None
    faults: Faults = field(default_factory=Faults.none)
    refuse: Callable[[Json], str | None] | None = None
    window: bool = False
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))
    projects: Sequence[str] | None = None
    size_limit: int = 100
    size_limit_bytes: int = 20_971_520
    zstd: bool = True
    retry_after_s: int = 1
    slow_limit_s: float = 1.0
    held: threading.Event = field(default_factory=threading.Event, init=False)
    release: threading.Event = field(default_factory=threading.Event, init=False)

    def __post_init__(self) -> None:
        self._records = Records(self.now, self.window, self.refuse, self.projects)
        self._asked: list[Asked] = []
        self._lock = threading.Lock()
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release.set()
        self._server.shutdown()
        self._server.close_connections()
        self._server.server_close()
        self._thread.join()
        if error is None and self._server.broken:
            raise ExceptionGroup("the stand-in itself failed", self._server.broken)

    @property
    def url(self) -> str:
        """Where it listens, without a path."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def runs(self) -> dict[str, Json]:
        """The stored runs by id, as they were posted, with all their parts."""
        return self._records.runs

    @property
    def feedback(self) -> dict[str, Json]:
        """The stored feedback by id."""
        return self._records.feedback

    @property
    def attachments(self) -> dict[tuple[str, str], tuple[str, bytes]]:
        """Media type and bytes of the stored attachments, by run id and name."""
        return self._records.attachments

    @property
    def requests(self) -> list[Asked]:
        """The requests in the order they were answered."""
        with self._lock:
            return [*self._asked]

    @property
    def writes(self) -> list[Asked]:
        """The requests that would write."""
        return [asked for asked in self.requests if _is_write(asked.method, asked.path)]

    def answer(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Return the answer to one request, and remember both."""
        try:
            answer = self._route(method, target, headers, body)
        except RefusedError as refused:
            answer = _refusal(refused.status, refused.words)
        asked = Asked(
            method=method,
            path=urlsplit(target).path,
            status=answer.status,
            runs=answer.runs,
            size_bytes=len(body),
            encoding=headers.get("Content-Encoding", ""),
            fault=answer.fault,
        )
        with self._lock:
            self._asked.append(asked)
        if answer.fault is Fault.SLOW:
            self.held.set()
            self.release.wait(self.slow_limit_s)
        return answer

    def _route(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Answer:
        url = urlsplit(target)
        match = _PATH.fullmatch(url.path)
        route = (method, match[1], match[2]) if match else None
        if route == ("GET", "info", None):
            return Answer(200, self._info())
        self._authorise(method, url.path, headers.get("x-api-key"))
        match route:
            case ("GET", "sessions", None):
                name = parse_qs(url.query).get("name")
                return Answer(200, self._records.sessions(name[0] if name else None))
            case ("GET", "sessions", str(session_id)):
                return Answer(200, self._records.session(session_id))
            case ("POST", "runs", "query"):
                return Answer(200, self._records.query(wire.read_object(body, "the query")))
            case ("GET", "runs", str(run_id)) if is_id(run_id):
                return Answer(200, self._records.read(run_id))
            case ("POST", "runs", None | "multipart" | "batch" as kind):
                return self._write(kind or "run", headers, body)
            case ("PATCH", "runs", str(run_id)) if is_id(run_id):
                return self._write(run_id, headers, body)
        raise RefusedError(404, f"{method} {url.path}")

    def _authorise(self, method: str, path: str, key: str | None) -> None:
        if key is None:
            raise RefusedError(401, "x-api-key is missing")
        if key == self.read_only_key and _is_write(method, path):
            raise RefusedError(403, "this key may not write")
        if key not in (self.api_key, self.read_only_key):
            raise RefusedError(401, "invalid x-api-key")

    def _write(self, kind: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Read a request that writes, let its fault befall it, and store what is left of it."""
        fault = self.faults.next()
        posted: Posted | RefusedError
        try:
            posted = self._read(kind, headers, body)
            runs = len(posted.posts) + len(posted.patches)
        except RefusedError as refused:
            posted, runs = refused, 0
        if fault is Fault.NO_MULTIPART and kind != "multipart":
            fault = None
        if fault is Fault.RESET:
            return Answer(None, runs=runs, fault=fault)
        if fault in STATUSES:
            return self._failure(fault, runs)
        answer = self._store(posted, runs)
        if fault is Fault.LOST_ANSWER:
            return Answer(None, runs=runs, fault=fault)
        return Answer(answer.status, answer.value, runs=runs, fault=fault)

    def _read(self, kind: str, headers: Mapping[str, str], body: bytes) -> Posted:
        encoding = headers.get("Content-Encoding", "")
        plain = wire.unpack(body, encoding, self.size_limit_bytes)
        content_type = headers.get("Content-Type", "")
        if kind == "multipart":
            posted = wire.read_multipart(plain, content_type)
        elif content_type.partition(";")[0] != "application/json":
            raise RefusedError(415, f"Content-Type is {content_type!r}, expected application/json")
        elif kind == "batch":
            posted = wire.read_batch(plain)
        elif kind == "run":
            posted = wire.read_run(plain)
        else:
            posted = wire.read_patch(plain, kind)
        if encoding == "zstd":
            wire.check_sizes(headers, body, posted)
        return posted

    def _store(self, posted: Posted | RefusedError, runs: int) -> Answer:
        try:
            if isinstance(posted, RefusedError):
                raise posted
            self._records.take(posted)
        except RefusedError as refused:
            return _refusal(refused.status, refused.words, runs)
        return Answer(202, {"message": "Runs ingested"}, runs=runs)

    def _failure(self, fault: Fault, runs: int) -> Answer:
        headers = {}
        if fault is Fault.RATE_LIMIT_SECONDS:
            headers["Retry-After"] = str(self.retry_after_s)
        elif fault is Fault.RATE_LIMIT_DATE:
            at = self.now().astimezone(UTC) + timedelta(seconds=self.retry_after_s)
            headers["Retry-After"] = format_datetime(at, usegmt=True)
        refusal = _refusal(STATUSES[fault], "planned", runs)
        return Answer(refusal.status, refusal.value, headers, runs, fault)

    def _info(self) -> Json:
        return {
            "version": "0.0.0",
            "batch_ingest_config": {
                "use_multipart_endpoint": True,
                "scale_up_qsize_trigger": 1000,
                "scale_up_nthreads_limit": 16,
                "scale_down_nempty_trigger": 4,
                "size_limit": self.size_limit,
                "size_limit_bytes": self.size_limit_bytes,
            },
            "instance_flags": {"zstd_compression_enabled": self.zstd},
        }


def _is_write(method: str, path: str) -> bool:
    return method != "GET" and not path.endswith("/runs/query")


def _refusal(status: int, words: str, runs: int = 0) -> Answer:
    return Answer(status, {"error": f"{_REASONS[status]}: {words}"}, runs=runs)


class _Server(ThreadingHTTPServer):
    """The sockets; it knows its connections, so that none outlives it."""

    # Threads are waited for, so that no test leaves one behind.
    daemon_threads = False
    request_queue_size = 128

    def __init__(self, stand_in: StandIn) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.stand_in = stand_in
        self.broken: list[Exception] = []
        self.resets: set[socket.socket] = set()
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        with self._lock:
            self._connections.add(connection)
        return connection, address

    def shutdown_request(self, request: socket.socket | tuple[bytes, socket.socket]) -> None:
        connection = cast(socket.socket, request)
        with self._lock:
            self._connections.discard(connection)
            is_reset = connection in self.resets
            self.resets.discard(connection)
        if is_reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
            self.close_request(connection)
        else:
            super().shutdown_request(connection)

    def close_connections(self) -> None:
        """Wake the threads that wait for another request of a client."""
        with self._lock:
            for connection in self._connections:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue

    def handle_error(self, request: object, client_address: object) -> None:
        error = sys.exception()
        # A client that went away is a client's affair; all else is a fault of the stand-in.
        if isinstance(error, Exception) and not isinstance(error, ConnectionError):
            self.broken.append(error)


class _Handler(BaseHTTPRequestHandler):
    """One connection, kept alive over many requests."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_PATCH(self) -> None:
        self._serve()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing; tests look at `StandIn.requests`."""

    def _serve(self) -> None:
        server = cast(_Server, self.server)
        length = self.headers.get("Content-Length")
        if self.command != "GET" and length is None:
            self._send(_refusal(411, "Content-Length is missing"))
            self.close_connection = True
            return
        body = self.rfile.read(int(length or 0))
        headers = cast(Mapping[str, str], self.headers)
        answer = server.stand_in.answer(self.command, self.path, headers, body)
        if answer.status is None:
            server.resets.add(self.connection)
            self.close_connection = True
        else:
            self._send(answer)

    def _send(self, answer: Answer) -> None:
        body = orjson.dumps(answer.value)
        self.send_response(answer.status or 500)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()
