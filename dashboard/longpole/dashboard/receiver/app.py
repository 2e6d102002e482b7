"""The receiver as an ASGI app: POST /v1/traces stores spans and then answers; GET /healthz.

A request is read up to its limit, inflated up to the same limit, taken apart in a thread and handed
to the intake; the answer comes when it is stored. How many bytes may be on this way at once is
limited too: beyond that, senders are asked to wait. A page of another site can neither send spans
here (the content types take a preflight, which is not answered) nor, by pointing a name of its own
at this machine, read what is answered.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from longpole.dashboard.receiver import answers
from longpole.dashboard.receiver.room import FullError, Room, Share
from longpole.dashboard.words import plain
from longpole.model.errors import OversizedError, RequestError, StoreError
from longpole.storage.receiving.body import (
    IDENTITY,
    MEDIA_TYPES,
    Received,
    inflated,
    knows_encoding,
    read_traces,
)
from longpole.storage.receiving.intake import Intake

_logger: Final = logging.getLogger("longpole")

TRACES: Final = "/v1/traces"
HEALTH: Final = "/healthz"
LOCAL_NAMES: Final = ("localhost", "127.0.0.1", "[::1]")
"""Under which names this machine calls itself."""
_MIB: Final = 2**20
_READING_THREADS: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much is taken.

    Attributes:
        request_bytes: largest request, as it comes and inflated.
        waiting_bytes: of all requests that are not stored yet together.
        wait_s: longest time that a request waits for the store; senders give up after ten.
    """

    request_bytes: int = 64 * _MIB
    waiting_bytes: int = 128 * _MIB
    wait_s: float = 8.0


def build_app(
    intake: Intake,
    *,
    hosts: Sequence[str] = LOCAL_NAMES,
    token: str | None = None,
    limits: Limits | None = None,
    on_start: Callable[[], None] = lambda: None,
) -> Starlette:
    """Return the app.

    Args:
        intake: stores what comes; it is closed when the app shuts down.
        hosts: the names under which the receiver is to be reached while there is no token.
        token: what senders must show; a page that guesses the address has none, so that then any
            name will do.
        limits: how much is taken.
        on_start: called when the app is up.
    """
    receiver = _Receiver(intake, token, limits or Limits())

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        on_start()
        try:
            yield
        finally:
            await asyncio.to_thread(intake.close)
            receiver.close()

    names = list(hosts) if token is None else ["*"]
    return Starlette(
        routes=[
            Route(TRACES, receiver.take_traces, methods=["POST"]),
            Route(HEALTH, receiver.tell_health, methods=["GET"]),
        ],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=names, www_redirect=False)],
        lifespan=lifespan,
    )


class _Receiver:
    """Answers requests; what it counts is since it was started."""

    def __init__(self, intake: Intake, token: str | None, limits: Limits) -> None:
        self._intake = intake
        self._authorization = None if token is None else f"Bearer {token}".encode()
        self._limits = limits
        self._room = Room(limits.waiting_bytes)
        self._readers = ThreadPoolExecutor(_READING_THREADS, thread_name_prefix="longpole-reader")
        self._stored = 0
        self._refused = 0

    def close(self) -> None:
        self._readers.shutdown()

    async def tell_health(self, _request: Request) -> Response:
        trouble = self._intake.trouble
        told = {"spans_stored": self._stored, "spans_refused": self._refused}
        if trouble is None:
            return JSONResponse({"status": "ok", **told})
        return JSONResponse({"status": "error", "error": str(trouble), **told}, status_code=503)

    async def take_traces(self, request: Request) -> Response:
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if not self._is_authorized(request):
            return answers.unauthenticated(media_type)
        if media_type not in MEDIA_TYPES:
            return answers.wrong_media_type(media_type)
        encoding = request.headers.get("content-encoding", IDENTITY).strip().lower()
        if not knows_encoding(encoding):
            return answers.wrong_encoding(media_type, encoding)
        with self._room.share() as share:
            try:
                body = await self._body_of(request, share)
                received = await self._read(body, encoding, media_type, share)
                await self._store(received, share)
            except OversizedError as error:
                return answers.too_large(media_type, str(error))
            except RequestError as error:
                return answers.unreadable(media_type, str(error))
            except (FullError, StoreError) as error:
                return answers.busy(media_type, str(error))
            except TimeoutError:
                return answers.busy(media_type, "the store is behind; send it again")
            except ClientDisconnect:
                return Response(status_code=400)
        self._count(received)
        return answers.accepted(media_type, received.refused)

    def _is_authorized(self, request: Request) -> bool:
        if self._authorization is None:
            return True
        shown = request.headers.get("authorization", "").encode()
        return hmac.compare_digest(shown, self._authorization)

    async def _body_of(self, request: Request, share: Share) -> bytes:
        limit_bytes = self._limits.request_bytes
        told = request.headers.get("content-length", "")
        if told.isdecimal() and int(told) > limit_bytes:
            raise OversizedError(limit_bytes)
        parts: list[bytes] = []
        size = 0
        async for part in request.stream():
            size += len(part)
            if size > limit_bytes:
                raise OversizedError(limit_bytes)
            share.take(len(part))
            parts.append(part)
        return b"".join(parts)

    async def _read(self, body: bytes, encoding: str, media_type: str, share: Share) -> Received:
        loop = asyncio.get_running_loop()
        if encoding != IDENTITY:
            body = await loop.run_in_executor(self._readers, self._inflated, body, encoding)
            share.take(len(body))
        return await loop.run_in_executor(self._readers, read_traces, body, media_type)

    def _inflated(self, body: bytes, encoding: str) -> bytes:
        return inflated(body, encoding, limit_bytes=self._limits.request_bytes)

    async def _store(self, received: Received, share: Share) -> None:
        if not received.events:
            return
        stored = asyncio.wrap_future(self._intake.submit(received.events))
        try:
            await asyncio.wait_for(asyncio.shield(stored), self._limits.wait_s)
        except TimeoutError:
            # It is still going to be stored, and takes its room until then.
            stored.add_done_callback(share.handed_over())
            stored.add_done_callback(_look_at)
            raise

    def _count(self, received: Received) -> None:
        self._stored += received.spans
        self._refused += len(received.refused)
        if received.refused:
            # Most senders do not look at what was refused.
            told = plain(answers.in_words(received.refused))
            total = received.spans + len(received.refused)
            _logger.warning("refused %d of %d spans: %s", len(received.refused), total, told)


def _look_at(stored: asyncio.Future[None]) -> None:
    """Take note of how it ended, for nobody waits any more; the sender was told to come again."""
    if not stored.cancelled():
        stored.exception()
