"""Recorded inputs and outputs ⇄ the shapes that LangSmith's pages know. Pure.

LangSmith takes objects only, and shows messages, documents and plain values each in its own way:
`{"messages": […]}` with roles as OpenAI names them, `{"documents": […]}`, `{"input": …}`,
`{"output": …}`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from longpole.model.run import Kind

Json = dict[str, Any]

_JSON: Final = "application/json"
_ROLES: Final[Mapping[str, str]] = {
    "human": "user",
    "ai": "assistant",
    "AIMessageChunk": "assistant",
}


def inputs_of(kind: Kind, value: str | None, mime_type: str | None) -> Json:
    """Return an input as LangSmith's `inputs`."""
    if value is None:
        return {}
    found = parsed(value, mime_type)
    if kind is Kind.LLM:
        if _is_messages(found):
            return _messages(found)
        if isinstance(found, list) and found and all(isinstance(one, str) for one in found):
            return {"prompts": found}
    if kind is Kind.RETRIEVER and isinstance(found, str):
        return {"query": found}
    return found if isinstance(found, dict) else {"input": found}


def outputs_of(kind: Kind, value: str | None, mime_type: str | None) -> Json:
    """Return an output as LangSmith's `outputs`."""
    if value is None:
        return {}
    found = parsed(value, mime_type)
    if kind is Kind.LLM and (_is_message(found) or _is_messages(found)):
        return _messages(found if isinstance(found, list) else [found])
    if kind is Kind.RETRIEVER and _is_documents(found):
        return {"documents": [{"type": "Document", **one} for one in found]}
    return dict(found) if isinstance(found, dict) else {"output": found}


def parsed(value: str, mime_type: str | None) -> Any:
    """Return the value that was recorded as text or as JSON; cut JSON stays text."""
    if mime_type != _JSON:
        return value
    try:
        return orjson.loads(value)
    except ValueError:
        return value


def _is_message(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("role"), str) and "content" in value


def _is_messages(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_is_message, value))


def _is_documents(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(one, dict) and "page_content" in one for one in value
    )


def _messages(messages: Sequence[Any]) -> Json:
    return {"messages": [_message(one) for one in messages]}


def _message(message: Mapping[str, Any]) -> Json:
    role = message["role"]
    shaped = {**message, "role": _ROLES.get(role, role)}
    calls = message.get("tool_calls")
    if isinstance(calls, Sequence) and not isinstance(calls, str):
        shaped["tool_calls"] = [_call(one) for one in calls]
    return shaped


def _call(call: Any) -> Any:
    """Return a tool call as OpenAI writes it, which is what LangSmith draws."""
    if not isinstance(call, dict) or "args" not in call:
        return call
    arguments = call["args"]
    return {
        "id": call.get("id"),
        "type": "function",
        "function": {
            "name": call.get("name"),
            "arguments": arguments
            if isinstance(arguments, str)
            else orjson.dumps(arguments).decode(),
        },
    }
