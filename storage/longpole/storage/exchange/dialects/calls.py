"""Attributes of a model call → model, provider, tokens, first token.

Counts come out as the GenAI conventions have them: input with the cached part in it, output with
the reasoning in it. Langfuse counts the parts beside each other; they are added up.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from longpole.model import semconv
from longpole.model.providers import from_langchain
from longpole.storage.exchange.dialects.contents import raw_output
from longpole.storage.exchange.dialects.values import (
    as_count,
    count_in,
    decoded,
    object_in,
)
from longpole.storage.exchange.langsmith.told import time_ns
from longpole.storage.exchange.messages import answer_in

_NO_NAMES: Final = frozenset({"unknown", "langchain", "langgraph"})
"""What instrumentations write for a model or provider that they do not know."""
_ANSWERED: Final = (
    semconv.GEN_AI_RESPONSE_MODEL,
    "llm.response.model_name",
    "langfuse.observation.model.name",
    # What was asked for, unless the answer named another.
    "llm.model_name",
)
_ASKED: Final = (
    semconv.GEN_AI_REQUEST_MODEL,
    "llm.request.model_name",
    "llm.model_name",
    "embedding.model_name",
    "llm.request.model",
)
_PROVIDERS: Final = (
    semconv.GEN_AI_PROVIDER_NAME,
    semconv.GEN_AI_SYSTEM,
    "llm.provider",
    "llm.system",
)
_COUNTS: Final[Mapping[str, tuple[str, ...]]] = {
    semconv.GEN_AI_USAGE_INPUT_TOKENS: (
        semconv.GEN_AI_USAGE_INPUT_TOKENS,
        semconv.GEN_AI_USAGE_PROMPT_TOKENS,
        "llm.token_count.prompt",
        "llm.usage.prompt_tokens",
    ),
    semconv.GEN_AI_USAGE_OUTPUT_TOKENS: (
        semconv.GEN_AI_USAGE_OUTPUT_TOKENS,
        semconv.GEN_AI_USAGE_COMPLETION_TOKENS,
        "llm.token_count.completion",
        "llm.usage.completion_tokens",
    ),
    semconv.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS: (
        semconv.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS,
        "gen_ai.usage.cache_read_input_tokens",
        "llm.token_count.prompt_details.cache_read",
    ),
    semconv.GEN_AI_USAGE_CACHE_WRITE_INPUT_TOKENS: (
        semconv.GEN_AI_USAGE_CACHE_WRITE_INPUT_TOKENS,
        semconv.GEN_AI_USAGE_CACHE_CREATION_INPUT_TOKENS,
        "gen_ai.usage.cache_creation_input_tokens",
        "llm.token_count.prompt_details.cache_write",
    ),
    semconv.GEN_AI_USAGE_REASONING_OUTPUT_TOKENS: (
        semconv.GEN_AI_USAGE_REASONING_OUTPUT_TOKENS,
        "gen_ai.usage.reasoning_tokens",
        "llm.token_count.completion_details.reasoning",
    ),
}
USAGE_KEYS: Final = frozenset(key for keys in _COUNTS.values() for key in keys)
"""Attributes that count tokens; on a span that calls no model they repeat what is below it."""
_LANGCHAIN_USAGE: Final = ("langsmith.usage_metadata", "langsmith.metadata.usage_metadata")
_LANGFUSE_USAGE: Final = "langfuse.observation.usage_details"
_LANGFUSE_CACHE_READ: Final = ("input_cache_read", "input_cached_tokens", "cache_read_input_tokens")
_LANGFUSE_CACHE_WRITE: Final = ("input_cache_creation", "cache_creation_input_tokens")
_LANGFUSE_REASONING: Final = ("output_reasoning", "output_reasoning_tokens")
_FIRST_TOKEN: Final = "langfuse.observation.completion_start_time"


def about_call(told: Mapping[str, Any], metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts of a model call; `None` where a dialect does not tell one.

    Args:
        told: attributes of the span.
        metadata: LangChain's, as `callers.metadata_of` finds it.
    """
    return {
        semconv.GEN_AI_REQUEST_MODEL: _named(told, _ASKED) or _name(metadata.get("ls_model_name")),
        semconv.GEN_AI_RESPONSE_MODEL: _named(told, _ANSWERED) or _name(_named_in_answer(told)),
        semconv.GEN_AI_PROVIDER_NAME: _provider(told, metadata),
        semconv.LONGPOLE_FIRST_TOKEN_NS: time_ns(decoded(told.get(_FIRST_TOKEN))),
        **_usage(told),
    }


