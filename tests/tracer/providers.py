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


def openai_response() -> Reply:
    """An answer of OpenAI's Responses API that stopped short."""
    text = {"type": "output_text", "text": "hi", "annotations": []}
    return Reply(
        body={
            "id": "resp_1",
            "object": "response",
            "created_at": 1,
            "model": "gpt-5-2025-08-07",
            "status": "incomplete",
            "incomplete_details": {"reason": "max_output_tokens"},
            "output": [
                {
                    "type": "message",
                    "id": "msg_1",
                    "role": "assistant",
                    "status": "completed",
                    "content": [text],
                }
            ],
            "usage": {
                "input_tokens": 100,
                "output_tokens": 50,
                "total_tokens": 150,
                "input_tokens_details": {"cached_tokens": 80},
                "output_tokens_details": {"reasoning_tokens": 30},
            },
            "parallel_tool_calls": True,
            "tool_choice": "auto",
            "tools": [],
            "error": None,
            "instructions": None,
            "metadata": {},
            "temperature": 1,
            "top_p": 1,
        }
    )


def openai_stream(usage: bool = True) -> Reply:
    def chunk(**held: Any) -> tuple[None, Any]:
        return None, {"id": "chatcmpl-1", "model": "gpt-4o-mini-2024-07-18", **held}

    chunks = [
        chunk(choices=[{"index": 0, "delta": {"content": "hi"}}]),
        chunk(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}]),
    ]
    if usage:
        told = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
        chunks.append(chunk(choices=[], usage=told))
    return server_sent(*chunks, (None, "[DONE]"))


def anthropic_stream(breaks: bool = False) -> Reply:
    begun: dict[str, Any] = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-haiku-4-5",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 10, "output_tokens": 1},
    }
    stopped = {"stop_reason": "end_turn", "stop_sequence": None}
    used = {"input_tokens": 10, "output_tokens": 5, "cache_read_input_tokens": 90}
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": begun},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "text_delta", "text": "hi"},
        },
        {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
        if breaks
        else {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": stopped, "usage": used},
        {"type": "message_stop"},
    ]
    return server_sent(*((event["type"], event) for event in events))


def openai_text(count: int) -> Reply:
    choices = [
        {"index": number, "text": f"answer {number}", "finish_reason": "stop", "logprobs": None}
        for number in range(count)
    ]
    return Reply(
        body={
            "id": "cmpl-1",
            "object": "text_completion",
            "created": 1,
            "model": "gpt-3.5-turbo-instruct",
            "choices": choices,
            "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
        }
    )
