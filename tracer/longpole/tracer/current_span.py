"""A run's span as code inside the run may touch it.

OpenTelemetry hands the current span to anybody. What others set on it goes the way of all their
attributes (`kept`); events and links go to the exporters. Name, status and end are the run's own:
code inside that ends the span, or calls the run a success, must not falsify what is recorded.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from opentelemetry.trace import Span, SpanContext, Status, StatusCode
from opentelemetry.util.types import Attributes, AttributeValue

from longpole.tracer.kept import kept_of

if TYPE_CHECKING:
    from longpole.tracer.recorder import Recorder


class CurrentSpan(Span):
    """Stands for a run's span; whatever is read of it is the span's."""

    def __init__(self, span: Span, recorder: Recorder) -> None:
        self._span = span
        self._recorder = recorder

    def __getattr__(self, name: str) -> Any:
        return getattr(self._span, name)

    def get_span_context(self) -> SpanContext:
        """Return the run's ids."""
        return self._span.get_span_context()

    def is_recording(self) -> bool:
        """Return whether the run is open."""
        return self._span.is_recording()

    def set_attribute(self, key: str, value: AttributeValue) -> None:
        """Set what may be kept of an attribute."""
        self.set_attributes({key: value})

    def set_attributes(self, attributes: Mapping[str, AttributeValue]) -> None:
        """Set what may be kept of attributes."""
        try:
            kept = kept_of(attributes, self._recorder)
        except Exception as error:  # noqa: BLE001 - the app must not see what goes wrong here
            self._recorder.swallow("set_attributes", error)
            return
        self._span.set_attributes(kept)

    def add_event(
        self, name: str, attributes: Attributes = None, timestamp: int | None = None
    ) -> None:
        """Add an event, for exporters."""
        self._span.add_event(name, attributes, timestamp)

    def add_link(self, context: SpanContext, attributes: Attributes = None) -> None:
        """Add a link, for exporters."""
        self._span.add_link(context, attributes)

    def record_exception(
        self,
        exception: BaseException,
        attributes: Attributes = None,
        timestamp: int | None = None,
        escaped: bool = False,
    ) -> None:
        """Note an exception, for exporters."""
        self._span.record_exception(exception, attributes, timestamp, escaped)

    def update_name(self, name: str) -> None:
        """Keep the run's name."""

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        """Keep the run's status: it is told by how the run ends."""

    def end(self, end_time: int | None = None) -> None:
        """Stay open: the run ends when LangChain says so."""
