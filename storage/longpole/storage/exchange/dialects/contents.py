"""Attributes → input and output of a span, as the handler would have recorded them.

Whatever attribute an input or output stands in, and however often, it is kept once: under our name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from longpole.model import semconv
from longpole.model.run import Kind
from longpole.storage.exchange.dialects.values import decoded, indexed, object_in
from longpole.storage.exchange.messages import content_attributes, shaped

_SYSTEM: Final = "gen_ai.system_instructions"
_INPUTS: Final = (
    "gen_ai.input.messages",
    "gen_ai.tool.call.arguments",
    "gen_ai.retrieval.query.text",
    semconv.INPUT_VALUE,
    "traceloop.entity.input",
    "gen_ai.task.input",
    "langfuse.observation.input",
    "gen_ai.prompt",
    "langfuse.trace.input",
)
_OUTPUTS: Final = (
    "gen_ai.output.messages",
    "gen_ai.tool.call.result",
    "gen_ai.retrieval.documents",
    semconv.OUTPUT_VALUE,
    "traceloop.entity.output",
    "gen_ai.task.output",
    "langfuse.observation.output",
    "gen_ai.completion",
    "langfuse.trace.output",
)
"""Where an input or output can stand; the first one that is there counts."""
_FLAT_INPUTS: Final = (("llm.input_messages.", "message."), ("gen_ai.prompt.", ""))
_FLAT_OUTPUTS: Final = (("llm.output_messages.", "message."), ("gen_ai.completion.", ""))
FLAT_CONTENT: Final = (
    "llm.input_messages.",
    "llm.output_messages.",
    "gen_ai.prompt.",
    "gen_ai.completion.",
    "gen_ai.prompt.variable.",
    "retrieval.documents.",
)
"""How attributes begin that hold parts of contents; like those below they are not kept as such."""
CONTENT_KEYS: Final = frozenset(
    (*_INPUTS, *_OUTPUTS, _SYSTEM, semconv.INPUT_MIME_TYPE, semconv.OUTPUT_MIME_TYPE)
)
_TRACELOOP_WRAPPERS: Final = ("inputs", "input_str", "outputs", "output")
_BESIDE: Final = frozenset({"tags", "metadata", "kwargs"})
"""What OpenLLMetry writes beside an input or output in the same object."""
_JSON: Final = "application/json"


def raw_output(told: Mapping[str, Any]) -> Any:
    """Return a span's output as it was told, out of its JSON."""
    return decoded(_first(told, _OUTPUTS)[1])


def contents_of(told: Mapping[str, Any], kind: Kind | None) -> dict[str, Any]:
    """Return the attributes of input and output, as far as they are there."""
    return {
        **_content(told, kind or Kind.OTHER, is_input=True),
        **_content(told, kind or Kind.OTHER, is_input=False),
    }


def _content(told: Mapping[str, Any], kind: Kind, *, is_input: bool) -> dict[str, Any]:
    key, value = _first(told, _INPUTS if is_input else _OUTPUTS)
    if key is None:
        for prefix, middle in _FLAT_INPUTS if is_input else _FLAT_OUTPUTS:
            messages = indexed(told, prefix, middle)
            if messages:
                return content_attributes(
                    shaped(messages, Kind.LLM, is_input=is_input), is_input=is_input
                )
        return {}
    if kind is not Kind.LLM and key in (semconv.INPUT_VALUE, semconv.OUTPUT_VALUE):
        # As it is, with the type that is told beside it.
        mime_key = semconv.INPUT_MIME_TYPE if is_input else semconv.OUTPUT_MIME_TYPE
        return {key: value, mime_key: told[mime_key]} if mime_key in told else {key: value}
    found = _unwrapped(key, decoded(value) if _looks_like_json(value) else value)
    if is_input and _SYSTEM in told and isinstance(found, list):
        found = [{"role": "system", "parts": decoded(told[_SYSTEM])}, *found]
    return content_attributes(shaped(found, kind, is_input=is_input), is_input=is_input)


def _first(told: Mapping[str, Any], keys: tuple[str, ...]) -> tuple[str | None, Any]:
    for key in keys:
        value = told.get(key)
        if value is not None and value != "":
            return key, value
    return None, None


def _looks_like_json(value: object) -> bool:
    return type(value) is str and value[:1] in ("{", "[")


def _unwrapped(key: str, found: Any) -> Any:
    if not key.startswith(("traceloop.", "gen_ai.task.", "gen_ai.tool.call.")):
        return found
    held = object_in(found)
    if not held.keys() & _BESIDE:
        return found
    return next((held[wrapper] for wrapper in _TRACELOOP_WRAPPERS if wrapper in held), found)
