"""An OTLP backend on the loopback, for tests: takes requests apart and answers what it is told."""

from __future__ import annotations

import contextlib
import gzip
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

PROTOBUF = "application/x-protobuf"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the server is told to answer."""

    code: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": PROTOBUF})


@dataclass(slots=True)
class Collector:
    """A server on the loopback; answers what it is told, then 200 for ever."""

    url: str = ""
    replies: list[Reply] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    spans: list[str] = field(default_factory=list)
    span_ids: list[str] = field(default_factory=list)

    def take(self, handler: BaseHTTPRequestHandler) -> Reply:
        body = handler.rfile.read(int(handler.headers["Content-Length"]))
        self.paths.append(handler.path)
        self.keys.append(handler.headers.get("x-api-key"))
        if handler.headers["Content-Type"] != PROTOBUF:
            return Reply(code=415)
        if handler.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        request = ExportTraceServiceRequest.FromString(body)
        reply = self.replies.pop(0) if self.replies else Reply()
        if reply.code == 200:
            for resource in request.resource_spans:
                for scope in resource.scope_spans:
                    self.spans += [span.name for span in scope.spans]
                    self.span_ids += [span.span_id.hex() for span in scope.spans]
        return reply


@contextlib.contextmanager
def collecting() -> Iterator[Collector]:
    """Run a collector as long as the block lasts."""
    told = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            reply = told.take(self)
            self.send_response(reply.code)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    told.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield told
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
