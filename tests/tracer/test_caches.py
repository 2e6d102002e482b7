"""Answers that LangChain's cache gives instead of a model."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.globals import get_llm_cache, set_llm_cache
from langchain_core.language_models import FakeListLLM
from langchain_core.outputs import LLMResult
from langchain_core.runnables import RunnableLambda

from longpole.analysis import analyse
from longpole.model import Run, Usage
from longpole.model.pricing import PriceBook, price_run
from tests.tracer.chains import model
from tests.tracer.conftest import Recording, outline, spans_named


@pytest.fixture(autouse=True)
def _a_cache() -> Iterator[None]:
    before = get_llm_cache()
    set_llm_cache(InMemoryCache())
    yield
    set_llm_cache(before)


def text_model() -> FakeListLLM:
    return FakeListLLM(responses=["first", "second"])


def hits(run: Run) -> list[bool]:
    return [span.cache_hit for span in spans_named(run, "FakeListLLM")]


@pytest.mark.parametrize("way", ["invoke", "ainvoke"])
def test_a_text_models_hit_stands_where_the_call_would(recording: Recording, way: str) -> None:
    chain = RunnableLambda(lambda text: text, name="ask") | text_model()
    for _ in range(2):
        if way == "invoke":
            answer = chain.invoke("x", recording.config)
        else:
            answer = asyncio.run(chain.ainvoke("x", recording.config))
        assert answer == "first"
    miss, hit = recording.runs()

    assert outline(hit) == outline(miss)
    assert outline(hit)[-1] == "  FakeListLLM llm step step=2"
    assert (hits(miss), hits(hit)) == ([False], [True])
    facts = analyse(price_run(hit, PriceBook()), now_ns=0).facts
    assert (facts.cache_hits, str(facts.cost_usd), facts.unpriced_calls) == (1, "0", 0)


def test_a_hit_of_a_model_alone_is_a_run(recording: Recording) -> None:
    chat = text_model()
    chat.invoke("x", recording.config)
    chat.invoke("x", recording.config)

    assert [hits(run) for run in recording.runs()] == [[False], [True]]


def test_of_several_prompts_only_the_known_are_hits(recording: Recording) -> None:
    chat = text_model()
    chat.invoke("known", recording.config)
    handlers: list[BaseCallbackHandler] = [recording.handler]
    chat.generate(["known", "new"], callbacks=handlers)

    assert sorted(hit for run in recording.runs()[1:] for hit in hits(run)) == [False, True]


def test_a_hit_keeps_its_text(recording: Recording) -> None:
    chat = text_model()
    chat.invoke("x", recording.config)
    chat.invoke("x", recording.config)
    (hit,) = recording.runs()[-1].spans

    content = recording.content(hit)
    assert (content.input_value, content.output_value) == ("x", "first")


def test_without_a_cache_nothing_is_added(recording: Recording) -> None:
    set_llm_cache(None)
    chat = text_model()
    chat.invoke("x", recording.config)
    chat.invoke("x", recording.config)

    assert [hits(run) for run in recording.runs()] == [[False], [False]]


def test_a_chat_models_hit_does_not_change_what_the_miss_told(recording: Recording) -> None:
    # The hit marks the very message that the miss was told of.
    chat = model("hi")
    for _ in range(3):
        chat.invoke("x", recording.config)
    runs = [price_run(run, PriceBook()) for run in recording.runs()]

    assert [run.root.cache_hit for run in runs] == [False, True, True]
    facts = [analyse(run, now_ns=0).facts for run in runs]
    assert [each.usage.input_tokens for each in facts] == [10, 0, 0]
    assert [each.cost_usd for each in facts[1:]] == [0, 0]
    assert runs[0].root.usage == Usage(input_tokens=10, output_tokens=3)


def test_a_result_that_is_changed_later_stays_as_it_was_told(recording: Recording) -> None:
    told: list[LLMResult] = []

    class Keeping(type(recording.handler)):  # type: ignore[misc]
        def on_llm_end(self, response: LLMResult, **kwargs: object) -> None:
            super().on_llm_end(response, **kwargs)
            told.append(response)

    handler = Keeping(str(recording.path))
    model("hi").invoke("x", {"callbacks": [handler]})
    (generation,) = told[0].generations[0]
    generation.message.usage_metadata["input_tokens"] = 99  # type: ignore[union-attr]
    assert handler.flush(30.0)

    assert recording.run().root.usage == Usage(input_tokens=10, output_tokens=3)
