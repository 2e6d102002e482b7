"""Context variables that are set for the length of a block."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

_Held = TypeVar("_Held")


@contextmanager
def holding(variable: ContextVar[_Held | None], value: _Held) -> Iterator[None]:
    """Set a context variable within."""
    token = variable.set(value)
    try:
        yield
    finally:
        try:
            variable.reset(token)
        except ValueError:  # a coroutine that was dropped is finished in another context
            variable.set(None)
