"""A process that has loaded everything and forks workers at a word, which takes milliseconds.

`Warm` is the test's side, `python -m tests.storage.warm` the other one. Workers are real processes:
they are killed or end by themselves, and the system says how they ended.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from longpole.model.run import Status
from longpole.model.settings import read_settings
from longpole.storage import RunQuery, SpanEnd, SpanEvent, SpanStart, open_store
from longpole.storage.writer import Writer

ROOT = Path(__file__).parent.parent.parent
EVENTS_A_RUN = 6
ROUND_NS = 10**12
MS = 10**6


def run_id(round_: int, number: int) -> str:
    return f"{round_:016x}{number:016x}"


def events(round_: int) -> Iterator[SpanEvent]:
    """Runs without end, of a root and two steps; the first event is number 0."""
    number = 0
    while True:
        begin_ns = round_ * ROUND_NS + number * MS
        yield _start(round_, number, 0, begin_ns)
        for step in (1, 2):
            yield _start(round_, number, step, begin_ns + step)
            yield _end(round_, number, step, begin_ns + step + 1)
        yield _end(round_, number, 0, begin_ns + 9)
        number += 1


def _start(round_: int, number: int, step: int, at_ns: int) -> SpanStart:
    run = run_id(round_, number)
    return SpanStart(
        run_id=run,
        trace_id=run,
        span_id=f"{step:016x}",
        parent_span_id=f"{0:016x}" if step else None,
        is_root=not step,
        name=f"step-{step}",
        start_ns=at_ns,
        attributes={"input.value": "The harbour opens at six. " * 20},
    )


def _end(round_: int, number: int, step: int, at_ns: int) -> SpanEnd:
    return SpanEnd(
        run_id=run_id(round_, number), span_id=f"{step:016x}", end_ns=at_ns, status=Status.OK
    )


# --- what workers do --------------------------------------------------------------------------


def write_for_ever(store: str, round_: int, told: str) -> None:
    """Write events; each that `append` has returned from is told as one byte, until killed."""
    fd = os.open(told, os.O_WRONLY)
    writer = Writer(store, settings=read_settings({}), cadence_s=0.0)
    for event in events(round_):
        writer.append(event)
        os.write(fd, b".")


def write_runs(store: str, round_: int, runs: int) -> None:
    """Write so many runs and flush."""
    writer = Writer(store, settings=read_settings({}))
    for event, _ in zip(events(round_), range(runs * EVENTS_A_RUN), strict=False):
        writer.append(event)
    if not writer.flush(60.0) or writer.stats().dropped:
        raise SystemExit(1)
    writer.close(10.0)


def read_until(store: str, runs: int) -> None:
    """Look at the list and at whole runs until there are so many; they never get fewer."""
    seen = 0
    opened = open_store(store, mode="read")
    while seen < runs:
        page = opened.list_runs(RunQuery(limit=3))
        if page.total < seen:
            raise SystemExit(f"{page.total} runs after {seen}")
        seen = page.total
        for row in page.rows:
            opened.load_run(row.run_id).check()
    opened.close()


# --- both sides -------------------------------------------------------------------------------


class Warm:
    """The template process; a context manager that leaves no worker behind."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.storage.warm"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            start_new_session=True,
        )
        self._ask("ready")

    def start(self, work: str, **arguments: Any) -> int:
        """Fork a worker; return its process id."""
        return self._ask("start", work, arguments)

    def kill(self, pid: int) -> None:
        """Kill a worker with SIGKILL, and wait until it is gone."""
        assert self._ask("kill", pid) == -signal.SIGKILL

    def wait(self, pid: int) -> int:
        """Wait until a worker ends; return its exit code."""
        return self._ask("wait", pid)

    def _ask(self, *words: object) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(words) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.communicate(timeout=60)


def _serve() -> None:
    """Obey one word a line until there are no more."""
    for line in sys.stdin:
        match json.loads(line):
            case ["ready"]:
                print(0, flush=True)
            case ["start", work, arguments]:
                print(_forked(work, arguments), flush=True)
            case ["kill", pid]:
                os.kill(pid, signal.SIGKILL)
                print(_ended(pid), flush=True)
            case ["wait", pid]:
                print(_ended(pid), flush=True)


def _forked(work: str, arguments: dict[str, Any]) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        globals()[work](**arguments)
        code = 0
    finally:
        os._exit(code)


def _ended(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


if __name__ == "__main__":
    _serve()
