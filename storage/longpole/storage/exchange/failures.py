"""How a span ended, as exceptions and as texts tell it. Pure.

LangSmith has one text for it. Written: class, message and, below a line of its own, the stack.
Read: that, and what others write: LangChain's tracer (`repr` of the exception and its stack without
a break between), or free text.
"""

from __future__ import annotations

import re
from typing import Final

from longpole.model.run import SpanError, Status

_STACK_BELOW: Final = "\n\nTraceback, innermost last:\n"
_PYTHONS: Final = "Traceback (most recent call last):"
_REPR: Final = re.compile(r"([A-Za-z_][\w.]*)\((.*?)\)(?:Traceback \(most recent|$)", re.DOTALL)
_TYPED: Final = re.compile(r"([A-Za-z_][\w.]*): (.*)", re.DOTALL)
_INTERRUPTS: Final = ("GraphInterrupt", "NodeInterrupt", "ParentCommand", "GraphBubbleUp")
_STOPS: Final = ("CancelledError", "GeneratorExit")


def failure_text(error: SpanError, stack: str | None) -> str:
    """Return class, message and stack as one text."""
    told = f"{error.type}: {error.message}"
    return f"{told}{_STACK_BELOW}{stack}" if stack else told


def status_of_error(name: str) -> Status:
    """Return how a span ended that an exception of this class ended.

    >>> status_of_error("langgraph.errors.GraphInterrupt")
    <Status.INTERRUPTED: 'interrupted'>
    """
    bare = name.rpartition(".")[2]
    if bare in _INTERRUPTS:
        return Status.INTERRUPTED
    return Status.CANCELLED if bare in _STOPS else Status.ERROR


def named_in(message: str) -> SpanError | None:
    """Return the exception whose `repr` and stack make up a message; `None` for any other."""
    found = _REPR.match(message)
    if found is None or _PYTHONS not in message:
        return None
    return SpanError(type=found[1], message=_unquoted(found[2]))


def read_failure(text: str, named: str | None) -> tuple[Status, SpanError | None]:
    """Return what a text says: an interrupt and a cancellation are no failures.

    Args:
        text: of a run that has one.
        named: the class, where it is told elsewhere.
    """
    error = _error(text, named)
    status = status_of_error(error.type)
    return status, error if status is Status.ERROR else None


def stack_in(text: str) -> str | None:
    """Return the stack that stands in a text."""
    for mark in (_STACK_BELOW, _PYTHONS):
        _, found, stack = text.partition(mark)
        if found:
            return stack.strip()
    return None


def _error(text: str, named: str | None) -> SpanError:
    above = text.partition(_STACK_BELOW)[0]
    if named is not None and above.startswith(f"{named}: "):
        return SpanError(type=named, message=above[len(named) + 2 :])
    found = _REPR.match(text)
    if found is not None:
        return SpanError(type=found[1], message=_unquoted(found[2]))
    found = _TYPED.match(above)
    if found is not None:
        return SpanError(type=found[1], message=found[2])
    return SpanError(type="Error", message=above)


def _unquoted(text: str) -> str:
    is_quoted = len(text) > 1 and text[0] in "'\"" and text[-1] == text[0]
    return text[1:-1].replace("\\n", "\n").replace("\\'", "'") if is_quoted else text
