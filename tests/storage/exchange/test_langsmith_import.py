"""Runs that are in LangSmith, traced live or sent by Longpole, come in with their branches."""

from __future__ import annotations

import json
import operator
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, TypedDict

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.language_models import FakeListChatModel
from langchain_core.runnables import Runnable, RunnableLambda, RunnableParallel
from langchain_core.tools import tool
from langchain_core.tracers.langchain import LangChainTracer
from langgraph.graph import END, START, StateGraph
from langgraph.types import Send
from langsmith import Client

from longpole.dashboard.cli.main import main
from longpole.model import Kind, Run, Status, Usage
from longpole.storage import RunQuery, open_store
from longpole.storage.exchange.langsmith import told
from longpole.storage.exchange.langsmith.files import events_of_runs
from longpole.storage.exchange.parcel import Refused
from longpole.tracer import LongpoleHandler
from tests.langsmith.server import API_KEY, StandIn

Json = dict[str, Any]


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    with StandIn() as running:
        yield running


def longpole(stand_in: StandIn, *arguments: str, store: Path) -> Result:
    told_to = {"LANGSMITH_ENDPOINT": stand_in.url, "LANGSMITH_API_KEY": API_KEY, "COLUMNS": "120"}
    return CliRunner(env=told_to).invoke(main, [*arguments, "--store", str(store)])


def wait_for(stand_in: StandIn, count: int) -> None:
    """Wait till LangSmith's client has sent so many whole runs, from a thread of its own."""
    deadline = time.monotonic() + 30
    while sum(bool(run.get("end_time")) for run in stand_in.runs.values()) < count:
        assert time.monotonic() < deadline, "LangSmith's client did not send the runs"
        threading.Event().wait(0.02)


def runs_in(path: Path) -> list[Run]:
    opened = open_store(str(path), mode="read")
    try:
        return [opened.load_run(run_id) for run_id in opened.run_ids(RunQuery())]
    finally:
        opened.close()


class State(TypedDict):
    words: Annotated[list[str], operator.add]


def _fan_out_graph() -> Runnable[Any, Any]:
    graph = StateGraph(State)
    graph.add_node("plan", lambda _: {"words": ["plan"]})
    graph.add_node("write", lambda held: {"words": [str(held)]})
    graph.add_node("merge", lambda held: {"words": [str(len(held["words"]))]})
    graph.add_edge(START, "plan")
    graph.add_conditional_edges("plan", lambda _: [Send("write", n) for n in range(3)], ["write"])
    graph.add_edge("write", "merge")
    graph.add_edge("merge", END)
    return graph.compile()


@tool
def add(a: int, b: int) -> int:
    """Add."""
    return a + b


def _fails(_: Any) -> Any:
    raise ValueError("no such thing")


CHAINS: dict[str, tuple[Runnable[Any, Any], Any]] = {
    "nested parallels": (
        RunnableParallel(
            a=RunnableLambda(lambda _: 1) | RunnableLambda(lambda _: "hi"),
            b=RunnableParallel(x=RunnableLambda(lambda _: 1), y=RunnableLambda(lambda _: 2)),
        )
        | RunnableLambda(lambda held: str(held))
        | FakeListChatModel(responses=["done"]),
        1,
    ),
    "retries and a fallback": (
        RunnableLambda(_fails)
        .with_retry(stop_after_attempt=3, wait_exponential_jitter=False)
        .with_fallbacks([RunnableLambda(lambda _: 2)]),
        1,
    ),
    "a map": (RunnableLambda(lambda n: n + 1).map(), [1, 2, 3]),
    "a tool": (RunnableLambda(lambda _: {"a": 1, "b": 2}) | add, 1),
    "a LangGraph map-reduce": (_fan_out_graph(), {"words": []}),
}


