"""What the receiver answers, in the sender's own format.

Senders try again after 429, 502, 503 and 504, and throw the spans away after any other failure: so
only what would fail again gets a 400, and a store that cannot be written gets a 503.

Source: opentelemetry-proto 1.x, docs/specification.md, "OTLP/HTTP Response".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson
from google.rpc.code_pb2 import INVALID_ARGUMENT, RESOURCE_EXHAUSTED, UNAUTHENTICATED, UNAVAILABLE
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceResponse,
)
from starlette.responses import Response

from longpole.storage.exchange.parcel import Refused
from longpole.storage.receiving.body import ENCODINGS, JSON, MEDIA_TYPES, PROTOBUF

RETRY_AFTER_S: Final = 1
"""How long a sender is asked to wait when the store is behind."""


def accepted(media_type: str, refused: Sequence[Refused]) -> Response:
    """Return that the spans are stored, all but the refused ones."""
    if not refused:
        return _response(200, media_type, ExportTraceServiceResponse(), {})
    count, message = len(refused), in_words(refused)
    partial = ExportTracePartialSuccess(rejected_spans=count, error_message=message)
    return _response(
        200,
        media_type,
        ExportTraceServiceResponse(partial_success=partial),
        # 64-bit integers are text in OTLP/JSON.
        {"partialSuccess": {"rejectedSpans": str(count), "errorMessage": message}},
    )


def in_words(refused: Sequence[Refused]) -> str:
    """Return the first reason, and how many there are."""
    first = f"{refused[0].where}: {refused[0].why}"
    return first if len(refused) == 1 else f"{first} (and {len(refused) - 1} more)"


def unreadable(media_type: str, message: str) -> Response:
    """Return that the request cannot be read; sending it again is no use."""
    return _failure(400, media_type, INVALID_ARGUMENT, message)


def too_large(media_type: str, message: str) -> Response:
    """Return that the request is over the limit."""
    return _failure(413, media_type, RESOURCE_EXHAUSTED, message)


def wrong_media_type(found: str) -> Response:
    """Return which media types are taken."""
    message = f"content type is {found!r}, expected {' or '.join(MEDIA_TYPES)}"
    headers = {"Accept": ", ".join(MEDIA_TYPES)}
    return _failure(415, JSON, INVALID_ARGUMENT, message, headers)


def wrong_encoding(media_type: str, found: str) -> Response:
    """Return which compressions are understood."""
    message = f"content encoding is {found!r}, expected {' or '.join(ENCODINGS)} or none"
    headers = {"Accept-Encoding": ", ".join(ENCODINGS)}
    return _failure(415, media_type, INVALID_ARGUMENT, message, headers)


def unauthenticated(media_type: str) -> Response:
    """Return that the token is missing or wrong."""
    message = "this receiver wants its token: Authorization: Bearer TOKEN"
    return _failure(401, media_type, UNAUTHENTICATED, message, {"WWW-Authenticate": "Bearer"})


def busy(media_type: str, message: str) -> Response:
    """Return that the sender should try again a little later."""
    headers = {"Retry-After": str(RETRY_AFTER_S)}
    return _failure(503, media_type, UNAVAILABLE, message, headers)


def _failure(
    status: int,
    media_type: str,
    code: int,
    message: str,
    headers: Mapping[str, str] | None = None,
) -> Response:
    told = {"code": code, "message": message}
    response = _response(status, media_type, Status(code=code, message=message), told)
    response.headers.update(headers or {})
    return response


def _response(status: int, media_type: str, message: Any, document: Mapping[str, Any]) -> Response:
    is_protobuf = media_type == PROTOBUF
    content = message.SerializeToString() if is_protobuf else orjson.dumps(document)
    return Response(content, status_code=status, media_type=PROTOBUF if is_protobuf else JSON)
