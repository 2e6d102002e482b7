"""Twelve letters sorted in one async batch, four at a time, recorded as one run."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import Runnable

from longpole.tracer import record
from longpole.tracer.demo.models import Answer, FakeChatModel
from longpole.tracer.demo.pace import Pace
from longpole.tracer.demo.personas import GPT_4O_MINI
from longpole.tracer.demo.stage import Stage

NAME: Final = "sort-inbox"
LIMIT: Final = 4

LETTERS: Final = (
    ("My parcel shows as delivered, but my doorstep is empty.", "delivery: missing parcel"),
    ("Please change the delivery address of order 5512 to my office.", "orders: change address"),
    ("The blue lamp hums. Is that normal?", "product: question"),
    ("You charged me twice on the third of March.", "billing: double charge"),
    ("How do I reset the thermostat after a power cut?", "product: how-to"),
    ("I want to cancel my subscription at the end of the month.", "subscription: cancel"),
    ("The invoice lacks our VAT number, our bookkeeper needs it.", "billing: correct invoice"),
    (
        "First the lamp arrived broken, then the replacement went to my old address, and today I "
        "was charged for both. I have written three times. Please call me.",
        "escalate: broken goods, wrong address and double charge; third contact, asked for a "
        "call, hand to a senior colleague today",
    ),
    ("Does the desk come with cable clips?", "product: question"),
    ("Thank you, the repair was done in ten minutes!", "praise: pass on to the workshop"),
    ("My password mail never arrives.", "account: sign-in"),
    ("Can I collect order 5540 in your shop on Saturday?", "orders: collection"),
)


def _chain(pace: Pace) -> Runnable[Any, str]:
    prompt = ChatPromptTemplate.from_messages(
        [
            ("system", "Sort this letter. Answer with a queue, a colon and the reason."),
            ("human", "{letter}"),
        ]
    )
    script = tuple((letter, Answer(text=queue)) for letter, queue in LETTERS)
    model = FakeChatModel(name=GPT_4O_MINI.name, persona=GPT_4O_MINI, script=script, pace=pace)
    return prompt | model | StrOutputParser()


async def _sort(stage: Stage) -> list[str]:
    owner = {"session_id": "inbox-0309", "user_id": "desk-2"}
    config = stage.config("sort-letter", tags=("batch",), **owner)
    config["max_concurrency"] = LIMIT
    letters = [{"letter": letter} for letter, _ in LETTERS]
    with record(NAME, tags=("demo", "batch"), metadata=owner):
        return await _chain(stage.pace).abatch(letters, config)


def play(stage: Stage) -> tuple[object, ...]:
    """Record one batch of twelve letters."""
    return (asyncio.run(_sort(stage)),)
