"""The exception a run ended with → its status, and its error as plain text.

Control flow is not failure: a cancelled task, a closed stream, a LangGraph interrupt and a
`Command` for the parent graph all arrive as errors and are told apart by class, never by name.
Source: what langchain-core and langgraph hand to `on_*_error`.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import sys
from types import TracebackType
from typing import Final

from longpole.model.run import SpanError, Status
from longpole.tracer.content import Redact, clean_text, instance_dict, redacted, type_name

_MESSAGE_LIMIT: Final = 8_000
_STACK_LIMIT: Final = 60

# Their `__str__` only formats fields of their own; anybody else's is not called.
_TRUSTED_PACKAGES: Final = frozenset(
    {
        "anthropic",
        "google",
        "httpx",
        "httpx2",
        "langchain",
        "langchain_core",
        "langgraph",
        "openai",
        "pydantic",
        "pydantic_core",
        "requests",
        "tenacity",
    }
)


def is_stop(error: BaseException) -> bool:
    """Return whether the run was stopped from outside: cancelled, or its stream was closed."""
    return isinstance(
        error, (asyncio.CancelledError, concurrent.futures.CancelledError, GeneratorExit)
    )


def status_of(error: BaseException) -> Status:
    """Return the status of a run that ended with this exception."""
    if is_stop(error):
        return Status.CANCELLED
    if _is_graphs(error, "GraphBubbleUp"):
        return Status.INTERRUPTED
    return Status.ERROR


def waits_for_answer(error: BaseException) -> bool:
    """Return whether a LangGraph interrupt ended the run: the graph waits to be resumed."""
    return _is_graphs(error, "GraphInterrupt")


def _is_graphs(error: BaseException, name: str) -> bool:
    # Without langgraph in the process nothing can have raised its exceptions.
    cls = getattr(sys.modules.get("langgraph.errors"), name, None)
    return cls is not None and isinstance(error, cls)


def status_code_of(error: BaseException) -> int | None:
    """Return the HTTP status that an SDK's exception carries, itself or in its response."""
    held = instance_dict(error)
    for owner in (held, instance_dict(held.get("response"))):
        code = owner.get("status_code")
        if type(code) is int and 100 <= code <= 599:
            return code
    return None


def describe(error: BaseException, redact: Redact | None = None) -> SpanError:
    """Return class name and message of an exception without running code of the user's."""
    message = clean_text(_message(error))
    if redact is not None:
        message = redacted(message, redact)
    if len(message) > _MESSAGE_LIMIT:
        message = f"{message[:_MESSAGE_LIMIT]}… [cut {len(message) - _MESSAGE_LIMIT} characters]"
    return SpanError(type=clean_text(type_name(error)), message=message)


def _message(error: BaseException) -> str:
    cls = type(error)
    if cls.__module__.partition(".")[0] in _TRUSTED_PACKAGES:
        try:
            return str(error)
        except Exception:  # noqa: BLE001 - a message is worth trying, never worth failing
            return ""
    arguments = BaseException.__getattribute__(error, "args")
    if isinstance(error, OSError) and error.errno is not None:
        arguments = tuple(part for part in (error.strerror, error.filename) if part)
    return ", ".join(_argument(argument) for argument in arguments[:8])


def _argument(argument: object) -> str:
    if type(argument) is str:
        return argument
    if type(argument) in (int, float, bool, type(None)):
        return str(argument)
    if isinstance(argument, BaseException):
        return type_name(argument)
    return f"[{type_name(argument)}]"


def stack_of(error: BaseException) -> str:
    """Return where the exception was raised, innermost last; positions only, no source lines."""
    lines: list[str] = []
    frame: TracebackType | None = error.__traceback__
    while frame is not None:
        code = frame.tb_frame.f_code
        lines.append(f'File "{code.co_filename}", line {frame.tb_lineno}, in {code.co_qualname}')
        frame = frame.tb_next
    if len(lines) > _STACK_LIMIT:
        half = _STACK_LIMIT // 2
        lines = [*lines[:half], f"… {len(lines) - 2 * half} more …", *lines[-half:]]
    return clean_text("\n".join(lines))
