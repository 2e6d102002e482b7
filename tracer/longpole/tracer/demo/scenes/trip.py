"""A weekend trip planned by async parts inside async parts: tools, a model each, then one plan."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import Runnable, RunnableParallel
from langchain_core.tools import BaseTool, StructuredTool

from longpole.tracer.demo.models import Answer, FakeChatModel
from longpole.tracer.demo.pace import Pace
from longpole.tracer.demo.personas import CLAUDE_HAIKU, GEMINI_FLASH, GPT_4_1, Persona
from longpole.tracer.demo.stage import Stage

NAME: Final = "weekend-planner"
PLAN: Final = (
    "Take the 07:04 train on Saturday, it is twenty minutes slower than the bus but runs in any "
    "weather. Stay at the Old Customs House, five minutes from the station. Do the harbour walk on "
    "Saturday while it is dry and keep the glass museum for Sunday's rain. About €174 for two."
)

_TRAINS: Final = "07:04 arrives 09:41, €38 return; 08:34 arrives 11:26, €29 return"
_BUSES: Final = "07:15 arrives 09:31, €18 return, mountain pass, may be cancelled in snow"
_ROOMS: Final = "Old Customs House, double €98; Hotel Lind, double €121; Pier Hostel, double €64"
_WEATHER: Final = "Saturday dry, 6 °C; Sunday rain from 10:00, 4 °C"
_TRANSPORT: Final = "Train 07:04: €38 each, weatherproof, arrives 09:41."
_STAY: Final = "Old Customs House: €98, quiet, five minutes on foot from the station."


def _tool(name: str, description: str, result: str, latency_s: float, pace: Pace) -> BaseTool:
    async def look_up(town: str) -> str:
        await pace.wait_async(latency_s)
        return result

    return StructuredTool.from_function(coroutine=look_up, name=name, description=description)


def _choose(task: str, phrase: str, reply: str, persona: Persona, pace: Pace) -> Runnable[Any, str]:
    prompt = ChatPromptTemplate.from_messages([("system", task), ("human", "{found}")])
    script = ((phrase, Answer(text=reply)),)
    model = FakeChatModel(name=persona.name, persona=persona, script=script, pace=pace)
    return prompt | model | StrOutputParser()


def _transport(pace: Pace) -> Runnable[Any, str]:
    timetables: RunnableParallel[Any] = RunnableParallel(
        trains=_tool("train_timetable", "Trains to a town.", _TRAINS, 0.60, pace),
        buses=_tool("bus_timetable", "Buses to a town.", _BUSES, 0.25, pace),
    )
    choose = _choose("Choose one connection and say why.", "07:04", _TRANSPORT, CLAUDE_HAIKU, pace)
    return timetables | _both | choose


def _both(found: dict[str, str]) -> dict[str, str]:
    return {"found": f"Trains: {found['trains']}\nBuses: {found['buses']}"}


def _stay(pace: Pace) -> Runnable[Any, str]:
    rooms = _tool("free_rooms", "Rooms that are free in a town.", _ROOMS, 0.31, pace)
    choose = _choose("Choose one room and say why.", "Pier Hostel", _STAY, GEMINI_FLASH, pace)
    return rooms | choose


def _chain(pace: Pace) -> Runnable[Any, str]:
    parts: RunnableParallel[Any] = RunnableParallel(
        transport=_transport(pace),
        stay=_stay(pace),
        weather=_tool("weather_forecast", "The weekend's weather.", _WEATHER, 0.18, pace),
    )
    prompt = ChatPromptTemplate.from_messages(
        [
            ("system", "Write a weekend plan for two in at most four sentences."),
            ("human", "Transport: {transport}\nStay: {stay}\nWeather: {weather}"),
        ]
    )
    script = ((_TRANSPORT, Answer(text=PLAN)),)
    model = FakeChatModel(name=GPT_4_1.name, persona=GPT_4_1, script=script, pace=pace)
    return parts | prompt | model | StrOutputParser()


def play(stage: Stage) -> tuple[object, ...]:
    """Record one plan."""
    config = stage.config(
        NAME,
        tags=("async", "nested", "beta-testers"),
        session_id="trip-2207",
        user_id="lena",
        app_version="3.2.0",
        nights=1,
    )
    return (asyncio.run(_chain(stage.pace).ainvoke({"town": "Ålesund"}, config)),)
