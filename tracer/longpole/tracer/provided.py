"""Where the spans of a store are made: by Longpole itself, or by the provider the user gives.

In: the user's `TracerProvider`, or none, and the sink of the store. Out: what starts spans, so that
the store gets all of them. The provider's sampler goes on deciding what its exporters get.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence
from typing import Final

from opentelemetry.context import Context
from opentelemetry.sdk.trace import Tracer, TracerProvider
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import Link, NoOpTracer, SpanKind, TraceState
from opentelemetry.util.types import Attributes

from longpole.tracer.direct import DirectTracer
from longpole.tracer.guests import LongpoleSpanProcessor
from longpole.tracer.processor import SCOPE, EventSink, StoreProcessor
from longpole.tracer.spans import SpanStarter

VERSION: Final = importlib.metadata.version("longpole")


def starter_for(provider: TracerProvider | None, sink: EventSink) -> SpanStarter:
    """Return what starts the spans whose events go to `sink`."""
    tracer = None if provider is None else provider.get_tracer(SCOPE, VERSION)
    if provider is None or isinstance(tracer, NoOpTracer):
        # OTEL_SDK_DISABLED is about the app's own telemetry, which leaves the machine: exporters
        # get nothing, the store gets everything all the same.
        return DirectTracer(sink)
    provider.add_span_processor(StoreProcessor(sink))
    provider.add_span_processor(LongpoleSpanProcessor())
    tracer = provider.get_tracer(SCOPE, VERSION)
    if isinstance(tracer, Tracer) and not isinstance(tracer.sampler, _RecordAll):
        tracer.sampler = _RecordAll(tracer.sampler)
    return tracer


class _RecordAll(Sampler):
    """Records what another sampler drops: it decides what exporters get, never what we store."""

    def __init__(self, sampler: Sampler) -> None:
        self._sampler = sampler

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """Return the other sampler's result, with `record only` in place of `drop`."""
        result = self._sampler.should_sample(
            parent_context, trace_id, name, kind, attributes, links, trace_state
        )
        if result.decision is not Decision.DROP:
            return result
        return SamplingResult(Decision.RECORD_ONLY, attributes, result.trace_state)

    def get_description(self) -> str:
        """Name the sampler."""
        return f"LongpoleRecordAll{{{self._sampler.get_description()}}}"
