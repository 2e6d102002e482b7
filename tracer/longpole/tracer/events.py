"""What LangChain's start and end events carry beside content: names, kinds, placeholders. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from langchain_core.outputs import LLMResult

from longpole.model.run import Kind
from longpole.tracer.content import clean_text

Told = tuple[
    dict[str, Any] | None,
    UUID,
    UUID | None,
    list[str] | None,
    dict[str, Any] | None,
    dict[str, Any],
]
"""What every start event tells: serialized, run id, parent's run id, tags, metadata, the rest."""

KIND_OF_RUN_TYPE: Final[Mapping[object, Kind]] = {
    "prompt": Kind.PROMPT,
    "parser": Kind.PARSER,
    "tool": Kind.TOOL,
    "retriever": Kind.RETRIEVER,
    "embedding": Kind.EMBEDDING,
    "llm": Kind.LLM,
}


def name_of(kwargs: Mapping[str, Any], serialized: Mapping[str, Any] | None, kind: Kind) -> str:
    """Return the name of a run: as configured, else of its class, else of its kind."""
    given = kwargs.get("name")
    if not given and serialized:
        given = serialized.get("name") or (serialized.get("id") or [None])[-1]
    return clean_text(given) if type(given) is str else kind.value


def is_awaited(inputs: Any) -> bool:
    """Return whether the real input is known only at the end, as while streaming.

    LangChain then tells an empty text in its place. What the user gave is not compared: arrays and
    tables answer a comparison with one of their own, or raise.
    """
    if type(inputs) is not dict or len(inputs) != 1:
        return False
    given = inputs.get("input")
    return type(given) is str and not given


def invocation_of(kwargs: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a model is called with."""
    return kwargs.get("invocation_params") or {}


def arrived(partial: LLMResult) -> LLMResult:
    """Return what came before the error; behind it LangChain puts an answer made of the error."""
    return LLMResult(generations=partial.generations[:1], llm_output=partial.llm_output)
