"""A run's span as OpenTelemetry's current span, inside the run.

In: OpenTelemetry's runtime context, whichever it is. Out: one that answers `get_current` with the
span of the innermost open run (`bodies`), so that HTTP or database instrumentation and the user's
own spans nest in the right branch.

Nothing is attached and detached: a detach in the copied context of an asynchronous end fails and
leaves an ended span current. The context is overlaid at the moment it is asked. What the user
attaches within a run goes before, baggage stays, and with the last run the overlay is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from contextvars import Token
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from opentelemetry import context as otel_context
from opentelemetry.context import Context
from opentelemetry.context.context import _RuntimeContext
from opentelemetry.context.contextvars_context import ContextVarsRuntimeContext
from opentelemetry.trace.propagation import _SPAN_KEY

from longpole.tracer.bodies import Body, configured, current_body, finders, here
from longpole.tracer.current_span import CurrentSpan
from longpole.tracer.patches import Patch

if TYPE_CHECKING:
    from longpole.tracer.open_runs import OpenRun

BODY_KEY: Final = "longpole-body"
"""In an OpenTelemetry context: the run whose span was laid over it last."""
_WITHIN_KEY: Final = "longpole-within"
"""In an OpenTelemetry context: the run in which it was derived or attached; there it counts."""


class RunContext(_RuntimeContext):
    """OpenTelemetry's runtime context, with the current run's span laid over it."""

    def __init__(self, beneath: _RuntimeContext) -> None:
        self.beneath = beneath
        self.base: Callable[[], Context] = beneath.get_current
        if isinstance(beneath, ContextVarsRuntimeContext):
            # The stock one answers with this variable; asked directly it costs half.
            self.base = beneath._current_context.get

    def get_current(self) -> Context:
        """Return the current context; that of the innermost open run, inside one."""
        base = self.base()
        last = here()
        config = configured()
        if last is not None:
            cached = last.cached
            if (
                cached is not None
                and cached[0] is base
                and cached[1] is config
                and cached[2].is_open
                and not finders
            ):
                return cached[3]
        elif config is None and not finders:
            return base
        return _overlaid(base, last, config)

    def attach(self, context: Context) -> Token[Context]:
        """Attach a context; within the run that this code is in it counts as it is."""
        body = current_body()
        if body is not None and context.get(_WITHIN_KEY) is not body:
            context = Context({**context, _WITHIN_KEY: body})
        return self.beneath.attach(context)

    def detach(self, token: Token[Context]) -> None:
        """Go back to the context before."""
        self.beneath.detach(token)


def _overlaid(base: Context, last: Body | None, config: Any) -> Context:
    body = current_body()
    span = None if body is None else body.span  # `None` too when it ends this very moment
    if body is None or span is None:
        return base
    if not body.recorder.shows_span or base.get(_WITHIN_KEY) is body:
        context = base
    else:
        shown = body.shown
        if shown is None:
            shown = body.shown = CurrentSpan(span, body.recorder)
        context = Context({**base, _SPAN_KEY: shown, BODY_KEY: body, _WITHIN_KEY: body})
    if last is not None and last.is_open and not finders:
        last.cached = (base, config, body, context)
    return context


def outer_context() -> Context:
    """Return OpenTelemetry's context as it is without our overlay."""
    runtime = otel_context._RUNTIME_CONTEXT
    return runtime.base() if isinstance(runtime, RunContext) else runtime.get_current()


def attached_run(runs: Container[UUID]) -> OpenRun | None:
    """Return the open run, of `runs`, whose context somebody carried over to this thread."""
    held = outer_context().get(BODY_KEY)
    return held.run if isinstance(held, Body) and held.uuid in runs else None


def _put(patch: Patch) -> None:
    if not isinstance(otel_context._RUNTIME_CONTEXT, RunContext):
        patch.replace(otel_context, "_RUNTIME_CONTEXT", RunContext)


PATCH: Final = Patch(_put)
"""Lays the current run's span over OpenTelemetry's context."""
