"""`install()`: every chain of this process, whoever runs it and in whichever thread.

LangChain asks its configure hooks for handlers whenever a run is configured. Ours is a context
variable whose *default* is the handler, so that raw threads, which start with an empty context,
find it as well. Source: `langchain_core.tracers.context.register_configure_hook`.
"""

from __future__ import annotations

import threading
from contextvars import ContextVar
from typing import Any

from langchain_core.tracers import context as langchain_context

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
    variable: ContextVar[Any] = ContextVar("longpole_handler", default=handler)
    with _lock:
        _remove()
        langchain_context.register_configure_hook(variable, inheritable=True)
        _installed = (handler, variable)
    return handler


def uninstall() -> None:
    """Detach what `install` attached; runs that are under way are recorded to their end."""
    with _lock:
        _remove()


def _remove() -> None:
    global _installed
    if _installed is None:
        return
    handler, variable = _installed
    hooks = langchain_context._configure_hooks
    # LangChain offers no way to take a hook back; it reads this list anew for every run.
    hooks[:] = [hook for hook in hooks if hook[0] is not variable]
    _installed = None
    handler.close()
