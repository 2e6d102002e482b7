"""The innermost open run that code is in.

In: runs that start and end (`enter`, `leave`). Out: for any code anywhere, which run it is in
(`current_body`).

Nothing is set and reset: end events of asynchronous runs arrive in a copied context, where a reset
fails. Instead a context variable of our own names the run that started last in a context, and each
run knows whether it is open.

For bodies of chains LangChain's own configuration context is the truth: rows of an `abatch` start
in tasks of their own, and the consumer of a stream shares the context that the stream started in.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextvars import ContextVar
from types import FrameType
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from langchain_core.runnables.config import var_child_runnable_config
from opentelemetry.context import Context
from opentelemetry.trace import Span as OtelSpan

from longpole.model.place import Shape
from longpole.model.run import Kind
from longpole.tracer.current_span import CurrentSpan
from longpole.tracer.recorder import Recorder

if TYPE_CHECKING:
    from longpole.tracer.open_runs import OpenRun


class Body:
    """A run as code inside it sees it; contexts keep it beyond its end, so it holds little.

    Attributes:
        parent: the run around it that code can be in.
        beside: the same run in other stores.
        is_shared: whether the context it started in is also that of whoever consumes its chunks.
        leads: whether its store is the one whose runs are current, of several that record them.
        cached: the contexts asked about last, the run they led to, and the answer.
    """

    __slots__ = (
        "beside",
        "cached",
        "is_open",
        "is_shared",
        "leads",
        "parent",
        "recorder",
        "run",
        "run_id",
        "shown",
        "span",
        "span_id",
        "uuid",
    )

    def __init__(self, run: OpenRun, recorder: Recorder, *, is_shared: bool = False) -> None:
        self.run: OpenRun | None = run
        self.span: OtelSpan | None = run.span
        self.shown: CurrentSpan | None = None
        self.parent = _body_above(run)
        self.recorder = recorder
        self.uuid = run.uuid
        self.run_id = run.run_id
        self.span_id = run.span_id
        self.is_open = True
        self.is_shared = is_shared
        self.leads = False
        self.beside: tuple[Body, ...] = ()
        self.cached: tuple[Context, Any, Body, Context] | None = None

    def is_below(self, other: Body) -> bool:
        """Whether `other` is this body or one around it."""
        at: Body | None = self
        while at is not None and at is not other:
            at = at.parent
        return at is other


_HERE: ContextVar[Body | None] = ContextVar("longpole_body", default=None)
here = _HERE.get
"""Return the run that started last in this context, open or not."""
configured = var_child_runnable_config.get
"""Return LangChain's configuration of the chain body around."""
_by_uuid: dict[int, Body] = {}
"""Open bodies by the number of their run's id, one a run: of the handler that was attached first.

A `UUID` hashes and compares in Python, its number does not.
"""
finders: list[Callable[[], Body | None]] = []
"""Who else knows of bodies; asked only while there is somebody."""


# --- runs start and end -----------------------------------------------------------------------


def enter(run: OpenRun, recorder: Recorder, *, awaits_input: bool = False) -> Body:
    """Make a run that has just started the current one, called where its start was told.

    Of several stores the one that was attached first keeps the current span, all through a run.
    """
    body = Body(run, recorder, is_shared=awaits_input or _streams_to_consumer(run))
    _enlist(run, body)
    if body.leads:
        _HERE.set(body)
    return body


def know(run: OpenRun, recorder: Recorder) -> Body:
    """Know a run whose start was told outside the context of its body."""
    body = Body(run, recorder)
    _enlist(run, body)
    return body


def _enlist(run: OpenRun, body: Body) -> None:
    """Enter a body under its run's id, or beside that of the store that did so first."""
    run.body = body
    if run.uuid is not None:
        first = _by_uuid.setdefault(run.uuid.int, body)
        if first is not body:
            first.beside += (body,)
            return
    body.leads = _leads(body) if body.parent is None else body.parent.leads


def _leads(root: Body) -> bool:
    """Return whether no other store is ahead of this one around a run that has no parent in it."""
    around = current_body()
    # Outside of all configurations a run around is one that nobody ended.
    return around is None or around.recorder.append == root.recorder.append or configured() is None


