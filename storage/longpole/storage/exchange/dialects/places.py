"""Tags, LangGraph's metadata and the name of a span → where it stands, as far as that is certain.

The rules of `longpole.model.place` apply, without a parent: LangGraph's facts, which everything
below a node inherits, are taken for the node only, which bears its node's name; inside nodes the
position in a sequence is not claimed, for whatever a node calls is tagged as a first step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from longpole.model.place import Above, Started, place_of, task_of
from longpole.model.run import Kind
from longpole.storage.exchange.placing import attributes_of_place, shape_named

_NO_TAGS: Final[frozenset[str]] = frozenset()
_NAMES: Final = ("traceloop.entity.name", "graph.node.name", "graph.node.id")


def kind_in_graph(
    told: Mapping[str, Any], name: str, kind: Kind | None, metadata: Mapping[str, Any]
) -> Kind | None:
    """Return the kind, `node` where a chain is a node of a graph."""
    node = metadata.get("langgraph_node")
    is_node = type(node) is str and node in (name, *(told.get(key) for key in _NAMES))
    return Kind.NODE if kind is Kind.CHAIN and is_node and task_of(metadata) else kind


def about_place(
    told: Mapping[str, Any],
    name: str,
    kind: Kind | None,
    tags: Sequence[str],
    metadata: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the attributes that say where a span stands below its parent."""
    called = told.get("traceloop.entity.name")
    shape = shape_named(called if type(called) is str else name)
    task = task_of(metadata)
    if shape is None and task is None and not tags:
        return {}
    started = Started(
        kind=kind or Kind.OTHER,
        shape=shape,
        tags=tags,
        metadata=_with_path(metadata),
    )
    is_inside_node = task is not None and kind is not Kind.NODE
    above = Above(
        kind=Kind.NODE if is_inside_node else Kind.CHAIN,
        shape=None,
        inherited=_NO_TAGS,
        task=task if is_inside_node else None,
        position=0,
    )
    return attributes_of_place(place_of(started, above))


def about_top(name: str) -> dict[str, Any]:
    """Return the same for a span without a parent."""
    started = Started(kind=Kind.CHAIN, shape=shape_named(name), tags=(), metadata={})
    return attributes_of_place(place_of(started, None))


def _with_path(metadata: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return metadata of which LangGraph's path can be read, whatever others made of it."""
    path = metadata.get("langgraph_path")
    if path is None or isinstance(path, (list, tuple)):
        return metadata
    return {key: value for key, value in metadata.items() if key != "langgraph_path"}
