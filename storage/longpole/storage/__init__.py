"""Where runs are kept: the `Store` protocol and the ways to open one."""

from longpole.storage.opening import open_store
from longpole.storage.store import (
    ALL_RUNS,
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
    Share,
    SpanEnd,
    SpanEvent,
    SpanStart,
    Store,
    StoreState,
)

__all__ = [
    "ALL_RUNS",
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
    "Share",
    "SpanEnd",
    "SpanEvent",
    "SpanStart",
    "Store",
    "StoreState",
    "open_store",
]
