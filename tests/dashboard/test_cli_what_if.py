"""`longpole what-if` on real runs: sentence, tables, JSON, exit codes; and its document."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from langchain_core.runnables import RunnableLambda

from longpole.analysis.assumptions import Assumption
from longpole.analysis.change_text import VERBS, parse_change
from longpole.dashboard.cli.main import main
from longpole.storage import Recorder, open_store
from longpole.storage.run_events import events_from_run
from longpole.tracer import LongpoleHandler
from tests.dashboard.contract import check_document
from tests.small_runs import bare_run
from tests.tracer.chains import failing_times, model, step

DOCUMENT = (Path(__file__).parents[2] / "docs" / "what-if.md").read_text()


def longpole(*arguments: str, store: Path) -> Result:
    command = ["what-if", *arguments, "--store", str(store)]
    return CliRunner(env={"COLUMNS": "80"}).invoke(main, command)


def as_json(*arguments: str, store: Path) -> Any:
    result = longpole(*arguments, "--json", store=store)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def panel_in(store: Path) -> str:
    """The id of one run of the demo's panel."""
    result = CliRunner().invoke(
        main, ["runs", "--json", "name:incident-panel", "--store", str(store)]
    )
    return str(json.loads(result.stdout)["runs"][0]["run_id"])


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A store with one run of ours: a retried branch beside a model call."""
    path = tmp_path / "own.db"
    handler = LongpoleHandler(str(path))
    flaky = failing_times("flaky", 1).with_retry(
        stop_after_attempt=2,
        wait_exponential_jitter=True,
        exponential_jitter_params={"max": 0.02},
    )
    chain: Any = {"tried": flaky, "asked": RunnableLambda(lambda _: "hi") | model()} | step("join")
    chain.invoke("x", {"callbacks": [handler]})
    handler.close()
    return path


def test_the_answer_begins_with_the_sentence(recorded_demo: Path) -> None:
    result = longpole(panel_in(recorded_demo), "--change", "*:faster=2", store=recorded_demo)

    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0].startswith("incident-panel  ")
    assert re.match(r"\S+ m?s → \S+ m?s \(−50 %\) if everything were 2\.0× as fast", lines[1])
    assert any(line.startswith("wall ") for line in lines)
    assert "order: " in result.stdout
    assert "  A7 one run is one sample: ask about several runs" in lines
    assert max(map(len, lines)) <= 80


def test_one_run_as_json_holds_the_predicted_run(recorded_demo: Path) -> None:
    document = as_json(
        panel_in(recorded_demo), "--change", "flash:time=0", "--curve", store=recorded_demo
    )

    assert document["changes"] == ["flash:time=0"]
    (run,) = document["runs"]
    assert run["wall_ns"] == run["wall_p50_ns"] == run["after"]["run"]["wall_ns"]
    assert run["delta_ns"] == run["wall_ns"] - run["wall_before_ns"] <= 0
    check_document(run["after"])
    assert document["together"] is None
    for curve in document["curves"]:
        assert [percent for percent, _ in curve["walls_ns"]] == list(range(0, 101, 10))
    _check_keys(document)


def test_several_runs_are_answered_one_by_one_and_together(recorded_demo: Path) -> None:
    document = as_json(
        "--filter", "name:incident-panel", "--change", "flash:cache=50%", store=recorded_demo
    )

    assert len(document["runs"]) + len(document["refused"]) == 6
    together = document["together"]
    assert together["before"]["runs"] == len(document["runs"])
    assert together["delta_low_ns"] <= together["mean_delta_ns"] <= together["delta_high_ns"]
    assert all(run["after"] is None for run in document["runs"])
    _check_keys(document)


def test_an_answer_that_takes_nothing_for_granted_says_nothing_of_it(tmp_path: Path) -> None:
    path = tmp_path / "bare.db"
    with contextlib.closing(open_store(str(path), mode="write")) as store:
        for number in range(2):
            events = events_from_run(bare_run(number, 10**18 + number))
            store.write(Recorder(recorder_id="a" * 16, pid=1, host="here"), events)

    result = longpole("--filter", "wall>0s", "--change", "*:faster=2", store=path)

    assert "in the middle of 2 runs" in result.stdout
    assert "order: " in result.stdout
    assert "takes for granted" not in result.stdout


def test_several_runs_are_told_in_words(recorded_demo: Path) -> None:
    result = longpole(
        "--filter",
        "name:incident-panel,weekend-planner",
        "--change",
        "flash:time=0",
        "--curve",
        store=recorded_demo,
    )

    assert result.exit_code == 0, result.output
    assert "in the middle of 6 runs if flash took no time" in result.stdout
    assert "not asked: 1 run" in result.stdout
    assert "in 95 of 100 such samples between" in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 80


def test_every_run_of_the_demo_can_be_asked(recorded_demo: Path) -> None:
    document = as_json(
        "--filter", "since:1d", "--limit", "100", "--change", "*:faster=2", store=recorded_demo
    )

    assert len(document["runs"]) >= 14
    assert document["refused"] == []
    for run in document["runs"]:
        assert abs(2 * run["wall_ns"] - run["wall_before_ns"]) <= 1


def test_a_real_back_off_and_a_real_retry_are_left_out(own: Path) -> None:
    quick = as_json("last", "--change", "tried:no-backoff", store=own)["runs"][0]
    never = as_json("last", "--change", "tried:no-retries", store=own)["runs"][0]

    first, second = _tries(quick)
    assert (first["status"], second["status"]) == ("error", "ok")
    assert second["start_ns"] == first["end_ns"]
    assert [one["status"] for one in _tries(never)] == ["ok"]
    assert never["delta_ns"] <= quick["delta_ns"] <= 0


def _tries(run: Any) -> list[Any]:
    """The tries in the predicted run, in order."""
    spans = run["after"]["spans"]
    return sorted(
        (span for span in spans if span["role"] == "attempt"), key=lambda span: span["attempt"]
    )


def test_a_thread_is_not_promised_to_be_given_up(own: Path) -> None:
    result = longpole("last", "--change", "tried:timeout=1ms", store=own)

    assert result.exit_code == 0, result.output
    assert "as before if tried were given up after 1.0 ms" in result.stdout
    assert "note: tried runs in threads" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["last", "--change", "tried:fastr=2"], "did you mean 'faster'"),
        (["last", "--change", "tired:faster=2"], "did you mean 'tried'"),
        (["last", "--change", "join:limit=2"], "no fan-out"),
        (["last"], "--change"),
        (["--change", "tried:faster=2"], "name a RUN"),
    ],
)
def test_what_cannot_be_understood_is_wrong_usage(
    own: Path, arguments: list[str], told: str
) -> None:
    result = longpole(*arguments, store=own)

    assert result.exit_code == 2
    assert told in result.stderr


def test_a_run_that_cannot_be_run_again_is_a_problem(own: Path) -> None:
    nobody = longpole("--filter", "name:nobody", "--change", "x:without", store=own)

    assert nobody.exit_code == 1
    assert "no run that has ended" in nobody.stderr


# --- the document ---------------------------------------------------------------------------------


def _check_keys(document: Any) -> None:
    """Every key of the answer is explained."""
    keys = {*document, *document["runs"][0], *(document["together"] or {})}
    keys |= {key for curve in document["curves"] for key in curve}
    assert {key for key in keys if key not in DOCUMENT} == set()


def test_the_document_lists_every_verb_as_the_code_has_it() -> None:
    table = DOCUMENT.split("## Changes")[1].split("## Targets")[0]
    rows = re.findall(r"^\| `([^`]+)` \| (.+) \|$", table, re.M)

    assert rows == [(verb.example, verb.means) for verb in VERBS.values()]
    for example, _ in rows:
        parse_change(example)


def test_the_document_lists_every_assumption_as_the_code_has_it() -> None:
    rows = re.findall(r"^\| (A\d) \| (.+) \|$", DOCUMENT, re.M)

    assert rows == [(one.name, one.value) for one in Assumption]


def test_every_change_in_the_document_can_be_understood() -> None:
    for text in re.findall(r"--change (?:'([^']+)'|(\S+))", DOCUMENT):
        parse_change("".join(text))


def test_the_help_lists_every_verb() -> None:
    told = main.commands["what-if"].help or ""
    verbs = re.search(r"Verbs: (.*?)\.\s+docs", told, re.S)

    assert verbs is not None
    assert sorted(re.split(r",\s+", verbs[1])) == sorted(VERBS)


def test_other_commands_start_without_what_only_this_one_needs() -> None:
    code = "import sys, longpole.dashboard.cli.main; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()

    assert "longpole.dashboard.cli.what_if" in loaded
    assert "longpole.analysis.what_if" not in loaded
