"""Attributes of a span of any instrumentation → the same facts under our names. Pure.

In: attributes as they came, the span's name, and whether it has a parent. Out: attributes of which
`longpole.storage.rows` makes the columns. Spans of ours are left as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from longpole.model import semconv
from longpole.model.run import Kind
from longpole.storage.exchange.dialects.callers import about_caller, metadata_of, tags_of
from longpole.storage.exchange.dialects.calls import USAGE_KEYS, about_call
from longpole.storage.exchange.dialects.contents import CONTENT_KEYS, FLAT_CONTENT, contents_of
from longpole.storage.exchange.dialects.keys import Beginnings
from longpole.storage.exchange.dialects.kinds import kind_of
from longpole.storage.exchange.dialects.places import about_place, about_top, kind_in_graph

_CALLS: Final = (Kind.LLM, Kind.EMBEDDING)
_OF_CALLS: Final = USAGE_KEYS | {
    semconv.GEN_AI_REQUEST_MODEL,
    semconv.GEN_AI_RESPONSE_MODEL,
    semconv.GEN_AI_PROVIDER_NAME,
    semconv.GEN_AI_SYSTEM,
}
"""What only a model call has; on other spans it names the framework or repeats what is below."""
_NOT_KEPT: Final = CONTENT_KEYS | _OF_CALLS
# LangSmith's client adds the environment of the process to every span.
_NOT_KEPT_BEGINNINGS: Final = Beginnings(
    (*FLAT_CONTENT, "langsmith.metadata.LANGSMITH_", "langsmith.metadata.LANGCHAIN_")
)


def translated(told: Mapping[str, Any], name: str, *, is_top: bool) -> dict[str, Any]:
    """Return a span's attributes in our words.

    Args:
        told: attributes as they came.
        name: of the span.
        is_top: whether it has no parent, so that it speaks for its run.
    """
    if semconv.LONGPOLE_KIND in told or semconv.LONGPOLE_RUN_ID in told:
        return dict(told)
    metadata = metadata_of(told)
    tags = tags_of(told, metadata)
    kind = kind_in_graph(told, name, kind_of(told), metadata)
    ours: dict[str, Any] = {semconv.LONGPOLE_KIND: kind and kind.value}
    if kind in _CALLS:
        ours |= about_call(told, metadata)
    ours |= contents_of(told, kind)
    if is_top:
        ours |= about_caller(told, metadata, tags) | about_top(name)
    else:
        ours |= about_place(told, name, kind, tags, metadata)
    left_out = CONTENT_KEYS if kind is None else _NOT_KEPT
    kept = {
        key: value
        for key, value in told.items()
        if key not in left_out and not _NOT_KEPT_BEGINNINGS[key]
    }
    if is_top:
        # All of it, the framework's too; what is the caller's comes back from above.
        kept.pop(semconv.METADATA, None)
    for key, value in ours.items():
        # A user's own `longpole.*` attributes are meant: they win over what was made of others.
        if value is not None and not (key in kept and key.startswith(semconv.LONGPOLE_PREFIX)):
            kept[key] = value
    return kept
