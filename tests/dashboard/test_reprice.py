"""`longpole reprice`: new prices for what was recorded."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from longpole.dashboard.cli.main import main
from longpole.model.settings import LONGPOLE_PRICES

HALF_PRICE = "[[price]]\nfactor = 0.5\n"


@pytest.fixture
def prices(tmp_path: Path) -> Path:
    path = tmp_path / "prices.toml"
    path.write_text(HALF_PRICE)
    return path


def _longpole(*arguments: str, store: Path, prices: Path | None = None) -> Result:
    environ = {"COLUMNS": "120", LONGPOLE_PRICES: "" if prices is None else str(prices)}
    return CliRunner(env=environ).invoke(main, [*arguments, "--store", str(store)])


def _costs(store: Path) -> dict[str, Decimal]:
    listed = json.loads(_longpole("runs", "--limit", "100", "--json", store=store).stdout)
    return {run["run_id"]: Decimal(run["cost_usd"] or 0) for run in listed["runs"]}


def _document(*arguments: str, store: Path, prices: Path | None) -> Any:
    result = _longpole("reprice", *arguments, "--json", store=store, prices=prices)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_kept_costs_change_only_when_asked_and_then_all_of_them(demo: Path, prices: Path) -> None:
    before = _costs(demo)
    said = _document(store=demo, prices=prices)

    after = _costs(demo)
    assert sum(before.values()) > 0
    assert after == {run_id: cost / 2 for run_id, cost in before.items()}
    assert Decimal(said["total"]["before_usd"]) == sum(before.values())
    assert Decimal(said["total"]["after_usd"]) == sum(after.values())
    assert said["changed_runs"] == sum(cost > 0 for cost in before.values())


def test_a_dry_run_says_the_same_and_changes_nothing(demo: Path, prices: Path) -> None:
    before = _costs(demo)
    planned = _document("--dry-run", store=demo, prices=prices)
    assert _costs(demo) == before
    assert _document(store=demo, prices=prices) == {**planned, "dry_run": False}


def test_a_second_time_nothing_changes(demo: Path, prices: Path) -> None:
    _document(store=demo, prices=prices)
    again = _document(store=demo, prices=prices)
    assert (again["changed_runs"], again["total"]["calls"]) == (0, 0)
    assert "No cost changes" in _longpole("reprice", store=demo, prices=prices).output


def test_a_filter_chooses_the_runs(demo: Path, prices: Path) -> None:
    _costs(demo)
    said = _document("name:sort-inbox", store=demo, prices=prices)
    assert said["runs"] == 1
    assert said["total"]["calls"] > 0


def test_the_table_names_each_model(demo: Path, prices: Path) -> None:
    _costs(demo)
    output = _longpole("reprice", store=demo, prices=prices).output
    assert "now cost something else: " in output
    assert "gpt-4o-mini-2024-07-18" in output


def test_a_price_file_that_cannot_be_read_is_wrong_usage(demo: Path, tmp_path: Path) -> None:
    result = _longpole("reprice", store=demo, prices=tmp_path / "nowhere.toml")
    assert result.exit_code == 2
    assert "nowhere.toml" in result.output
