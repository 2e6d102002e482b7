"""Recorded JSON → the messages of a chat in it, as people read them; nothing where there is none.

Messages are objects with a role and a content, as LangChain writes them: one alone, a list of them,
or a state that holds them under "messages". A content is text or a list of parts, of which parts of
text are read and others named. What a model wants called stands after what it said.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

_ROLES: Final = {"AIMessageChunk": "ai", "HumanMessageChunk": "human"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message; both texts are as they were recorded, no markup was made safe."""

    role: str
    text: str


def messages_in(text: str) -> tuple[Message, ...]:
    """Return the messages of a text that is nothing else but messages.

    >>> messages_in('[{"role": "human", "content": "Why?"}, {"role": "ai", "content": "So."}]')[0]
    Message(role='human', text='Why?')
    >>> messages_in('{"answer": 42}'), messages_in("no JSON")
    ((), ())
    """
    try:
        value = json.loads(text)
    except ValueError:
        return ()
    if isinstance(value, dict) and set(value) == {"messages"}:
        value = value["messages"]
    listed = value if isinstance(value, list) else [value]
    if not listed or not all(_is_message(one) for one in listed):
        return ()
    return tuple(_message(one) for one in listed)


def _is_message(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("role"), str) and "content" in value


def _message(value: dict[str, Any]) -> Message:
    role, name = _ROLES.get(value["role"], value["role"]), value.get("name")
    told = [*_parts(value["content"]), *_calls(value.get("tool_calls"))]
    return Message(
        role=f"{role} {name}" if isinstance(name, str) and name else role,
        text="\n".join(one for one in told if one),
    )


def _parts(content: Any) -> Iterator[str]:
    for part in content if isinstance(content, list) else [content]:
        if isinstance(part, str):
            yield part
        elif isinstance(part, dict) and isinstance(part.get("text"), str):
            yield part["text"]
        elif isinstance(part, dict) and isinstance(part.get("type"), str):
            yield f"[{part['type']}]"
        elif part is not None:
            yield json.dumps(part, ensure_ascii=False)


def _calls(calls: Any) -> Iterator[str]:
    for call in calls if isinstance(calls, list) else ():
        if isinstance(call, dict) and isinstance(call.get("name"), str):
            yield f"→ {call['name']}({json.dumps(call.get('args'), ensure_ascii=False)})"
