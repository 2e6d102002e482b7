"""What a model answered (`LLMResult`) → tokens, model, finish reasons, cache hit.

Order of trust: `usage_metadata` of the message, then what the provider reported in words of its own
(OpenAI, Anthropic, Google, Bedrock, Ollama), in the message or beside it. With several choices
every one repeats the whole usage, so only the first is read. A chat model's cache hit repeats the
original usage beside a `total_cost` of 0. Everything is copied at once: langchain-core changes
cached results later.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from langchain_core.outputs import LLMResult

from longpole.model.usage import Usage

_INPUT: Final = (
    "prompt_tokens",
    "input_tokens",
    "prompt_token_count",
    "prompt_eval_count",
    "inputTokens",
)
_OUTPUT: Final = (
    "completion_tokens",
    "output_tokens",
    "candidates_token_count",
    "eval_count",
    "outputTokens",
)
_REASONS: Final = ("finish_reason", "stop_reason", "done_reason", "stopReason", "reason")
_SHORTEST_NAME: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a model's end event tells beside the text; `None` where it does not."""

    usage: Usage | None = None
    input_audio_tokens: int = 0
    output_audio_tokens: int = 0
    model: str | None = None
    response_id: str | None = None
    finish_reasons: tuple[str, ...] = ()
    cache_hit: bool = False


_NOTHING: Final = Answer()


def read_answer(result: LLMResult) -> Answer:
    """Read an end event's result; shapes that are not understood are left out."""
    generations = [choice for prompt in result.generations for choice in prompt]
    first = generations[0] if generations else None
    message = getattr(first, "message", None)
    metadata = _mapping(getattr(message, "usage_metadata", None))
    response = _mapping(getattr(message, "response_metadata", None))
    info = _mapping(getattr(first, "generation_info", None))
    output = _mapping(result.llm_output)
    places = [held for held in (response, output, info) if held]
    if not metadata and not places and len(generations) < 2:
        return _NOTHING
    return Answer(
        usage=_from_usage_metadata(metadata) or _raw_usage(places),
        input_audio_tokens=_count(_mapping(metadata.get("input_token_details")).get("audio")),
        output_audio_tokens=_count(_mapping(metadata.get("output_token_details")).get("audio")),
        model=_once(_first_text(places, "model_name", "model", "model_id")),
        response_id=_first_text(places, "id"),
        finish_reasons=_finish_reasons(generations),
        cache_hit=metadata.get("total_cost") == 0 and "total_cost" in metadata,
    )


def _from_usage_metadata(held: Mapping[str, Any]) -> Usage | None:
    if "input_tokens" not in held and "output_tokens" not in held:
        return None
    inputs = _mapping(held.get("input_token_details"))
    outputs = _mapping(held.get("output_token_details"))
    return _whole(
        input_tokens=_count(held.get("input_tokens")),
        output_tokens=_count(held.get("output_tokens")),
        cache_read_tokens=_count(inputs.get("cache_read")),
        cache_write_tokens=_count(inputs.get("cache_creation")),
        reasoning_tokens=_count(outputs.get("reasoning")),
    )


def _raw_usage(places: Sequence[Mapping[str, Any]]) -> Usage | None:
    """Read what a provider reported in its own words, wherever its integration put it."""
    for held in places:
        for key in ("token_usage", "usage", "usage_metadata"):
            found = _mapping(held.get(key))
            if found:
                return _from_raw(found)
        if "prompt_eval_count" in held:  # Ollama has no object of its own for it
            return _from_raw(held)
    return None


def _from_raw(held: Mapping[str, Any]) -> Usage | None:
    read = _first_count(held, _INPUT)
    written = _first_count(held, _OUTPUT)
    if read is None and written is None:
        return None
    inputs = _mapping(held.get("prompt_tokens_details") or held.get("input_tokens_details"))
    outputs = _mapping(held.get("completion_tokens_details") or held.get("output_tokens_details"))
    beside = _count(held.get("cache_read_input_tokens"))
    created = _count(held.get("cache_creation_input_tokens"))
    # Google counts the model's thoughts beside the answer, Anthropic what is cached beside the
    # input; for everybody else these are parts.
    thoughts = _count(held.get("thoughts_token_count"))
    within = inputs.get("cached_tokens", held.get("cached_content_token_count"))
    return _whole(
        input_tokens=(read or 0) + beside + created,
        output_tokens=(written or 0) + thoughts,
        cache_read_tokens=_count(within) + beside,
        cache_write_tokens=created,
        reasoning_tokens=_count(outputs.get("reasoning_tokens")) + thoughts,
    )


def _whole(
    *,
    input_tokens: int,
    output_tokens: int,
    cache_read_tokens: int,
    cache_write_tokens: int,
    reasoning_tokens: int,
) -> Usage:
    """Return a lawful usage; some producers leave the subsets out of the whole, so add them."""
    cached = cache_read_tokens + cache_write_tokens
    return Usage(
        input_tokens=input_tokens + cached if cached > input_tokens else input_tokens,
        output_tokens=output_tokens + reasoning_tokens
        if reasoning_tokens > output_tokens
        else output_tokens,
        cache_read_tokens=cache_read_tokens,
        cache_write_tokens=cache_write_tokens,
        reasoning_tokens=reasoning_tokens,
    )


def _finish_reasons(generations: list[Any]) -> tuple[str, ...]:
    reasons = []
    for choice in generations:
        info = _mapping(getattr(choice, "generation_info", None))
        response = _mapping(getattr(getattr(choice, "message", None), "response_metadata", None))
        if not info and not response:
            continue
        # OpenAI's Responses say why an answer stopped short, and else only how it stands.
        places = (info, response, _mapping(response.get("incomplete_details")))
        reason = _first_text(places, *_REASONS) or _first_text((response,), "status")
        if reason:
            reasons.append(_once(reason) or reason)
    return tuple(reasons)


def _once(text: str | None) -> str | None:
    """Return a text that stands there several times in a row once.

    Where every chunk of a stream names the model, LangChain joins the names.

    >>> _once("stopstop")
    'stop'
    """
    if text is None:
        return None
    period = (text + text).find(text, 1)
    return text[:period] if period >= _SHORTEST_NAME else text


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _count(value: object) -> int:
    return max(0, value) if type(value) is int else 0


def _first_count(held: Mapping[str, Any], keys: Sequence[str]) -> int | None:
    return next((max(0, held[key]) for key in keys if type(held.get(key)) is int), None)


def _first_text(places: Sequence[Mapping[str, Any]], *keys: str) -> str | None:
    for held in places:
        for key in keys:
            value = held.get(key)
            if type(value) is str and value:
                return value
    return None
