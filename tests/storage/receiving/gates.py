"""A store whose writes a test lets through one by one, or fails."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from queue import SimpleQueue

from longpole.storage import Recorder, SpanEvent
from longpole.storage.sqlite import SqliteStore

_LIMIT_S = 30.0


class GatedStore(SqliteStore):
    """Writes only when told to; a real store in everything else."""

    def hold(self) -> None:
        """From now on every write waits for `let_through` or `fail`."""
        self.arrived = threading.Semaphore(0)
        self.written: list[int] = []
        self._orders: SimpleQueue[Exception | None] = SimpleQueue()

    def wait_for_write(self) -> None:
        """Wait until a write has come."""
        assert self.arrived.acquire(timeout=_LIMIT_S)

    def let_through(self) -> None:
        self._orders.put(None)

    def fail(self, error: Exception) -> None:
        self._orders.put(error)

    def write(self, recorder: Recorder, events: Iterable[SpanEvent]) -> None:
        """Store events once the test says so."""
        given = list(events)
        self.arrived.release()
        error = self._orders.get(timeout=_LIMIT_S)
        if error is not None:
            raise error
        super().write(recorder, given)
        self.written.append(len(given))
