"""The runs of one LangSmith trace → span events: who is whose child, and where each one stands.

LangChain's structural tags and LangGraph's metadata say the same in LangSmith as they do live, so
the rules of `longpole.model.place` apply. What a runnable is shows in its name; a retry wrapper,
which bears the name of what it wraps, shows in its children's tags. Runs that Longpole exported say
where they stand themselves.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from longpole.model import semconv
from longpole.model.place import (
    RETRY_ATTEMPT,
    Above,
    Place,
    Shape,
    Started,
    handed_down,
    own_tag,
    place_of,
    task_of,
    user_tags,
)
from longpole.model.run import Kind, Status
from longpole.storage.exchange.langsmith import told
from longpole.storage.exchange.parcel import Incoming, Refused
from longpole.storage.exchange.placing import attributes_of_place, shape_named
from longpole.storage.store import SpanEnd, SpanStart

Json = Mapping[str, Any]

_NO_TAGS: Final[frozenset[str]] = frozenset()
_STATUSES: Final = {status.value: status for status in Status}
# How the wire tells what has a place of its own in an event.
_NOT_KEPT: Final = semconv.NOT_RECORDED | {semconv.LONGPOLE_RUN_ID, semconv.LONGPOLE_STATUS}
_ABOUT_RUN: Final = f"{semconv.LONGPOLE_PREFIX}run."


@dataclass(slots=True)
class _Node:
    """One run of the trace and what its children need to know."""

    run: Json
    parent: _Node | None = None
    children: list[_Node] = field(default_factory=list)
    kind: Kind = Kind.CHAIN
    shape: Shape | None = None
    inherited: frozenset[str] = _NO_TAGS
    task: str | None = None
    position: int = 0
    task_tries: dict[str, list[str]] = field(default_factory=dict)

    @property
    def metadata(self) -> Json:
        return told.metadata_of(self.run)

    @property
    def span_id(self) -> str:
        own = self.metadata.get(semconv.LONGPOLE_SPAN_ID)
        return own if isinstance(own, str) and own else span_id_of(str(self.run["id"]))


def span_id_of(run_id: str) -> str:
    """Return 16 hex digits for a run's UUID; its own digits are partly a clock."""
    return hashlib.blake2b(run_id.encode(), digest_size=8).hexdigest()


def events_of_trace(runs: Sequence[Json], where: str) -> Iterator[Incoming]:
    """Yield the events of all runs of one trace, parents before children.

    Args:
        runs: in any order.
        where: names the trace in what is refused.
    """
    nodes: dict[str, _Node] = {}
    for run in runs:
        why = _flaw(run)
        if why is not None:
            yield Refused(where=f"{where}, run {run.get('id')}", why=why)
        else:
            nodes[str(run["id"])] = _Node(run)
    roots = _linked(nodes)
    # LangChain's order of starts is that of the children's turns.
    waiting = sorted(roots, key=_start, reverse=True)
    while waiting:
        node = waiting.pop()
        yield from _events(node, is_root=node.parent is None and len(roots) == 1)
        node.children.sort(key=_start)
        waiting.extend(reversed(node.children))


def _flaw(run: Json) -> str | None:
    for key in ("id", "trace_id"):
        try:
            uuid.UUID(str(run.get(key)))
        except ValueError:
            return f"{key!r} is {run.get(key)!r}, expected a UUID"
    if told.time_ns(run.get("start_time")) is None:
        return f"'start_time' is {run.get('start_time')!r}, expected an ISO time"
    return None


def _linked(nodes: Mapping[str, _Node]) -> list[_Node]:
    """Hang every run below its parent; return those that have none here."""
    roots: list[_Node] = []
    for run_id, node in nodes.items():
        parent = nodes.get(str(node.run.get("parent_run_id")))
        if parent is None or str(node.run.get("parent_run_id")) == run_id:
            roots.append(node)
        else:
            node.parent = parent
            parent.children.append(node)
    return roots


def _start(node: _Node) -> tuple[int, str]:
    return told.time_ns(node.run["start_time"]) or 0, str(node.run.get("dotted_order"))


