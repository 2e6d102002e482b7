"""Wrappers of the four batch methods: a call made by anybody but the framework is a `Batch`.

LangChain's own batches (a step of a sequence, the tries of a retry) stay what they are: they are
called from its own modules, or on behalf of a batch in whose context we are. Only the outermost
call counts, and what the body of a row calls. `map()` calls `batch` from within: its rows belong to
its own run and only learn their index here.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Mapping
from types import FrameType
from typing import Any, Final

from langchain_core.globals import get_llm_cache
from langchain_core.runnables.base import Runnable, RunnableEachBase
from langchain_core.runnables.config import var_child_runnable_config
from langchain_core.runnables.router import RouterRunnable

from longpole.tracer.batches import Batch, current_batch
from longpole.tracer.bodies import configured_uuid
from longpole.tracer.caller import ABATCHED
from longpole.tracer.clock import now_ns
from longpole.tracer.content import clean_text, type_name
from longpole.tracer.patches import Wrap
from longpole.tracer.spans import UMBRELLA
from longpole.tracer.submissions import Submission
from longpole.tracer.submitting import begin
from longpole.tracer.variables import holding

_log = logging.getLogger("longpole")

_FRAMEWORK: Final = ("langchain_core.", "langgraph.")
_MAPPING: Final = frozenset({"_invoke", "_ainvoke"})


def _of_batch(original: Callable[..., Any]) -> Callable[..., Any]:
    def batch(*args: Any, **kwargs: Any) -> Any:
        call = _call(args, kwargs, sys._getframe(1))
        if call is None:
            return original(*args, **kwargs)
        try:
            with holding(UMBRELLA, call):
                result = original(*args, **kwargs)
        except BaseException as error:
            call.close(error, is_async=False)
            raise
        call.close(None, is_async=False)
        return result

    return batch


def _of_abatch(original: Callable[..., Any]) -> Callable[..., Any]:
    async def abatch(*args: Any, **kwargs: Any) -> Any:
        call = _call(args, kwargs, sys._getframe(1))
        if call is None:
            with holding(ABATCHED, type(args[0]) if args else None):
                return await original(*args, **kwargs)
        try:
            with holding(UMBRELLA, call), holding(ABATCHED, type(args[0])):
                result = await original(*args, **kwargs)
        except BaseException as error:
            call.close(error, is_async=True)
            raise
        call.close(None, is_async=True)
        return result

    return abatch


def _of_batch_as_completed(original: Callable[..., Any]) -> Callable[..., Any]:
    def batch_as_completed(*args: Any, **kwargs: Any) -> Iterator[Any]:
        call = _call(args, kwargs, sys._getframe(1))
        if call is None:
            yield from original(*args, **kwargs)
            return
        try:
            yield from _Within(call, original(*args, **kwargs))
        except BaseException as error:
            call.close(error, is_async=False)
            raise
        call.close(None, is_async=False)

    return batch_as_completed


def _of_abatch_as_completed(original: Callable[..., Any]) -> Callable[..., Any]:
    is_default = original.__qualname__ == f"{Runnable.__name__}.{original.__name__}"

    async def abatch_as_completed(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        call = _call(args, kwargs, sys._getframe(1))
        batch = call or current_batch()
        if is_default and batch is not None and not batch.is_dealt:
            # Its tasks are made where nothing can be wrapped; what they call is the runnable.
            args = (_RowsOf(args[0], batch, _asked(_config(args, kwargs))), *args[1:])
        rows = original(*args, **kwargs)
        if call is None:
            async for item in rows:
                yield item
            return
        try:
            while (item := await _next_within(call, rows)) is not _END:
                yield item
        except BaseException as error:
            call.close(error, is_async=True)
            raise
        finally:
            await rows.aclose()
        call.close(None, is_async=True)

    return abatch_as_completed


WRAPS: Final[Mapping[str, Wrap]] = {
    "batch": _of_batch,
    "abatch": _of_abatch,
    "batch_as_completed": _of_batch_as_completed,
    "abatch_as_completed": _of_abatch_as_completed,
}
"""What stands in for each method."""


def _call(args: tuple[Any, ...], kwargs: Mapping[str, Any], caller: FrameType) -> Batch | None:
    """Return the batch that a call begins; `None` when it is the framework's own affair."""
    try:
        return _begun(args, kwargs, caller)
    except Exception as error:  # noqa: BLE001 - a batch of the user's runs, grouped or not
        _log.warning("longpole could not group the rows of a batch: %s", type_name(error))
        return None


