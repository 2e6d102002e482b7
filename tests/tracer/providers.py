"""A stand-in for providers' servers on the loopback: answers a script, in order, over real HTTP."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Reply:
    """One answer: a status with a JSON body, or a stream of server-sent events."""

    status: int = 200
    body: Any = None
    events: tuple[str, ...] = ()
    headers: dict[str, str] = field(default_factory=dict)


def busy(status: int = 429, retry_after_ms: int = 1) -> Reply:
    return Reply(status, {"error": "busy"}, headers={"retry-after-ms": str(retry_after_ms)})


class Provider:
    """Serves replies in the order given; the last one again and again."""

    def __init__(self, replies: list[Reply]) -> None:
        self.replies = replies
        self.requests: list[dict[str, Any]] = []
        self.lock = threading.Lock()
        self.url = ""

    def next(self, request: dict[str, Any]) -> Reply:
        with self.lock:
            self.requests.append(request)
            return self.replies[min(len(self.requests), len(self.replies)) - 1]


@contextmanager
def serving(*replies: Reply) -> Iterator[Provider]:
    provider = Provider(list(replies))

    class Handler(BaseHTTPRequestHandler):
        # One request a connection, as HTTP/1.0 has it: clients leave no socket open.
        def do_POST(self) -> None:
            length = int(self.headers.get("content-length", 0))
            reply = provider.next(json.loads(self.rfile.read(length) or b"{}"))
            streamed = bool(reply.events)
            body = "".join(reply.events) if streamed else json.dumps(reply.body)
            self.send_response(reply.status)
            kind = "text/event-stream" if streamed else "application/json"
            for name, value in {"content-type": kind, **reply.headers}.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(body.encode())))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    provider.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield provider
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def openai_chat(text: str = "hi", choices: int = 1, **usage: Any) -> Reply:
    return Reply(
        body={
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": "gpt-4o-mini-2024-07-18",
            "choices": [
                {
                    "index": number,
                    "message": {"role": "assistant", "content": text},
                    "finish_reason": "stop",
                }
                for number in range(choices)
            ],
            "usage": {
                "prompt_tokens": 10,
                "completion_tokens": 5,
                "total_tokens": 15,
                **usage,
            },
        }
    )


def openai_embeddings(count: int, tokens: int = 7) -> Reply:
    return Reply(
        body={
            "object": "list",
            "model": "text-embedding-3-small",
            "data": [
                {"object": "embedding", "index": number, "embedding": [0.1, 0.2, 0.3]}
                for number in range(count)
            ],
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        }
    )


def server_sent(*events: tuple[str | None, Any]) -> Reply:
    """A stream; each event is its name, if any, and its data."""
    lines = (
        (f"event: {name}\n" if name else "")
        + f"data: {data if isinstance(data, str) else json.dumps(data)}\n\n"
        for name, data in events
    )
    return Reply(events=tuple(lines))


def anthropic_message(**usage: Any) -> Reply:
    return Reply(
        body={
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "claude-haiku-4-5",
            "content": [{"type": "text", "text": "hi"}],
            "stop_reason": "end_turn",
            "stop_sequence": None,
            "usage": {"input_tokens": 10, "output_tokens": 5, **usage},
        }
    )
