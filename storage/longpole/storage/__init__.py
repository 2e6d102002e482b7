"""Where runs are kept: the `Store` protocol and the ways to open one."""

from longpole.storage.sqlite import open_store
from longpole.storage.store import (
    Content,
    DestinationState,
    OpenMode,
    Receipt,
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
    "DestinationState",
    "OpenMode",
    "Receipt",
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
    "open_store",
]
