"""Twenty interview notes, read four at a time by a LangGraph `Send` map, then one report."""

from __future__ import annotations

import operator
from typing import Annotated, Any, Final, TypedDict

from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import Runnable
from langgraph.graph import END, START, StateGraph
from langgraph.types import Send

from longpole.tracer.demo.models import Answer, FakeChatModel
from longpole.tracer.demo.pace import Pace
from longpole.tracer.demo.personas import CLAUDE_HAIKU, GPT_4_1
from longpole.tracer.demo.scenes.notes import NOTES
from longpole.tracer.demo.stage import Stage

NAME: Final = "interview-report"
LIMIT: Final = 4
REPORT: Final = (
    "Three findings stand out. Setting up the first project takes people an afternoon, mostly "
    "because importing loses column types. Teams trust the forecast once they have seen how it is "
    "made, and ignore it before. Everybody who works on site asks for offline mode. Price is "
    "rarely named; being surprised by the invoice is."
)


class Task(TypedDict):
    """One note on its way to a reader."""

    note: str


class Study(TypedDict):
    """The notes, and what was found in them."""

    notes: list[str]
    findings: Annotated[list[str], operator.add]
    report: str


def _reader(pace: Pace) -> Runnable[Any, str]:
    prompt = ChatPromptTemplate.from_messages(
        [
            ("system", "State the one finding of this interview note in a short sentence."),
            ("human", "{note}"),
        ]
    )
    script = tuple((note.text, Answer(text=note.finding)) for note in NOTES)
    model = FakeChatModel(name=CLAUDE_HAIKU.name, persona=CLAUDE_HAIKU, script=script, pace=pace)
    return prompt | model | StrOutputParser()


def _writer(pace: Pace) -> Runnable[Any, str]:
    prompt = ChatPromptTemplate.from_messages(
        [
            ("system", "Write a report of at most five sentences about these findings."),
            ("human", "{findings}"),
        ]
    )
    script = ((NOTES[0].finding, Answer(text=REPORT)),)
    model = FakeChatModel(name=GPT_4_1.name, persona=GPT_4_1, script=script, pace=pace)
    return prompt | model | StrOutputParser()


def _send_each(study: Study) -> list[Send]:
    return [Send("read_note", Task(note=note)) for note in study["notes"]]


def _graph(pace: Pace) -> Runnable[Any, Any]:
    reader, writer = _reader(pace), _writer(pace)

    def read_note(state: Task) -> dict[str, list[str]]:
        return {"findings": [reader.invoke(dict(state))]}

    def write_report(state: Study) -> dict[str, str]:
        return {"report": writer.invoke({"findings": "\n".join(state["findings"])})}

    graph = StateGraph(Study)
    graph.add_node("read_note", read_note)
    graph.add_node("write_report", write_report)
    graph.add_conditional_edges(START, _send_each, ["read_note"])
    graph.add_edge("read_note", "write_report")
    graph.add_edge("write_report", END)
    return graph.compile(name=NAME)


def play(stage: Stage) -> tuple[object, ...]:
    """Record one study of twenty notes."""
    config = stage.config(NAME, tags=("langgraph", "map"), session_id="study-12", user_id="noor")
    config["max_concurrency"] = LIMIT
    notes = [note.text for note in NOTES]
    return (_graph(stage.pace).invoke({"notes": notes}, config),)
