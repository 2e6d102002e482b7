"""`install()`: every chain of this process, whoever runs it and in whichever thread.

LangChain asks its configure hooks for handlers whenever a run is configured. Ours is a context
variable whose *default* is the handler, so that raw threads, which start with an empty context,
find it as well. Source: `langchain_core.tracers.context.register_configure_hook`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from langchain_core.tracers import context as langchain_context

from longpole.tracer import hooks
from longpole.tracer.handler import LongpoleHandler

_lock = threading.Lock()
_installed: tuple[LongpoleHandler, ContextVar[Any]] | None = None


def install(store: str | None = None, **options: Any) -> LongpoleHandler:
    """Attach a handler to every chain of this process and return it.

    Takes what `LongpoleHandler` takes. Installing again replaces the handler.

    Raises:
        SettingsError: an argument or a `LONGPOLE_*` variable cannot be used.
    """
    global _installed
    handler = LongpoleHandler(store, **options)
    with _lock:
        _uninstall()
        _installed = (handler, _hooked(handler))
    return handler


def uninstall() -> None:
    """Detach what `install` attached; runs that are under way are recorded to their end."""
    with _lock:
        _uninstall()


@contextmanager
def attached(store: str | None = None, **options: Any) -> Iterator[LongpoleHandler]:
    """Attach a handler to every chain of this process while the block lasts.

    It is one more handler: what is installed, or attached around it, records as before. Takes what
    `LongpoleHandler` takes.

    Raises:
        SettingsError: an argument or a `LONGPOLE_*` variable cannot be used.
    """
    handler = LongpoleHandler(store, **options)
    with _lock:
        variable = _hooked(handler)
    try:
        yield handler
    finally:
        with _lock:
            _detach(handler, variable)


def _uninstall() -> None:
    global _installed
    if _installed is None:
        return
    handler, variable = _installed
    _installed = None
    _detach(handler, variable)


def _hooked(handler: LongpoleHandler) -> ContextVar[Any]:
    variable: ContextVar[Any] = ContextVar("longpole_handler", default=handler)
    langchain_context.register_configure_hook(variable, inheritable=True)
    return variable


def _detach(handler: LongpoleHandler, variable: ContextVar[Any]) -> None:
    configured = langchain_context._configure_hooks
    # LangChain offers no way to take a hook back; it reads this list anew for every run.
    configured[:] = [hook for hook in configured if hook[0] is not variable]
    hooks.release(handler)
    handler.close()
