"""The demo's fake model and retriever behave as real ones do, and the same each time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from genai_prices import Usage, calc_price
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, AIMessageChunk

from longpole.tracer.demo.models import (
    Answer,
    APITimeoutError,
    FakeChatModel,
    RateLimitError,
    ToolRequest,
    Trouble,
)
from longpole.tracer.demo.pace import Pace
from longpole.tracer.demo.personas import (
    CLAUDE_HAIKU,
    CLAUDE_SONNET,
    GEMINI_FLASH,
    GPT_4_1,
    GPT_4O_MINI,
    Persona,
)
from longpole.tracer.demo.retrievers import FakeRetriever

ANSWER = "Paris, since the year 987, with short interruptions."
SCRIPT = (("France", Answer(text=ANSWER)), ("weather", Answer(text="Dry.")))
PERSONAS = (GPT_4O_MINI, GPT_4_1, CLAUDE_SONNET, CLAUDE_HAIKU, GEMINI_FLASH)
PROMPT = "What is the capital of France?"


class Sleeps:
    """A pace that does not sleep and remembers for how long it should have."""

    def __init__(self, speed: float = 1.0) -> None:
        self.taken_s: list[float] = []
        self.pace = Pace(speed, self.taken_s.append, self._sleep_async)

    async def _sleep_async(self, seconds: float) -> None:
        self.taken_s.append(seconds)


def model(
    persona: Persona = GPT_4O_MINI, *, sleeps: Sleeps | None = None, **fields: Any
) -> FakeChatModel:
    pace = (sleeps or Sleeps()).pace
    return FakeChatModel(persona=persona, script=SCRIPT, pace=pace, **fields)


def streamed(chat: FakeChatModel) -> AIMessage:
    chunks = list(chat.stream(PROMPT))
    total = chunks[0]
    for chunk in chunks[1:]:
        total += chunk
    return total


async def _astreamed(chat: FakeChatModel) -> AIMessage:
    total: AIMessageChunk | None = None
    async for chunk in chat.astream(PROMPT):
        total = chunk if total is None else total + chunk
    assert total is not None
    return total


WAYS: dict[str, Callable[[FakeChatModel], AIMessage]] = {
    "invoke": lambda chat: chat.invoke(PROMPT),
    "ainvoke": lambda chat: asyncio.run(chat.ainvoke(PROMPT)),
    "stream": streamed,
    "astream": lambda chat: asyncio.run(_astreamed(chat)),
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_of_calling_gives_the_same_text_tokens_and_model(way: str) -> None:
    message = WAYS[way](model(GEMINI_FLASH))
    expected = WAYS["invoke"](model(GEMINI_FLASH))

    assert message.text == ANSWER
    assert message.usage_metadata == expected.usage_metadata
    assert message.response_metadata["model_name"] == "gemini-2.5-flash"
    assert message.response_metadata["finish_reason"] == "stop"


@pytest.mark.parametrize("way", WAYS)
def test_every_way_of_calling_takes_the_same_time(way: str) -> None:
    sleeps, expected = Sleeps(), Sleeps()
    WAYS[way](model(sleeps=sleeps))
    WAYS["invoke"](model(sleeps=expected))

    assert sum(sleeps.taken_s) == pytest.approx(sum(expected.taken_s))


def test_a_stream_waits_longest_for_its_first_chunk() -> None:
    sleeps = Sleeps()
    streamed(model(sleeps=sleeps))
    low_s, high_s = GPT_4O_MINI.first_token_s

    assert low_s <= sleeps.taken_s[0] <= high_s
    assert len(sleeps.taken_s) > 3
    assert max(sleeps.taken_s[1:]) < sleeps.taken_s[0]


def test_the_same_seed_repeats_times_and_tokens_and_another_does_not() -> None:
    first, again, other = Sleeps(), Sleeps(), Sleeps()
    usages = [
        model(GEMINI_FLASH, sleeps=sleeps, seed=seed).invoke(PROMPT).usage_metadata
        for sleeps, seed in ((first, 3), (again, 3), (other, 4))
    ]

    assert usages[0] == usages[1]
    assert first.taken_s == again.taken_s
    assert first.taken_s != other.taken_s


def test_twenty_times_faster_sleeps_a_twentieth() -> None:
    slow, fast = Sleeps(), Sleeps(20.0)
    model(sleeps=slow).invoke(PROMPT)
    model(sleeps=fast).invoke(PROMPT)

    assert fast.taken_s == pytest.approx([seconds / 20 for seconds in slow.taken_s])


def test_reasoning_tokens_are_part_of_the_output_and_cached_ones_of_the_input() -> None:
    plain = model().invoke(PROMPT).usage_metadata
    thinking = model(GEMINI_FLASH).invoke(PROMPT).usage_metadata
    cached = model(CLAUDE_SONNET).invoke(PROMPT).usage_metadata

    assert plain is not None
    assert thinking is not None
    assert cached is not None
    reasoning = thinking["output_token_details"]["reasoning"]
    low, high = GEMINI_FLASH.reasoning_tokens
    assert low <= reasoning <= high
    assert thinking["output_tokens"] == plain["output_tokens"] + reasoning
    assert cached["input_token_details"]["cache_read"] == CLAUDE_SONNET.cached_tokens
    assert cached["input_tokens"] == plain["input_tokens"] + CLAUDE_SONNET.cached_tokens


@pytest.mark.parametrize("way", WAYS)
def test_troubles_come_first_and_in_order(way: str) -> None:
    chat = model(troubles=(Trouble.RATE_LIMIT, Trouble.TIMEOUT))

    with pytest.raises(RateLimitError, match="429 from openai"):
        WAYS[way](chat)
    with pytest.raises(APITimeoutError, match="did not answer within"):
        WAYS[way](chat)
    assert WAYS[way](chat).text == ANSWER


@pytest.mark.parametrize("way", WAYS)
def test_a_request_for_tools_arrives_as_tool_calls(way: str) -> None:
    wishes = (ToolRequest("clock", {"town": "Graz"}), ToolRequest("map", {"town": "Linz"}))
    chat = FakeChatModel(
        persona=GPT_4O_MINI,
        script=(("France", Answer(requests=wishes)),),
        pace=Sleeps().pace,
    )
    message = WAYS[way](chat)

    assert [(call["name"], call["args"]) for call in message.tool_calls] == [
        ("clock", {"town": "Graz"}),
        ("map", {"town": "Linz"}),
    ]
    assert len({call["id"] for call in message.tool_calls}) == 2
    assert message.response_metadata["finish_reason"] == "tool_calls"


def test_the_first_phrase_that_occurs_decides() -> None:
    assert model().invoke("How is the weather in France?").text == ANSWER
    assert model().invoke("How is the weather?").text == "Dry."


def test_a_prompt_outside_the_script_is_an_error_and_no_empty_answer() -> None:
    with pytest.raises(LookupError, match="no answer in the script of 'gpt-4o-mini'"):
        model().invoke("Who won?")


@pytest.mark.parametrize("persona", PERSONAS, ids=lambda persona: persona.name)
def test_every_persona_has_the_name_of_a_model_with_a_known_price(persona: Persona) -> None:
    price = calc_price(Usage(input_tokens=1_000, output_tokens=100), persona.model)

    assert price.total_price > 0


@pytest.mark.parametrize("runs_async", [False, True])
def test_a_retriever_waits_within_its_latency_and_repeats_itself(runs_async: bool) -> None:
    sleeps = Sleeps()
    found = (Document("Pet cabins are on deck 6."),)
    retriever = FakeRetriever(
        name="handbook", documents=found, latency_s=(0.1, 0.2), pace=sleeps.pace
    )
    results = [
        asyncio.run(retriever.ainvoke("dogs")) if runs_async else retriever.invoke("dogs")
        for _ in range(2)
    ]

    assert results == [list(found), list(found)]
    assert 0.1 <= sleeps.taken_s[0] <= 0.2
    assert sleeps.taken_s[0] == sleeps.taken_s[1]