def shape_of(run: Run) -> list[tuple[Any, ...]]:
    """Every span as a place in the tree, told without ids and times."""
    paths: dict[str, str] = {}
    for span in run.spans:
        above = "" if span.parent_span_id is None else paths[span.parent_span_id]
        paths[span.span_id] = f"{above}/{span.name}"
    return sorted(
        (
            paths[span.span_id],
            span.kind.value,
            str(span.role),
            str(span.branch),
            str(span.step),
            span.attempt,
            str(span.fan_out),
            str(span.order.group),
            str(span.order.seq),
            str(span.order.superstep),
            span.status.value,
            str(span.error and span.error.type.rpartition(".")[2]),
        )
        for span in run.spans
    )


@pytest.mark.parametrize("name", list(CHAINS))
def test_a_live_langsmith_trace_has_the_places_that_longpole_records(
    tmp_path: Path, stand_in: StandIn, name: str
) -> None:
    chain, value = CHAINS[name]
    client = Client(api_url=stand_in.url, api_key=API_KEY)
    tracer = LangChainTracer(client=client, project_name="live")
    handler = LongpoleHandler(str(tmp_path / "own.db"))
    chain.invoke(value, {"callbacks": [tracer, handler], "tags": ["prod"]})
    assert handler.flush(30.0)
    handler.close()
    (own,) = runs_in(tmp_path / "own.db")
    wait_for(stand_in, len(own.spans))
    client.cleanup()

    result = longpole(
        stand_in, "import", "langsmith", "--project", "live", store=tmp_path / "theirs.db"
    )
    assert result.exit_code == 0, result.output
    (theirs,) = runs_in(tmp_path / "theirs.db")
    assert shape_of(theirs) == shape_of(own)
    assert theirs.tags == own.tags == ("prod",)


def bare(run: Run) -> Run:
    """Without what is computed."""
    spans = tuple(replace(span, cost_usd=None, unpriced=None) for span in run.spans)
    return replace(run, spans=spans, trace_id=None)


def test_what_longpole_sent_comes_back_as_it_was(
    tmp_path: Path, stand_in: StandIn, demo: Path
) -> None:
    assert longpole(stand_in, "export", "langsmith", "--project", "p", store=demo).exit_code == 0
    back = tmp_path / "back.db"
    for _ in range(2):  # the second time changes nothing
        result = longpole(stand_in, "import", "langsmith", "--project", "p", store=back)
        assert result.exit_code == 0, result.output

    assert {run.run_id: bare(run) for run in runs_in(back)} == {
        run.run_id: bare(run) for run in runs_in(demo)
    }
    file = tmp_path / "runs.json"
    file.write_text(json.dumps(list(stand_in.runs.values())))
    from_file = tmp_path / "file.db"
    assert longpole(stand_in, "import", str(file), store=from_file).exit_code == 0
    assert len(runs_in(from_file)) == len(runs_in(demo))


def test_an_unknown_project_is_said(tmp_path: Path) -> None:
    with StandIn(projects=("other",)) as stand_in:
        result = longpole(
            stand_in, "import", "langsmith", "--project", "p", store=tmp_path / "s.db"
        )
    assert result.exit_code == 1
    assert "p" in result.stderr


def a_run(**more: Any) -> Json:
    base = {
        "id": "01a2125a-e8d4-7504-88bb-c5398c260cad",
        "trace_id": "01a2125a-e8d4-7504-88bb-c5398c260cad",
        "name": "answer",
        "run_type": "llm",
        "start_time": "2026-11-25T10:00:00.000001",
        "end_time": "2026-11-25T10:00:01",
        "inputs": {},
        "outputs": {},
    }
    return {**base, **more}


@pytest.mark.parametrize(
    ("error", "status", "error_type", "message"),
    [
        (
            "ValueError('no such')Traceback (most recent call last):\n x",
            "error",
            "ValueError",
            "no such",
        ),
        ("openai.RateLimitError: 429 slow", "error", "openai.RateLimitError", "429 slow"),
        ("GraphInterrupt((Interrupt(value='go?'),))", "interrupted", None, None),
        ("CancelledError()", "cancelled", None, None),
        ("it went wrong", "error", "Error", "it went wrong"),
    ],
)
def test_errors_are_read_as_people_wrote_them(
    error: str, status: str, error_type: str | None, message: str | None
) -> None:
    found, what = told.status_of(a_run(error=error))

    assert found.value == status
    assert (what and what.type, what and what.message) == (error_type, message)


