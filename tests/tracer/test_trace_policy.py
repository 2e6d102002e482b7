"""A node's own wish what is recorded of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypedDict

import pytest
from langchain_core.runnables import RunnableLambda
from langgraph.graph import END, START, StateGraph
from langgraph.types import TracePolicy, omit_payload

from longpole.model import Run
from tests.tracer.conftest import Recording, spans_named


class State(TypedDict):
    text: str


def graph(policy: TracePolicy | None) -> Any:
    builder: StateGraph[Any] = StateGraph(State)
    work: RunnableLambda[State, Any] = RunnableLambda(lambda state: {"text": "secret answer"})
    builder.add_node("work", work, trace_policy=policy)
    builder.add_edge(START, "work")
    builder.add_edge("work", END)
    return builder.compile()


def stream(graph: Any, state: State, config: Any) -> None:
    list(graph.stream(state, config))


async def astream(graph: Any, state: State, config: Any) -> None:
    async for _ in graph.astream(state, config):
        pass


WAYS: dict[str, Callable[..., Any]] = {
    "invoke": lambda graph, state, config: graph.invoke(state, config),
    "ainvoke": lambda graph, state, config: asyncio.run(graph.ainvoke(state, config)),
    "stream": stream,
    "astream": lambda graph, state, config: asyncio.run(astream(graph, state, config)),
}


def payloads(recording: Recording, run: Run) -> tuple[str | None, str | None]:
    content = recording.content(spans_named(run, "work")[0])
    return content.input_value, content.output_value


@pytest.mark.parametrize("way", WAYS)
def test_a_payload_that_is_omitted_is_not_recorded(recording: Recording, way: str) -> None:
    policy = TracePolicy(process_inputs=omit_payload, process_outputs=omit_payload)
    WAYS[way](graph(policy), {"text": "secret question"}, recording.config)

    assert payloads(recording, recording.run()) == ("{}", "{}")


def test_a_payload_is_recorded_as_the_policy_processes_it(recording: Recording) -> None:
    policy = TracePolicy(process_inputs=lambda state: "in", process_outputs=lambda state: "out")
    graph(policy).invoke({"text": "secret question"}, recording.config)

    assert payloads(recording, recording.run()) == ("in", "out")


def test_without_a_policy_all_is_recorded(recording: Recording) -> None:
    graph(None).invoke({"text": "question"}, recording.config)

    assert payloads(recording, recording.run()) == (
        '{"text":"question"}',
        '{"text":"secret answer"}',
    )


def test_an_output_whose_processor_fails_is_not_recorded(
    recording: Recording, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(state: object) -> object:
        raise ValueError("no")

    graph(TracePolicy(process_outputs=fail)).invoke({"text": "question"}, recording.config)

    assert payloads(recording, recording.run()) == ('{"text":"question"}', "{}")
