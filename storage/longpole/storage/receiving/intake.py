"""Many requests → one commit: a thread that stores what has come in while the last commit ran.

`submit` returns at once; its future is done when the events are in the store, and not before.
Whatever waits when the thread is free goes into one transaction, so that many small requests cost
little more than one large one. A commit that fails because the store cannot be written fails all of
its requests, which may come again. If it fails for what is in it, each request is tried alone.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Final

from longpole.model.errors import StoreError, StoreUnavailableError
from longpole.storage.store import Recorder, SpanEvent, Store

_logger: Final = logging.getLogger("longpole")

_EVENTS_A_COMMIT: Final = 20_000
"""A commit takes no further request once it has so many."""


class _Batch:
    """The events of one request, and who waits for them."""

    def __init__(self, events: Sequence[SpanEvent]) -> None:
        self.events = events
        self.stored: Future[None] = Future()

    def is_stored(self) -> None:
        if self.stored.set_running_or_notify_cancel():
            self.stored.set_result(None)

    def has_failed(self, error: BaseException) -> None:
        if self.stored.set_running_or_notify_cancel():
            self.stored.set_exception(error)


class Intake:
    """Stores batches of events in one thread; safe from any thread.

    Args:
        store: opened for writing; it is the caller's to close.
        recorder: who the spans come from.
    """

    def __init__(self, store: Store, recorder: Recorder) -> None:
        self._store = store
        self._recorder = recorder
        self._inbox: SimpleQueue[_Batch | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._is_closed = False
        self._trouble: StoreError | None = None
        self._thread = threading.Thread(target=self._live, name="longpole-intake")
        self._thread.start()

    @property
    def trouble(self) -> StoreError | None:
        """Why the last commit failed; `None` when it did not."""
        return self._trouble

    def submit(self, events: Sequence[SpanEvent]) -> Future[None]:
        """Hand over events; the future is done when they are stored.

        Its exception is a `StoreError` when the store could not be written; the same events may
        come again. Cancelling it does not take the events back.

        Raises:
            StoreUnavailableError: the intake was closed.
        """
        batch = _Batch(events)
        with self._lock:
            if self._is_closed:
                raise StoreUnavailableError("the receiver is shutting down; send it again")
            self._inbox.put(batch)
        return batch.stored

    def close(self) -> None:
        """Store all that was handed over, then end; nothing can be handed over any more."""
        with self._lock:
            if not self._is_closed:
                self._is_closed = True
                self._inbox.put(None)
        self._thread.join()

    def _live(self) -> None:
        is_last = False
        while not is_last:
            batches, is_last = self._gathered()
            if batches:
                self._store_all(batches)

    def _gathered(self) -> tuple[list[_Batch], bool]:
        """Wait for a batch, then take what else is there; and whether nothing comes after it."""
        item = self._inbox.get()
        batches: list[_Batch] = []
        events = 0
        while item is not None:
            batches.append(item)
            events += len(item.events)
            if events >= _EVENTS_A_COMMIT:
                return batches, False
            try:
                item = self._inbox.get_nowait()
            except Empty:
                return batches, False
        return batches, True

    def _store_all(self, batches: list[_Batch]) -> None:
        try:
            self._write([event for batch in batches for event in batch.events])
        except StoreError as error:
            for batch in batches:
                batch.has_failed(error)
        except Exception as error:  # noqa: BLE001 - one request must not take the others along
            self._store_each(batches, error)
        else:
            for batch in batches:
                batch.is_stored()

    def _store_each(self, batches: list[_Batch], error: BaseException) -> None:
        if len(batches) == 1:
            _logger.error("a request could not be stored", exc_info=error)
            batches[0].has_failed(error)
            return
        for batch in batches:
            self._store_all([batch])

    def _write(self, events: list[SpanEvent]) -> None:
        try:
            if events:
                self._store.write(self._recorder, events)
        except StoreError as error:
            self._trouble = error
            raise
        self._trouble = None