@pytest.mark.parametrize(
    "outputs",
    [
        {"usage_metadata": {"input_tokens": 7, "output_tokens": 3}},
        {"llm_output": {"token_usage": {"prompt_tokens": 7, "completion_tokens": 3}}},
        {"usage": {"prompt_tokens": 7, "completion_tokens": 3}},
        {
            "generations": [
                [
                    {
                        "message": {
                            "kwargs": {"usage_metadata": {"input_tokens": 7, "output_tokens": 3}}
                        }
                    }
                ]
            ]
        },
    ],
)
def test_tokens_are_found_wherever_they_are_told(outputs: Json) -> None:
    attributes = told.attributes_of(a_run(outputs=outputs), Kind.LLM, {})

    assert attributes["gen_ai.usage.input_tokens"] == 7
    assert attributes["gen_ai.usage.output_tokens"] == 3


def test_a_run_that_came_in_while_it_ran_gets_its_end_later(tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    usage = {"usage_metadata": {"input_tokens": 7, "output_tokens": 3}}
    for run in (a_run(end_time=None, outputs=None), a_run(outputs={"output": "yes", **usage})):
        file.write_text(json.dumps([run]))
        result = CliRunner().invoke(main, ["import", str(file), "--store", str(tmp_path / "s.db")])
        assert result.exit_code == 0, result.output

    (run_,) = runs_in(tmp_path / "s.db")
    assert run_.status is Status.OK
    assert run_.root.usage == Usage(input_tokens=7, output_tokens=3)
    store = open_store(str(tmp_path / "s.db"))
    content = store.load_content(run_.run_id, run_.root_span_id)
    store.close()
    assert content is not None
    assert content.output_value == "yes"


def test_nested_and_half_bad_files_keep_their_good_part(tmp_path: Path, stand_in: StandIn) -> None:
    child = {"id": "01a2125a-e8d4-7504-88bb-000000000002", "run_type": "tool", "name": "look"}
    child["start_time"] = "2026-11-25T10:00:00.5"
    bad = a_run(id="no uuid", trace_id="01a2125a-e8d4-7504-88bb-c5398c260cad")
    lines = [a_run(child_runs=[child]), bad]
    file = tmp_path / "runs.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines) + "{broken\n")
    result = longpole(stand_in, "import", str(file), store=tmp_path / "s.db")

    assert result.exit_code == 1
    assert "1 run, 2 spans taken in" in result.output
    assert "2 parts could not be read" in result.output
    assert "'id' is 'no uuid', expected a UUID" in result.output
    (run,) = runs_in(tmp_path / "s.db")
    assert [span.name for span in run.spans] == ["answer", "look"]


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["messages", "generations", "message", "kwargs", "role", "content", "x"]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)
odd_runs = st.fixed_dictionaries(
    {},
    optional={
        "id": st.sampled_from(["01a2125a-e8d4-7504-88bb-c5398c260cad", "x", None]),
        "trace_id": st.just("01a2125a-e8d4-7504-88bb-c5398c260cad"),
        "start_time": st.sampled_from(["2026-11-25T10:00:00Z", "soon", 1795602180.5, None]),
        "end_time": values,
        "parent_run_id": st.sampled_from(["01a2125a-e8d4-7504-88bb-c5398c260cad", "y", None]),
        "name": values,
        "run_type": values,
        "tags": values,
        "error": values,
        "inputs": values,
        "outputs": values,
        "events": values,
        "extra": st.fixed_dictionaries({"metadata": values}) | values,
    },
)


@given(st.lists(odd_runs, max_size=4))
def test_no_run_is_too_odd(runs: list[Json]) -> None:
    refused = [item for item in events_of_runs(runs) if isinstance(item, Refused)]

    assert len(refused) <= len(runs)
