"""`longpole check`: the gate opens when budgets hold, and only then."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner, Result

from longpole.analysis.budgets import METRICS
from longpole.dashboard.cli.main import main

DOCS = Path(__file__).parent.parent.parent / "docs"


def _check(store: Path, tmp_path: Path, budgets: str, *arguments: str) -> Result:
    file = tmp_path / "budgets.toml"
    file.write_text(budgets)
    runner = CliRunner(env={"COLUMNS": "100"})
    return runner.invoke(main, ["check", str(file), *arguments, "--store", str(store)])


def _document(result: Result) -> Any:
    return json.loads(result.stdout)


def test_budgets_that_hold_open_the_gate(demo: Path, tmp_path: Path) -> None:
    result = _check(demo, tmp_path, '[chain."*"]\nmax_wall = "1h"\nllm_calls_per_run = 1000')
    assert result.exit_code == 0, result.output
    assert "every budget holds" in result.output


def test_one_broken_budget_closes_it_and_says_which(demo: Path, tmp_path: Path) -> None:
    budgets = '[chain.stock-agent]\nmax_wall = "1h"\n[chain.sort-inbox]\nmax_wall = "1us"'
    result = _check(demo, tmp_path, budgets, "--json")
    assert result.exit_code == 1
    said = _document(result)
    assert said["holds"] is False
    verdicts = {one["chain"]: one["holds"] for one in said["budgets"]}
    assert verdicts == {"stock-agent": True, "sort-inbox": False}
    broken = next(one for one in said["budgets"] if not one["holds"])
    assert broken["limit"] == 1000
    assert broken["measured"] > 1000
    assert broken["runs"] == 1


def test_the_table_shows_limit_and_measure(demo: Path, tmp_path: Path) -> None:
    result = _check(demo, tmp_path, '[chain.sort-inbox]\nmax_wall = "1us"\nspeedup = 0.1')
    assert "1 budget broken, 2 limits checked" in result.output
    assert re.search(r"✗ +sort-inbox +max_wall +≤ 1 µs +\d", result.output)
    assert re.search(r"✓ +sort-inbox +speedup +≥ 0.1 +\d", result.output)


def test_a_chain_without_a_run_is_not_let_through(demo: Path, tmp_path: Path) -> None:
    result = _check(demo, tmp_path, '[chain.nobody]\nmax_wall = "1h"')
    assert result.exit_code == 1
    assert "0 of 1 runs needed" in result.output


def test_a_filter_chooses_what_is_measured(demo: Path, tmp_path: Path) -> None:
    budgets = '[chain."*"]\nmax_wall = "1h"'
    result = _check(demo, tmp_path, budgets, "--filter", "name:sort-inbox", "--json")
    assert [one["chain"] for one in _document(result)["budgets"]] == ["sort-inbox"]


def test_ci_gets_one_case_a_limit(demo: Path, tmp_path: Path) -> None:
    xml = tmp_path / "budgets.xml"
    budgets = '[chain.sort-inbox]\nmax_wall = "1us"\nspeedup = 0.1'
    _check(demo, tmp_path, budgets, "--junit", str(xml))
    suite = ElementTree.parse(xml).getroot()
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    cases = {case.get("name"): case for case in suite}
    assert cases["speedup"].find("failure") is None
    failure = cases["max_wall"].find("failure")
    assert failure is not None
    assert "allowed ≤ 1 µs" in str(failure.get("message"))


@pytest.mark.parametrize(
    ("budgets", "message"),
    [("[chain.x]\np95_wal = '1s'", "did you mean p95_wall?"), ("[chain", "no TOML")],
)
def test_a_file_that_means_nothing_is_wrong_usage(
    demo: Path, tmp_path: Path, budgets: str, message: str
) -> None:
    result = _check(demo, tmp_path, budgets)
    assert result.exit_code == 2
    assert message in result.output


def test_a_file_that_is_not_there_is_wrong_usage(demo: Path) -> None:
    result = CliRunner().invoke(main, ["check", "/nowhere.toml", "--store", str(demo)])
    assert result.exit_code == 2


def test_every_limit_is_documented() -> None:
    page = (DOCS / "budgets.md").read_text()
    table = page[page.index("| limit |") :]
    documented = set(
        re.findall(r"`([a-z0-9_]+)`", "".join(re.findall(r"^\| (`.*?) \|", table, re.M)))
    )
    assert documented == set(METRICS)
