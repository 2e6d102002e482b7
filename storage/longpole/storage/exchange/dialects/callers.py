"""Attributes → what the caller attached to a run: metadata, tags, session, user.

LangChain hands metadata and tags down, and each dialect writes them in its own place; among them
are the structural tags and LangGraph's facts, which say where a span stands.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import Any, Final

import orjson

from longpole.model import semconv
from longpole.model.caller import own_metadata, session_in, user_in
from longpole.model.place import user_tags
from longpole.storage.codec import plain
from longpole.storage.exchange.dialects.keys import Beginnings
from longpole.storage.exchange.dialects.values import decoded, object_in, text_in

_SPREAD: Final = (
    "langsmith.metadata.",
    "traceloop.association.properties.",
    "langfuse.observation.metadata.",
)
"""Before the keys of metadata that is spread over attributes."""
_OF_TRACE: Final = "langfuse.trace.metadata."
_PREFIXES: Final = Beginnings((*_SPREAD, _OF_TRACE))
_SESSIONS: Final = (semconv.SESSION_ID, "langfuse.session.id", semconv.GEN_AI_CONVERSATION_ID)
_USERS: Final = (semconv.USER_ID, "langfuse.user.id", "enduser.id", "gen_ai.user", "llm.user")
_TAGS: Final = (semconv.TAG_TAGS, "langsmith.span.tags", "langfuse.trace.tags", "langfuse.tags")
_NOT_METADATA: Final = ("tags", "usage_metadata", "revision_id", "_type", "is_langchain_root")


def metadata_of(told: Mapping[str, Any]) -> dict[str, Any]:
    """Return all metadata of a span, the framework's too."""
    found = dict(object_in(told.get(semconv.METADATA)))
    for key in [key for key in told if _PREFIXES[key]]:
        prefix, value = _PREFIXES[key], told[key]
        if prefix == _OF_TRACE:
            found.setdefault(key[len(_OF_TRACE) :], decoded(value))
        else:
            found[key[len(prefix) :]] = decoded(value) if _is_json(value, prefix) else value
    return found


def tags_of(told: Mapping[str, Any], metadata: Mapping[str, Any]) -> list[str]:
    """Return the tags of a span, structural ones among them."""
    values = [metadata.get("tags"), *map(told.get, _TAGS)]
    if "traceloop.entity.input" in told:
        values.append(object_in(told["traceloop.entity.input"]).get("tags"))
    listed = [_listed(value) for value in values if value is not None]
    return list(dict.fromkeys(chain.from_iterable(listed)))


def about_caller(
    told: Mapping[str, Any], metadata: Mapping[str, Any], tags: list[str]
) -> dict[str, Any]:
    """Return what a root says of its run."""
    own = own_metadata(metadata, _NOT_METADATA)
    return {
        semconv.SESSION_ID: text_in(told, _SESSIONS) or session_in(metadata),
        semconv.USER_ID: text_in(told, _USERS) or user_in(metadata),
        semconv.TAG_TAGS: list(user_tags(tags)) or None,
        semconv.METADATA: orjson.dumps(plain(own)).decode() if own else None,
    }


def _is_json(value: object, prefix: str) -> bool:
    # Langfuse writes every value as JSON, the others only what is no plain value.
    return type(value) is str and (prefix.startswith("langfuse") or value[:1] in ("{", "["))


def _listed(value: object) -> list[str]:
    if type(value) is str:
        value = decoded(value) if value[:1] == "[" else [one.strip() for one in value.split(",")]
    return [one for one in value if type(one) is str and one] if isinstance(value, list) else []
