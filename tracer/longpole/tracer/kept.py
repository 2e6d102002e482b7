"""Other people's attributes → what may be kept of them. Pure.

In: attributes of spans that others make inside our runs, and those that code in a run sets on its
current span. Out: as much as the handler allows: texts redacted and cut, with content
switched off only how a call went. What is ours to say is never taken over: Longpole's own facts,
and token counts, which the run that calls the model tells.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from longpole.model import semconv
from longpole.tracer.content import clean_text, redacted, type_name

if TYPE_CHECKING:
    from longpole.tracer.recorder import Recorder

_TEXT_LIMIT: Final = 4_000
_MAX_ATTRIBUTES: Final = 128
_URL_KEYS: Final = frozenset({semconv.URL_FULL, semconv.HTTP_URL, semconv.HTTP_TARGET})
_NEVER: Final = (semconv.LONGPOLE_PREFIX, "gen_ai.usage.", "llm.token_count.", "llm.usage.")
"""Ours to say, or told already by the run that calls the model."""

# What is kept when content is switched off: how a call went, never what it carried.
_TECHNICAL: Final = (
    *("client.", "code.", "db.", "error.", "http.", "messaging.", "net.", "network.", "peer."),
    *("rpc.", "server.", "thread.", "url."),
)
_CONTENT_AMONG_THEM: Final = (
    *("code.stacktrace", "db.operation.parameter.", "db.query.", "db.statement", "db.user"),
    *("http.request.body", "http.request.header.", "http.response.body", "http.response.header."),
    *("messaging.message.body", "rpc.request.", "rpc.response.", "url.query", "url.fragment"),
)


def kept_of(attributes: Mapping[str, Any], recorder: Recorder) -> dict[str, Any]:
    """Return the attributes that may be kept, as they may be kept."""
    kept: dict[str, Any] = {}
    for key, value in attributes.items():
        if len(kept) >= _MAX_ATTRIBUTES:
            break
        if key.startswith(_NEVER):
            continue
        if not recorder.captures and (
            not key.startswith(_TECHNICAL) or key.startswith(_CONTENT_AMONG_THEM)
        ):
            continue
        if type(value) is str and key in _URL_KEYS and not recorder.captures:
            value = value.partition("?")[0]
        kept[key] = _value(value, recorder)
    return kept


def _value(value: Any, recorder: Recorder) -> Any:
    if type(value) is str:
        return text_of(value, recorder)
    if isinstance(value, (tuple, list)):
        return tuple(_value(item, recorder) for item in value[:_MAX_ATTRIBUTES])
    if type(value) in (bool, int, float):
        return value
    return f"[{type_name(value)}]"


def text_of(text: str, recorder: Recorder) -> str:
    """Return a text redacted and cut."""
    if recorder.redact is not None:
        text = redacted(text, recorder.redact)
    limit = min(_TEXT_LIMIT, recorder.limit)
    if len(text) > limit:
        text = f"{text[:limit]}… [cut {len(text) - limit} of {len(text)} characters]"
    return clean_text(text)
