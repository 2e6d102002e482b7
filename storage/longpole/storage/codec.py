"""Span events ⇄ bytes, one JSON array an event.

The fast way is one call of orjson. What orjson refuses or would change without a word (lone
surrogates, integers beyond 64 bits, NaN, bytes, keys that are not text, foreign objects) takes the
slow way, which writes a plain copy of that event: numbers that JSON lacks become text, an object
becomes its type's name. No code of the values' types is run on either way, and no event is lost
for what it carries.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any, Final, cast

import orjson

from longpole.model.run import SpanError, Status
from longpole.storage.store import SpanEnd, SpanEvent, SpanStart

# Subclasses and dataclasses are left to the slow way, which does not ask them how they look.
_OPTIONS: Final = (
    orjson.OPT_PASSTHROUGH_SUBCLASS
    | orjson.OPT_PASSTHROUGH_DATACLASS
    | orjson.OPT_PASSTHROUGH_DATETIME
)

_STATUS_OF: Final = {status.value: status for status in Status}
_DEPTH_LIMIT: Final = 64
_NODE_LIMIT: Final = 100_000
_INT64: Final = range(-(2**63), 2**63)


def encode(event: SpanEvent) -> bytes:
    """Return the bytes of one event; every event has some."""
    attributes = event.attributes
    if type(attributes) is not dict:
        attributes = dict(attributes)
    fields: tuple[Any, ...]
    if isinstance(event, SpanStart):
        fields = (
            "s",
            event.run_id,
            event.trace_id,
            event.span_id,
            event.parent_span_id or 0,
            event.is_root,
            event.name,
            event.start_ns,
            attributes,
        )
    else:
        error = event.error
        fields = (
            "e",
            event.run_id,
            event.span_id,
            event.end_ns,
            event.status._value_,  # `value` is a property in Python, and takes 0.3 µs
            0 if error is None else (error.type, error.message),
            attributes,
        )
    try:
        payload = orjson.dumps(fields, option=_OPTIONS)
    except (TypeError, ValueError, RecursionError):
        return orjson.dumps(plain(fields))
    # orjson writes NaN and the infinities as null, which only a look at the values can tell.
    if b"null" in payload and _has_lost_number(attributes):
        return orjson.dumps(plain(fields))
    return payload


def decode(payload: bytes) -> SpanEvent:
    """Return the event that was encoded.

    Raises:
        ValueError: these bytes are no event.
    """
    fields = orjson.loads(payload)
    event: SpanEvent | None = None
    # Plain checks: matching against patterns takes four times as long.
    if type(fields) is list:
        if len(fields) == 9 and fields[0] == "s":
            event = _start(*fields[1:])
        elif len(fields) == 7 and fields[0] == "e":
            event = _end(*fields[1:])
    if event is None:
        raise ValueError("these bytes are no span event")
    return event


def _start(
    run_id: Any,
    trace_id: Any,
    span_id: Any,
    parent_span_id: Any,
    is_root: Any,
    name: Any,
    start_ns: Any,
    attributes: Any,
) -> SpanStart | None:
    if (
        type(run_id) is str
        and type(trace_id) is str
        and type(span_id) is str
        and (type(parent_span_id) is str or parent_span_id == 0)
        and type(is_root) is bool
        and type(name) is str
        and type(start_ns) is int
        and type(attributes) is dict
    ):
        return SpanStart(
            run_id, trace_id, span_id, parent_span_id or None, is_root, name, start_ns, attributes
        )
    return None


def _end(
    run_id: Any, span_id: Any, end_ns: Any, status: Any, error: Any, attributes: Any
) -> SpanEnd | None:
    if (
        type(run_id) is str
        and type(span_id) is str
        and type(end_ns) is int
        and type(status) is str
        and status in _STATUS_OF
        and type(attributes) is dict
    ):
        return SpanEnd(
            run_id,
            span_id,
            end_ns,
            _STATUS_OF[status],
            _error(error) if error else None,
            attributes,
        )
    return None


def _error(fields: object) -> SpanError | None:
    match fields:
        case [str(error_type), str(message)]:
            return SpanError(type=error_type, message=message)
    return None


_MAY_HOLD_A_NUMBER: Final = frozenset({float, dict, list, tuple})


def _has_lost_number(attributes: Mapping[str, Any]) -> bool:
    work = [value for value in attributes.values() if type(value) in _MAY_HOLD_A_NUMBER]
    while work:
        value = work.pop()
        kind = type(value)
        if kind is float:
            if not isfinite(value):
                return True
        elif kind is dict:
            work.extend(value.values())
        elif kind is list or kind is tuple:
            work.extend(value)
    return False


def plain(value: object) -> Any:
    """Return a copy that JSON can hold: text, numbers, lists and objects of the built-in types.

    At most 64 levels deep and 100,000 values large; what lies beyond becomes `[cut]`.
    """
    return _Plain().copy(value, 0)


def plain_json(value: dict[str, Any]) -> str:
    """Return the JSON text of `plain(value)`, without the copy where it would change nothing."""
    try:
        text = orjson.dumps(value, option=_OPTIONS).decode()
    except (TypeError, ValueError, RecursionError):
        return orjson.dumps(plain(value)).decode()
    # So short a text, with so few brackets, is of nothing that is cut.
    is_small = text.count("[") + text.count("{") < _DEPTH_LIMIT and len(text) < _NODE_LIMIT
    if is_small and not ("null" in text and _has_lost_number(value)):
        return text
    return orjson.dumps(plain(value)).decode()


def as_decoded(event: SpanEvent) -> SpanEvent:
    """Return what `decode(encode(event))` does, without the way there where it changes nothing."""
    attributes = event.attributes
    texts: tuple[object, ...]
    if type(event) is SpanStart:
        moment_ns: object = event.start_ns
        texts = (event.run_id, event.trace_id, event.span_id, event.name)
        texts += () if event.parent_span_id is None else (event.parent_span_id or None,)
    else:
        moment_ns = event.end_ns if type(event) is SpanEnd else None
        error = event.error if type(event) is SpanEnd else None
        texts = (event.run_id, event.span_id)
        texts += () if error is None else (error.type, error.message)
    is_same = (
        type(attributes) is dict
        and type(moment_ns) is int
        and moment_ns in _INT64
        and all(map(_is_text, texts))
        and _are_simple(attributes)
    )
    return event if is_same else decode(encode(event))


def plain_attributes(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the same as `plain`, faster where most values are short and simple already."""
    if _are_simple(attributes):
        return dict(attributes)
    return {
        key if key.isascii() else _text(key): value if _is_simple(value) else plain(value)
        for key, value in attributes.items()
    }


