"""The spool side of a writer: one process's files and its counts.

`append` runs on the traced app's threads. Its lock is re-entrant, because a signal handler or a
finalizer may trace something while its own thread is in here, and is held for one `write` only.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import secrets
import sys
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from longpole.storage.alive import note_own
from longpole.storage.codec import encode
from longpole.storage.drain import DAMAGED, Progress
from longpole.storage.spool import FRAME, FRAME_LIMIT_BYTES, SpoolFile, spool_folder
from longpole.storage.store import Recorder, SpanEvent, SpanStart

_logger: Final = logging.getLogger("longpole")

ROTATION_BYTES: Final = 8 * 1024 * 1024
"""A spool file larger than this is followed by a new one, and removed once it is taken in."""
_REOPEN_PAUSE_S: Final = 1.0
_LAST_WAIT_S: Final = 0.2
_LOST_LIMIT: Final = 100_000

SPOOL_FULL: Final = "spool full"
DISK_FULL: Final = "disk full"
SPOOL_UNWRITABLE: Final = "spool not writable"
TOO_LARGE: Final = "too large"
NOT_ENCODABLE: Final = "not encodable"

_NO_SPACE: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Spans of one process; `seen = written + waiting + dropped`."""

    events_seen: int
    spans_seen: int
    spans_written: int
    spans_waiting: int
    dropped: Mapping[str, int]


