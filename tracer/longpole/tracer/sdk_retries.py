"""What providers' SDKs retry by themselves → tries of the model call that is under way.

No callback tells of them, but the SDKs say so to their logger, at a level that is rarely on:
"Retrying request … in 0.5 seconds". We listen at the logger's method itself: its level, handlers,
filters and propagation stay as they are, so nothing is printed that was not before.

Source: `_sleep_for_retry` in `openai._base_client` and `anthropic._base_client`.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from longpole.model.run import Kind, SpanError
from longpole.tracer.content import type_name
from longpole.tracer.endings import describe, status_code_of
from longpole.tracer.inside import Inside, surroundings
from longpole.tracer.patches import Patch
from longpole.tracer.tries import try_failed

LOGGERS: Final = ("openai._base_client", "anthropic._base_client")
_SAID: Final = "Retrying request"
_CALLS: Final = frozenset({Kind.LLM, Kind.EMBEDDING})


def _put(patch: Patch) -> None:
    """Listen to the SDKs' loggers."""
    for name in LOGGERS:
        library = name.partition(".")[0]
        patch.replace(logging.getLogger(name), "info", partial(_listening, library=library))


PATCH: Final = Patch(_put)


def _listening(before: Callable[..., None], *, library: str) -> Callable[..., None]:
    def info(msg: object, *args: Any, **kwargs: Any) -> None:
        if type(msg) is str and msg.startswith(_SAID):
            _retrying(library, args)
        # Whoever reads the record must find the SDK's line in it, not this one.
        kwargs["stacklevel"] = kwargs.get("stacklevel", 1) + 1
        before(msg, *args, **kwargs)

    return info


def _retrying(library: str, told: tuple[Any, ...]) -> None:
    """Record a try that failed; the SDK is still handling the exception that says why."""
    delay_s = next((part for part in told if type(part) is float), 0.0)
    for inside in surroundings():
        if inside.run.kind in _CALLS:
            try:
                _record(inside, library, delay_s, sys.exc_info()[1])
            except Exception as error:  # noqa: BLE001 - the traced app must not see it
                inside.recorder.swallow("sdk retry", error)


def _record(inside: Inside, library: str, delay_s: float, error: BaseException | None) -> None:
    recorder = inside.recorder
    code = None if error is None else status_code_of(error)
    if error is None:
        told = SpanError(type="Retried", message="")
    elif code is None:
        told = describe(error, recorder.redact)
    else:
        # The message of the HTTP library holds the URL, and that may hold a key.
        told = SpanError(type=type_name(error), message=f"HTTP status {code}")
    try_failed(
        inside,
        at_ns=recorder.clock(),
        backoff_ns=round(max(0.0, delay_s) * 1e9),
        library=library,
        error=told,
        status_code=code,
    )
