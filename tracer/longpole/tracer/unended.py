"""Runs whose end LangChain never tells → ended where the call is left.

A cancelled model call or retriever gets no end event, a row of `RunnableWithFallbacks.batch` whose
exception is not handled neither, nor a stream with fallbacks that is closed after its first chunk.
The exception is seen where it leaves LangChain's own method, and what started in there and is still
open ends with it, at that moment. The exception passes on unchanged.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import Any, Final

from langchain_core.language_models import BaseChatModel, BaseLLM
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables.fallbacks import RunnableWithFallbacks
from langchain_core.tools import BaseTool

from longpole.model.place import Shape
from longpole.model.run import Kind
from longpole.tracer.inside import Watch, watching
from longpole.tracer.open_runs import OpenRun
from longpole.tracer.patches import Patch

Wanted = Callable[[OpenRun], bool]
_Method = Callable[..., Any]
_DONE: Final = object()


def _is(kind: Kind) -> Wanted:
    return lambda run: run.kind is kind


def _is_fallbacks(run: OpenRun) -> bool:
    # Rows of an asynchronous batch start in tasks of their own, where their shape is not known.
    return run.shape in (Shape.FALLBACKS, None)


def _end(watch: Watch, error: BaseException) -> None:
    for recorder, run in watch.seen:
        if run.is_open and run.uuid is not None:
            try:
                recorder.spans.fail(run.uuid, recorder.clock(), error, {}, recorder.redact)
            except Exception as trouble:  # noqa: BLE001 - the traced app must not see it
                recorder.swallow("unended", trouble)


def _function(before: _Method, wanted: Wanted) -> _Method:
    def watched(self: Any, *args: Any, **kwargs: Any) -> Any:
        watch = Watch(wanted)
        try:
            with watching(watch):
                return before(self, *args, **kwargs)
        except BaseException as error:
            _end(watch, error)
            raise
        finally:
            watch.seen.clear()

    return watched


def _coroutine(before: _Method, wanted: Wanted) -> _Method:
    async def watched(self: Any, *args: Any, **kwargs: Any) -> Any:
        watch = Watch(wanted)
        try:
            with watching(watch):
                return await before(self, *args, **kwargs)
        except BaseException as error:
            _end(watch, error)
            raise
        finally:
            # Contexts that were copied meanwhile hold the watch; they must not hold the runs.
            watch.seen.clear()

    return watched


def _generator(before: _Method, wanted: Wanted) -> _Method:
    def watched(self: Any, *args: Any, **kwargs: Any) -> Iterator[Any]:
        watch = Watch(wanted)
        stream = before(self, *args, **kwargs)
        try:
            # The run starts with the first chunk; between chunks the consumer's code runs here.
            with watching(watch):
                first = next(stream, _DONE)
            if first is not _DONE:
                yield first
                yield from stream
        except BaseException as error:
            stream.close()
            _end(watch, error)
            raise
        finally:
            watch.seen.clear()

    return watched


def _async_generator(before: _Method, wanted: Wanted) -> _Method:
    async def watched(self: Any, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        watch = Watch(wanted)
        stream = before(self, *args, **kwargs)
        try:
            with watching(watch):
                first = await anext(stream, _DONE)
            if first is not _DONE:
                yield first
                async for chunk in stream:
                    yield chunk
        except BaseException as error:
            await stream.aclose()
            _end(watch, error)
            raise
        finally:
            watch.seen.clear()

    return watched


_WATCHED: Final = (
    (BaseChatModel, "agenerate", _coroutine, _is(Kind.LLM)),
    (BaseLLM, "agenerate", _coroutine, _is(Kind.LLM)),
    (BaseTool, "arun", _coroutine, _is(Kind.TOOL)),
    (BaseRetriever, "invoke", _function, _is(Kind.RETRIEVER)),
    (BaseRetriever, "ainvoke", _coroutine, _is(Kind.RETRIEVER)),
    (RunnableWithFallbacks, "batch", _function, _is_fallbacks),
    (RunnableWithFallbacks, "abatch", _coroutine, _is_fallbacks),
    (RunnableWithFallbacks, "stream", _generator, _is_fallbacks),
    (RunnableWithFallbacks, "astream", _async_generator, _is_fallbacks),
)


def _put(patch: Patch) -> None:
    """Watch LangChain's methods."""
    for owner, name, watched, wanted in _WATCHED:
        patch.replace(owner, name, partial(watched, wanted=wanted))


PATCH: Final = Patch(_put)
