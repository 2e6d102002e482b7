"""Which run the code of this moment is inside of; for what LangChain's callbacks do not tell.

In: runs as they start (`entered`). Out: the innermost open run of each store around the caller
(`surroundings`). LangChain's configuration context names the innermost chain or tool body; models
and retrievers set none for theirs, so they are remembered here. Nothing is reset when a run ends:
a run that is no longer open does not count, and only its id is held.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeVar
from uuid import UUID

from langchain_core.runnables.config import var_child_runnable_config

from longpole.model.run import Kind
from longpole.tracer.clock import Clock
from longpole.tracer.content import Redact
from longpole.tracer.open_runs import OpenRun
from longpole.tracer.spans import Spans

_Held = TypeVar("_Held")
_SET_NO_CONTEXT: Final = frozenset({Kind.LLM, Kind.RETRIEVER})


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Recorder:
    """What a handler records with.

    Attributes:
        hooked: whether it records what callbacks do not tell.
        swallow: takes what went wrong in a step of ours, by the step's name.
    """

    spans: Spans
    clock: Clock
    redact: Redact | None
    captures: bool
    limit: int
    hooked: bool
    swallow: Callable[[str, Exception], None]


class Inside(NamedTuple):
    """An open run, and what records it."""

    recorder: Recorder
    run: OpenRun


class Watch:
    """Remembers the runs of one sort that start during one call of LangChain's."""

    __slots__ = ("seen", "wanted")

    def __init__(self, wanted: Callable[[OpenRun], bool]) -> None:
        self.wanted = wanted
        self.seen: list[Inside] = []


_WATCH: ContextVar[Watch | None] = ContextVar("longpole_watch", default=None)
_INNERMOST: ContextVar[tuple[Recorder, UUID | OpenRun] | None] = ContextVar(
    "longpole_innermost", default=None
)


def entered(recorder: Recorder, run: OpenRun) -> None:
    """Note that a run has started in this context."""
    if not recorder.hooked:
        return
    watch = _WATCH.get()
    if watch is not None and watch.wanted(run):
        watch.seen.append(Inside(recorder, run))
    if run.kind in _SET_NO_CONTEXT and run.uuid is not None:
        _INNERMOST.set((recorder, run.uuid))


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


def body_of(inside: Inside) -> AbstractContextManager[None]:
    """Take what happens within for the body of a run that no event of LangChain's began."""
    return holding(_INNERMOST, (inside.recorder, inside.run))


def watching(watch: Watch) -> AbstractContextManager[None]:
    """Let `watch` see the runs that start within."""
    return holding(_WATCH, watch)


def surroundings() -> list[Inside]:
    """Return the innermost open run around this code, one for each store that records it."""
    found = _bodies()
    leaf = _leaf()
    if leaf is None:
        return found
    for number, body in enumerate(found):
        if body.recorder.spans is leaf.recorder.spans:
            if leaf.run.is_below(body.run):
                found[number] = leaf
            return found
    return [*found, leaf]


def _bodies() -> list[Inside]:
    """Return the run whose body LangChain's context names, once for each store."""
    manager = (var_child_runnable_config.get() or {}).get("callbacks")
    uuid = getattr(manager, "parent_run_id", None)
    found: list[Inside] = []
    if uuid is None:
        return found
    for recorder in recorders_among(getattr(manager, "handlers", ())):
        run = recorder.spans.runs.get(uuid)
        if run is not None:
            found.append(Inside(recorder, run))
    return found


def recorders_among(handlers: object) -> list[Recorder]:
    """Return the hooked recorders of handlers of ours among a manager's, one for each store."""
    found: list[Recorder] = []
    for handler in handlers if isinstance(handlers, list) else ():
        recorder = getattr(handler, "recorder", None)
        if not isinstance(recorder, Recorder) or not recorder.hooked:
            continue
        if all(recorder.spans is not other.spans for other in found):
            found.append(recorder)
    return found


def _leaf() -> Inside | None:
    held = _INNERMOST.get()
    if held is not None:
        recorder, key = held
        run = key if isinstance(key, OpenRun) else recorder.spans.runs.get(key)
        if run is not None and run.is_open:
            return Inside(recorder, run)
    # LangChain tells starts of asynchronous text models in tasks of their own.
    watch = _WATCH.get()
    seen = () if watch is None else reversed(watch.seen)
    return next((inside for inside in seen if inside.run.is_open), None)
