"""What a handler records with; whatever sees its runs beside the callbacks is handed it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from longpole.tracer.attributes import Attributes, ContentNames, of_content
from longpole.tracer.clock import Clock
from longpole.tracer.content import Redact, capture

if TYPE_CHECKING:
    from longpole.storage import SpanEvent
    from longpole.tracer.spans import Spans


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Recorder:
    """A handler's store and what it wants.

    Attributes:
        spans: opens and closes the spans of the handler's store.
        append: takes the events of other people's spans; the store of the handler.
        swallow: takes what went wrong in a step of ours, by the step's name.
        clock: nanoseconds since the epoch.
        captures, limit, redact: what may be kept of texts.
        shows_span: whether OpenTelemetry's current span inside its runs is the run's.
        hooked: whether it records what callbacks do not tell.
    """

    spans: Spans
    append: Callable[[SpanEvent], None]
    swallow: Callable[[str, Exception], None]
    clock: Clock
    captures: bool
    limit: int
    redact: Redact | None
    shows_span: bool
    hooked: bool

    def content(self, names: ContentNames, value: object) -> Attributes:
        """Return what may be kept of a value, as attributes; none of it when it cannot be read."""
        if not self.captures:
            return {}
        try:
            return of_content(names, capture(value, limit=self.limit, redact=self.redact))
        except Exception as error:  # noqa: BLE001 - a span without its content is still a span
            self.swallow(names.value.removesuffix(".value"), error)
            return {}
