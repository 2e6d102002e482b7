"""`longpole compare` and the compared report: what they say of two runs."""

from __future__ import annotations

import doctest
import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from longpole.analysis import analyse, compare
from longpole.dashboard import difference
from longpole.dashboard.cli.main import main
from longpole.model import Run, Status
from longpole.storage import open_store
from longpole.storage.run_events import events_from_run
from tests.storage.exchange.stores import RECORDER, SECOND_NS, small_run

BEGIN_NS = 1_790_000_000_000_000_000
BEFORE = small_run(1, BEGIN_NS)


def slower(run: Run) -> Run:
    """The same chain again, its second expert half a second slower and failed, its third gone."""
    late_ns = SECOND_NS // 2
    spans = []
    for span in small_run(2, BEGIN_NS + 100 * SECOND_NS).spans:
        end_ns = (span.end_ns or 0) + late_ns
        if span.name == "expert-2":
            span = replace(span, end_ns=end_ns, status=Status.ERROR)
        elif span.parent_span_id is None:
            span = replace(span, end_ns=end_ns)
        if span.name != "expert-3":
            spans.append(span)
    return replace(run, run_id=f"{2:032x}", root_span_id=spans[0].span_id, spans=tuple(spans))


AFTER = slower(BEFORE)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    opened = open_store(str(tmp_path / "runs.db"), mode="write")
    for run in (BEFORE, AFTER):
        opened.write(RECORDER, list(events_from_run(run)))
    opened.close()
    return tmp_path / "runs.db"


def longpole(*arguments: str, store: Path) -> Result:
    return CliRunner(env={"COLUMNS": "120"}).invoke(main, [*arguments, "--store", str(store)])


def test_the_sentence_says_how_much_and_the_table_says_through_what(store: Path) -> None:
    result = longpole("compare", BEFORE.run_id, AFTER.run_id, store=store)

    assert result.exit_code == 0, result.output
    assert "500 ms slower (+50 %): 1.00 s → 1.50 s" in result.output
    assert "expert-2[2]" in result.output
    assert "ok → error" in result.output


def test_the_other_way_round_it_is_faster(store: Path) -> None:
    result = longpole("compare", "last", BEFORE.run_id, store=store)

    assert "500 ms faster (−33 %): 1.50 s → 1.00 s" in result.output


def test_a_run_beside_itself_differs_in_nothing(store: Path) -> None:
    result = longpole("compare", "last", "last", store=store)

    assert "as long as before, 1.50 s" in result.output
    assert "no span differs" in result.output


def test_json_adds_up(store: Path) -> None:
    result = longpole("compare", BEFORE.run_id, AFTER.run_id, "--json", store=store)
    document = json.loads(result.stdout)

    assert document["wall_delta_ns"] == SECOND_NS // 2
    assert sum(pair["path_delta_ns"] for pair in document["pairs"]) == SECOND_NS // 2
    gone = [pair["label"] for pair in document["pairs"] if pair["after"] is None]
    assert gone == ["expert-3[3]"]
    assert [pair["label"] for pair in document["pairs"] if pair["is_worse"]] == ["expert-2[2]"]


def test_a_report_compares_two_runs_and_no_other_number(store: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    command = ("export", "html", "--compare", "-o", str(report))
    two = longpole(*command, BEFORE.run_id, AFTER.run_id, store=store)
    one = longpole(*command, "last", store=store)

    assert two.exit_code == 0, two.output
    assert "500 ms slower (+50 %)" in report.read_text()
    assert one.exit_code == 2
    assert "--compare needs two runs, 1 were chosen" in one.stderr


def test_places_are_named_after_the_branch_they_are_in() -> None:
    comparison = compare(analyse(BEFORE, now_ns=0), analyse(AFTER, now_ns=0))

    places = {difference.place_of(comparison, pair) for pair in comparison.pairs}
    assert places == {"(the run itself)", "expert-1[1]", "expert-2[2]", "expert-3[3]"}


def test_the_examples_in_the_code_hold() -> None:
    assert doctest.testmod(difference).failed == 0
