"""Calls of embedding models, which LangChain's callbacks do not tell of."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding, Embeddings
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import Runnable, RunnableLambda
from langchain_core.vectorstores import InMemoryVectorStore
from langchain_openai import OpenAIEmbeddings
from pydantic import SecretStr

from longpole.model import Kind, Status, Usage, semconv
from longpole.model.pricing import PriceBook, price_run
from longpole.tracer import LongpoleHandler
from tests.tracer.conftest import Recording, outline, spans_named
from tests.tracer.providers import Provider, busy, openai_embeddings, serving


def openai_at(provider: Provider) -> OpenAIEmbeddings:
    return OpenAIEmbeddings(
        base_url=provider.url,
        api_key=SecretStr("no key"),
        model="text-embedding-3-small",
        check_embedding_ctx_length=False,
    )


class Counting(Embeddings):
    """Made while a handler is at work; asks itself for queries, as OpenAI's class does."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [[float(len(text))] * 4 for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]


def embedding(embedder: Embeddings) -> Runnable[Any, Any]:
    return RunnableLambda(lambda text: embedder.embed_query(text))


def test_an_embedding_is_a_span_below_what_asked_for_it(recording: Recording) -> None:
    embedder = DeterministicFakeEmbedding(size=8)
    ask: Runnable[Any, Any] = RunnableLambda(
        lambda text: embedder.embed_documents([text, text]), name="ask"
    )
    vectors = ask.invoke("x", recording.config)
    run = recording.run()

    assert [len(vector) for vector in vectors] == [8, 8]
    assert outline(run) == ["ask chain", "  DeterministicFakeEmbedding embedding"]
    told = recording.attributes(spans_named(run, "DeterministicFakeEmbedding")[0])
    assert told[semconv.LONGPOLE_EMBEDDED_TEXTS] == 2
    assert told[semconv.GEN_AI_EMBEDDINGS_DIMENSION_COUNT] == 8


def test_a_vector_stores_retriever_shows_its_query(recording: Recording) -> None:
    store = InMemoryVectorStore(DeterministicFakeEmbedding(size=8))
    store.add_texts(["one", "two"])
    retriever = store.as_retriever()
    retriever.invoke("one", recording.config)
    asyncio.run(retriever.ainvoke("two", recording.config))

    for run in recording.runs():
        assert outline(run) == [
            "VectorStoreRetriever retriever",
            "  DeterministicFakeEmbedding embedding",
        ]


def test_a_chain_inside_a_retriever_keeps_its_own_embeddings(recording: Recording) -> None:
    embedder = Counting()

    class Rewriting(BaseRetriever):
        def _get_relevant_documents(
            self, query: str, *, run_manager: CallbackManagerForRetrieverRun
        ) -> list[Document]:
            rewrite = embedding(embedder).with_config(run_name="rewrite")
            rewrite.invoke(query, {"callbacks": run_manager.get_child()})
            embedder.embed_query(query)
            return []

    Rewriting().invoke("x", recording.config)

    assert outline(recording.run()) == [
        "Rewriting retriever",
        "  rewrite chain",
        "    Counting embedding",
        "  Counting embedding",
    ]


def test_what_a_class_asks_of_itself_is_one_call(recording: Recording) -> None:
    embedder = Counting()
    embedding(embedder).invoke("x", recording.config)

    assert [span.kind for span in recording.run().spans] == [Kind.CHAIN, Kind.EMBEDDING]


def test_asynchronous_calls_are_seen_once_each(recording: Recording) -> None:
    embedder = Counting()

    async def both(text: str) -> object:
        return await asyncio.gather(
            embedder.aembed_query(text), embedder.aembed_documents([text, text])
        )

    asyncio.run(RunnableLambda(both, name="both").ainvoke("x", recording.config))

    assert outline(recording.run()) == [
        "both chain",
        "  Counting embedding",
        "  Counting embedding",
    ]


@pytest.mark.parametrize("way", ["invoke", "ainvoke"])
def test_tokens_and_tries_of_the_openai_sdk_are_told(recording: Recording, way: str) -> None:
    with serving(busy(), openai_embeddings(2, tokens=2_000_000)) as provider:
        embedder = openai_at(provider)

        async def embed(text: str) -> object:
            return await embedder.aembed_documents([text, text])

        ask = RunnableLambda(lambda text: embedder.embed_documents([text, text]), embed, name="ask")
        if way == "invoke":
            ask.invoke("x", recording.config)
        else:
            asyncio.run(ask.ainvoke("x", recording.config))
    run = price_run(recording.run(), PriceBook())

    assert outline(run) == [
        "ask chain",
        "  OpenAIEmbeddings embedding",
        "    try http attempt error",
        "    try http attempt attempt=2",
    ]
    (call,) = spans_named(run, "OpenAIEmbeddings")
    assert (call.model, call.provider) == ("text-embedding-3-small", "openai")
    assert call.usage == Usage(input_tokens=2_000_000)
    assert call.cost_usd == Decimal("0.04")


def test_a_failing_embedding_fails_where_it_failed(recording: Recording) -> None:
    class Broken(Counting):
        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            raise ValueError("no model")

    embedder = Broken()
    with pytest.raises(ValueError, match="no model"):
        embedding(embedder).invoke("x", recording.config)
    (span,) = spans_named(recording.run(), "Broken")

    assert (span.status, span.error and span.error.message) == (Status.ERROR, "no model")


def test_outside_a_run_nothing_is_recorded(recording: Recording) -> None:
    assert len(Counting().embed_query("x")) == 4
    assert recording.handler.stats().spans_seen == 0


def test_texts_are_content(tmp_path: Path) -> None:
    handler = LongpoleHandler(str(tmp_path / "runs.db"), redact=lambda text: "redacted")
    recording = Recording(tmp_path / "runs.db", handler)
    embedder = Counting()
    embedding(embedder).invoke("secret", recording.config)
    run = recording.run()

    assert recording.content(spans_named(run, "Counting")[0]).input_value == "redacted"
