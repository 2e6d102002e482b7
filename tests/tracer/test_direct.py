from __future__ import annotations

from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import SpanKind, StatusCode
from opentelemetry.trace import Status as OtelStatus

from longpole.model.run import Status
from longpole.storage import SpanEnd, SpanEvent, SpanStart
from longpole.tracer.direct import DirectTracer
from longpole.tracer.processor import SCOPE, StoreProcessor


class Events:
    """Keeps what it gets."""

    def __init__(self) -> None:
        self.kept: list[SpanEvent] = []

    def append(self, event: SpanEvent) -> None:
        self.kept.append(event)


def _story(tracer: Any) -> None:
    """A root and a child, with attributes before and after, as Longpole and strangers set them."""
    root = tracer.start_span(
        "root", context=Context(), attributes={"longpole.run.root": True}, start_time=1
    )
    child = tracer.start_span(
        "child",
        context=trace.set_span_in_context(root, Context()),
        kind=SpanKind.CLIENT,
        attributes={"tag.tags": ("a", "b"), "step": 1},
        start_time=2,
    )
    child.set_attributes({"late": 1.5, "longpole.status": "cancelled"})
    child.set_attribute("items", ["one", 2])
    child.set_status(StatusCode.ERROR, "not this")
    child.end(4)
    child.set_attribute("too late", 1)
    child.end(5)
    root.set_attribute("error.type", "ValueError")
    root.set_status(OtelStatus(StatusCode.ERROR, "bad"))
    root.set_status(StatusCode.UNSET)
    root.end(6)


def _told(events: list[SpanEvent]) -> list[tuple[Any, ...]]:
    """The events without their random ids: spans are known by the order of their starts."""
    starts = [event for event in events if isinstance(event, SpanStart)]
    number = {start.span_id: place for place, start in enumerate(starts)}
    told: list[tuple[Any, ...]] = []
    for event in events:
        assert event.run_id == starts[0].trace_id
        about = (number[event.span_id], dict(event.attributes))
        if isinstance(event, SpanStart):
            parent = number.get(event.parent_span_id or "")
            told.append((*about, event.name, event.start_ns, event.is_root, parent))
        else:
            told.append((*about, event.end_ns, event.status, event.error))
    return told


def test_a_direct_span_tells_the_store_what_the_sdks_span_tells_it() -> None:
    direct, sdk = Events(), Events()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(StoreProcessor(sdk))
    _story(DirectTracer(direct))
    _story(provider.get_tracer(SCOPE))

    assert _told(direct.kept) == _told(sdk.kept)
    assert len(direct.kept) == 4


def test_spans_below_a_direct_span_have_it_as_their_parent() -> None:
    run = DirectTracer(Events()).start_span("run", context=Context(), start_time=1)
    with (
        trace.use_span(run),
        TracerProvider(shutdown_on_exit=False)
        .get_tracer("app")
        .start_as_current_span("mine") as mine,
    ):
        context = mine.get_span_context()

    assert mine.parent.span_id == run.get_span_context().span_id  # type: ignore[attr-defined]
    assert context.trace_id == run.get_span_context().trace_id
    assert context.trace_flags.sampled


def test_what_a_stranger_adds_to_a_span_is_kept_as_far_as_opentelemetry_takes_it() -> None:
    events = Events()
    span = DirectTracer(events).start_span("run", context=Context(), start_time=1)
    assert span.is_recording()
    span.set_attribute("mine", {"deep": ["x"]})
    span.set_attribute("", "no key")
    span.add_event("something happened")
    span.record_exception(ValueError("seen"))
    span.update_name("other")
    span.set_status(StatusCode.OK)
    span.set_status(StatusCode.ERROR, "OK is final")
    span.end()

    end = events.kept[-1]
    assert isinstance(end, SpanEnd)
    assert (dict(end.attributes), end.status) == ({"mine": {"deep": ("x",)}}, Status.OK)
    assert not span.is_recording()
