"""When the spool is taken in: soon after the app pauses, and in the end also if it never does."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from longpole.storage import SpanStart
from longpole.storage.commit import Committer
from longpole.storage.drain import Progress
from longpole.storage.drainer import Drainer
from longpole.storage.recording import Recording
from longpole.storage.taking import FileTaker

CADENCE_S = 0.002


class Moment(FileTaker):
    """A taker that remembers when it was first asked, by the clock of the test."""

    def __init__(self, path: Path, clock: Callable[[], float]) -> None:
        super().__init__(Committer(path, lock_wait_s=None, busy_wait_s=0.25))
        self._clock = clock
        self.asked_at_s = 0.0
        self.was_asked = threading.Event()

    def take_in(self, name: str, fd: int, *, is_alive: bool) -> Progress:
        if not self.was_asked.is_set():
            self.asked_at_s = self._clock()
            self.was_asked.set()
        return super().take_in(name, fd, is_alive=is_alive)


class App:
    """An app whose time passes as the drainer looks at the clock, and what it does meanwhile."""

    def __init__(self, path: Path, attributes: dict[str, Any], *, pauses: bool) -> None:
        self._attributes = attributes
        self._pauses = pauses
        self._passed_s = 0.0
        self._spans = 0
        self._recording = Recording(path, limit_bytes=10**8, clock=self.now_s)
        self.taker = Moment(path, lambda: self._passed_s)
        self._drainer = Drainer(
            self.taker, self._recording, cadence_s=CADENCE_S, clock=self._seen_clock
        )

    def now_s(self) -> float:
        return self._passed_s

    def _seen_clock(self) -> float:
        self._passed_s += CADENCE_S / 2
        if not self._pauses and not self.taker.was_asked.is_set():
            self.does_something()
        return self._passed_s

    def does_something(self) -> None:
        self._spans += 1
        self._recording.append(
            SpanStart(
                run_id="run",
                trace_id="trace",
                span_id=f"{self._spans:016x}",
                parent_span_id=None,
                is_root=self._spans == 1,
                name="step",
                start_ns=self._spans,
                attributes=self._attributes,
            )
        )

    def waited_s(self) -> float:
        """Do something; return how long it was before the spool was taken in, all of it in time."""
        self.does_something()
        self._drainer.wake()
        assert self.taker.was_asked.wait(30)
        assert self._drainer.wait_for(self._recording.position(), 30, is_last=True)
        return self.taker.asked_at_s


def test_what_an_app_did_before_it_paused_is_taken_in_at_once(tmp_path: Path) -> None:
    assert App(tmp_path / "runs.db", {}, pauses=True).waited_s() < 5 * CADENCE_S


def test_an_app_that_never_pauses_is_left_alone_for_ten_times_as_long(tmp_path: Path) -> None:
    waited_s = App(tmp_path / "runs.db", {}, pauses=False).waited_s()

    assert 10 * CADENCE_S <= waited_s < 15 * CADENCE_S


def test_megabytes_are_taken_in_before_the_app_pauses(tmp_path: Path) -> None:
    large = {"input.value": "x" * 3_000_000}

    assert App(tmp_path / "runs.db", large, pauses=False).waited_s() < 10 * CADENCE_S
