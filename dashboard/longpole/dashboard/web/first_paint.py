"""The page before anything of ours has run: its name, and dark where the reader's system is dark.

Streamlit's own page goes in, the same with three things in its head comes out. Without the first
two a tab is called "Streamlit" until the app has loaded, and flashes white in a dark theme; the
third loads ahead of time what draws charts (`preloading`).

Source: CSS Color Adjustment Module Level 1, section 2.2, the `color-scheme` meta tag.
"""

from __future__ import annotations

import gzip

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_TITLE = b"<title>Streamlit</title>"
_HEAD = '<title>Longpole</title><meta name="color-scheme" content="light dark" />'


class FirstPaint:
    """ASGI middleware that changes answers which are whole HTML pages and no others."""

    def __init__(self, app: ASGIApp, script: str = "") -> None:
        """Change the pages of an app; `script` runs in them, if the content policy allows it."""
        self._app = app
        self._head = (_HEAD + (f"<script>{script}</script>" if script else "")).encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http" or scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        await self._app(scope, receive, _Page(send, self._head))


class _Page:
    """Holds an HTML answer back until it is whole, and lets others pass."""

    def __init__(self, send: Send, head: bytes) -> None:
        self._send = send
        self._head = head
        self._start: Message | None = None
        self._body = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and _is_page(message):
            self._start = message
        elif self._start is None:
            await self._send(message)
        else:
            self._body += message.get("body", b"")
            if not message.get("more_body", False):
                await self._send_page(self._start)

    async def _send_page(self, start: Message) -> None:
        headers = MutableHeaders(scope=start)
        packed = headers.get("content-encoding") == "gzip"
        page = gzip.decompress(self._body) if packed else self._body
        body = page.replace(_TITLE, self._head, 1)
        headers["content-length"] = str(len(body))
        # They tell of the page as Streamlit has it.
        for name in ("etag", "last-modified", "content-encoding"):
            if name in headers:
                del headers[name]
        await self._send(start)
        await self._send({"type": "http.response.body", "body": body})


def _is_page(start: Message) -> bool:
    headers = MutableHeaders(scope=start)
    is_html = headers.get("content-type", "").startswith("text/html")
    is_read = headers.get("content-encoding", "gzip") == "gzip"
    return is_html and is_read and start["status"] == 200
