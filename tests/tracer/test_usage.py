"""Tokens and models out of every shape that providers answer in."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.outputs import ChatGeneration, Generation, LLMResult

from longpole.model import Usage
from longpole.tracer.usage import read_answer


def chat(count: int = 1, llm_output: dict[str, Any] | None = None, **message: Any) -> LLMResult:
    generations: list[Any] = [
        ChatGeneration(message=AIMessage("hi", **message)) for _ in range(count)
    ]
    return LLMResult(generations=[generations], llm_output=llm_output)


def usage_metadata(input_tokens: int, output_tokens: int, **details: Any) -> dict[str, Any]:
    return {
        "input_tokens": input_tokens,
        "output_tokens": output_tokens,
        "total_tokens": input_tokens + output_tokens,
        **details,
    }


def test_cached_and_reasoning_tokens_are_subsets() -> None:
    answer = read_answer(
        chat(
            usage_metadata=usage_metadata(
                120,
                30,
                input_token_details={"cache_read": 90, "cache_creation": 20},
                output_token_details={"reasoning": 10},
            )
        )
    )

    assert answer.usage == Usage(
        input_tokens=120,
        output_tokens=30,
        cache_read_tokens=90,
        cache_write_tokens=20,
        reasoning_tokens=10,
    )


def test_several_choices_repeat_one_usage() -> None:
    answer = read_answer(chat(count=3, usage_metadata=usage_metadata(10, 6)))

    assert answer.usage == Usage(input_tokens=10, output_tokens=6)


def test_the_providers_own_count_is_read_where_there_is_no_other() -> None:
    raw = {
        "prompt_tokens": 7,
        "completion_tokens": 5,
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 2},
    }
    told = Usage(input_tokens=7, output_tokens=5, cache_read_tokens=4, reasoning_tokens=2)

    assert read_answer(chat(response_metadata={"token_usage": raw})).usage == told
    assert read_answer(chat(llm_output={"token_usage": raw})).usage == told
    text = LLMResult(generations=[[Generation(text="x")]], llm_output={"token_usage": raw})
    assert read_answer(text).usage == told


def test_the_model_that_answered_is_told() -> None:
    assert read_answer(chat(response_metadata={"model_name": "gpt-4o-2024"})).model == "gpt-4o-2024"
    assert read_answer(chat(response_metadata={"model": "claude"})).model == "claude"
    assert read_answer(chat(llm_output={"model_name": "text-1"})).model == "text-1"


def test_finish_reasons_are_read_from_either_place() -> None:
    assert read_answer(chat(response_metadata={"finish_reason": "stop"})).finish_reasons == (
        "stop",
    )
    assert read_answer(chat(response_metadata={"stop_reason": "end_turn"})).finish_reasons == (
        "end_turn",
    )


@pytest.mark.parametrize(
    ("llm_output", "usage"),
    [
        (
            {
                "usage": {
                    "input_tokens": 10,
                    "output_tokens": 5,
                    "cache_read_input_tokens": 90,
                    "cache_creation_input_tokens": 20,
                }
            },
            Usage(input_tokens=120, output_tokens=5, cache_read_tokens=90, cache_write_tokens=20),
        ),
        (
            {
                "usage": {
                    "input_tokens": 100,
                    "output_tokens": 50,
                    "input_tokens_details": {"cached_tokens": 80},
                    "output_tokens_details": {"reasoning_tokens": 30},
                }
            },
            Usage(input_tokens=100, output_tokens=50, cache_read_tokens=80, reasoning_tokens=30),
        ),
        (
            {
                "usage_metadata": {
                    "prompt_token_count": 100,
                    "candidates_token_count": 20,
                    "thoughts_token_count": 30,
                    "cached_content_token_count": 60,
                }
            },
            Usage(input_tokens=100, output_tokens=50, cache_read_tokens=60, reasoning_tokens=30),
        ),
        (
            {"prompt_eval_count": 7, "eval_count": 3, "done_reason": "stop"},
            Usage(input_tokens=7, output_tokens=3),
        ),
        ({"usage": {"inputTokens": 7, "outputTokens": 3}}, Usage(input_tokens=7, output_tokens=3)),
        ({"usage": {"something": "else"}}, None),
    ],
    ids=["anthropic", "openai responses", "google", "ollama", "bedrock", "unknown"],
)
def test_providers_own_words_are_read_in_the_message_and_beside_it(
    llm_output: dict[str, Any], usage: Usage | None
) -> None:
    assert read_answer(chat(llm_output=llm_output)).usage == usage
    assert read_answer(chat(response_metadata=llm_output)).usage == usage


def test_audio_is_told_beside_the_usage() -> None:
    held = usage_metadata(
        10, 6, input_token_details={"audio": 4}, output_token_details={"audio": 5}
    )
    answer = read_answer(chat(usage_metadata=held))

    assert (answer.input_audio_tokens, answer.output_audio_tokens) == (4, 5)
    assert answer.usage == Usage(input_tokens=10, output_tokens=6)


def test_what_every_chunk_repeats_is_told_once() -> None:
    chunks = [
        AIMessageChunk(
            content="hi", response_metadata={"model": "claude-x", "finish_reason": "stop"}
        )
        for _ in range(3)
    ]
    merged = chunks[0] + chunks[1] + chunks[2]
    answer = read_answer(LLMResult(generations=[[ChatGeneration(message=merged)]]))

    assert (answer.model, answer.finish_reasons) == ("claude-x", ("stop",))


def test_a_cache_hit_is_known_by_its_cost_of_nothing() -> None:
    hit = usage_metadata(10, 6, total_cost=0)

    assert read_answer(chat(usage_metadata=hit)).cache_hit
    assert not read_answer(chat(usage_metadata=usage_metadata(10, 6))).cache_hit


@pytest.mark.parametrize(
    "result",
    [
        LLMResult(generations=[]),
        LLMResult(generations=[[]]),
        LLMResult(generations=[[Generation(text="x")]]),
        LLMResult(generations=[[Generation(text="x")]], llm_output={"token_usage": "many"}),
    ],
)
def test_an_answer_without_usage_has_none(result: LLMResult) -> None:
    assert read_answer(result).usage is None


@given(st.lists(st.integers(-5, 1000), min_size=5, max_size=5))
def test_whatever_a_provider_reports_the_usage_is_lawful(counts: list[int]) -> None:
    raw = {
        "prompt_tokens": counts[0],
        "completion_tokens": counts[1],
        "prompt_tokens_details": {"cached_tokens": counts[2]},
        "completion_tokens_details": {"reasoning_tokens": counts[3]},
    }
    usage = read_answer(chat(response_metadata={"token_usage": raw})).usage

    assert usage is not None
    usage.check()
