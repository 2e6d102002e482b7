"""Small, simple inputs and outputs → JSON, without the walk of `content`.

In: what most runs get and give: short texts, numbers, LangChain's messages, and lists and dicts of
these. Out: exactly what the walk would make of them, in less than half its time; or nothing, where
a value has anything that must be looked at with more care: it is large, deep, of another class, or
holds what JSON does not take. As there, no code of the value is run.
"""

from __future__ import annotations

from typing import Any, Final

import orjson
from langchain_core.messages import BaseMessage
from langchain_core.prompt_values import ChatPromptValue

MESSAGE_FIELDS: Final = ("content", "name", "id", "tool_calls", "tool_call_id", "status")
"""What is shown of a message, beside its role."""
MAX_KEY: Final = 200
"""Characters of a key that are kept."""
_MOST_BYTES: Final = 16_000
_MOST_ITEMS: Final = 64
_MOST_DEPTH: Final = 3
_PLAIN: Final = frozenset({str, int, bool, float, type(None)})
_TEXT: Final = frozenset({str})
_COMPLEX: Final = object()
_MAX_CLASSES: Final = 4096

_is_message: dict[type, bool] = {}


def small_json(value: object, limit: int) -> bytes | None:
    """Return a value of at most `limit` bytes as JSON; `None` when that takes a closer look."""
    try:
        tree = _tree(value, 0)
        if tree is _COMPLEX:
            return None
        text = orjson.dumps(tree, option=orjson.OPT_PASSTHROUGH_SUBCLASS)
    except (TypeError, ValueError):  # what JSON does not take
        return None
    # Text counts in characters, of which there are no more than bytes.
    return text if len(text) <= min(limit, _MOST_BYTES) else None


def _tree(value: Any, depth: int) -> Any:
    cls = type(value)
    if cls is str:
        return value if len(value) <= _MOST_BYTES else _COMPLEX
    if cls is dict:
        return _entries(value, depth)
    if cls is list:
        return _items(value, depth)
    if cls in _PLAIN:
        return value
    if cls is ChatPromptValue:
        messages = object.__getattribute__(value, "__dict__").get("messages")
        return _items(messages, depth) if type(messages) is list else _COMPLEX
    known = _is_message.get(cls)
    return _message(value, depth) if known or (known is None and _learn(cls)) else _COMPLEX


def _entries(value: dict[Any, Any], depth: int) -> Any:
    # Each of these looks is one step for the interpreter: another thread may change the dict.
    if len(value) > _MOST_ITEMS or not _TEXT.issuperset(map(type, value)):
        return _COMPLEX
    if max(map(len, value), default=0) > MAX_KEY:
        return _COMPLEX
    if _PLAIN.issuperset(map(type, value.values())):
        return value
    return _COMPLEX if depth >= _MOST_DEPTH else _each(value, depth)


def _each(value: dict[str, Any], depth: int) -> Any:
    shown = {}
    for key, held in dict.copy(value).items():
        tree = _tree(held, depth + 1)
        if tree is _COMPLEX:
            return _COMPLEX
        shown[key] = tree
    return shown


def _items(value: list[Any], depth: int) -> Any:
    if len(value) > _MOST_ITEMS or depth >= _MOST_DEPTH:
        return _COMPLEX
    shown = [_tree(item, depth + 1) for item in value]
    return _COMPLEX if _COMPLEX in shown else shown


def _message(value: BaseMessage, depth: int) -> Any:
    held = object.__getattribute__(value, "__dict__")
    role = held.get("role") or held.get("type")
    if type(role) is not str:
        return _COMPLEX
    shown: dict[str, Any] = {"role": role}
    for name in MESSAGE_FIELDS:
        field = held.get(name)
        if field is None or (type(field) is list and not field):
            continue
        tree = field if type(field) is str else _tree(field, depth + 1)
        if tree is _COMPLEX:
            return _COMPLEX
        shown[name] = tree
    return shown


def _learn(cls: type) -> bool:
    if len(_is_message) >= _MAX_CLASSES:  # classes made at run time must not pile up
        _is_message.clear()
    is_message = _is_message[cls] = issubclass(cls, BaseMessage)
    return is_message
