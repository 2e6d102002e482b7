"""Answers carry a content policy: the page may load and talk to nothing but its own server.

Scripts come from this server or from memory (`blob:`, how Streamlit loads components); styles may
stand inline, which Streamlit needs. So even trace text that found a way to become markup could not
fetch an image or send anything anywhere.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from longpole.dashboard.web.preloading import PRELOAD_SCRIPT, streamlit_files


def _allowed(scripts: Iterable[str]) -> list[str]:
    """Return the sources that allow exactly these inline scripts."""
    digests = [hashlib.sha256(script.encode()).digest() for script in scripts]
    return [f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests]


def _inline_scripts() -> list[str]:
    """Return the scripts that stand in Streamlit's own page, and ours."""
    path = streamlit_files() / "index.html"
    page = path.read_text(encoding="utf-8") if path.is_file() else ""
    theirs: list[str] = re.findall(r"<script>(.*?)</script>", page, flags=re.DOTALL)
    return [*theirs, PRELOAD_SCRIPT]


CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'self'",
        " ".join(("script-src 'self' blob:", *_allowed(_inline_scripts()))),
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self'",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)

SECURITY_HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
}


class SecurityHeaders:
    """ASGI middleware that adds `SECURITY_HEADERS` to every HTTP answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(SECURITY_HEADERS)
            await send(message)

        await self._app(scope, receive, send_with_headers)
