"""Inputs and outputs as other tools write them → as the handler records them. Pure.

Known shapes of messages: LangChain's serialised ones (`kwargs`), role and content as OpenAI
writes them, and role and parts as the GenAI conventions do; wrappers with one entry (`input`,
`output`) are taken off. What is not understood stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import orjson

from longpole.model import semconv
from longpole.model.run import Kind
from longpole.storage.codec import plain

_ROLES: Final = {"user": "human", "assistant": "ai"}
_PLAIN: Final = frozenset({"role", "content"})
_KEPT: Final = frozenset({"content", "name", "id", "tool_calls", "tool_call_id", "status"})


def recorded_content(value: object, kind: Kind, *, is_input: bool) -> dict[str, Any]:
    """Return the attributes of an input or output; none when there is nothing in it."""
    return content_attributes(shaped(value, kind, is_input=is_input), is_input=is_input)


def content_attributes(found: object, *, is_input: bool) -> dict[str, Any]:
    """Return a value as content: text as it is, everything else as JSON; none for `None`."""
    if found is None:
        return {}
    text = found if isinstance(found, str) else _json(found)
    mime_type = "text/plain" if isinstance(found, str) else "application/json"
    if is_input:
        return {semconv.INPUT_VALUE: text, semconv.INPUT_MIME_TYPE: mime_type}
    return {semconv.OUTPUT_VALUE: text, semconv.OUTPUT_MIME_TYPE: mime_type}


def _json(value: object) -> str:
    try:
        return orjson.dumps(value).decode()
    except (TypeError, ValueError, RecursionError):
        return orjson.dumps(plain(value)).decode()


def shaped(value: object, kind: Kind, *, is_input: bool) -> Any:
    """Return a value as the handler would have recorded it; `None` when it is empty."""
    if kind is Kind.LLM and _is_messages(value):
        return _messages(value, is_input=is_input)
    if not isinstance(value, dict):
        return value
    held = {key: one for key, one in value.items() if key != "usage_metadata"}
    if not held:
        return None
    if kind is Kind.LLM:
        if _is_message(held):
            return _message(held)
        messages = held.get("messages")
        if isinstance(messages, list) and messages:
            return _messages(messages, is_input=is_input)
        if "generations" in held:
            return _generation(held["generations"])
        if isinstance(held.get("choices"), list):
            return _choice(held["choices"])
        if isinstance(held.get("prompts"), list):
            return held["prompts"]
    if kind is Kind.RETRIEVER and list(held) in (["documents"], ["query"]):
        return next(iter(held.values()))
    if len(held) == 1 and ("input" if is_input else "output") in held:
        return next(iter(held.values()))
    return held


def answer_in(outputs: object) -> Mapping[str, Any]:
    """Return the fields of the answer's message, as LangChain keeps it; empty for other shapes."""
    generations = _object(outputs).get("generations")
    while isinstance(generations, list) and generations:
        generations = generations[0]
    message = _object(_object(generations).get("message"))
    return _object(message.get("kwargs")) or message


def _is_message(value: object) -> bool:
    return isinstance(value, dict) and type(value.get("role")) is str


def _is_messages(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_is_message, value))


def _messages(messages: Any, *, is_input: bool) -> Any:
    flat: Sequence[Any] = messages[0] if isinstance(messages[0], list) else messages
    told = [_message(one) for one in flat]
    return told if is_input or len(told) != 1 else told[0]


def _generation(generations: Any) -> Any:
    first = generations
    while isinstance(first, list) and first:
        first = first[0]
    held = _object(first)
    return _message(held["message"]) if "message" in held else held.get("text")


def _choice(choices: Sequence[Any]) -> Any:
    told = [_object(one).get("message") for one in choices]
    return _messages(told, is_input=False) if _is_messages(told) else list(choices)


def _message(message: Any) -> Any:
    held = _object(message)
    if held.keys() == _PLAIN and type(held["role"]) is str and type(held["content"]) is str:
        # Nearly all are so.
        return {"role": _ROLES.get(held["role"], held["role"]), "content": held["content"]}
    told = _object(held.get("kwargs")) or held
    role = told.get("type") if "kwargs" in held else told.get("role") or told.get("type")
    if not isinstance(role, str):
        return message
    if isinstance(told.get("parts"), list):
        told = {"name": told.get("name"), **_of_parts(told["parts"])}
    return {
        "role": _ROLES.get(role, role),
        "content": told.get("content", ""),
        **{key: one for key, one in told.items() if key in _KEPT and one not in (None, [])},
    }


def _of_parts(parts: Iterable[Any]) -> dict[str, Any]:
    """Return the fields of a message in parts; what is no text and no tool call stays a part."""
    contents: list[Any] = []
    told: dict[str, Any] = {}
    for part in parts:
        held = _object(part)
        match held.get("type"):
            case "text":
                contents.append(held.get("content"))
            case "tool_call":
                call = {"name": held.get("name"), "args": held.get("arguments")}
                told.setdefault("tool_calls", []).append({**call, "id": held.get("id")})
            case "tool_call_response":
                told["tool_call_id"] = held.get("id")
                contents.append(held.get("response", held.get("result")))
            case _:
                contents.append(part)
    if len(contents) <= 1:
        return {**told, "content": contents[0] if contents else ""}
    if all(isinstance(one, str) for one in contents):
        return {**told, "content": "\n".join(contents)}
    return {**told, "content": contents}


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
