"""Twelve look-ups over HTTP, four at a time: a client for each call, or one shared pool.

A client of its own loads the certificates and opens a connection for every call; the pool keeps
four. `longpole compare` both runs: same branches, shorter ones. The server is on the loopback.
"""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
from langchain_core.runnables import RunnableConfig, RunnableLambda

from longpole.tracer import LongpoleHandler


class Shop(ThreadingHTTPServer):
    """Counts the connections that are opened to it."""

    connections = 0

    def process_request(self, request: Any, client_address: Any) -> None:
        self.connections += 1
        super().process_request(request, client_address)


class Stock(BaseHTTPRequestHandler):
    """Answers 204, in stock, to every request, and keeps the connection."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(204)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


def play(store: str | None = None, speed: float = 1.0) -> dict[str, int]:
    """Record both ways; return how many connections each of them opened."""
    opened: dict[str, int] = {}
    config = RunnableConfig(callbacks=[LongpoleHandler(store)], max_concurrency=4)
    with Shop(("127.0.0.1", 0), Stock) as shop, httpx.Client() as pool:
        threading.Thread(target=shop.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{shop.server_port}/lamp"
        for name, get in (("a client for each call", httpx.get), ("one pool", pool.get)):
            look_up = RunnableLambda(get, name="look up").map()
            before = shop.connections
            look_up.invoke([url] * 12, {**config, "run_name": name})
            opened[name] = shop.connections - before
        shop.shutdown()
    return opened


if __name__ == "__main__":
    print(play())