def _begun(args: tuple[Any, ...], kwargs: Mapping[str, Any], caller: FrameType) -> Batch | None:
    inputs = args[1] if len(args) > 1 else kwargs.get("inputs")
    if not args or not isinstance(inputs, (list, tuple)):
        return None
    is_map = False
    if caller.f_globals.get("__name__", "").startswith(_FRAMEWORK):
        is_map = caller.f_code.co_name in _MAPPING and isinstance(
            caller.f_locals.get("self"), RunnableEachBase
        )
        if not is_map:
            return None
    body, enclosing = configured_uuid(), current_batch()
    if enclosing is not None and enclosing.body == body:
        return None
    configs = _config(args, kwargs)
    return Batch(
        size=len(inputs),
        configs=configs,
        body=body,
        start_ns=now_ns(),
        is_map=is_map,
        name=_name(args[0], configs),
        is_counted=not _may_skip_rows(args[0]),
    )


def _name(runnable: Any, configs: Any) -> str | None:
    """Return the runnable's own name where its rows may have different ones."""
    if type(runnable) is RouterRunnable or isinstance(configs, (list, tuple)):
        cls = type(runnable)
        # A class of the user's is not asked: it may have a `get_name` of its own.
        asked = cls.get_name(runnable) if cls.__module__.startswith(_FRAMEWORK) else cls.__name__
        return clean_text(asked)
    return None


def _config(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    return args[2] if len(args) > 2 else kwargs.get("config")


def _asked(config: Any) -> int | None:
    first = config[0] if isinstance(config, (list, tuple)) and config else config
    told = first if isinstance(first, dict) else {}
    inherited = var_child_runnable_config.get() or {}
    return told.get("max_concurrency") or inherited.get("max_concurrency")


def _may_skip_rows(runnable: Any) -> bool:
    """Tell whether no run starts for rows that are answered from a cache (text models only)."""
    models = sys.modules.get("langchain_core.language_models.llms")
    if models is None or not isinstance(runnable, models.BaseLLM):
        return False
    cache = runnable.cache
    return cache is not False and (cache is not None or get_llm_cache() is not None)


_END: Final = object()


async def _next_within(call: Batch, rows: Any) -> Any:
    with holding(UMBRELLA, call):
        return await anext(rows, _END)


class _Within:
    """A generator each of whose steps runs in the context of a call, and no other code does."""

    __slots__ = ("_call", "_rows")

    def __init__(self, call: Batch, rows: Generator[Any, Any, Any]) -> None:
        self._call = call
        self._rows = rows

    def __iter__(self) -> _Within:
        return self

    def __next__(self) -> Any:
        return self._step(self._rows.__next__)

    def send(self, value: Any) -> Any:
        return self._step(self._rows.send, value)

    def throw(self, *error: Any) -> Any:
        return self._step(self._rows.throw, *error)

    def close(self) -> None:
        self._step(self._rows.close)

    def _step(self, step: Callable[..., Any], *args: Any) -> Any:
        with holding(UMBRELLA, self._call):
            return step(*args)


class _RowsOf:
    """Stands in for a runnable in `Runnable.abatch_as_completed`, which only calls its `ainvoke`.

    The task that calls it knows the row's index as `i`; without that the rows stay uncounted.
    """

    def __init__(self, runnable: Any, batch: Batch, limit: int | None) -> None:
        self._runnable = runnable
        self._rows = batch.deal(batch.size, limit) or []
        self._start_ns = now_ns()

    def ainvoke(self, *args: Any, **kwargs: Any) -> Any:
        """Mark the context of the row, which is its task's, and go on with the runnable."""
        index = sys._getframe(1).f_locals.get("i")
        if type(index) is int and index < len(self._rows):
            begin(Submission(self._start_ns), self._rows[index])
        return self._runnable.ainvoke(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._runnable, name)
