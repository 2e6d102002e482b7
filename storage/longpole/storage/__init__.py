"""Where runs are kept: the `Store` protocol and the ways to open one."""

from longpole.storage.store import (
    Content,
    Recorder,
    RunOrder,
    RunPage,
    RunQuery,
    RunRow,
    RunSummary,
    SpanEnd,
    SpanEvent,
    SpanStart,
    Store,
    StoreState,
)

__all__ = [
    "Content",
    "Recorder",
    "RunOrder",
    "RunPage",
    "RunQuery",
    "RunRow",
    "RunSummary",
    "SpanEnd",
    "SpanEvent",
    "SpanStart",
    "Store",
    "StoreState",
]
