"""A model call that its own library tries again → one span a try, below the call.

LangChain sees one call; the provider's SDK may send it three times and sleep in between. In: that a
try has failed and how long the library sleeps before the next. Out: spans of role `attempt`, the
first of them beginning with the call and the last ending with it; what lies between two of them is
back-off. A call that succeeds at its first try has none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from longpole.model import semconv
from longpole.model.place import RETRY_ATTEMPT
from longpole.model.run import Kind, SpanError, Status
from longpole.tracer.caller import UNKNOWN_CALLER
from longpole.tracer.endings import describe, status_code_of
from longpole.tracer.inside import Inside
from longpole.tracer.open_runs import OpenRun
from longpole.tracer.spans import Spans
from longpole.tracer.standing import Start

if TYPE_CHECKING:
    from tenacity import RetryCallState

TRY: Final = "try"
"""Name of the spans."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """A try under way, or the back-off before it.

    Attributes:
        number: from 1.
        start_ns: when it starts: the failure of the one before, plus the back-off.
        backoff_ns: how long the library sleeps before it; `None` for the first.
        library: who tries again, for example `openai`.
    """

    number: int
    start_ns: int
    backoff_ns: int | None
    library: str

    def close(
        self,
        spans: Spans,
        call: OpenRun,
        end_ns: int,
        status: Status,
        error: SpanError | None,
        status_code: int | None = None,
    ) -> None:
        """Record this try; one that the end of the call came before never was."""
        if end_ns < self.start_ns and status is Status.CANCELLED:
            return
        attributes: dict[str, Any] = {semconv.LONGPOLE_RETRIED_BY: self.library}
        if self.backoff_ns is not None:
            attributes[semconv.LONGPOLE_BACKOFF_NS] = self.backoff_ns
        run = spans.open_below(
            call,
            Start(
                uuid=None,
                parent_uuid=None,
                name=TRY,
                kind=Kind.HTTP,
                start_ns=min(self.start_ns, end_ns),
                tags=(f"{RETRY_ATTEMPT}{self.number}",),
                metadata=call.metadata,
                caller=UNKNOWN_CALLER,
                attributes=attributes,
            ),
            None,
        )
        ending = {} if status_code is None else {semconv.HTTP_RESPONSE_STATUS_CODE: status_code}
        spans.end(run, end_ns, status, ending, error)


def try_failed(
    inside: Inside,
    *,
    at_ns: int,
    backoff_ns: int,
    library: str,
    error: SpanError,
    status_code: int | None = None,
) -> None:
    """Record that a try of this call has failed and that another follows."""
    recorder, call = inside
    failed = call.tries
    if not isinstance(failed, Try):
        failed = Try(number=1, start_ns=call.start_ns, backoff_ns=None, library=library)
    failed.close(recorder.spans, call, at_ns, Status.ERROR, error, status_code)
    call.tries = Try(
        number=failed.number + 1,
        start_ns=at_ns + backoff_ns,
        backoff_ns=backoff_ns,
        library=library,
    )


def retry_told(inside: Inside, at_ns: int, state: RetryCallState) -> None:
    """Record what LangChain's `on_retry` tells; `state` goes on to change: it is read at once."""
    outcome, upcoming = state.outcome, state.next_action
    error = None if outcome is None or not outcome.done() else outcome.exception()
    try_failed(
        inside,
        at_ns=at_ns,
        backoff_ns=0 if upcoming is None else round(upcoming.sleep * 1e9),
        library="langchain",
        error=SpanError(type="Retried", message="")
        if error is None
        else describe(error, inside.recorder.redact),
        status_code=None if error is None else status_code_of(error),
    )
