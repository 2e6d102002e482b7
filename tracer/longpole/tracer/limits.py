"""How many branches of a fan-out may run at once: what is in force, and what is asked in vain.

Without a request synchronous fan-outs run in a pool of the default size. An asynchronous
RunnableParallel and the tools of an asynchronous ToolNode ignore whatever was asked for, and
LangGraph ignores a `max_concurrency` that stands among the `configurable` values.
"""

from __future__ import annotations

from typing import Final

from longpole.model.place import Place
from longpole.model.run import FanOutKind
from longpole.tracer.caller import MODEL, Caller, default_pool_size, find_caller
from longpole.tracer.open_runs import OpenRun
from longpole.tracer.submissions import is_in_loop

_POOLED: Final = frozenset(
    {
        FanOutKind.PARALLEL,
        FanOutKind.MAP,
        FanOutKind.SEND,
        FanOutKind.SUPERSTEP,
        FanOutKind.TOOLS,
    }
)
_FREE_IN_LOOP: Final = frozenset({FanOutKind.PARALLEL, FanOutKind.TOOLS})

Limits = tuple[int | None, int | None]
"""The limit in force, and the limit that was asked for and is ignored."""

_NONE: Final[Limits] = (None, None)


def limits_of(place: Place, caller: Caller, parent: OpenRun | None) -> Limits:
    """Return the limits of the fan-out that a starting run is a branch of, as far as known."""
    if place.fan_out is FanOutKind.BATCH:
        return (None if parent is None else parent.asked), None
    if place.fan_out not in _POOLED:
        return _NONE
    if caller is MODEL:
        caller = find_caller()
    asked = caller.max_concurrency
    if asked is None and parent is not None:
        asked = parent.asked
    in_loop = is_in_loop()
    if in_loop and place.fan_out in _FREE_IN_LOOP:
        return None, asked or caller.ignored
    return asked or (None if in_loop else default_pool_size()), caller.ignored
