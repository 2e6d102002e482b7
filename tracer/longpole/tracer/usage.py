"""What a model answered (`LLMResult`) → tokens, model, finish reasons, cache hit.

Order of trust: `usage_metadata` of the message, then the provider's raw `token_usage`. With several
choices every one repeats the whole usage, so only the first is read. A chat model's cache hit
repeats the original usage beside a `total_cost` of 0. Everything is copied at once: langchain-core
changes cached results later.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from langchain_core.outputs import LLMResult

from longpole.model.usage import Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a model's end event tells beside the text; `None` where it does not."""

    usage: Usage | None = None
    model: str | None = None
    response_id: str | None = None
    finish_reasons: tuple[str, ...] = ()
    cache_hit: bool = False


def read_answer(result: LLMResult) -> Answer:
    """Read an end event's result; shapes that are not understood are left out."""
    generations = [choice for prompt in result.generations for choice in prompt]
    first = generations[0] if generations else None
    message = getattr(first, "message", None)
    metadata = _mapping(getattr(message, "usage_metadata", None))
    response = _mapping(getattr(message, "response_metadata", None))
    output = _mapping(result.llm_output)
    cache_hit = metadata.get("total_cost") == 0 and "total_cost" in metadata
    raw = _mapping(response.get("token_usage")) or _mapping(output.get("token_usage"))
    return Answer(
        usage=_from_usage_metadata(metadata) or _from_token_usage(raw),
        model=_text(response.get("model_name"))
        or _text(response.get("model"))
        or _text(output.get("model_name")),
        response_id=_text(response.get("id")) or _text(output.get("id")),
        finish_reasons=_finish_reasons(generations),
        cache_hit=cache_hit,
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


def _from_token_usage(held: Mapping[str, Any]) -> Usage | None:
    if not held:
        return None
    inputs = _mapping(held.get("prompt_tokens_details"))
    outputs = _mapping(held.get("completion_tokens_details"))
    return _whole(
        input_tokens=_count(held.get("prompt_tokens", held.get("input_tokens"))),
        output_tokens=_count(held.get("completion_tokens", held.get("output_tokens"))),
        cache_read_tokens=_count(inputs.get("cached_tokens")),
        cache_write_tokens=0,
        reasoning_tokens=_count(outputs.get("reasoning_tokens")),
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
        reason = (
            _text(info.get("finish_reason"))
            or _text(response.get("finish_reason"))
            or _text(response.get("stop_reason"))
        )
        if reason:
            reasons.append(reason)
    return tuple(reasons)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _count(value: object) -> int:
    return max(0, value) if type(value) is int else 0


def _text(value: object) -> str | None:
    return value if type(value) is str and value else None
