"""The `longpole_run` fixture, used as its users use it."""

from __future__ import annotations

import subprocess
import sys
import threading
from decimal import Decimal
from pathlib import Path

import pytest
from langchain_core.runnables import Runnable, RunnableLambda, RunnableParallel

from longpole.dashboard.testing import Recording
from longpole.model import Status
from longpole.tracer import install, uninstall
from longpole.tracer.demo.models import Answer, FakeChatModel
from longpole.tracer.demo.pace import Pace
from longpole.tracer.demo.personas import GPT_4O_MINI


def _panel() -> Runnable[str, dict[str, str]]:
    """Two branches; `slow` ends after `quick` has."""
    has_ended = threading.Event()

    def quick(question: str) -> str:
        has_ended.set()
        return question

    def slow(question: str) -> str:
        has_ended.wait(10)
        return question

    return RunnableParallel(slow=RunnableLambda(slow), quick=RunnableLambda(quick)).with_config(
        run_name="panel"
    )


def test_the_numbers_of_the_one_run_are_at_hand(longpole_run: Recording) -> None:
    _panel().invoke("why?")
    run = longpole_run.run
    assert run.name == "panel"
    assert run.status is Status.OK
    assert longpole_run.wall_ns == sum(step.length_ns for step in longpole_run.critical_path)
    assert run.path_labels[0] == "panel"
    assert {branch.key for branch in run.fan_outs[0].branches} == {"slow", "quick"}
    assert 0 < run.on_path_ratio("slow") <= 1
    assert run.branch("quick").slack_ns is not None


def test_a_cost_is_that_of_the_calls(longpole_run: Recording) -> None:
    pace = Pace(sleep=lambda seconds: None)
    FakeChatModel(persona=GPT_4O_MINI, script=(("?", Answer(text="Yes.")),), pace=pace).invoke("?")
    run = longpole_run.run
    usage = run.analysis.facts.usage
    assert run.llm_calls == 1
    assert usage.output_tokens > 0
    assert longpole_run.cost_usd == (
        usage.input_tokens * Decimal("0.15e-6") + usage.output_tokens * Decimal("0.6e-6")
    )


def test_of_several_runs_one_is_chosen_by_name(longpole_run: Recording) -> None:
    RunnableLambda(len).with_config(run_name="first").invoke("a")
    RunnableLambda(len).with_config(run_name="second").invoke("b")
    assert [run.name for run in longpole_run.runs] == ["first", "second"]
    assert longpole_run.named("second").name == "second"
    with pytest.raises(LookupError, match="2 runs were recorded: first, second"):
        _ = longpole_run.run
    with pytest.raises(LookupError, match="no run of 'third' was recorded; there are: first"):
        longpole_run.named("third")


def test_a_test_without_a_chain_is_told_so(longpole_run: Recording) -> None:
    with pytest.raises(LookupError, match="no chain was invoked"):
        _ = longpole_run.run


def test_an_unknown_branch_is_answered_with_those_that_there_are(longpole_run: Recording) -> None:
    _panel().invoke("why?")
    with pytest.raises(LookupError, match="called 'fast'; there are: quick, slow"):
        longpole_run.run.branch("fast")


def test_what_the_app_installed_goes_on_recording(tmp_path: Path, longpole_run: Recording) -> None:
    handler = install(str(tmp_path / "app.db"))
    try:
        RunnableLambda(len).invoke("a")
        assert handler.flush()
        assert handler.stats().spans_written == 1
    finally:
        uninstall()
    assert len(longpole_run.runs) == 1


_USERS_TEST = """
from langchain_core.runnables import RunnableLambda

def test_it_is_quick(longpole_run):
    RunnableLambda(len).with_config(run_name="count").invoke("abc")
    assert longpole_run.run.name == "count"
    assert longpole_run.wall_ns == -1

def test_each_test_has_its_own_runs(longpole_run):
    assert longpole_run.runs == ()
"""


def test_pytest_finds_the_fixture_by_itself(tmp_path: Path) -> None:
    (tmp_path / "test_chain.py").write_text(_USERS_TEST)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert "1 failed, 1 passed" in done.stdout
    assert "<count: " in done.stdout or "wall_ns" in done.stdout