def _named_in_answer(told: Mapping[str, Any]) -> Any:
    """Return the model that the answer's message names, as LangChain serialises it."""
    answer = answer_in(raw_output(told))
    return object_in(answer.get("response_metadata")).get("model_name")


def _named(told: Mapping[str, Any], keys: tuple[str, ...]) -> str | None:
    for key in keys:
        name = _name(told.get(key))
        if name is not None:
            return name
    return None


def _name(value: object) -> str | None:
    return value if type(value) is str and value and value.lower() not in _NO_NAMES else None


def _provider(told: Mapping[str, Any], metadata: Mapping[str, Any]) -> str | None:
    """Return who serves the model; LangChain's own word is better than what others made of it."""
    named = _name(metadata.get("ls_provider"))
    return _named(told, _PROVIDERS) if named is None else from_langchain(named)


def _usage(told: Mapping[str, Any]) -> dict[str, int | None]:
    for key in _LANGCHAIN_USAGE:
        usage = object_in(told.get(key))
        if usage:
            return _of_langchain(usage)
    if _LANGFUSE_USAGE in told:
        return _of_langfuse(object_in(told[_LANGFUSE_USAGE]))
    counted = told.keys() & USAGE_KEYS
    return {
        name: count_in(told, keys) for name, keys in _COUNTS.items() if not counted.isdisjoint(keys)
    }


def _of_langchain(usage: Mapping[str, Any]) -> dict[str, int | None]:
    read = object_in(usage.get("input_token_details"))
    written = object_in(usage.get("output_token_details"))
    return {
        semconv.GEN_AI_USAGE_INPUT_TOKENS: as_count(usage.get("input_tokens")),
        semconv.GEN_AI_USAGE_OUTPUT_TOKENS: as_count(usage.get("output_tokens")),
        semconv.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS: as_count(read.get("cache_read")),
        semconv.GEN_AI_USAGE_CACHE_WRITE_INPUT_TOKENS: as_count(read.get("cache_creation")),
        semconv.GEN_AI_USAGE_REASONING_OUTPUT_TOKENS: as_count(written.get("reasoning")),
    }


def _of_langfuse(details: Mapping[str, Any]) -> dict[str, int | None]:
    read, written = as_count(details.get("input")), as_count(details.get("output"))
    is_whole = as_count(details.get("total")) == (read or 0) + (written or 0)
    return {
        semconv.GEN_AI_USAGE_INPUT_TOKENS: read if is_whole else _sum(details, "input"),
        semconv.GEN_AI_USAGE_OUTPUT_TOKENS: written if is_whole else _sum(details, "output"),
        semconv.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS: count_in(details, _LANGFUSE_CACHE_READ),
        semconv.GEN_AI_USAGE_CACHE_WRITE_INPUT_TOKENS: count_in(details, _LANGFUSE_CACHE_WRITE),
        semconv.GEN_AI_USAGE_REASONING_OUTPUT_TOKENS: count_in(details, _LANGFUSE_REASONING),
    }


def _sum(details: Mapping[str, Any], side: str) -> int | None:
    counts = [
        as_count(value)
        for key, value in details.items()
        if key == side or key.startswith(f"{side}_")
    ]
    known = [count for count in counts if count is not None]
    return as_count(sum(known)) if known else None
