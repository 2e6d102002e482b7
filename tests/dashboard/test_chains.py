"""`longpole chains` and the comparison of two sets: what they say of many runs."""

from __future__ import annotations

import doctest
import json
import re
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from longpole.dashboard import difference, places, set_difference
from longpole.dashboard.cli.main import main
from longpole.model import Kind, Run, Span, SpanError, Status, assemble
from longpole.storage import open_store
from longpole.storage.run_events import events_from_run
from tests.analysis.panels import Panel, panel_run
from tests.drawings import BEGIN_NS
from tests.storage.exchange.stores import RECORDER

PRICED = "gpt-4o-mini-2024-07-18"
LIMITED = SpanError(type="openai.RateLimitError", message="429: request 17 was refused")


def filled(path: Path, runs: Sequence[Run]) -> Path:
    store = open_store(str(path), mode="write")
    store.write(RECORDER, [event for run in runs for event in events_from_run(run)])
    store.close()
    return path


def usual(at: int) -> Panel:
    """A run whose long pole is `web`, but for every eighth, in which `notes` is slow."""
    notes = 900 + at if at % 8 == 0 else 100
    return Panel(web=300 + at % 7, notes=notes, tags=("v1",), model=PRICED)


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty runs of one chain, twenty of them after a change that made `web` slower; one other."""
    panels = [usual(at) for at in range(40)]
    panels += [Panel(web=700 + at % 7, tags=("v2",), model=PRICED) for at in range(19)]
    panels += [Panel(web=700, tags=("v2",), model=PRICED, error=LIMITED), Panel(name="other")]
    runs = [panel_run(number, panel) for number, panel in enumerate(panels, start=1)]
    return filled(tmp_path_factory.mktemp("chains") / "runs.db", runs)


def longpole(*arguments: str, store: Path, width: int = 120) -> Result:
    return CliRunner(env={"COLUMNS": str(width)}).invoke(main, [*arguments, "--store", str(store)])


def shown(*arguments: str, store: Path, width: int = 120) -> str:
    result = longpole(*arguments, store=store, width=width)
    assert result.exit_code == 0, result.output
    return result.stdout


def as_json(*arguments: str, store: Path) -> Any:
    return json.loads(shown(*arguments, "--json", store=store))


def test_chains_are_listed_with_what_bounds_them(store: Path) -> None:
    heading, panel, other = shown("chains", store=store).splitlines()

    assert heading.split()[:5] == ["chain", "runs", "failed", "p50", "p95"]
    assert re.match(r"panel +60 +1\.7 %", panel)
    assert re.search(r"\d\d % web$", panel)
    assert other.startswith("other")


def test_one_chain_is_shown_in_full(store: Path) -> None:
    text = shown("chains", "panel", store=store)

    assert "panel  60 runs" in text
    assert "1.7 % failed" in text
    assert re.search(r"92 % +82 % … 96 % +web +60", text)
    assert re.search(r"what makes the 5 slowest runs slow.*: 988 ms against", text)
    assert "slower since 2026-09-21 14:14:0" in text
    assert "RateLimitError: 429: request <n> was refused" in text
    assert "rate limit" in text


@pytest.mark.parametrize("width", [80, 120, 160])
@pytest.mark.parametrize("command", [("chains",), ("chains", "panel", "--all")])
def test_no_line_is_wider_than_the_terminal(
    store: Path, width: int, command: tuple[str, ...]
) -> None:
    lines = shown(*command, store=store, width=width).splitlines()

    assert max(len(line) for line in lines) <= width


def test_the_json_of_a_chain_adds_up(store: Path) -> None:
    document = as_json("chains", "panel", store=store)
    chain = document["chain"]

    assert document["schema"] == 1
    assert (document["runs"], document["matching_runs"]) == (60, 60)
    assert sum(place["own_path_ns"] for place in document["places"]) == chain["wall_ns"]
    for fan_out in document["fan_outs"]:
        assert sum(one["share"] for one in fan_out["branches"]) == pytest.approx(1)
    for rows in document["costs"].values():
        assert sum(Decimal(row["cost_usd"]) for row in rows) == Decimal(chain["cost_usd"])
    tail = document["tail"]
    assert sum(place["excess_ns"] for place in tail["places"]) == pytest.approx(
        tail["slow_wall_ns"] - tail["usual_wall_ns"], abs=len(tail["places"])
    )
    assert [change["ratio"] > 1 for change in document["changes"]] == [True]
    assert sum(bucket["runs"] for bucket in document["trend"]) == 60
    (error,) = document["errors"]
    assert error["is_rate_limit"]
    assert error["position"] == ["panel", "check"]


def test_the_json_of_all_chains_says_what_bounds_each(store: Path) -> None:
    document = as_json("chains", store=store)

    assert [chain["name"] for chain in document["chains"]] == ["panel", "other"]
    bound = document["chains"][0]["bound_by"]
    assert bound["position"] == ["panel", "experts", "web"]
    assert bound["is_branch"]
    assert (document["chains"][1]["cost_usd"], document["chains"][1]["unpriced_calls"]) == (None, 2)


def test_older_runs_that_are_left_out_are_told(store: Path) -> None:
    assert "the newest 25 runs of 61; more with --limit" in shown(
        "chains", "--limit", "25", store=store
    )
    assert as_json("chains", "--limit", "25", store=store)["runs"] == 25


def test_a_filter_chooses_the_runs(store: Path) -> None:
    document = as_json("chains", "panel", "--filter", "tag:v2", store=store)

    assert document["runs"] == 20
    assert longpole("chains", "--filter", "wall>", store=store).exit_code == 2
    assert shown("chains", "--filter", "tag:nobody", store=store) == "no run fits\n"


def test_the_beginning_of_a_name_will_do(store: Path) -> None:
    assert shown("chains", "pan", store=store) == shown("chains", "panel", store=store)


def test_a_name_that_fits_none_or_several_is_refused(store: Path, tmp_path: Path) -> None:
    none = longpole("chains", "nobody", store=store)
    runs = [panel_run(1, Panel(name="one-a")), panel_run(2, Panel(name="one-b"))]
    several = longpole("chains", "one", store=filled(tmp_path / "two.db", runs))

    assert (none.exit_code, several.exit_code) == (1, 1)
    assert "no chain is called 'nobody'" in none.stderr
    assert "'one' fits 2 chains: one-a, one-b" in several.stderr


def test_runs_that_have_not_ended_are_left_out_and_counted(tmp_path: Path) -> None:
    running = Span(
        span_id="a" * 16,
        parent_span_id=None,
        name="panel",
        kind=Kind.CHAIN,
        start_ns=BEGIN_NS,
        end_ns=None,
        status=Status.RUNNING,
    )
    runs = [panel_run(1, Panel()), assemble("a" * 32, [running])]
    text = shown("chains", store=filled(tmp_path / "runs.db", runs))

    assert "1 run running or lost left out" in text
    assert "panel     1" in text


def test_a_store_without_runs_says_how_to_get_some(tmp_path: Path) -> None:
    assert "longpole demo" in shown("chains", store=filled(tmp_path / "empty.db", []))


def test_few_runs_have_no_tail_and_say_how_many_are_needed(tmp_path: Path) -> None:
    runs = [panel_run(number, Panel()) for number in range(3)]
    text = shown("chains", "panel", store=filled(tmp_path / "few.db", runs))

    assert "slow runs: 20 runs are needed, there are 3" in text


def test_runs_of_another_structure_are_told(tmp_path: Path) -> None:
    runs = [panel_run(number, Panel()) for number in range(4)]
    short = runs[-1]
    kept = [span for span in short.spans if span.name != "check"]
    runs[-1] = assemble(short.run_id, kept)
    text = shown("chains", "panel", store=filled(tmp_path / "shapes.db", runs))

    assert "2 structures: 75 % of the runs are alike" in text
    assert "25 % without check" in text


def test_every_chain_of_the_demo_is_shown(demo: Path) -> None:
    for chain in as_json("chains", store=demo)["chains"]:
        document = as_json("chains", chain["name"], store=demo)
        whole = document["chain"]

        assert whole == chain
        assert sum(place["own_path_ns"] for place in document["places"]) == whole["wall_ns"]
        assert chain["name"] in shown("chains", chain["name"], store=demo, width=80)


# --- two sets -----------------------------------------------------------------------------------


def test_two_sets_are_compared_and_the_culprit_is_named(store: Path) -> None:
    text = shown("compare", "--before", "tag:v1", "--after", "tag:v2", store=store)

    assert re.search(r"before +40 runs +panel", text)
    assert re.search(r"\d+ % slower: p50 375 ms → 774 ms, 95 % between \+39\d ms … ", text)
    assert "mostly through web (+" in text
    assert re.search(r"^web +\d+ ms +\d+ ms +\+\d+ ms +\+\d+ ms … \+\d+ ms", text, re.M)


def test_the_other_way_round_the_sets_are_faster(store: Path) -> None:
    text = shown("compare", "--before", "tag:v2", "--after", "tag:v1", store=store)

    assert re.search(r"\d+ % faster: p50 774 ms → 375 ms", text)


def test_equal_sets_do_not_differ(store: Path) -> None:
    text = shown("compare", "--before", "tag:v1", "--after", "tag:v1", store=store)

    assert "as long as before: p50 375 ms → 375 ms" in text


def test_what_can_be_chance_is_called_so(tmp_path: Path) -> None:
    runs = [
        panel_run(at, Panel(web=200 + (at * 37) % 100, tags=("odd" if at % 2 else "even",)))
        for at in range(30)
    ]
    store = filled(tmp_path / "runs.db", runs)
    text = shown("compare", "--before", "tag:odd", "--after", "tag:even", store=store)

    assert "no difference beyond chance" in text
    assert "mostly through" not in text


def test_with_few_runs_it_says_how_many_are_needed(store: Path) -> None:
    command = ("compare", "--before", "tag:v1", "--after", "tag:v2", "--limit", "3")
    text = shown(*command, store=store)
    document = as_json(*command, store=store)

    assert "not enough runs: at least 5 a side are needed, before has 3, after has 3" in text
    assert "which may be chance" in text
    assert (document["between"], document["runs_needed"]) == (None, 5)


def test_the_json_of_two_sets_adds_up(store: Path) -> None:
    document = as_json("compare", "--before", "tag:v1", "--after", "tag:v2", store=store)
    total = sum(place["delta_ns"] for place in document["places"])

    assert total == pytest.approx(document["delta"]["mean_wall_ns"], abs=len(document["places"]))
    assert document["places"][0]["position"] == ["experts", "web"]
    low, high = document["between"]["p50_wall_ns"]
    assert low <= document["delta"]["p50_wall_ns"] <= high


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("last",),
        ("--before", "tag:v1"),
        ("last", "--before", "tag:v1", "--after", "tag:v2"),
        ("last", "last", "--before", "tag:v1"),
    ],
)
def test_two_runs_or_two_sets_must_be_named(store: Path, arguments: tuple[str, ...]) -> None:
    result = longpole("compare", *arguments, store=store)

    assert result.exit_code == 2
    assert "name two runs, or two sets" in result.stderr


def test_a_set_without_runs_is_a_problem(store: Path) -> None:
    result = longpole("compare", "--before", "tag:v1", "--after", "tag:v9", store=store)

    assert result.exit_code == 1
    assert "--after chooses no run" in result.stderr


@pytest.mark.parametrize("width", [80, 120])
def test_two_sets_fit_the_terminal(store: Path, width: int) -> None:
    command = ("compare", "--before", "tag:v1", "--after", "tag:v2", "--all")

    assert all(
        len(line) <= width for line in shown(*command, store=store, width=width).splitlines()
    )


@pytest.mark.parametrize("module", [difference, places, set_difference])
def test_the_examples_in_the_code_hold(module: object) -> None:
    assert doctest.testmod(module).failed == 0  # type: ignore[arg-type]
