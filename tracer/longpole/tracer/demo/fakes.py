"""Fake parts for short programs: who answers and what in, a real LangChain part out.

The gallery of examples (`examples/`) is built from these: no key, no network, real waiting.
"""

from __future__ import annotations

from collections.abc import Mapping

from langchain_core.documents import Document

from longpole.tracer.demo.models import Answer, FakeChatModel, Trouble
from longpole.tracer.demo.pace import Pace
from longpole.tracer.demo.personas import Persona
from longpole.tracer.demo.retrievers import FakeRetriever


def fake_model(
    persona: Persona,
    answers: str | Mapping[str, str],
    *,
    speed: float = 1.0,
    troubles: tuple[Trouble, ...] = (),
) -> FakeChatModel:
    """Return a chat model at its persona's pace.

    Args:
        persona: the model it pretends to be.
        answers: what it says to every prompt; or phrases with answers, of which the first phrase
            that occurs in the prompt decides.
        speed: 20 answers twenty times faster.
        troubles: the first calls fail so.
    """
    phrases = {"": answers} if isinstance(answers, str) else answers
    return FakeChatModel(
        name=persona.name,
        persona=persona,
        script=tuple((phrase, Answer(text=text)) for phrase, text in phrases.items()),
        pace=Pace(speed),
        troubles=troubles,
    )


def fake_search(name: str, *findings: str, latency_s: float, speed: float = 1.0) -> FakeRetriever:
    """Return a retriever that finds these texts for every question, after `latency_s` / `speed`."""
    return FakeRetriever(
        name=name,
        documents=tuple(Document(text) for text in findings),
        latency_s=(latency_s, latency_s),
        pace=Pace(speed),
    )
