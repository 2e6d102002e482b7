"""Where LangSmith's client sends to in `bench peers`: requests in, the ids of their runs out.

It answers as the real API does when all is well, and at once; unlike the stand-in of the tests it
takes the end of a run before its start, which the client's parallel requests bring about.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

import orjson

from tests.langsmith import wire

_LIMIT_BYTES: Final = 20_971_520
_INFO: Final = orjson.dumps(
    {
        "version": "0.0.0",
        "batch_ingest_config": {
            "use_multipart_endpoint": True,
            "size_limit": 100,
            "size_limit_bytes": _LIMIT_BYTES,
            "scale_up_qsize_trigger": 1000,
            "scale_up_nthreads_limit": 16,
            "scale_down_nempty_trigger": 4,
        },
        "instance_flags": {"zstd_compression_enabled": True},
    }
)


class Sink(ThreadingHTTPServer):
    """A server on the loopback that remembers which runs have started and which have ended."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Requests)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.started: set[str] = set()
        self.ended: set[str] = set()

    def take(self, posted: wire.Posted) -> None:
        """Remember the runs of one request."""
        self.started |= posted.posts.keys()
        self.ended |= {
            run_id
            for runs in (posted.posts, posted.patches)
            for run_id, run in runs.items()
            if run.get("end_time")
        }

    def whole(self) -> int:
        """Return how many runs have both arrived and ended."""
        return len(self.started & self.ended)


class _Requests(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Sink

    def do_GET(self) -> None:
        self._answer(200, _INFO)

    def do_POST(self) -> None:
        packed = self.rfile.read(int(self.headers["Content-Length"]))
        body = wire.unpack(packed, self.headers.get("Content-Encoding", ""), _LIMIT_BYTES)
        self.server.take(wire.read_multipart(body, self.headers["Content-Type"]))
        self._answer(202, b"{}")

    def log_message(self, *args: object) -> None:
        """Say nothing."""

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def sink() -> Iterator[Sink]:
    """Serve while inside."""
    with Sink() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
