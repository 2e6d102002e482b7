"""A sales lead looked up from three sides; one answer is cut off, and that ends the run."""

from __future__ import annotations

from typing import Any, Final

from langchain_core.output_parsers import PydanticOutputParser, StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import Runnable, RunnableParallel
from pydantic import BaseModel

from longpole.tracer.demo.models import Answer, FakeChatModel, Script
from longpole.tracer.demo.pace import Pace
from longpole.tracer.demo.personas import CLAUDE_HAIKU, GEMINI_FLASH, GPT_4O_MINI, Persona
from longpole.tracer.demo.stage import Stage

_COMPANY: Final = "Fjellvik Seafood AS"

_PROFILE: Final = Answer(
    text="Family business in Ålesund, about 140 people, sells smoked salmon to retailers in nine "
    "countries. It opened a second smokehouse this spring."
)
_NEWS: Final = Answer(
    text="Local papers report a new cold store next to the harbour and a contract with a Danish "
    "supermarket chain that starts in January."
)
# The token limit was set too low: the answer ends inside the last key.
_FIGURES: Final = Answer(
    text='{"revenue_eur": 61400000, "employees": 140, "sites": ["Ålesund", "Molde"], "cont',
    finish_reason="length",
)


class Figures(BaseModel):
    """What the sales team stores about a company."""

    revenue_eur: int
    employees: int
    sites: list[str]
    contact: str


def _ask(task: str, persona: Persona, answer: Answer, pace: Pace) -> Runnable[Any, Any]:
    script: Script = ((_COMPANY, answer),)
    prompt = ChatPromptTemplate.from_messages([("system", task), ("human", "{company}")])
    return prompt | FakeChatModel(name=persona.name, persona=persona, script=script, pace=pace)


def play(stage: Stage) -> tuple[object, ...]:
    """Record one lookup, which fails.

    Raises:
        OutputParserException: always; that is what the scene shows.
    """
    pace = stage.pace
    lookup: RunnableParallel[Any] = RunnableParallel(
        profile=_ask("Describe this company in two sentences.", GPT_4O_MINI, _PROFILE, pace)
        | StrOutputParser(),
        news=_ask("What is new about this company?", CLAUDE_HAIKU, _NEWS, pace) | StrOutputParser(),
        figures=_ask("Return key figures as JSON only.", GEMINI_FLASH, _FIGURES, pace)
        | PydanticOutputParser(pydantic_object=Figures),
    )
    config = stage.config("enrich-lead", tags=("crm",), session_id="lead-3391", user_id="ines")
    return (lookup.invoke({"company": _COMPANY}, config),)