def _are_simple(attributes: Mapping[str, Any]) -> bool:
    """Whether `plain` changes nothing; all written out, for it is asked of every attribute."""
    for key, value in attributes.items():
        if type(key) is not str or not (key.isascii() or _is_text(key)):
            return False
        kind = type(value)
        if kind is str:
            if not (value.isascii() or _is_text(value)):
                return False
        elif kind is int:
            if value not in _INT64:
                return False
        elif value is not None and kind is not bool:
            return False
    return True


def _is_simple(value: object) -> bool:
    kind = type(value)
    if kind is str:
        return _is_text(value)
    return kind is bool or value is None or (kind is int and value in _INT64)


def _is_text(value: object) -> bool:
    if type(value) is not str:
        return False
    if value.isascii():
        return True
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


class _Plain:
    """One copy in the making; the budget is shared by everything in it."""

    def __init__(self) -> None:
        self._left = _NODE_LIMIT

    def copy(self, value: object, depth: int) -> Any:
        self._left -= 1
        if value is None or value is True or value is False:
            return value
        simple = _SIMPLE.get(type(value))
        if simple is not None:
            return simple(value)
        if self._left <= 0 or depth >= _DEPTH_LIMIT:
            return "[cut]"
        return self._compound(value, depth)

    # The methods of the built-in types are called, never those of a subclass; `isinstance` would
    # ask the value for its `__class__`.
    def _compound(self, value: object, depth: int) -> Any:
        kind = type(value)
        if issubclass(kind, dict):
            return {
                _key(key): self.copy(below, depth + 1)
                for key, below in dict.items(cast("dict[object, object]", value))
            }
        for base in _SEQUENCES:
            if issubclass(kind, base):
                return [self.copy(item, depth + 1) for item in base.__iter__(value)]
        for base in _SIMPLE:
            if issubclass(kind, base):
                return _SIMPLE[base](value)
        return _type_name(value)


def _key(key: object) -> str:
    if key is None or issubclass(type(key), (str, int, float)):
        copied = _Plain().copy(key, 0)
        return copied if type(copied) is str else orjson.dumps(copied).decode()
    return _type_name(key)


def _text(value: Any) -> str:
    text = str.__str__(value)
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode(errors="backslashreplace").decode()
    return text


def _integer(value: Any) -> int | str:
    number = int.__int__(value)
    if number in _INT64:
        return number
    # Numbers of more digits than Python turns into text at once are told by their size.
    bits = number.bit_length()
    return str(number) if bits < 10_000 else f"[integer of {bits} bits]"


def _real(value: Any) -> float | str:
    number = float.__float__(value)
    return number if isfinite(number) else float.__repr__(number)


def _binary(value: Any) -> str:
    return base64.b64encode(bytes(memoryview(value))).decode()


_SIMPLE: Final[Mapping[type, Callable[[Any], Any]]] = {
    str: _text,
    int: _integer,
    float: _real,
    bytes: _binary,
    bytearray: _binary,
}
_SEQUENCES: Final[tuple[Any, ...]] = (list, tuple, set, frozenset)


def _type_name(value: object) -> str:
    # A metaclass may hide the name behind code of its own; the slot of `type` cannot be hidden.
    name = type.__dict__["__qualname__"].__get__(type(value))
    return _text(f"<{name}>")
