"""The thread that moves one process's spool into the database.

Asleep until an event wakes it, it then gathers until the app pauses, for a second at most, and
takes in what is there. It outlives everything that can go wrong: while the database cannot be
written it tries again, ever less often, and the events wait in the spool.
"""

from __future__ import annotations

import sys
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from queue import Empty, SimpleQueue
from typing import Final

from longpole.model.errors import StoreError
from longpole.storage.drain import set_aside
from longpole.storage.recording import Recording
from longpole.storage.spool import SpoolFile, Tail
from longpole.storage.taking import Taker

CADENCE_S: Final = 0.1
"""How long events are gathered before they are taken in together."""
_LONGEST_GATHERING: Final = 10
"""So many times as long, while the app goes on making events.

Taking in needs the interpreter that the app needs too: measured, a busy app waits 100 µs for every
span that is taken in meanwhile, and nothing for those that are taken in while it waits for a model.
"""
_MOST_GATHERED_BYTES: Final = 4 * 1024 * 1024
"""What lies in the spool is taken in without waiting for a pause from here on."""

_FIRST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 5.0
_SWEEP_S: Final = 0.5


class _Request:
    """Somebody waits for everything up to a position, perhaps to end the thread then."""

    def __init__(self, position: int, *, is_last: bool) -> None:
        self.position = position
        self.is_last = is_last
        self.is_given_up = False
        self.answered = threading.Event()


