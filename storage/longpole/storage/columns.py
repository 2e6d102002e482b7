"""Attributes of a span → the columns of its rows. Pure.

Attributes carry the names of `longpole.model.semconv`, from whatever source: own spans, imports,
old conventions. A value that does not fit its column is passed over, it never costs the span.
Columns come as a mapping without those that nothing is told of: a span fills about a third of them,
and a statement that binds only these is twice as fast as one that binds NULL to all the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import orjson

from longpole.model import semconv
from longpole.model.run import FanOutKind, Kind, Role

Column = str | int

ATTRIBUTE_COLUMNS: Final = (
    "kind",
    "role",
    "branch",
    "step",
    "attempt",
    "fan_out",
    "fan_out_limit",
    "order_group",
    "order_seq",
    "order_superstep",
    "order_after",
    "is_streamed",
    "is_detached",
    "ready_ns",
    "first_token_ns",
    "model",
    "provider",
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "cache_hit",
    "langchain_run_id",
    "host",
    "limit_ignored",
    "result_swapped",
)
"""Columns of a span that come from attributes."""

_INT64_END: Final = 2**63

KIND_OF_OPENINFERENCE: Final[Mapping[str, Kind]] = {
    "LLM": Kind.LLM,
    "CHAIN": Kind.CHAIN,
    "AGENT": Kind.CHAIN,
    "TOOL": Kind.TOOL,
    "RETRIEVER": Kind.RETRIEVER,
    "EMBEDDING": Kind.EMBEDDING,
    "PROMPT": Kind.PROMPT,
}
KIND_OF_OPERATION: Final[Mapping[str, Kind]] = {
    "chat": Kind.LLM,
    "text_completion": Kind.LLM,
    "generate_content": Kind.LLM,
    "embeddings": Kind.EMBEDDING,
    "execute_tool": Kind.TOOL,
    "retrieval": Kind.RETRIEVER,
    "invoke_agent": Kind.CHAIN,
    "create_agent": Kind.CHAIN,
    "invoke_workflow": Kind.CHAIN,
}


# --- a span's columns -------------------------------------------------------------------------


def columns_from(attributes: Mapping[str, Any], start_ns: int | None) -> dict[str, Column]:
    """Return those of `ATTRIBUTE_COLUMNS` that the attributes tell.

    Args:
        attributes: of the start, the end, or both.
        start_ns: when the span started, if known; times given as durations count from it.
    """
    columns: dict[str, Column] = {}
    for key, value in attributes.items():
        told = _FIRST_NAMES.get(key)
        if told is not None:
            found = told[1](value)
            if found is not None:
                columns[told[0]] = found
    for key, column, read in _OTHER_NAMES:
        if key in attributes and column not in columns:
            found = read(attributes[key])
            if found is not None:
                columns[column] = found
    seconds = attributes.get(semconv.GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK)
    if seconds is not None and start_ns is not None and "first_token_ns" not in columns:
        found = _moment_ns(start_ns, seconds)
        if found is not None:
            columns["first_token_ns"] = found
    return columns


def as_int64(number: int) -> int:
    """Return the number, or the nearest one that a column can hold."""
    return max(-_INT64_END, min(number, _INT64_END - 1))


def _text(value: object) -> str | None:
    if value is None or type(value) is str:
        return value
    return orjson.dumps(value).decode()


def _name(value: object) -> str | None:
    return _text(value) or None


def _integer(value: object) -> int | None:
    if type(value) is int:
        return value if -_INT64_END <= value < _INT64_END else None
    if type(value) is float and value.is_integer():
        return _integer(int(value))
    if type(value) is str and len(value) < 20 and value.lstrip("-").isdecimal():
        return _integer(int(value)) if value.count("-") <= 1 else None
    return None


def _count(value: object) -> int | None:
    count = _integer(value)
    return None if count is None or count < 0 else count


def _flag(value: object) -> int | None:
    return int(value) if type(value) is bool else None


def _ids(value: object) -> str | None:
    if not isinstance(value, (list, tuple)):
        return None
    return orjson.dumps([item for item in value if type(item) is str]).decode()


def _moment_ns(start_ns: int, seconds: object) -> int | None:
    if not isinstance(seconds, (int, float)) or not 0 <= seconds < 1e9:
        return None
    return as_int64(start_ns + round(seconds * 1e9))


_Read = Callable[[object], Column | None]


def _one_of(known: Iterable[str]) -> _Read:
    values = {str(value): str(value) for value in known}
    return lambda value: values.get(value) if type(value) is str else None


def _kind_in(kinds: Mapping[str, Kind]) -> _Read:
    values = {name: kind.value for name, kind in kinds.items()}
    return lambda value: values.get(value) if type(value) is str else None


_FIRST_NAMES: Final[Mapping[str, tuple[str, _Read]]] = {
    semconv.LONGPOLE_KIND: ("kind", _one_of(Kind)),
    semconv.LONGPOLE_ROLE: ("role", _one_of(Role)),
    semconv.LONGPOLE_BRANCH: ("branch", _text),
    semconv.LONGPOLE_STEP: ("step", _integer),
    semconv.LONGPOLE_ATTEMPT: ("attempt", _integer),
    semconv.LONGPOLE_FAN_OUT: ("fan_out", _one_of(FanOutKind)),
    semconv.LONGPOLE_FAN_OUT_LIMIT: ("fan_out_limit", _integer),
    semconv.LONGPOLE_GROUP: ("order_group", _text),
    semconv.LONGPOLE_SEQ: ("order_seq", _integer),
    semconv.LONGPOLE_SUPERSTEP: ("order_superstep", _integer),
    semconv.LONGPOLE_AFTER: ("order_after", _ids),
    semconv.LONGPOLE_STREAMED: ("is_streamed", _flag),
    semconv.LONGPOLE_DETACHED: ("is_detached", _flag),
    semconv.LONGPOLE_READY_NS: ("ready_ns", _integer),
    semconv.LONGPOLE_FIRST_TOKEN_NS: ("first_token_ns", _integer),
    semconv.GEN_AI_RESPONSE_MODEL: ("model", _name),
    semconv.GEN_AI_PROVIDER_NAME: ("provider", _name),
    semconv.GEN_AI_USAGE_INPUT_TOKENS: ("input_tokens", _count),
    semconv.GEN_AI_USAGE_OUTPUT_TOKENS: ("output_tokens", _count),
    semconv.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS: ("cache_read_tokens", _count),
    semconv.GEN_AI_USAGE_CACHE_WRITE_INPUT_TOKENS: ("cache_write_tokens", _count),
    semconv.GEN_AI_USAGE_REASONING_OUTPUT_TOKENS: ("reasoning_tokens", _count),
    semconv.LONGPOLE_CACHE_HIT: ("cache_hit", _flag),
    semconv.LONGPOLE_LANGCHAIN_RUN_ID: ("langchain_run_id", _text),
    semconv.LONGPOLE_HOST: ("host", _text),
    semconv.LONGPOLE_FAN_OUT_LIMIT_IGNORED: ("limit_ignored", _integer),
    semconv.LONGPOLE_RESULT_SWAPPED: ("result_swapped", _flag),
}
_OTHER_NAMES: Final[tuple[tuple[str, str, _Read], ...]] = (
    (semconv.OPENINFERENCE_SPAN_KIND, "kind", _kind_in(KIND_OF_OPENINFERENCE)),
    (semconv.GEN_AI_OPERATION_NAME, "kind", _kind_in(KIND_OF_OPERATION)),
    (semconv.GEN_AI_REQUEST_MODEL, "model", _name),
    (semconv.GEN_AI_SYSTEM, "provider", _name),
    (semconv.GEN_AI_USAGE_PROMPT_TOKENS, "input_tokens", _count),
    (semconv.GEN_AI_USAGE_COMPLETION_TOKENS, "output_tokens", _count),
    (semconv.GEN_AI_USAGE_CACHE_CREATION_INPUT_TOKENS, "cache_write_tokens", _count),
)
"""Names that count where the first name of a column tells nothing, in this order."""


# --- attributes → what a run is listed by -----------------------------------------------------


def session_id(attributes: Mapping[str, Any]) -> str | None:
    """Return the session or thread that a root names."""
    named = _text(attributes.get(semconv.SESSION_ID))
    return _text(attributes.get(semconv.GEN_AI_CONVERSATION_ID)) if named is None else named


def user_id(attributes: Mapping[str, Any]) -> str | None:
    """Return the user that a root names."""
    return _text(attributes.get(semconv.USER_ID))


def tags(attributes: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the caller's tags, each once, in the order given."""
    given = attributes.get(semconv.TAG_TAGS)
    if type(given) is str:
        given = _loaded(given) if given.startswith("[") else [given]
    if not isinstance(given, (list, tuple)):
        return ()
    return tuple(dict.fromkeys(tag for tag in given if type(tag) is str))