def _events(node: _Node, *, is_root: bool) -> Iterator[Incoming]:
    run, metadata = node.run, node.metadata
    own_id = metadata.get(semconv.LONGPOLE_RUN_ID)
    run_id = own_id if isinstance(own_id, str) else uuid.UUID(str(run["trace_id"])).hex
    place = _placed(node)
    above = {} if node.parent is None else node.parent.metadata
    attributes = {
        semconv.LONGPOLE_KIND: node.kind.value,
        semconv.LONGPOLE_LANGCHAIN_RUN_ID: str(run["id"]),
        semconv.TAG_TAGS: list(user_tags(told.tags_of(run))) or None,
        **attributes_of_place(place),
        **told.attributes_of(run, node.kind, above),
        **_recorded(metadata),
    }
    if node.parent is None:
        attributes |= told.of_session(metadata)
    told_of = {key: value for key, value in attributes.items() if value is not None}
    start_ns, end_ns = _times(run, metadata)
    yield SpanStart(
        run_id=run_id,
        trace_id=uuid.UUID(str(run["trace_id"])).hex,
        span_id=node.span_id,
        parent_span_id=_parent_span_id(node),
        is_root=is_root,
        name=str(run.get("name") or node.kind.value),
        start_ns=start_ns,
        # With the event that says most: one that came while it ran must not shut out the end's.
        attributes=told_of if end_ns is None else {},
    )
    if end_ns is None:
        return
    status, error = told.status_of(run)
    stated = _STATUSES.get(str(metadata.get(semconv.LONGPOLE_STATUS)))
    yield SpanEnd(
        run_id=run_id,
        span_id=node.span_id,
        end_ns=max(end_ns, start_ns),
        status=stated or status,
        error=error,
        attributes=told_of,
    )


def _times(run: Json, metadata: Json) -> tuple[int, int | None]:
    start_ns = told.time_ns(run["start_time"]) or 0
    end_ns = told.time_ns(run.get("end_time"))
    if semconv.LONGPOLE_SPAN_ID not in metadata:
        return start_ns, end_ns
    own_start, own_end = (
        metadata.get(semconv.LONGPOLE_START_NS),
        metadata.get(semconv.LONGPOLE_END_NS),
    )
    return (
        own_start if type(own_start) is int else start_ns,
        # A run whose end Longpole had to make up for LangSmith has none.
        own_end if type(own_end) is int else None,
    )


def _parent_span_id(node: _Node) -> str | None:
    if node.parent is not None:
        return node.parent.span_id
    own = node.metadata.get(semconv.LONGPOLE_PARENT_SPAN_ID)
    if isinstance(own, str) and own:
        return own
    parent = node.run.get("parent_run_id")
    return None if parent is None else span_id_of(str(parent))


def _recorded(metadata: Json) -> dict[str, Any]:
    """Return the attributes that Longpole had recorded of a run it exported."""
    if semconv.LONGPOLE_SPAN_ID not in metadata:
        return {}
    return {
        key: value
        for key, value in metadata.items()
        if (key.startswith(semconv.LONGPOLE_PREFIX) or key == semconv.LONGPOLE_HOST)
        and key not in _NOT_KEPT
        and not key.startswith(_ABOUT_RUN)
    } | {semconv.LONGPOLE_LANGCHAIN_RUN_ID: metadata.get(semconv.LONGPOLE_LANGCHAIN_RUN_ID)}


# --- places -----------------------------------------------------------------------------------


def _placed(node: _Node) -> Place:
    """Find out what a run is and where it stands; notes on the node what its children need."""
    parent = node.parent
    tags = told.tags_of(node.run)
    inherited = None if parent is None else parent.inherited
    node.task = task_of(node.metadata)
    node.kind = told.kind_of(node.run)
    if node.kind is Kind.CHAIN and parent is not None and node.task not in (None, parent.task):
        node.kind = Kind.NODE
    node.shape = _shape(node, inherited or _NO_TAGS)
    started = Started(
        kind=node.kind,
        shape=node.shape,
        tags=tags,
        metadata=node.metadata,
        tool_call_id=_tool_call_id(node),
    )
    place = place_of(started, None if parent is None else _above(node, parent))
    if parent is not None:
        parent.position += 1
        if place.fan_out is not None and node.task is not None:
            parent.task_tries.setdefault(node.task, []).append(node.span_id)
    node.inherited = handed_down(tags, inherited)
    if node.task is None and parent is not None:
        node.task = parent.task
    return place


def _above(node: _Node, parent: _Node) -> Above:
    return Above(
        kind=parent.kind,
        shape=parent.shape,
        inherited=parent.inherited,
        task=parent.task,
        position=parent.position,
        task_tries=parent.task_tries.get(node.task or "", ()),
    )


def _shape(node: _Node, inherited: frozenset[str]) -> Shape | None:
    shape = shape_named(str(node.run.get("name")))
    if shape is not None:
        return shape
    handed = handed_down(told.tags_of(node.run), inherited)
    for child in node.children:
        if own_tag(RETRY_ATTEMPT, told.tags_of(child.run), handed) is not None:
            return Shape.RETRY
    return None


def _tool_call_id(node: _Node) -> str | None:
    outputs = node.run.get("outputs")
    output = outputs.get("output") if isinstance(outputs, dict) else None
    found = output.get("tool_call_id") if isinstance(output, dict) else None
    return found if isinstance(found, str) else None
