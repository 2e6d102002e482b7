"""However the process ends, what callbacks returned from is there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from longpole.model import Status
from tests.tracer.conftest import read_runs

_PROGRAM = """
import os, signal, sys
from langchain_core.runnables import RunnableLambda, RunnableParallel
from longpole.tracer import LongpoleHandler, install

def end():
{ending}

steps = RunnableParallel(a=lambda x: x, b=lambda x: x, c=lambda x: x)
if {by_install}:
    install({store!r})
    config = {{}}
else:
    config = {{"callbacks": [LongpoleHandler({store!r})]}}
steps.invoke(1, config)
if {inside}:
    (RunnableLambda(lambda x: x, name="first") | RunnableLambda(lambda x: end())).invoke(1, config)
end()
"""

_ENDINGS = {
    "last line": ("pass", 0),
    "sys.exit": ("sys.exit(3)", 3),
    "exception": ("raise ValueError('the end')", 1),
    "os._exit": ("os._exit(4)", 4),
    "kill -9": ("os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
    "SIGTERM": ("os.kill(os.getpid(), signal.SIGTERM); signal.pause()", -signal.SIGTERM),
}


def _run(store: Path, ending: str, *, by_install: bool = False, inside: bool = False) -> int:
    program = _PROGRAM.format(
        ending=f"    {ending}", store=str(store), by_install=by_install, inside=inside
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONWARNINGS": "error"},
        check=False,
    )
    if "the end" not in ending:
        assert done.stderr == ""
    return done.returncode


@pytest.mark.parametrize("name", _ENDINGS)
@pytest.mark.parametrize("by_install", [False, True], ids=["config", "install"])
def test_a_finished_run_is_there_whatever_ends_the_process(
    tmp_path: Path, name: str, by_install: bool
) -> None:
    ending, code = _ENDINGS[name]

    assert _run(tmp_path / "runs.db", ending, by_install=by_install) == code

    (run,) = read_runs(tmp_path / "runs.db")
    assert run.status is Status.OK
    assert sorted(span.branch or "" for span in run.children(run.root_span_id)) == ["a", "b", "c"]


@pytest.mark.parametrize("name", ["os._exit", "kill -9", "SIGTERM"])
def test_a_run_that_the_process_took_with_it_is_lost_not_running(tmp_path: Path, name: str) -> None:
    ending, code = _ENDINGS[name]

    assert _run(tmp_path / "runs.db", ending, inside=True) == code

    finished, lost = read_runs(tmp_path / "runs.db")
    assert finished.status is Status.OK
    assert lost.status is Status.LOST
    assert [(span.name, span.status) for span in lost.spans[1:]] == [
        ("first", Status.OK),
        ("RunnableLambda", Status.LOST),
    ]


_LEFT_STREAM = """
from langchain_core.runnables import RunnableLambda
from longpole.tracer import LongpoleHandler

def words(value):
    yield "one"
    yield "two"

config = {{"callbacks": [LongpoleHandler({store!r})]}}
left = RunnableLambda(words, name="words").stream("x", config)
next(left)
held = [left]
held.append(held)  # a cycle, which only the end of the interpreter takes apart
"""


def test_a_stream_that_the_end_of_the_interpreter_closes_is_there_and_holds_nothing_up(
    tmp_path: Path,
) -> None:
    store = tmp_path / "runs.db"
    done = subprocess.run(
        [sys.executable, "-c", _LEFT_STREAM.format(store=str(store))],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
    (run,) = read_runs(store)
    assert (run.name, run.status) == ("words", Status.OK)