def metadata(attributes: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the caller's metadata; empty when there is none or it is no JSON object."""
    given = attributes.get(semconv.METADATA)
    found = _loaded(given) if type(given) is str else given
    return found if type(found) is dict else {}


def _loaded(text: str) -> Any:
    try:
        return orjson.loads(text)
    except ValueError:
        return None


# --- content and the rest ---------------------------------------------------------------------

_OF_CONTENT: Final = (
    (semconv.INPUT_VALUE, "input_value"),
    (semconv.INPUT_MIME_TYPE, "input_mime_type"),
    (semconv.OUTPUT_VALUE, "output_value"),
    (semconv.OUTPUT_MIME_TYPE, "output_mime_type"),
)


def content_from(attributes: Mapping[str, Any]) -> dict[str, str]:
    """Return those columns of a span's content that the attributes tell."""
    content: dict[str, str] = {}
    for key, column in _OF_CONTENT:
        text = _text(attributes.get(key))
        if text is not None:
            content[column] = text
    return content


def without_content(attributes: Mapping[str, Any]) -> str | None:
    """Return the other attributes as JSON text; `None` when there are none."""
    others = dict(attributes)
    for key, _ in _OF_CONTENT:
        others.pop(key, None)
    return orjson.dumps(others).decode() if others else None


def attributes_from(*texts: str | None) -> dict[str, Any]:
    """Return the attributes that JSON texts hold; of two with one name the later counts."""
    attributes: dict[str, Any] = {}
    for text in texts:
        found = None if text is None else _loaded(text)
        if type(found) is dict:
            attributes.update(found)
    return attributes


def search_text(parts: Iterable[str | None]) -> str:
    """Return what a run is found by, in a form that ignores case; also of the words asked for."""
    return "\n".join(part for part in parts if part).casefold()
