"""Which recorded runs the code of this moment is inside of; for what callbacks do not tell.

Out: the innermost open run around the caller, once for each store that records it
(`surroundings`). Mostly that is the body of `longpole.tracer.context`. LangChain tells starts of
some runs in tasks of their own, where no context of ours comes back from: a `Watch` around the call
sees those start.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from contextvars import ContextVar
from typing import NamedTuple

from longpole.tracer.bodies import current_body
from longpole.tracer.open_runs import OpenRun
from longpole.tracer.recorder import Recorder
from longpole.tracer.variables import holding


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


def show_watch(recorder: Recorder, run: OpenRun) -> None:
    """Show a run that has just started to the watch around it."""
    watch = _WATCH.get()
    if watch is not None and recorder.hooked and watch.wanted(run):
        watch.seen.append(Inside(recorder, run))


def watching(watch: Watch) -> AbstractContextManager[None]:
    """Let `watch` see the runs that start within."""
    return holding(_WATCH, watch)


def surroundings() -> list[Inside]:
    """Return the innermost open run around this code, once for each store that records it."""
    body = current_body()
    found: dict[int, Inside] = {}
    for one in () if body is None else (body, *body.beside):
        if one.run is not None and one.recorder.hooked:
            found.setdefault(id(one.recorder.spans), Inside(one.recorder, one.run))
    watch = _WATCH.get()
    for seen in () if watch is None else watch.seen:
        around = found.get(id(seen.recorder.spans))
        if seen.run.is_open and (around is None or seen.run.is_below(around.run)):
            found[id(seen.recorder.spans)] = seen
    return list(found.values())


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
