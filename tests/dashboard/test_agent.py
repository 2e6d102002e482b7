"""The MCP server, asked by the real client: its tools answer shortly and rightly."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from mcp import Client, StdioServerParameters

from longpole.dashboard.agent.server import Tools, build_server
from longpole.dashboard.cli.main import main
from longpole.dashboard.settle import look_at
from longpole.model.pricing import PriceBook
from longpole.storage import RunQuery, open_store


def _called(store: Path, tool: str, **arguments: Any) -> Any:
    """Call a tool in process; return what it answered, or raise its error as text."""

    async def call() -> Any:
        async with Client(build_server(str(store))) as client:
            return await client.call_tool(tool, arguments)

    result = asyncio.run(call())
    if result.is_error:
        raise RuntimeError(result.content[0].text)
    return result.structured_content


def test_the_tools_say_what_they_do_and_that_they_only_read(demo: Path) -> None:
    async def listed() -> Any:
        async with Client(build_server(str(demo))) as client:
            return (await client.list_tools()).tools

    tools = {tool.name: tool for tool in asyncio.run(listed())}
    assert set(tools) == {tool.__name__ for tool in Tools("").all()}
    assert all(tool.annotations.read_only_hint and tool.description for tool in tools.values())


def test_runs_are_found_by_filter_and_order(demo: Path) -> None:
    found = _called(demo, "find_runs", filter="name:stock-agent")
    assert (found["matching"], found["runs"][0]["chain"]) == (1, "stock-agent")
    walls = [run["wall_ms"] for run in _called(demo, "find_runs", order="wall")["runs"]]
    assert walls == sorted(walls, reverse=True)


def test_an_agent_finds_the_runs_that_the_command_line_lists(demo: Path) -> None:
    found = _called(demo, "find_runs", filter="has:retry OR status:error", order="cost")
    arguments = ["runs", "has:retry OR status:error", "--order", "cost", "--json"]
    listed = CliRunner().invoke(main, [*arguments, "--store", str(demo)])
    runs = json.loads(listed.stdout)["runs"]

    assert len(runs) == found["matching"] > 0
    assert [(run["run_id"], run["status"]) for run in found["runs"]] == [
        (run["run_id"], run["status"]) for run in runs
    ]


def test_why_slow_tells_path_branches_and_what_is_worth_shortening(demo: Path) -> None:
    run_id = _called(demo, "find_runs", filter="name:weekend-planner")["runs"][0]["run_id"]
    told = _called(demo, "why_slow", run=run_id)

    store = open_store(str(demo), mode="read")
    analysis = look_at(store, run_id, book=PriceBook(), now_ns=0)
    store.close()
    assert told["wall_ms"] == round(analysis.facts.wall_ns / 1e6, 3)
    items = told["on_the_critical_path"]
    assert sum(item.get("on_path_ms", 0) for item in items) <= told["wall_ms"] + 0.01
    drags = [facts.drag_ns for span_id, facts in analysis.spans.items()]
    assert max(drags) > 0
    best = told["worth_shortening"][0]["run_ends_sooner_by_at_most_ms"]
    below_root = [
        facts.drag_ns
        for span_id, facts in analysis.spans.items()
        if span_id != analysis.run.root_span_id
    ]
    assert best == round(max(below_root) / 1e6, 3)
    assert told["fan_outs"][0]["long_pole"] in {
        one["key"] for one in told["fan_outs"][0]["branches"]
    }


def test_a_failed_run_tells_its_error_where_it_arose(demo: Path) -> None:
    run = _called(demo, "find_runs", filter="status:error")["runs"][0]
    told = _called(demo, "why_slow", run=run["run_id"])
    assert told["status"] == "error"
    assert told["errors"][0]["type"]


def test_two_runs_differ_by_what_adds_up_to_the_walls(demo: Path) -> None:
    runs = _called(demo, "find_runs", filter="name:incident-panel")["runs"]
    told = _called(demo, "compare_runs", before=runs[1]["run_id"], after=runs[0]["run_id"])
    delta_ms = runs[0]["wall_ms"] - runs[1]["wall_ms"]
    assert told["wall_delta_ms"] == pytest.approx(delta_ms, abs=0.01)
    assert told["differences"]


def test_what_if_answers_in_a_sentence_and_in_numbers(demo: Path) -> None:
    told = _called(demo, "what_if", changes=["*:faster=2"], run="last")
    assert "if everything were 2.0× as fast" in told["answer"]
    assert told["runs"][0]["wall_ns"] < told["runs"][0]["wall_before_ns"]
    several = _called(demo, "what_if", changes=["*:faster=2"], filter="name:incident-panel")
    assert several["together"]["after"]["p50_ns"] < several["together"]["before"]["p50_ns"]


def test_chains_are_listed_and_one_is_told_in_full(demo: Path) -> None:
    chains = {one["name"]: one for one in _called(demo, "chains")["chains"]}
    assert chains["incident-panel"]["runs"] == 6
    told = _called(demo, "chain", name="incident")
    assert told["chain"]["name"] == "incident-panel"
    assert told["fan_outs"]


def test_two_sets_are_compared_with_a_verdict(demo: Path) -> None:
    told = _called(demo, "compare_sets", before="name:incident-panel", after="name:incident-panel")
    assert told["delta"]["mean_wall_ns"] == 0
    assert told["answer"]


@pytest.mark.parametrize(
    ("tool", "arguments", "message"),
    [
        ("why_slow", {"run": "nowhere"}, "no run matches 'nowhere'"),
        ("find_runs", {"filter": "colour:red"}, "unknown field 'colour'"),
        ("find_runs", {"order": "beauty"}, "there is no order 'beauty', expected one of start"),
        ("what_if", {"changes": ["x:fly"], "run": "last"}, "fly"),
        ("what_if", {"changes": [], "run": "last"}, "say what is different"),
        ("chain", {"name": "nobody"}, "no chain is called 'nobody'"),
        ("compare_sets", {"before": "name:x", "after": "name:y"}, "name:x and name:y"),
    ],
)
def test_what_cannot_be_answered_says_what_was_expected(
    demo: Path, tool: str, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(RuntimeError) as raised:
        _called(demo, tool, **arguments)
    assert message in str(raised.value)


def test_an_agent_starts_the_command_and_speaks_through_its_pipes(demo: Path) -> None:
    command = StdioServerParameters(
        command=sys.executable,
        args=["-m", "longpole.dashboard.cli", "mcp", "--store", str(demo)],
    )

    async def asked() -> Any:
        async with Client(command) as client:
            return (await client.call_tool("find_runs", {})).structured_content

    store = open_store(str(demo), mode="read")
    total = store.list_runs(RunQuery()).total
    store.close()
    assert asyncio.run(asked())["matching"] == total


def test_every_tool_is_documented() -> None:
    page = (Path(__file__).parent.parent.parent / "docs" / "agents.md").read_text()
    documented = set(re.findall(r"^\| `(\w+)` \|", page, re.M))
    assert documented == {tool.__name__ for tool in Tools("").all()}