class Drainer:
    """Takes the spool of a recording in; one a process and store."""

    def __init__(
        self,
        taker: Taker,
        recording: Recording,
        *,
        cadence_s: float,
        clock: Callable[[], float],
    ) -> None:
        self._recording = recording
        self._cadence_s = cadence_s
        self._clock = clock
        self._taker = taker
        # SimpleQueue and RLock because an append may interrupt another one on its own thread.
        self._inbox: SimpleQueue[_Request | None] = SimpleQueue()
        self._lock = threading.RLock()
        self._thread: threading.Thread | None = None
        self._is_awake = False
        self._requests: list[_Request] = []
        self._pause_s = 0.0
        self._has_swept = False
        self._errors: Counter[str] = Counter()

    # --- on the app's threads -----------------------------------------------------------------

    def wake(self) -> None:
        """Say that there is something to take in."""
        if not self._is_awake:
            self._is_awake = True
            self._inbox.put(None)
            self._start()

    def _start(self) -> None:
        if sys.is_finalizing():
            # A thread that starts now never runs, and starting it waits for that for ever. What a
            # generator writes that only the end of the interpreter closes is safe in the spool.
            return
        with self._lock:
            if self._thread is not None and self._thread.is_alive():
                return
            thread = threading.Thread(target=self._live, name="longpole-drainer", daemon=True)
            try:
                thread.start()
            except RuntimeError as error:
                # At interpreter exit, or without resources. The spool is safe; try another time.
                self._is_awake = False
                self._note_error(error)
                return
            self._thread = thread

    def wait_for(self, position: int, timeout_s: float, *, is_last: bool = False) -> bool:
        """Wait until everything up to a position is taken in; whether it is.

        Args:
            position: from `Recording.position`.
            timeout_s: longest wait.
            is_last: end the thread then; the files are removed if all of them could be taken in.
        """
        if not is_last and self._recording.has_taken(position) and not self._recording.has_news():
            return True
        if sys.is_finalizing():
            return self._recording.has_taken(position)
        request = _Request(position, is_last=is_last)
        self._inbox.put(request)
        self._start()
        request.answered.wait(timeout_s)
        request.is_given_up = True
        return self._recording.has_taken(position)

    def errors(self) -> Mapping[str, int]:
        """Return what went wrong so far, by kind."""
        return dict(self._errors)

    def abandon(self) -> None:
        """Forget what a forked child inherited."""
        self._taker.abandon()

    # --- on its own thread --------------------------------------------------------------------

    def _live(self) -> None:
        while True:
            try:
                if self._work():
                    return
            except BaseException as error:  # noqa: BLE001 - a dead drainer would lose spans silently
                self._note_error(error)
                self._pause_s = self._longer_pause()

    def _work(self) -> bool:
        """Take in once what is there; whether this was the end."""
        self._wait()
        # Before reading: what is appended from here on wakes us again.
        self._is_awake = False
        try:
            self._take_all()
        except StoreError as error:
            self._note_error(error)
            self._pause_s = self._longer_pause()
        else:
            self._pause_s = 0.0
        last = self._answer()
        if last is not None:
            self._end(last)
            return True
        if not self._pause_s and not self._has_swept:
            self._sweep()
        return False

    def _wait(self) -> None:
        """Sleep until there is a reason to work, then gather; a request is not kept waiting."""
        if self._pause_s:
            self._is_asked_within(self._pause_s)
        elif self._is_woken():
            self._gather()

    def _is_woken(self) -> bool:
        """Sleep until there is an event, or another reason to work; whether it was an event."""
        try:
            item = self._inbox.get(timeout=self._taker.beat_s)
        except Empty:
            return False
        if item is not None:
            self._requests.append(item)
        return item is None

    def _gather(self) -> None:
        """Wait until the app pauses, but not for ever and not for more than a few megabytes."""
        recording = self._recording
        latest = self._clock() + self._cadence_s * _LONGEST_GATHERING
        came = recording.position()
        while not self._is_asked_within(self._cadence_s):
            before, came = came, recording.position()
            if (
                came == before
                or self._clock() >= latest
                or not recording.has_taken(came - _MOST_GATHERED_BYTES)
            ):
                return

    def _is_asked_within(self, wait_s: float) -> bool:
        """Wait, however many events come; whether a request has ended the wait."""
        until = self._clock() + wait_s
        left_s = wait_s
        while left_s > 0:
            try:
                item = self._inbox.get(timeout=left_s)
            except Empty:
                return False
            if item is not None:
                self._requests.append(item)
                return True
            left_s = until - self._clock()
        return False

    def _longer_pause(self) -> float:
        longest = _FIRST_PAUSE_S if self._requests else _LONGEST_PAUSE_S
        return min(longest, max(_FIRST_PAUSE_S, self._pause_s * 2))

    def _take_all(self) -> None:
        recording = self._recording
        if recording.is_writing():
            self._taker.beat(recording.recorder)
        for file in recording.files():
            self._take(file)
        recording.rotate()
        self._remove_finished()
        dropped = recording.drops_to_store()
        if dropped:
            self._taker.write_drops(recording.recorder, dropped)
            recording.drops_are_stored(dropped)

    def _take(self, file: SpoolFile) -> None:
        while True:
            progress = self._taker.take_in(file.name, file.fd, is_alive=True)
            if progress.is_bad:
                set_aside(file.path)
                self._recording.give_up(file, progress)
                return
            self._recording.note(file, progress)
            if progress.tail is not Tail.MORE:
                return

    def _remove_finished(self) -> None:
        for file in self._recording.finished():
            self._taker.remove(file.path, is_torn=False)
            self._recording.forget(file)

    def _answer(self) -> _Request | None:
        """Answer the requests that are fulfilled or given up; the one that ends us, if any."""
        last = None
        for request in list(self._requests):
            if request.is_given_up or self._recording.has_taken(request.position):
                self._requests.remove(request)
                if request.is_last:
                    last = request
                else:
                    request.answered.set()
        return last

    def _end(self, request: _Request) -> None:
        self._recording.rotate(always=True)
        try:
            self._take_all()
            self._taker.close()
        except StoreError as error:
            self._note_error(error)
        with self._lock:
            self._thread = None
            self._is_awake = False
        self._has_swept = False
        request.answered.set()
        if self._recording.is_writing():
            # An event came in between; whoever brought it found this thread alive.
            self.wake()

    def _sweep(self) -> None:
        """Take in, once, what recorders left that have died; in turns with our own."""
        deadline = self._clock() + _SWEEP_S
        own = {file.name for file in self._recording.files()}
        try:
            self._taker.sweep(is_over=lambda: self._clock() > deadline, skip=own)
        except StoreError as error:
            self._note_error(error)
            self._pause_s = self._longer_pause()
            return
        self._has_swept = self._clock() <= deadline
        self._pause_s = 0.0 if self._has_swept else _FIRST_PAUSE_S

    def _note_error(self, error: BaseException) -> None:
        kind = type(error).__name__
        self._errors[kind] += 1
        self._recording.tell_once(
            f"error: {kind}",
            "longpole could not write to its database and tries again; spans wait in the spool: %s",
            error,
        )
