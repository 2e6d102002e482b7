"""What the tracer writes to: `append` puts an event on disk, a thread moves it into the database.

One writer a process and store, shared by all handlers. `append` encodes the event and writes one
frame to this process's spool file, nothing else: no database, no waiting, no exception. A daemon
thread, started with the first event and asleep when there is nothing to do, takes the spool in.
A forked child finds out at the fork, or by its pid at its first event, and begins anew: own
recorder, own spool, own locks, own thread; the parent's spool it never touches.
"""

from __future__ import annotations

import atexit
import os
import time
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from longpole.model.settings import Settings, read_settings
from longpole.storage.commit import Committer
from longpole.storage.drainer import CADENCE_S, Drainer
from longpole.storage.recording import Recording
from longpole.storage.store import SpanEvent
from longpole.storage.taking import FileTaker, Taker
from longpole.storage.urls import is_clickhouse, own_url, spool_path

_FLUSH_S: Final = 30.0
_BUSY_WAIT_S: Final = 0.25


def taker_of(url: str) -> Taker:
    """Return what brings the spools of a store into it; nothing is opened yet.

    Raises:
        SettingsError: the URL names no store.
    """
    committer = Committer(spool_path(url), lock_wait_s=None, busy_wait_s=_BUSY_WAIT_S)
    if is_clickhouse(url):
        from longpole.storage.clickhouse.outbox import OutboxTaker

        return OutboxTaker(url, committer)
    return FileTaker(committer)


@dataclass(frozen=True, slots=True, kw_only=True)
class WriterStats:
    """What this process wrote so far; `seen = written + waiting + dropped`, counted in spans.

    Attributes:
        events_seen: starts and ends.
        spans_written: in the database.
        spans_waiting: in the spool, safe should this process die.
        dropped: spans that are lost, or lack their end, by reason.
        errors: what went wrong between spool and database, by kind; nothing is lost by these.
    """

    events_seen: int
    spans_seen: int
    spans_written: int
    spans_waiting: int
    dropped: Mapping[str, int]
    errors: Mapping[str, int]


class _Process:
    """What one process has of a writer; a forked child gets another."""

    def __init__(
        self, url: str, settings: Settings, cadence_s: float, clock: Callable[[], float]
    ) -> None:
        self.pid = os.getpid()
        self.recording = Recording(
            spool_path(url), limit_bytes=settings.spool_limit_bytes, clock=clock
        )
        self.drainer = Drainer(taker_of(url), self.recording, cadence_s=cadence_s, clock=clock)
        self.successors: dict[int, _Process] = {}
        self.drops_told = 0

    def abandon(self) -> None:
        self.recording.abandon()
        self.drainer.abandon()


class Writer:
    """Takes the span events of this process; safe from any thread and in any forked child."""

    def __init__(
        self,
        url: str,
        *,
        settings: Settings | None = None,
        cadence_s: float = CADENCE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare to write; nothing is opened before the first event.

        Args:
            url: the store.
            settings: limits; those of the environment when not given.
            cadence_s: how long events are gathered before they go to the database together.
            clock: seconds that never go back.

        Raises:
            SettingsError: the URL names no store that can be written.
        """
        self._url = own_url(url)
        self._settings = read_settings() if settings is None else settings
        self._cadence_s = cadence_s
        self._clock = clock
        self._process = self._begun()
        _writers.add(self)

    @property
    def url(self) -> str:
        """The URL that opens this store."""
        return self._url

    @property
    def exit_timeout_s(self) -> float:
        """Longest time that the end of the process may wait for the database."""
        return self._settings.exit_timeout_s

    def append(self, event: SpanEvent) -> None:
        """Write one event; when this returns it is on disk, or counted as dropped."""
        process = self._process
        if process.pid != os.getpid():
            process = self._current()
        process.recording.append(event)
        process.drainer.wake()

    def flush(self, timeout_s: float = _FLUSH_S) -> bool:
        """Wait until the database has everything appended before this call.

        Returns:
            Whether it has; also false when spans were dropped since the last flush.
        """
        process = self._current()
        dropped = process.recording.drop_count()
        position = process.recording.position()
        has_all = process.drainer.wait_for(position, timeout_s)
        has_all = has_all and dropped == process.drops_told
        process.drops_told = dropped
        return has_all

    def close(self, timeout_s: float | None = None) -> bool:
        """Take everything in and end the thread; a later event begins anew.

        Args:
            timeout_s: longest wait; the setting for process exit when not given.

        Returns:
            Whether the database has everything; what it has not waits in the spool.
        """
        process = self._current()
        limit_s = self.exit_timeout_s if timeout_s is None else timeout_s
        position = process.recording.position()
        if not process.recording.files() and not process.recording.has_news():
            return True
        return process.drainer.wait_for(position, limit_s, is_last=True)

    def stats(self) -> WriterStats:
        """Return the counts of this process."""
        process = self._current()
        counts = process.recording.counts()
        return WriterStats(
            events_seen=counts.events_seen,
            spans_seen=counts.spans_seen,
            spans_written=counts.spans_written,
            spans_waiting=counts.spans_waiting,
            dropped=counts.dropped,
            errors=process.drainer.errors(),
        )

    def _begun(self) -> _Process:
        return _Process(self._url, self._settings, self._cadence_s, self._clock)

    def _current(self) -> _Process:
        """Return what this process has; in a forked child, of several threads one wins."""
        process = self._process
        pid = os.getpid()
        if process.pid != pid:
            # `setdefault` is atomic; a lock could have been left taken by the fork.
            mine = self._begun()
            winner = process.successors.setdefault(pid, mine)
            if winner is mine:
                process.abandon()
            self._process = process = winner
        return process

    def begin_anew_after_fork(self) -> None:
        """Let go of what the parent has; called in every child that Python forks."""
        self._current()


_writers: Final[weakref.WeakSet[Writer]] = weakref.WeakSet()
_shared: Final[dict[str, Writer]] = {}


def shared_writer(url: str, *, settings: Settings | None = None) -> Writer:
    """Return the writer of a store, one a process; the first caller's settings count.

    Raises:
        SettingsError: the URL names no store that can be written.
    """
    name = own_url(url)
    found = _shared.get(name)
    return _shared.setdefault(name, Writer(url, settings=settings)) if found is None else found


def _after_fork() -> None:
    for writer in list(_writers):
        writer.begin_anew_after_fork()


def _at_exit() -> None:
    started = time.monotonic()
    for writer in list(_writers):
        writer.close(max(0.0, writer.exit_timeout_s - (time.monotonic() - started)))


os.register_at_fork(after_in_child=_after_fork)
atexit.register(_at_exit)
