"""What the caller of a chain attached to it: own metadata, session, user. Pure.

LangChain hands one metadata object down, in which the framework writes beside the caller; what is
whose is told by the keys, live and in another tool's trace alike.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any, Final

_FRAMEWORK: Final = (
    "ls_",
    "lc_",
    "langgraph_",
    "checkpoint_",
    "LANGSMITH_",
    "LANGCHAIN_",
    "__pregel",
)
"""Written by LangChain and LangGraph; what matters of it has attributes of its own."""

SESSION_KEYS: Final = ("session_id", "thread_id", "conversation_id")
"""Where a session is named, the first one counts; LangSmith knows the same keys."""
USER_KEY: Final = "user_id"
"""Where a user is named."""


def own_metadata(metadata: Mapping[str, Any], inherited: Container[str]) -> dict[str, Any]:
    """Return what the caller wrote at this place, without what came down from above."""
    return {
        key: value
        for key, value in metadata.items()
        if type(key) is str and not key.startswith(_FRAMEWORK) and key not in inherited
    }


def session_in(metadata: Mapping[str, Any]) -> str | None:
    """Return the session that metadata names."""
    for key in SESSION_KEYS:
        if key in metadata:
            # Only texts and numbers are names; a value of the user's is not asked if it is true.
            name = name_of(metadata[key])
            if name is not None:
                return name
    return None


def user_in(metadata: Mapping[str, Any]) -> str | None:
    """Return the user that metadata names."""
    return name_of(metadata.get(USER_KEY))


def name_of(value: object) -> str | None:
    """Return a value that can be a name, as text; `None` for any other."""
    if type(value) is str and value:
        return value
    return str(value) if type(value) is int else None