class Recording:
    """Puts the events of one process on disk and counts what becomes of them."""

    def __init__(self, database: Path, *, limit_bytes: int, clock: Callable[[], float]) -> None:
        self.pid = os.getpid()
        self.recorder = Recorder(
            recorder_id=secrets.token_hex(8), pid=self.pid, host=os.uname().nodename
        )
        note_own(self.recorder.recorder_id)
        self._folder = spool_folder(database)
        self._limit_bytes = limit_bytes
        self._clock = clock
        self._lock = threading.RLock()
        self._file: SpoolFile | None = None
        self._older: list[SpoolFile] = []
        self._files_made = 0
        self._may_open_at = -float("inf")
        self._events_seen = 0
        self._spans_seen = 0
        self._bytes_appended = 0
        self._bytes_taken = 0
        self._spans_taken = 0
        self._taken: dict[str, tuple[int, int]] = {}
        self._dropped: Counter[str] = Counter()
        self._drops_stored = 0
        self._ends_dropped = 0
        self._lost: set[str] = set()
        self._told: set[str] = set()

    # --- on the app's threads -----------------------------------------------------------------

    def append(self, event: SpanEvent) -> None:
        """Write one event, or count it as dropped; raises no `Exception`."""
        is_start = type(event) is SpanStart
        payload: bytes | None
        try:
            payload = encode(event)
        except Exception:  # noqa: BLE001 - whatever went wrong, the app must not learn of it
            payload = None
        # A thread that the end of the interpreter has stopped may hold the lock, for ever.
        wait_s = _LAST_WAIT_S if sys.is_finalizing() else -1.0
        if self._lock.acquire(timeout=wait_s):
            try:
                self._append(event.span_id, payload, is_start)
            finally:
                self._lock.release()

    def _append(self, span_id: str, payload: bytes | None, is_start: bool) -> None:
        self._events_seen += 1
        if is_start:
            self._spans_seen += 1
        elif self._lost and span_id in self._lost:
            # The whole span was counted when its start was dropped.
            self._lost.discard(span_id)
            return
        reason = NOT_ENCODABLE if payload is None else self._write(payload, is_start)
        if reason is not None:
            self._drop(span_id, is_start, reason)

    def _write(self, payload: bytes, is_start: bool) -> str | None:
        """Write one frame; the reason why not, if not."""
        file = self._file or self._opened()
        if file is None:
            return SPOOL_UNWRITABLE
        length = FRAME.size + len(payload)
        if self._bytes_appended - self._bytes_taken + length > self._limit_bytes:
            return SPOOL_FULL
        if length > FRAME_LIMIT_BYTES:
            return TOO_LARGE
        try:
            file.append(payload, is_start=is_start)
        except OSError as error:
            return DISK_FULL if error.errno in _NO_SPACE else SPOOL_UNWRITABLE
        self._bytes_appended += length
        return None

    def _opened(self) -> SpoolFile | None:
        now = self._clock()
        if now < self._may_open_at:
            return None
        try:
            self._file = SpoolFile(self._folder, self.recorder, self._files_made)
        except OSError as error:
            self._may_open_at = now + _REOPEN_PAUSE_S
            self.tell_once(
                SPOOL_UNWRITABLE, "longpole cannot write its spool %s: %s", self._folder, error
            )
            return None
        self._files_made += 1
        return self._file

    def _drop(self, span_id: str, is_start: bool, reason: str) -> None:
        self._dropped[reason] += 1
        if not is_start:
            self._ends_dropped += 1
        elif len(self._lost) < _LOST_LIMIT:
            self._lost.add(span_id)
        self.tell_once(
            f"drop: {reason}",
            "longpole drops spans (%s); the app is not affected, stats() and the dashboard "
            "count them",
            reason,
        )

    def tell_once(self, kind: str, message: str, *arguments: object) -> None:
        """Log the first warning of a kind."""
        if kind not in self._told:
            self._told.add(kind)
            # A log handler of the app may raise; that is not for its chains to see.
            with contextlib.suppress(Exception):
                _logger.warning(message, *arguments)

    # --- on the drainer's thread --------------------------------------------------------------

    def files(self) -> list[SpoolFile]:
        """Return the files that hold or may get events, oldest first."""
        with self._lock:
            return [*self._older, self._file] if self._file else list(self._older)

    def note(self, file: SpoolFile, progress: Progress) -> None:
        """Learn how far a file was taken in."""
        with self._lock:
            self._count_taken(file, progress.offset, progress.spans)
            for reason, count in progress.dropped.items():
                self._dropped[reason] = max(self._dropped[reason], count)

    def give_up(self, file: SpoolFile, progress: Progress) -> None:
        """Go on in a new file because this one is damaged, and count what it takes along."""
        with self._lock:
            self._dropped[DAMAGED] += max(1, file.spans - progress.spans)
            self._count_taken(file, file.size, progress.spans)
            if file is self._file:
                self._older.append(file)
                self._file = None
            self.forget(file)

    def _count_taken(self, file: SpoolFile, offset: int, spans: int) -> None:
        # A database that was removed is filled again from the start: never count back.
        had_offset, had_spans = self._taken.get(file.name, (file.begin, 0))
        offset, spans = max(offset, had_offset), max(spans, had_spans)
        self._bytes_taken += offset - had_offset
        self._spans_taken += spans - had_spans
        self._taken[file.name] = (offset, spans)

    def rotate(self, *, always: bool = False) -> None:
        """Go on in a new file if the current one is large, or gone from its folder, or `always`."""
        with self._lock:
            file = self._file
            if file and (always or file.size > ROTATION_BYTES or file.is_gone()):
                self._older.append(file)
                self._file = None
                if not always:
                    # Opened at once: a recorder without a locked file looks dead.
                    self._opened()

    def finished(self) -> list[SpoolFile]:
        """Return the files that get no more events and are taken in as a whole."""
        with self._lock:
            return [file for file in self._older if self._offset(file) >= file.size]

    def _offset(self, file: SpoolFile) -> int:
        return self._taken.get(file.name, (0, 0))[0]

    def forget(self, file: SpoolFile) -> None:
        """Close a file that is no longer needed."""
        with self._lock:
            if file in self._older:
                self._older.remove(file)
                self._taken.pop(file.name, None)
                file.close()

    def has_news(self) -> bool:
        """Whether there are drops that the database does not know of."""
        with self._lock:
            return self._dropped.total() != self._drops_stored

    def drops_to_store(self) -> Mapping[str, int]:
        """Return all drops by reason; empty when there is no news."""
        with self._lock:
            return dict(self._dropped) if self.has_news() else {}

    def drops_are_stored(self, dropped: Mapping[str, int]) -> None:
        """Learn that these were stored."""
        with self._lock:
            self._drops_stored = sum(dropped.values())

    def is_writing(self) -> bool:
        """Whether there is a file that events go to."""
        return self._file is not None

    # --- from anywhere ------------------------------------------------------------------------

    def position(self) -> int:
        """Return a number that grows with every event written."""
        with self._lock:
            return self._bytes_appended

    def has_taken(self, position: int) -> bool:
        """Whether everything written up to a position is in the database."""
        with self._lock:
            return self._bytes_taken >= position

    def drop_count(self) -> int:
        """Return how many spans were dropped."""
        with self._lock:
            return self._dropped.total()

    def counts(self) -> Counts:
        """Return what became of the spans so far."""
        with self._lock:
            dropped = self._dropped.total()
            kept = max(0, self._spans_seen - dropped)
            written = max(0, min(self._spans_taken - self._ends_dropped, kept))
            return Counts(
                events_seen=self._events_seen,
                spans_seen=self._spans_seen,
                spans_written=written,
                spans_waiting=kept - written,
                dropped=dict(self._dropped),
            )

    def abandon(self) -> None:
        """Close what a forked child inherited; the files and their locks stay the parent's."""
        # Without the lock: whoever held it at the fork is not in this process.
        for file in (*self._older, *([self._file] if self._file else ())):
            file.abandon()