def _body_above(run: OpenRun) -> Body | None:
    """Return the nearest body above a run: those that group others have none."""
    above = run.parent
    while above is not None and above.body is None:
        above = above.parent
    return None if above is None else above.body


def hand_over(run: OpenRun) -> None:
    """Go back to the parent in this context: between chunks the consumer's code runs in it."""
    body = run.body
    if body is not None and here() is body:
        _HERE.set(_open(body.parent))


def leave(run: OpenRun) -> None:
    """Let go of a run that ends, wherever its end is told."""
    body = run.body
    if body is None:
        return
    body.is_open = False
    body.run = body.span = body.shown = body.cached = None
    if body.uuid is not None and _by_uuid.get(body.uuid.int) is body:
        del _by_uuid[body.uuid.int]
    if here() is body:
        _HERE.set(_open(body.parent))


def _open(body: Body | None) -> Body | None:
    while body is not None and not body.is_open:
        body = body.parent
    return body


_STREAMS: Final = ("stream", "astream")
_STREAMING_FILES: Final = (
    "/langchain_core/runnables/branch.py",
    "/langchain_core/runnables/fallbacks.py",
    "/langgraph/pregel/main.py",
)
_MAX_FRAMES: Final = 12


def _streams_to_consumer(run: OpenRun) -> bool:
    """Return whether a graph, a fallback wrapper or a branch passes chunks on.

    They tell of their start with the real input, so only the generator up the stack gives them
    away; `Pregel.invoke` consumes its own `stream`, which is told by the frame above that.
    """
    is_wrapper = run.shape is Shape.FALLBACKS or run.shape is Shape.BRANCH
    is_graph = run.kind is Kind.CHAIN and run.metadata.get("ls_integration") == "langgraph"
    if not is_wrapper and not is_graph:
        return False
    frame: FrameType | None = sys._getframe(2)
    for _ in range(_MAX_FRAMES):
        if frame is None:
            return False
        code, frame = frame.f_code, frame.f_back
        if code.co_name in _STREAMS and code.co_filename.endswith(_STREAMING_FILES):
            return frame is None or frame.f_code.co_filename != code.co_filename
    return False


# --- which run is this code in ----------------------------------------------------------------


def current_body() -> Body | None:
    """Return the innermost open run that this code is in; `None` outside all of them."""
    body = _open(here())
    config = configured()
    known = None if config is None else _in_config(config)
    if known is not None and known is not body:
        if body is None or not body.is_below(known):
            body = known  # the variable is stale or lost
        elif body.is_shared:
            body = known  # a stream below, seen from its consumer
    elif known is None:
        while body is not None and body.is_shared:
            body = _open(body.parent)
    for find in finders:
        found = find()
        if found is not None and (body is None or found.is_below(body)):
            body = found
    return body


def _in_config(config: Any) -> Body | None:
    """Return the innermost chain body that LangChain's configuration names."""
    uuid = getattr(config.get("callbacks"), "parent_run_id", None)
    return _by_uuid.get(uuid.int) if isinstance(uuid, UUID) else None


def configured_uuid() -> UUID | None:
    """Return LangChain's id of the innermost chain body that its configuration names."""
    config = configured()
    uuid = None if config is None else getattr(config.get("callbacks"), "parent_run_id", None)
    return uuid if isinstance(uuid, UUID) else None


def body_of(uuid: UUID) -> Body | None:
    """Return the open run of this id."""
    return _by_uuid.get(uuid.int)


def bodies_of(uuid: UUID) -> tuple[Body, ...]:
    """Return the open run of this id in every store that records it."""
    body = _by_uuid.get(uuid.int)
    return () if body is None else (body, *body.beside)


def add_wait(uuid: UUID, attribute: str, wait_ns: int) -> None:
    """Add to a wait inside an open run, under an attribute name, wherever the run is recorded."""
    for body in bodies_of(uuid):
        if body.run is not None:
            body.run.waited(attribute, wait_ns)


def ask_too(find: Callable[[], Body | None]) -> None:
    """Ask `find` for the current body as well, until `ask_no_more`."""
    if find not in finders:
        finders.append(find)


def ask_no_more(find: Callable[[], Body | None]) -> None:
    """Stop asking."""
    if find in finders:
        finders.remove(find)
