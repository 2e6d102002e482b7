"""An answer from three sources searched at once, each with a fallback; one source is down.

Look at `longpole show last`: the ticket search failed (✗) and its archive answered in its place
(⤳), yet the run waited for the web: that is the long pole. The branch with the fallback had slack,
so its failure cost no time.
"""

from __future__ import annotations

from typing import Any

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableParallel, RunnablePassthrough

from longpole.tracer import LongpoleHandler
from longpole.tracer.demo.fakes import fake_model, fake_search
from longpole.tracer.demo.personas import GPT_4O_MINI


class Unreachable(BaseRetriever):
    """A search service that is down."""

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun
    ) -> list[Document]:
        raise ConnectionError("ticket search: connection refused")


def play(store: str | None = None, speed: float = 1.0) -> str:
    """Record one question; return its answer."""
    handbook = fake_search("handbook", "Pet cabins: deck 6.", latency_s=0.12, speed=speed)
    index = fake_search("handbook index", "Deck 6.", latency_s=0.05, speed=speed)
    archive = fake_search("ticket archive", "Book it with the ticket.", latency_s=0.2, speed=speed)
    web = fake_search("web", "Norway wants a tapeworm treatment.", latency_s=0.9, speed=speed)
    mirror = fake_search("web mirror", "Norway has rules.", latency_s=0.3, speed=speed)
    sources: RunnableParallel[Any] = RunnableParallel(
        handbook=handbook.with_fallbacks([index]),
        tickets=Unreachable(name="tickets").with_fallbacks([archive]),
        web=web.with_fallbacks([mirror]),
        question=RunnablePassthrough(),
    )
    prompt = ChatPromptTemplate.from_template("{question}\n{handbook}\n{tickets}\n{web}")
    model = fake_model(GPT_4O_MINI, "Yes: book a pet cabin, and see a vet before.", speed=speed)
    chain = sources | prompt | model | StrOutputParser()
    return chain.invoke(
        "May my dog come on the night ferry?",
        {"callbacks": [LongpoleHandler(store)], "run_name": "rag"},
    )


if __name__ == "__main__":
    print(play())
