"""A morning briefing, streamed and read chunk by chunk."""

from __future__ import annotations

from typing import Any, Final

from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import Runnable

from longpole.tracer.demo.models import Answer, FakeChatModel
from longpole.tracer.demo.pace import Pace
from longpole.tracer.demo.personas import GPT_4_1
from longpole.tracer.demo.stage import Stage

BRIEFING: Final = (
    "Good morning. Three ships are expected today, the first at 06:40 on berth 2. Wind turns to "
    "the north-west in the afternoon and may reach 14 m/s, so plan the crane work before 15:00. "
    "Berth 4 stays closed until the fender is replaced. The tug crew changes at noon; please hand "
    "over the radio list in person."
)

_LOG: Final = (
    "06:40 Aurelia, berth 2, 212 containers\n11:15 Nordlys, berth 1, fuel only\n"
    "17:30 Kestrel, berth 3, 88 containers\nForecast NW 14 m/s from 15:00\n"
    "Berth 4: fender broken, part arrives Thursday\nTug crew change 12:00"
)


def _chain(pace: Pace) -> Runnable[Any, str]:
    prompt = ChatPromptTemplate.from_messages(
        [
            ("system", "Turn the harbour log into a spoken briefing of under a minute."),
            ("human", "{log}"),
        ]
    )
    script = (("Aurelia", Answer(text=BRIEFING)),)
    model = FakeChatModel(name=GPT_4_1.name, persona=GPT_4_1, script=script, pace=pace)
    return prompt | model | StrOutputParser()


def play(stage: Stage) -> tuple[object, ...]:
    """Record one streamed briefing."""
    config = stage.config(
        "harbour-briefing", tags=("stream",), session_id="harbour-2026-03-09", user_id="pilot-desk"
    )
    return ("".join(_chain(stage.pace).stream({"log": _LOG}, config)),)
