"""A panel of three models and a judge, asked six times: the largest model is the long pole."""

from __future__ import annotations

from typing import Any, Final

from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import Runnable, RunnableParallel

from longpole.tracer.demo.models import Answer, FakeChatModel, Script
from longpole.tracer.demo.pace import Pace
from longpole.tracer.demo.personas import (
    CLAUDE_SONNET,
    GEMINI_FLASH,
    GPT_4_1,
    GPT_4O_MINI,
    Persona,
)
from longpole.tracer.demo.scenes.incidents import INCIDENTS
from longpole.tracer.demo.stage import Stage

NAME: Final = "incident-panel"
SLOW_MODEL: Final = "sonnet"

_OPINIONS: Final[dict[str, Script]] = {
    "sonnet": tuple((incident.report, Answer(text=incident.sonnet)) for incident in INCIDENTS),
    "mini": tuple((incident.report, Answer(text=incident.mini)) for incident in INCIDENTS),
    "flash": tuple((incident.report, Answer(text=incident.flash)) for incident in INCIDENTS),
}
# The judge is shown the opinions, not the report.
_VERDICTS: Final[Script] = tuple(
    (incident.sonnet, Answer(text=incident.verdict)) for incident in INCIDENTS
)


def _panelist(key: str, persona: Persona, pace: Pace, seed: int) -> Runnable[dict[str, Any], str]:
    prompt = ChatPromptTemplate.from_messages(
        [
            (
                "system",
                "You are on call. Say in at most three sentences what most likely caused the "
                "incident and what to do next.",
            ),
            ("human", "{report}"),
        ]
    )
    model = FakeChatModel(
        name=persona.name, persona=persona, script=_OPINIONS[key], pace=pace, seed=seed
    )
    return prompt | model | StrOutputParser()


def _chain(pace: Pace, seed: int) -> Runnable[Any, str]:
    panel: RunnableParallel[Any] = RunnableParallel(
        sonnet=_panelist("sonnet", CLAUDE_SONNET, pace, seed),
        mini=_panelist("mini", GPT_4O_MINI, pace, seed),
        flash=_panelist("flash", GEMINI_FLASH, pace, seed),
    )
    prompt = ChatPromptTemplate.from_messages(
        [
            ("system", "Three engineers explain one incident. Name the best and say why."),
            ("human", "Sonnet: {sonnet}\n\nMini: {mini}\n\nFlash: {flash}"),
        ]
    )
    judge = FakeChatModel(
        name=GPT_4_1.name, persona=GPT_4_1, script=_VERDICTS, pace=pace, seed=seed
    )
    return panel | prompt | judge | StrOutputParser()


def play(stage: Stage) -> tuple[object, ...]:
    """Record one run for each incident; the incident's number is the seed."""
    return tuple(
        _chain(stage.pace, seed).invoke(
            {"report": incident.report},
            stage.config(NAME, tags=("panel",), session_id="on-call-week-47", user_id="dana"),
        )
        for seed, incident in enumerate(INCIDENTS, start=1)
    )
