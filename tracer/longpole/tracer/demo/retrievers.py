"""A retriever with fixed findings and a delay: a search service as the caller meets it."""

from __future__ import annotations

import random

from langchain_core.callbacks import (
    AsyncCallbackManagerForRetrieverRun,
    CallbackManagerForRetrieverRun,
)
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from pydantic import Field

from longpole.tracer.demo.pace import Pace


class FakeRetriever(BaseRetriever):
    """Returns the same documents for every question, after a while.

    Attributes:
        documents: what it finds, best first.
        latency_s: lowest and highest delay, in seconds of the story; seeded by name and question.
        pace: how its times become real ones.
    """

    documents: tuple[Document, ...] = Field(repr=False)
    latency_s: tuple[float, float]
    pace: Pace = Field(repr=False)

    def _delay_s(self, query: str) -> float:
        return random.Random(f"{self.get_name()}/{query}").uniform(*self.latency_s)

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun
    ) -> list[Document]:
        self.pace.wait(self._delay_s(query))
        return list(self.documents)

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun
    ) -> list[Document]:
        await self.pace.wait_async(self._delay_s(query))
        return list(self.documents)
