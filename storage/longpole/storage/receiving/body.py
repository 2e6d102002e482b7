"""The body of one OTLP/HTTP request → span events, and what of it could not be read. Pure.

In: bytes as they came, their encoding and media type. Out: `Received`. Nothing is inflated beyond
the limit: a small body may claim to be gigabytes.

Source: opentelemetry-proto 1.x, docs/specification.md, "OTLP/HTTP".
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from longpole.model.errors import OversizedError, UnreadableRequestError
from longpole.storage.exchange.opening import parsed
from longpole.storage.exchange.otlp_in import incoming_from_document, incoming_from_request
from longpole.storage.exchange.parcel import Incoming, Refused
from longpole.storage.store import SpanEvent, SpanStart

PROTOBUF: Final = "application/x-protobuf"
JSON: Final = "application/json"
MEDIA_TYPES: Final = (PROTOBUF, JSON)
IDENTITY: Final = "identity"

_RAW: Final = -zlib.MAX_WBITS
_ZLIB: Final = zlib.MAX_WBITS
_GZIP: Final = zlib.MAX_WBITS | 16
_WINDOWS: Final[Mapping[str, int]] = {"gzip": _GZIP, "x-gzip": _GZIP, "deflate": _ZLIB}
ENCODINGS: Final = ("gzip", "deflate")
"""Compressions that are understood, as the header names them."""
_ZLIB_METHOD: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """What one request holds.

    Attributes:
        events: for the store.
        spans: how many spans that are.
        refused: the spans that could not be read, in order.
    """

    events: tuple[SpanEvent, ...]
    spans: int
    refused: tuple[Refused, ...]


def knows_encoding(encoding: str) -> bool:
    """Whether bodies of this `Content-Encoding` can be inflated."""
    return encoding == IDENTITY or encoding in _WINDOWS


def inflated(body: bytes, encoding: str, *, limit_bytes: int) -> bytes:
    """Return a body as it was before it was compressed.

    Raises:
        OversizedError: it is larger than the limit.
        UnreadableRequestError: it is damaged or breaks off.
    """
    if encoding == IDENTITY:
        return body
    window = _WINDOWS[encoding]
    if window == _ZLIB and (not body or body[0] & 15 != _ZLIB_METHOD):
        # Some clients leave the zlib header away.
        window = _RAW
    parts: list[bytes] = []
    left = limit_bytes
    try:
        # A gzip file may be several, one behind the other.
        while body:
            inflater = zlib.decompressobj(window)
            part = inflater.decompress(body, left + 1)
            left -= len(part)
            if left < 0:
                raise OversizedError(limit_bytes)
            if not inflater.eof:
                raise UnreadableRequestError(f"the {encoding} body breaks off")
            parts.append(part)
            body = inflater.unused_data
    except zlib.error as error:
        raise UnreadableRequestError(f"the body is no {encoding}: {error}") from error
    return b"".join(parts)


def read_traces(body: bytes, media_type: str) -> Received:
    """Return the spans of a trace request; an empty one is lawful.

    Raises:
        UnreadableRequestError: it is no trace request at all.
    """
    if media_type == PROTOBUF:
        try:
            request = ExportTraceServiceRequest.FromString(body)
        except DecodeError as error:
            raise UnreadableRequestError(f"the body is no OTLP protobuf: {error}") from error
        return _received(incoming_from_request(request))
    try:
        document = parsed(body) if body else {}
    except ValueError as error:
        raise UnreadableRequestError(f"the body is no JSON: {error}") from error
    if not isinstance(document, dict):
        raise UnreadableRequestError("the body is no object, expected one with 'resourceSpans'")
    return _received(incoming_from_document(document))


def _received(incoming: Iterable[Incoming]) -> Received:
    events: list[SpanEvent] = []
    refused: list[Refused] = []
    spans = 0
    for item in incoming:
        if isinstance(item, Refused):
            refused.append(item)
        else:
            events.append(item)
            spans += isinstance(item, SpanStart)
    return Received(events=tuple(events), spans=spans, refused=tuple(refused))
