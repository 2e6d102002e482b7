"""A provider's batch API on this machine's loopback: a job of prompts in, canned answers out.

Source: Anthropic's Message Batches API, as far as a client needs it to submit one job at a time,
ask how it goes, and fetch its results.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, Final

_JOB: Final = {"id": "msgbatch_1", "created_at": "2026-11-25T09:00:00Z"}


class _BatchApi(HTTPServer):
    """Keeps the job that was submitted last; it is busy when first asked about."""

    def __init__(self, answer: str) -> None:
        super().__init__(("127.0.0.1", 0), _Requests)
        self.answer = answer
        self.ids: list[str] = []
        self.was_asked = False

    def job(self) -> dict[str, Any]:
        status = "ended" if self.was_asked else "in_progress"
        self.was_asked = True
        return {
            **_JOB,
            "processing_status": status,
            "request_counts": {"succeeded": len(self.ids)} if status == "ended" else {},
            "results_url": f"http://127.0.0.1:{self.server_port}/results",
        }

    def results(self) -> list[dict[str, Any]]:
        message = {"content": [{"type": "text", "text": self.answer}]}
        done = {"type": "succeeded", "message": message}
        return [{"custom_id": one, "result": done} for one in self.ids]


class _Requests(BaseHTTPRequestHandler):
    server: _BatchApi

    def do_POST(self) -> None:
        submitted = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.ids = [request["custom_id"] for request in submitted["requests"]]
        self.server.was_asked = False
        self._reply([_JOB])

    def do_GET(self) -> None:
        is_results = self.path == "/results"
        self._reply(self.server.results() if is_results else [self.server.job()])

    def log_message(self, *args: object) -> None:
        """Say nothing."""

    def _reply(self, lines: list[dict[str, Any]]) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write("\n".join(json.dumps(line) for line in lines).encode())


@contextmanager
def fake_batch_api(answer: str) -> Iterator[str]:
    """Serve the API while inside, and give its base URL; every prompt gets the same answer."""
    with _BatchApi(answer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
