"""A start event → where its run stands: kind, place, and what follows from the place alone.

The rules are `longpole.model.place`; here they are fed with what the tracer knows of the parent,
and remembered: most runs stand where their tags and their parent's kind say, and the same few
places come again and again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from longpole.model.place import (
    BY_POSITION,
    Above,
    Place,
    Shape,
    Started,
    handed_down,
    place_of,
)
from longpole.model.run import Kind, Role
from longpole.tracer import attributes as attributes_of
from longpole.tracer.attributes import Attributes
from longpole.tracer.caller import Caller
from longpole.tracer.clock import Clock, now_ns
from longpole.tracer.open_runs import OpenRun

BY_STEPS: Final = frozenset({Shape.SEQUENCE, Shape.RETRY, Shape.FALLBACKS, None})
"""Rows of these are carried through their steps together; unknown is who is not on the stack."""
_CALLS: Final = frozenset({Kind.LLM, Kind.EMBEDDING})
_NO_METADATA: Final[Mapping[str, Any]] = {}


@dataclass(slots=True, kw_only=True)
class Start:
    """A start event in the tracer's own terms; not frozen, which would cost every span 1 µs."""

    uuid: UUID | None
    parent_uuid: UUID | None
    name: str
    kind: Kind
    start_ns: int
    tags: Sequence[str] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    caller: Caller
    tool_call_id: str | None = None
    streamed: bool = False
    attributes: Attributes = field(default_factory=dict)
    clock: Clock = now_ns


def kind_of(kind: Kind, task: str | None, parent: OpenRun | None) -> Kind:
    """A LangGraph task is a node, whatever runs in it."""
    if kind is Kind.CHAIN and task is not None and parent is not None and parent.task != task:
        return Kind.NODE
    return kind


@dataclass(frozen=True, slots=True)
class Stand:
    """Where a run stands, and what follows from that and from its tags alone.

    Attributes:
        handed_down: its tags of a structural form that runs below it inherit.
        is_try: whether it is one of the tries of the retry wrapper it stands below.
        attributes: of its kind, its place and its tags, without limits.
    """

    place: Place
    handed_down: frozenset[str]
    is_try: bool
    attributes: Attributes


def stand_of(
    start: Start, kind: Kind, parent: OpenRun | None, task: str | None, row: int | None
) -> Stand:
    """Return where a starting run stands.

    Most runs stand where their tags and their parent's kind say, and the same few places come
    again and again; what depends on more than that is looked at every time.
    """
    tags = tuple(start.tags)
    shape = start.caller.shape
    if parent is None:
        return _known_stand(tags, kind, shape, None, None, None)
    position = next(parent.position)
    if (
        (task is None or task == parent.task)
        and start.tool_call_id is None
        and row is None
        and parent.shape not in BY_POSITION
    ):
        return _known_stand(tags, kind, shape, parent.kind, parent.shape, parent.inherited)
    tries = parent.task_tries.get(task, ()) if task is not None else ()
    started = Started(
        kind=kind,
        shape=shape,
        tags=tags,
        metadata=start.metadata,
        tool_call_id=start.tool_call_id,
        row=row,
    )
    above = Above(
        kind=parent.kind,
        shape=parent.shape,
        inherited=parent.inherited,
        task=parent.task,
        position=position,
        task_tries=tries,
    )
    return _stand_at(kind, place_of(started, above), tags, above)


@lru_cache(maxsize=4096)
def _known_stand(
    tags: tuple[str, ...],
    kind: Kind,
    shape: Shape | None,
    parent_kind: Kind | None,
    parent_shape: Shape | None,
    inherited: frozenset[str] | None,
) -> Stand:
    started = Started(kind=kind, shape=shape, tags=tags, metadata=_NO_METADATA)
    above = (
        None
        if parent_kind is None or inherited is None
        else Above(kind=parent_kind, shape=parent_shape, inherited=inherited, task=None, position=0)
    )
    return _stand_at(kind, place_of(started, above), tags, above)


def _stand_at(kind: Kind, place: Place, tags: tuple[str, ...], above: Above | None) -> Stand:
    attributes = {
        **attributes_of.of_kind(kind),
        **attributes_of.of_place(place),
        **attributes_of.of_tags(tags),
    }
    inherited = None if above is None else above.inherited
    return Stand(place, handed_down(tags, inherited), _is_try(place, above), attributes)


def _is_try(place: Place, above: Above | None) -> bool:
    # Tries of LangGraph tasks are branches beside one another, candidates of a fallback no tries;
    # those of a provider's SDK stand below the model call and are told only once they are over.
    return (
        place.role is Role.ATTEMPT
        and place.fan_out is None
        and above is not None
        and above.kind not in _CALLS
        and above.shape is not Shape.FALLBACKS
    )
