"""Three searches at once, then one answer: the web search is the long pole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from langchain_core.documents import Document
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import (
    Runnable,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
)

from longpole.tracer.demo.models import Answer, FakeChatModel, Script
from longpole.tracer.demo.pace import Pace
from longpole.tracer.demo.personas import GPT_4O_MINI
from longpole.tracer.demo.retrievers import FakeRetriever
from longpole.tracer.demo.stage import Stage

QUESTION: Final = "Can I take my dog on the night ferry to Bergen, and what does it cost?"
ANSWER: Final = (
    "Yes. Dogs travel in one of the eight pet cabins on deck 6 for €35 each way, booked together "
    "with your ticket. They need a microchip, a rabies vaccination and, for Norway, a tapeworm "
    "treatment that a vet has entered in the pet passport 24 to 120 hours before arrival."
)

_SCRIPT: Final[Script] = ((QUESTION, Answer(text=ANSWER)),)

_HANDBOOK: Final = (
    Document(
        "Pet cabins: deck 6, cabins 6101 to 6108, washable floor, no bunk beds. At most two "
        "animals a cabin. Owners stay with their animals during the crossing.",
        metadata={"source": "handbook/cabins.md"},
    ),
    Document(
        "Supplements on night crossings, each way: bicycle €10, roof box €22, pet cabin €35, "
        "window cabin €48.",
        metadata={"source": "handbook/prices.md"},
    ),
    Document(
        "Animals may not be left in cars on the vehicle deck. Guide dogs travel free of charge in "
        "every cabin class.",
        metadata={"source": "handbook/vehicles.md"},
    ),
)
_TICKETS: Final = (
    Document(
        "Ticket 48213: guest booked a standard cabin with a dog, was moved to 6104 at the desk. "
        "Please tell guests to book the pet cabin together with the ticket.",
        metadata={"source": "tickets/48213"},
    ),
    Document(
        "Ticket 47730: refused boarding to Bergen, no tapeworm treatment in the pet passport.",
        metadata={"source": "tickets/47730"},
    ),
)
_WEB: Final = (
    Document(
        "Dogs entering Norway must be microchipped, vaccinated against rabies and treated against "
        "tapeworm by a vet 24 to 120 hours before arrival.",
        metadata={"source": "https://pets.example.org/norway"},
    ),
    Document(
        "Travellers report that pet cabins on the Bergen route sell out in July.",
        metadata={"source": "https://forum.example.org/t/bergen-with-a-dog"},
    ),
)


def _with_sources(documents: Sequence[Document]) -> str:
    return "\n".join(f"[{found.metadata['source']}] {found.page_content}" for found in documents)


def _search(
    name: str, documents: tuple[Document, ...], latency_s: tuple[float, float], pace: Pace
) -> Runnable[str, str]:
    retriever = FakeRetriever(name=name, documents=documents, latency_s=latency_s, pace=pace)
    return retriever | RunnableLambda(_with_sources)


def _chain(pace: Pace) -> Runnable[str, str]:
    searches: RunnableParallel[Any] = RunnableParallel(
        vector=_search("vector_index", _HANDBOOK, (0.11, 0.15), pace),
        keyword=_search("ticket_keywords", _TICKETS, (0.03, 0.05), pace),
        web=_search("web_search", _WEB, (0.70, 0.85), pace),
        question=RunnablePassthrough(),
    )
    prompt = ChatPromptTemplate.from_messages(
        [
            (
                "system",
                "You answer guests of a ferry line. Use only the findings below and keep to three "
                "sentences.\n\nHandbook:\n{vector}\n\nTickets:\n{keyword}\n\nWeb:\n{web}",
            ),
            ("human", "{question}"),
        ]
    )
    model = FakeChatModel(name=GPT_4O_MINI.name, persona=GPT_4O_MINI, script=_SCRIPT, pace=pace)
    return searches | prompt | model | StrOutputParser()


def play(stage: Stage) -> tuple[object, ...]:
    """Record one question and its answer."""
    config = stage.config(
        "ferry-help-desk", tags=("rag",), session_id="guest-7f21", user_id="guest"
    )
    return (_chain(stage.pace).invoke(QUESTION, config),)
