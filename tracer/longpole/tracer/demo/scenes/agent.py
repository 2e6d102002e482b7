"""An agent that asks for three tools at once: LangGraph's `ToolNode` runs them side by side."""

from __future__ import annotations

from typing import Any, Final

from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool, StructuredTool
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition

from longpole.tracer.demo.models import Answer, FakeChatModel, ToolRequest
from longpole.tracer.demo.pace import Pace
from longpole.tracer.demo.personas import GPT_4_1
from longpole.tracer.demo.stage import Stage

NAME: Final = "stock-agent"
QUESTION: Final = "Can we promise 40 oak tables to the hotel in Graz by 12 June?"
REPLY: Final = (
    "Yes, with one delivery in two parts: 28 tables are in stock and leave on Monday, the other 12 "
    "come from the workshop on 2 June and reach Graz by 8 June."
)

_STOCK: Final = "oak table T-40: 31 in stock, 3 reserved"
_WORKSHOP: Final = "next free slot 26 May, 12 tables finished by 2 June"
_CARRIER: Final = "Graz: two working days, pallets leave Mondays and Thursdays"


def _tool(name: str, description: str, result: str, latency_s: float, pace: Pace) -> BaseTool:
    def look_up(item: str) -> str:
        pace.wait(latency_s)
        return result

    return StructuredTool.from_function(look_up, name=name, description=description)


def _graph(pace: Pace) -> Runnable[Any, Any]:
    tools = [
        _tool("stock_level", "Pieces of an item in stock.", _STOCK, 0.12, pace),
        _tool("workshop_slots", "When the workshop can build an item.", _WORKSHOP, 0.55, pace),
        _tool("carrier_times", "Delivery times to a town.", _CARRIER, 0.21, pace),
    ]
    wishes = (
        ToolRequest("stock_level", {"item": "T-40"}),
        ToolRequest("workshop_slots", {"item": "T-40"}),
        ToolRequest("carrier_times", {"item": "Graz"}),
    )
    # Once the tools have answered, their results are in the prompt beside the question.
    script = ((_WORKSHOP, Answer(text=REPLY)), (QUESTION, Answer(requests=wishes)))
    model = FakeChatModel(name=GPT_4_1.name, persona=GPT_4_1, script=script, pace=pace)
    bound = model.bind_tools(tools)
    task = SystemMessage("You answer the sales team. Look things up before you promise anything.")

    def think(state: MessagesState) -> dict[str, list[AIMessage]]:
        return {"messages": [bound.invoke([task, *state["messages"]])]}

    graph = StateGraph(MessagesState)
    graph.add_node("think", think)
    graph.add_node("tools", ToolNode(tools))
    graph.add_edge(START, "think")
    graph.add_conditional_edges("think", tools_condition)
    graph.add_edge("tools", "think")
    return graph.compile(name=NAME)


def play(stage: Stage) -> tuple[object, ...]:
    """Record one question."""
    config = stage.config(NAME, tags=("langgraph", "agent"), session_id="sales-77", user_id="jo")
    result = _graph(stage.pace).invoke({"messages": [HumanMessage(QUESTION)]}, config)
    return (result["messages"][-1].text,)
