"""The values every room shares: spans, runs, usage, settings, errors, attribute names.

Nothing here reads a database, a clock or an environment variable on import.
"""

from longpole.model.run import (
    FanOutKind,
    Kind,
    Order,
    Role,
    Run,
    Span,
    SpanError,
    Status,
    assemble,
)
from longpole.model.usage import Usage

__all__ = [
    "FanOutKind",
    "Kind",
    "Order",
    "Role",
    "Run",
    "Span",
    "SpanError",
    "Status",
    "Usage",
    "assemble",
]
