"""A refund request through a small LangGraph: two supersteps in which nodes run side by side."""

from __future__ import annotations

from typing import Any, Final, TypedDict

from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import Runnable
from langgraph.graph import END, START, StateGraph

from longpole.tracer.demo.models import Answer, FakeChatModel
from longpole.tracer.demo.pace import Pace
from longpole.tracer.demo.personas import CLAUDE_HAIKU, GEMINI_FLASH, GPT_4O_MINI, Persona
from longpole.tracer.demo.stage import Stage

NAME: Final = "refund-request"
REQUEST: Final = "The grinder I bought in May stopped after four weeks. I would like my money back."
DRAFT: Final = (
    "Dear Ms Okafor, I am sorry that your grinder gave up so soon. It is within its two-year "
    "guarantee, so we refund €89.00 to your card within five working days. A return label is "
    "attached."
)


class Case(TypedDict, total=False):
    """What is known about the request so far."""

    request: str
    order: str
    policy: str
    mood: str
    draft: str
    facts: str
    tone: str


def _ask(task: str, phrase: str, reply: str, persona: Persona, pace: Pace) -> Runnable[Any, str]:
    prompt = ChatPromptTemplate.from_messages([("system", task), ("human", "{text}")])
    script = ((phrase, Answer(text=reply)),)
    model = FakeChatModel(name=persona.name, persona=persona, script=script, pace=pace)
    return prompt | model | StrOutputParser()


def _graph(pace: Pace) -> Runnable[Any, Any]:
    classify = _ask(
        "Name the customer's mood in one word.", REQUEST, "Disappointed", GEMINI_FLASH, pace
    )
    write = _ask("Write the reply: polite, three sentences.", "two years", DRAFT, GPT_4O_MINI, pace)
    check_facts = _ask(
        "Does the reply agree with order and policy?",
        DRAFT,
        "Yes: €89.00 and the two-year guarantee agree with order 70412.",
        CLAUDE_HAIKU,
        pace,
    )
    check_tone = _ask("Is the tone right?", DRAFT, "Warm and brief.", GEMINI_FLASH, pace)

    def find_order(state: Case) -> Case:
        pace.wait(0.14)
        return {"order": "Order 70412, burr grinder, €89.00, paid by card on 21 May."}

    def find_policy(state: Case) -> Case:
        pace.wait(0.38)
        return {"policy": "Defects: two years, refund or replacement, the customer chooses."}

    def read_mood(state: Case) -> Case:
        return {"mood": classify.invoke({"text": state["request"]})}

    def write_reply(state: Case) -> Case:
        text = "\n".join([state["request"], state["order"], state["policy"], state["mood"]])
        return {"draft": write.invoke({"text": text})}

    def verify_facts(state: Case) -> Case:
        text = "\n".join([state["order"], state["policy"], state["draft"]])
        return {"facts": check_facts.invoke({"text": text})}

    def verify_tone(state: Case) -> Case:
        return {"tone": check_tone.invoke({"text": state["draft"]})}

    graph = StateGraph(Case)
    for node in (find_order, find_policy, read_mood, write_reply, verify_facts, verify_tone):
        graph.add_node(node.__name__, node)
    for first in ("find_order", "find_policy", "read_mood"):
        graph.add_edge(START, first)
    graph.add_edge(["find_order", "find_policy", "read_mood"], "write_reply")
    for last in ("verify_facts", "verify_tone"):
        graph.add_edge("write_reply", last)
        graph.add_edge(last, END)
    return graph.compile(name=NAME)


def play(stage: Stage) -> tuple[object, ...]:
    """Record one request."""
    config = stage.config(NAME, tags=("langgraph",), session_id="case-8841", user_id="okafor")
    return (_graph(stage.pace).invoke({"request": REQUEST}, config),)
