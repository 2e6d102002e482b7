"""Batches of spans → any OTLP backend; a `Destination`.

Only what the backend acknowledged counts as sent. A partial success says how many spans were not
kept and not which: none of that request is ticked off, and the specification forbids sending it
again by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from longpole.model.errors import ExchangeError
from longpole.storage.exchange.delivery import Fate, Item, Outcome
from longpole.storage.exchange.otlp_out import to_request, wire_span_id
from longpole.storage.exchange.otlp_send import Answer, OtlpSender
from longpole.storage.exchange.parcel import Parcel

_BATCH_SPANS: Final = 1_000
_BATCH_BYTES: Final = 4 * 1024 * 1024


class Otlp:
    """A backend that takes OTLP over HTTP.

    Args:
        sender: to its address, with its headers.
        endpoint: the address as it was given.
    """

    def __init__(self, sender: OtlpSender, endpoint: str) -> None:
        self._sender = sender
        self._endpoint = endpoint.rstrip("/")

    @property
    def name(self) -> str:
        """What the ledger knows it by."""
        return f"otlp {self._endpoint}"

    @property
    def title(self) -> str:
        """What people know it by."""
        return f"OTLP at {self._endpoint}"

    @property
    def batch_spans(self) -> int:
        """How many spans go in one request."""
        return _BATCH_SPANS

    @property
    def batch_bytes(self) -> int:
        """How large a request may be."""
        return _BATCH_BYTES

    def items(self, parcel: Parcel, _shift_ns: int) -> Iterable[Item]:
        """Return the spans of a run, each with the resource and scope it stands in."""
        span_ids = {wire_span_id(span.span_id): span.span_id for span in parcel.run.spans}
        for resource in to_request([parcel]).resource_spans:
            for scope in resource.scope_spans:
                for span in scope.spans:
                    alone = ExportTraceServiceRequest()
                    held = alone.resource_spans.add(schema_url=resource.schema_url)
                    held.resource.CopyFrom(resource.resource)
                    inner = held.scope_spans.add(schema_url=scope.schema_url)
                    inner.scope.CopyFrom(scope.scope)
                    inner.spans.append(span)
                    yield Item(
                        run_id=parcel.run.run_id,
                        span_id=span_ids[span.span_id],
                        payload=alone,
                        size_bytes=span.ByteSize(),
                    )

    def send(self, items: Sequence[Item]) -> Sequence[Outcome]:
        """Send one batch; return what became of each item, in order.

        Raises:
            ExchangeError: the backend does not accept the key.
        """
        answer = self._sender.send(_together(items))
        if answer.state == "denied":
            raise ExchangeError(f"{self.title} does not accept the key: {answer.detail}")
        return [_outcome(answer, len(items))] * len(items)


def _together(items: Sequence[Item]) -> ExportTraceServiceRequest:
    """Return one request; spans of one resource and scope stand together."""
    request = ExportTraceServiceRequest()
    places: dict[bytes, int] = {}
    for item in items:
        (alone,) = item.payload.resource_spans
        (scope,) = alone.scope_spans
        key = alone.resource.SerializeToString(deterministic=True) + bytes(
            scope.scope.SerializeToString(deterministic=True)
        )
        place = places.setdefault(key, len(places))
        if place == len(request.resource_spans):
            request.resource_spans.append(alone)
        else:
            request.resource_spans[place].scope_spans[0].spans.append(scope.spans[0])
    return request


def _outcome(answer: Answer, count: int) -> Outcome:
    if answer.state == "sent":
        return Outcome(Fate.SENT)
    if answer.state == "partial":
        return Outcome(
            Fate.REFUSED,
            f"{answer.rejected} of {count} spans of its request were not kept: {answer.detail}",
        )
    return Outcome(Fate.WAITING if answer.state == "waiting" else Fate.REFUSED, answer.detail)
