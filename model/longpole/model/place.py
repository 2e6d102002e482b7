"""Where a run stands in its tree: role, branch, step, attempt, order hints. Pure.

In: what is told of the start of a run, live or in another tool's trace (structural tags, LangGraph
metadata, the kind of runnable), and what the parent is. Out: a `Place`. Tags are taken by prefix
and only when they are not inherited: a user's own tag of that form goes down to everything below,
LangChain's do not. Nothing is guessed: where the framework says nothing, no hint is given, and
analysis marks what it infers.

Source: the structural tags of langchain-core (`map:key:`, `seq:step:`, `retry:attempt:`,
`condition:`, `branch:`) and langgraph's `langgraph_*` metadata.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum, auto
from typing import Any, Final

from longpole.model.run import NO_ORDER, FanOutKind, Kind, Order, Role

MAP_KEY: Final = "map:key:"
SEQ_STEP: Final = "seq:step:"
RETRY_ATTEMPT: Final = "retry:attempt:"
CONDITION: Final = "condition:"
BRANCH: Final = "branch:"
GRAPH_STEP: Final = "graph:step:"
STRUCTURAL_PREFIXES: Final = (MAP_KEY, SEQ_STEP, RETRY_ATTEMPT, CONDITION, BRANCH, GRAPH_STEP)

NO_ROW: Final = -1
"""Instead of an index: below a batch call, but none of its rows."""

_PUSHED: Final = "__pregel_push"


class Shape(StrEnum):
    """What a run does with the runs below it."""

    PARALLEL = auto()
    SEQUENCE = auto()
    EACH = auto()
    RETRY = auto()
    FALLBACKS = auto()
    BRANCH = auto()
    RECORD = auto()
    BATCH = auto()
    OTHER = auto()


BY_POSITION: Final = frozenset({Shape.EACH, Shape.FALLBACKS, Shape.BRANCH, Shape.RECORD})
"""Runs that tell the runs below them apart by nothing but how many came before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The facts of `longpole.model.Span` that say where it stands."""

    role: Role | None = None
    branch: str | None = None
    step: int | None = None
    attempt: int = 1
    fan_out: FanOutKind | None = None
    order: Order = NO_ORDER


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A start event, as far as it says where the run stands.

    Attributes:
        row: its index in the batch call it is a row of; `NO_ROW` when the call made it without it
            being one of the rows; `None` when nothing is known.
    """

    kind: Kind
    shape: Shape | None
    tags: Sequence[str]
    metadata: Mapping[str, Any]
    tool_call_id: str | None = None
    row: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Above:
    """What the parent of a starting run is.

    Attributes:
        inherited: tags of a structural form that it got from above and hands down.
        task: LangGraph's id of the task it belongs to.
        position: how many children it had before this one.
        task_tries: earlier tries of the same LangGraph task, their span ids.
    """

    kind: Kind
    shape: Shape | None
    inherited: Collection[str]
    task: str | None
    position: int
    task_tries: Sequence[str] = ()


def handed_down(tags: Sequence[str], inherited: Collection[str] | None) -> frozenset[str]:
    """Return the tags of a structural form that a run hands down; a root (`None`) all of them."""
    return frozenset(
        tag
        for tag in tags
        if tag.startswith(STRUCTURAL_PREFIXES) and (inherited is None or tag in inherited)
    )


def own_tag(prefix: str, tags: Sequence[str], inherited: Collection[str]) -> str | None:
    """Return what follows `prefix` in a tag that was put on this run alone.

    >>> own_tag("map:key:", ["map:key:fake", "map:key:a"], ["map:key:fake"])
    'a'
    """
    for tag in tags:
        if tag.startswith(prefix) and tag not in inherited:
            return tag[len(prefix) :]
    return None


def user_tags(tags: Sequence[str]) -> tuple[str, ...]:
    """Return the caller's own tags."""
    return tuple(tag for tag in tags if not tag.startswith(STRUCTURAL_PREFIXES))


def task_of(metadata: Mapping[str, Any]) -> str | None:
    """Return LangGraph's id of the task a run belongs to; everything below a node inherits it."""
    task = metadata.get("langgraph_checkpoint_ns")
    return task if type(task) is str and task else None


