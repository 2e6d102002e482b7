"""What is recorded of calls through the providers' real integrations, over HTTP on the loopback."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
from langchain_anthropic import ChatAnthropic
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.language_models import BaseChatModel, GenericFakeChatModel
from langchain_core.messages import AIMessageChunk, HumanMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGenerationChunk
from langchain_core.runnables import RunnableLambda, RunnableParallel
from langchain_openai import ChatOpenAI, OpenAI
from pydantic import SecretStr

from longpole.analysis import analyse
from longpole.model import Kind, Span, Status, Usage, semconv
from longpole.model.pricing import PriceBook, price_run
from tests.tracer.conftest import Recording
from tests.tracer.providers import (
    Provider,
    anthropic_message,
    anthropic_stream,
    openai_chat,
    openai_response,
    openai_stream,
    openai_text,
    serving,
)

KEY = SecretStr("no key")


def openai_at(provider: Provider, **more: Any) -> ChatOpenAI:
    return ChatOpenAI(
        base_url=provider.url, api_key=KEY, max_retries=0, **{"model": "gpt-4o-mini", **more}
    )


def anthropic_at(provider: Provider) -> ChatAnthropic:
    return ChatAnthropic(
        base_url=provider.url,
        api_key=KEY,
        model_name="claude-haiku-4-5",
        timeout=None,
        stop=None,
        max_retries=0,
    )


WAYS = ("invoke", "ainvoke", "stream", "astream")


def call(model: BaseChatModel, way: str, recording: Recording) -> None:
    async def consume() -> None:
        async for _ in model.astream("x", recording.config):
            pass

    if way == "invoke":
        model.invoke("x", recording.config)
    elif way == "ainvoke":
        asyncio.run(model.ainvoke("x", recording.config))
    elif way == "stream":
        list(model.stream("x", recording.config))
    else:
        asyncio.run(consume())


def reasons(recording: Recording, span: Span) -> Any:
    return recording.attributes(span).get(semconv.GEN_AI_RESPONSE_FINISH_REASONS)


@pytest.mark.parametrize("way", WAYS)
def test_openai_tells_the_same_however_it_is_called(recording: Recording, way: str) -> None:
    reply = openai_stream() if way.endswith("stream") else openai_chat()
    with serving(reply) as provider:
        call(openai_at(provider, stream_usage=True), way, recording)
    span = recording.run().root

    assert span.usage == Usage(input_tokens=10, output_tokens=5)
    assert (span.model, span.provider) == ("gpt-4o-mini-2024-07-18", "openai")
    assert reasons(recording, span) == ["stop"]


@pytest.mark.parametrize("way", WAYS)
def test_anthropic_tells_the_same_however_it_is_called(recording: Recording, way: str) -> None:
    reply = (
        anthropic_stream()
        if way.endswith("stream")
        else anthropic_message(cache_read_input_tokens=90)
    )
    with serving(reply) as provider:
        call(anthropic_at(provider), way, recording)
    span = recording.run().root

    assert span.usage == Usage(input_tokens=100, output_tokens=5, cache_read_tokens=90)
    assert (span.model, span.provider) == ("claude-haiku-4-5", "anthropic")
    assert reasons(recording, span) == ["end_turn"]


def test_openais_responses_tell_their_parts_and_why_they_stopped(recording: Recording) -> None:
    with serving(openai_response()) as provider:
        openai_at(provider, model="gpt-5", use_responses_api=True).invoke("x", recording.config)
    span = recording.run().root

    assert span.usage == Usage(
        input_tokens=100, output_tokens=50, cache_read_tokens=80, reasoning_tokens=30
    )
    assert reasons(recording, span) == ["max_output_tokens"]


def test_three_choices_are_one_usage_and_three_reasons(recording: Recording) -> None:
    with serving(openai_chat(choices=3)) as provider:
        openai_at(provider, n=3).invoke("x", recording.config)
    span = recording.run().root

    assert span.usage == Usage(input_tokens=10, output_tokens=5)
    assert reasons(recording, span) == ["stop", "stop", "stop"]


def test_the_model_asked_for_is_the_bound_one(recording: Recording) -> None:
    with serving(openai_chat()) as provider:
        openai_at(provider).bind(model="gpt-4.1").invoke("x", recording.config)
    told = recording.attributes(recording.run().root)

    assert told[semconv.GEN_AI_REQUEST_MODEL] == "gpt-4.1"
    assert told[semconv.GEN_AI_RESPONSE_MODEL] == "gpt-4o-mini-2024-07-18"


def test_a_stream_without_usage_is_unknown_not_free(recording: Recording) -> None:
    with serving(openai_stream(usage=False)) as provider:
        call(openai_at(provider), "stream", recording)
    run = price_run(recording.run(), PriceBook())

    assert (run.root.usage, run.root.cost_usd) == (None, None)
    assert analyse(run, now_ns=0).facts.unpriced_calls == 1


@pytest.mark.parametrize("way", ["stream", "astream"])
def test_a_stream_that_breaks_keeps_what_had_arrived(recording: Recording, way: str) -> None:
    with serving(anthropic_stream(breaks=True)) as provider, contextlib.suppress(Exception):
        call(anthropic_at(provider), way, recording)
    span = recording.run().root

    assert span.status is Status.ERROR
    assert '"hi"' in (recording.content(span).output_value or "")


def test_a_stream_that_breaks_keeps_the_tokens_it_told(recording: Recording) -> None:
    class Breaking(GenericFakeChatModel):
        def _stream(self, *args: Any, **kwargs: Any) -> Iterator[ChatGenerationChunk]:
            usage = UsageMetadata(input_tokens=10, output_tokens=3, total_tokens=13)
            yield ChatGenerationChunk(message=AIMessageChunk(content="a", usage_metadata=usage))
            raise ConnectionError("gone")

    with pytest.raises(ConnectionError):
        list(Breaking(messages=iter([])).stream("x", recording.config))
    span = recording.run().root

    assert (span.status, span.usage) == (Status.ERROR, Usage(input_tokens=10, output_tokens=3))


def test_usage_that_travels_up_a_chain_counts_once(recording: Recording) -> None:
    with serving(openai_chat()) as provider:
        model = openai_at(provider)
        inner = RunnableLambda(lambda text: text, name="ask") | model
        (RunnableParallel(a=inner, b=inner) | RunnableLambda(lambda both: both["a"])).invoke(
            "x", recording.config
        )
    facts = analyse(recording.run(), now_ns=0).facts

    assert (facts.llm_calls, facts.usage) == (2, Usage(input_tokens=20, output_tokens=10))


def test_several_prompts_of_one_call_are_counted_once(recording: Recording) -> None:
    handlers: list[BaseCallbackHandler] = [recording.handler]
    with serving(openai_text(3)) as provider:
        OpenAI(base_url=provider.url, api_key=KEY).generate(["a", "b", "c"], callbacks=handlers)
    spans = [run.root for run in recording.runs()]

    assert [span.kind for span in spans] == [Kind.LLM] * 3
    assert [span.usage for span in spans if span.usage] == [Usage(input_tokens=3, output_tokens=2)]
    assert {span.model for span in spans} == {"gpt-3.5-turbo-instruct"}


def test_several_conversations_of_one_call_are_counted_once_each(recording: Recording) -> None:
    with serving(openai_chat()) as provider:
        openai_at(provider).generate(
            [[HumanMessage("a")], [HumanMessage("b")]], callbacks=[recording.handler]
        )

    assert [run.root.usage for run in recording.runs()] == [
        Usage(input_tokens=10, output_tokens=5)
    ] * 2
