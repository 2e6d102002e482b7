"""Which runnable started a run, and with which concurrency limit: read off the caller's frame.

Callback events do not say what kind of runnable they come from: a retry wrapper bears the name of
what it wraps, and `run_name` replaces every other name. An inline handler runs on the stack of the
runnable itself, so its class is a few frames up. Rows of an `abatch` start in tasks of their own:
whose they are is told by a context variable. Where nothing is to be found nothing is claimed, and
the structural tags decide.
"""

from __future__ import annotations

import functools
import os
import sys
from contextvars import ContextVar
from dataclasses import dataclass
from types import FrameType
from typing import Any, Final

from langchain_core.callbacks import manager
from langchain_core.runnables.base import (
    Runnable,
    RunnableEachBase,
    RunnableParallel,
    RunnableSequence,
)
from langchain_core.runnables.branch import RunnableBranch
from langchain_core.runnables.fallbacks import RunnableWithFallbacks
from langchain_core.runnables.retry import RunnableRetry

from longpole.model.place import Shape

_MANAGER: Final = vars(manager)
"""Names of the module whose functions stand between a runnable and its handlers."""
_OWN_PACKAGE: Final = "longpole.tracer."
_MAX_CALLERS: Final = 3


@dataclass(frozen=True, slots=True)
class Caller:
    """Who started a run.

    Attributes:
        max_concurrency: what its configuration asks for.
        ignored: what it asks for in the wrong place, among the `configurable` values.
    """

    shape: Shape | None
    max_concurrency: int | None
    ignored: int | None = None


UNKNOWN_CALLER: Final = Caller(None, None)
MODEL: Final = Caller(Shape.OTHER, None)
"""Starts its own run. Its stack is looked up only where it is a branch, for the limit it has."""

ABATCHED: ContextVar[type[Runnable[Any, Any]] | None] = ContextVar(
    "longpole_abatched", default=None
)
"""The class whose `abatch` is under way around us (see `batch_calls`)."""

_SHAPES: Final[tuple[tuple[type, Shape], ...]] = (
    (RunnableParallel, Shape.PARALLEL),
    (RunnableSequence, Shape.SEQUENCE),
    (RunnableRetry, Shape.RETRY),
    (RunnableEachBase, Shape.EACH),
    (RunnableWithFallbacks, Shape.FALLBACKS),
    (RunnableBranch, Shape.BRANCH),
)
_callers_of_class: dict[type, Caller | None] = {}


def find_caller(depth: int = 1) -> Caller:
    """Look up the stack, starting `depth` frames above, for the runnable that emits this event.

    A frame's locals are a copy made when they are asked for: they are asked for once.
    """
    frame: FrameType | None = sys._getframe(depth)
    left = _MAX_CALLERS  # further up stands somebody else: the parent, or the user's code
    while frame is not None and left:
        names = frame.f_globals
        if names is not _MANAGER and not _is_our_own(names):
            held = frame.f_locals
            owner = held.get("self")
            caller = _caller_of(type(owner))
            if caller is not None:
                config = held["config"] if "config" in held else _config_above(owner, frame)
                return _asking(caller, config) if type(config) is dict else caller
            left -= 1
        frame = frame.f_back
    return UNKNOWN_CALLER


def _is_our_own(names: dict[str, Any]) -> bool:
    name = names.get("__name__")
    return type(name) is str and name.startswith(_OWN_PACKAGE)


def caller_of_rows() -> Caller:
    """Return what the rows of the `abatch` around us are, which are not on a stack of its own."""
    cls = ABATCHED.get()
    return (None if cls is None else _caller_of(cls)) or UNKNOWN_CALLER


def _caller_of(cls: type) -> Caller | None:
    """Return what a class is when no limit is asked for; `None` when it is no runnable."""
    try:
        return _callers_of_class[cls]
    except KeyError:
        if len(_callers_of_class) > 4096:  # classes made at run time must not pile up
            _callers_of_class.clear()
        caller = _callers_of_class[cls] = _looked_up(cls)
        return caller


def _looked_up(cls: type) -> Caller | None:
    if not issubclass(cls, Runnable):
        return None
    shape = next((shape for base, shape in _SHAPES if issubclass(cls, base)), Shape.OTHER)
    return Caller(shape, None)


def _config_above(owner: object, frame: FrameType) -> Any:
    """Return the configuration of an owner that emits below the call that got it, as models do."""
    outer = frame.f_back
    while outer is not None:
        held = outer.f_locals
        if held.get("self") is not owner:
            return None
        if "config" in held:
            return held["config"]
        outer = outer.f_back
    return None


def _asking(caller: Caller, config: dict[str, Any]) -> Caller:
    """Return the caller with the limits that its configuration asks for."""
    limit, configurable = config.get("max_concurrency"), config.get("configurable")
    ignored = configurable.get("max_concurrency") if type(configurable) is dict else None
    if limit is None and ignored is None:
        return caller
    return _limited(caller.shape, _as_limit(limit), None if ignored is None else _as_limit(ignored))


@functools.lru_cache(maxsize=256)
def _limited(shape: Shape | None, limit: int | None, ignored: int | None) -> Caller:
    return Caller(shape, limit, None if ignored == limit else ignored)


def _as_limit(asked: object) -> int | None:
    return asked if type(asked) is int and asked > 0 else None


@functools.cache  # asking the system takes 13 µs, and the answer does not change
def default_pool_size() -> int:
    """Return how many threads a pool has when no limit is asked for (`ThreadPoolExecutor`)."""
    count = getattr(os, "process_cpu_count", os.cpu_count)()
    return min(32, (count or 1) + 4)