def place_of(started: Started, above: Above | None) -> Place:
    """Return where a starting run stands; `above` is `None` for a root."""
    if above is None:
        return _fan_out_itself(started, Place())
    place = (
        _try_of_wrapper(started, above)
        or _graph_task(started, above)
        or _branch(started, above)
        or _step(started, above)
        or Place()
    )
    return _fan_out_itself(started, place)


def _fan_out_itself(started: Started, place: Place) -> Place:
    if place.role not in (None, Role.STEP):
        return place
    if started.shape not in (Shape.PARALLEL, Shape.EACH, Shape.RECORD, Shape.BATCH):
        return place
    return Place(role=Role.FAN_OUT, step=place.step, order=place.order)


def _try_of_wrapper(started: Started, above: Above) -> Place | None:
    """Place a child of a retry or fallback wrapper; the tags it bears are the wrapper's."""
    tagged = _number(own_tag(RETRY_ATTEMPT, started.tags, above.inherited))
    if tagged is not None or above.shape is Shape.RETRY:
        attempt = tagged or 1
        return Place(role=Role.ATTEMPT, attempt=attempt, order=Order(seq=attempt))
    if above.shape is Shape.FALLBACKS:
        # The first candidate is the thing itself; only what replaces it is a fallback.
        role = Role.ATTEMPT if above.position == 0 else Role.FALLBACK
        return Place(role=role, order=Order(seq=above.position + 1))
    return None


def _graph_task(started: Started, above: Above) -> Place | None:
    task = task_of(started.metadata)
    if task is None or task == above.task:
        return None
    path: tuple[Any, ...] = started.metadata.get("langgraph_path") or ()
    attempt = len(above.task_tries) + 1
    after = (above.task_tries[-1],) if above.task_tries else None
    if len(path) > 2 and path[0] == _PUSHED and type(path[1]) is not int:
        # A @task call: (push, (pull, workflow), index, …). It runs whenever it is called, beside
        # others or after them; the framework does not say.
        return Place(
            role=Role.BRANCH,
            branch=str(path[2]),
            attempt=attempt,
            fan_out=FanOutKind.SEND,
            order=Order(after=after),
        )
    number = started.metadata.get("langgraph_step")
    superstep = number if type(number) is int else None
    pushed = len(path) > 1 and path[0] == _PUSHED
    return Place(
        role=Role.BRANCH,
        branch=str(path[1]) if pushed else str(started.metadata.get("langgraph_node")),
        step=superstep,
        attempt=attempt,
        fan_out=FanOutKind.SEND if pushed else FanOutKind.SUPERSTEP,
        order=Order(group="superstep", superstep=superstep, after=after),
    )


def _branch(started: Started, above: Above) -> Place | None:
    if above.shape is Shape.BATCH:
        return _row(started)
    key = own_tag(MAP_KEY, started.tags, above.inherited)
    if key is not None:
        return Place(
            role=Role.BRANCH,
            branch=key,
            fan_out=FanOutKind.PARALLEL,
            order=Order(group="parallel"),
        )
    if above.shape is Shape.EACH:
        index = above.position if started.row is None else started.row
        return _item(FanOutKind.MAP, index, Order(group="map"))
    if above.shape is Shape.RECORD:
        # Whether recorded calls ran side by side is the caller's affair: no order is claimed.
        return _item(FanOutKind.RECORD, above.position, NO_ORDER)
    if above.kind is Kind.NODE and started.kind is Kind.TOOL and started.tool_call_id is not None:
        return Place(
            role=Role.BRANCH,
            branch=str(above.position),
            fan_out=FanOutKind.TOOLS,
            order=Order(group="tools"),
        )
    return None


def _row(started: Started) -> Place | None:
    return (
        None
        if started.row == NO_ROW
        else _item(FanOutKind.BATCH, started.row, Order(group="batch"))
    )


def _item(fan_out: FanOutKind, index: int | None, order: Order) -> Place:
    branch = None if index is None else str(index)
    return Place(role=Role.ITEM, branch=branch, fan_out=fan_out, order=order)


def _step(started: Started, above: Above) -> Place | None:
    step = _number(own_tag(SEQ_STEP, started.tags, above.inherited))
    # Whatever a LangGraph node function calls is tagged `seq:step:1`, so there it says nothing.
    if step is not None and above.kind is not Kind.NODE:
        return Place(role=Role.STEP, step=step, order=Order(seq=step))
    if above.shape is Shape.BRANCH:
        return Place(role=Role.STEP, step=above.position + 1, order=Order(seq=above.position + 1))
    return None


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() else None
