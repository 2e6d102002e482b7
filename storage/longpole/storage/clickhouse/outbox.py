"""What this machine has spooled for a ClickHouse store, and its way there.

Recorders spool as for a file, into the user's data folder. How far each spool is taken in stands in
a small SQLite file beside it, the outbox: a part of a spool counts as taken in once ClickHouse has
stored its events and the outbox says so. Between the two a crash may fall; then the part is sent
again under the same token, and rows that are there twice count once.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from longpole.model.errors import MissingExtraError, StoreError, StoreUnavailableError
from longpole.storage import drain
from longpole.storage.clickhouse import recorders, writing
from longpole.storage.clickhouse.address import read_address
from longpole.storage.clickhouse.connection import ClientDatabase, Database
from longpole.storage.clickhouse.ddl import DROPS
from longpole.storage.clickhouse.setup import set_up
from longpole.storage.clickhouse.spelling import Layout
from longpole.storage.commit import Committer
from longpole.storage.database import open_for_reading
from longpole.storage.drain import Progress
from longpole.storage.spool import spool_folder
from longpole.storage.store import Recorder, SpanEvent

if TYPE_CHECKING:
    from sqlite3 import Connection

CHUNK_FRAMES: Final = 20_000
"""Events of one insert at most; ClickHouse wants few large inserts."""
_LOCK_WAIT_S: Final = 0.5


class Carrier:
    """Stores the events of spools in a database; used by one thread."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._layout: Layout | None = None
        self._told_drops: dict[tuple[str, str], int] = {}

    def keep(
        self, connection: Connection, recorder: int, events: list[SpanEvent], part: str
    ) -> int:
        """Store events in ClickHouse; none is left over."""
        ((recorder_id,),) = connection.execute(
            "SELECT recorder_id FROM recorders WHERE recorder = ?", (recorder,)
        ).fetchall()
        try:
            if self._layout is None:
                self._layout = set_up(self._database, makes=True)
            assert self._layout is not None
            writing.write_events(self._database, self._layout, recorder_id, events, token=part)
        except MissingExtraError as error:
            # No reason to count the spans as lost: they wait until it is installed.
            raise StoreUnavailableError(str(error)) from error
        return 0

    def tell_drops(self, committer: Committer) -> None:
        """Tell the database what this machine has counted as dropped, where that has changed."""
        with committer.committing() as connection:
            found = connection.execute(
                "SELECT recorder_id, reason, spans FROM drops JOIN recorders USING (recorder)"
            ).fetchall()
        counted = {(recorder_id, reason): spans for recorder_id, reason, spans in found}
        if counted != self._told_drops:
            rows = [(*key, spans) for key, spans in counted.items()]
            self._database.insert(DROPS, ("recorder_id", "reason", "spans"), rows)
            self._told_drops = counted


class Outbox:
    """What is spooled on this machine, as a store sees it; safe from any thread."""

    def __init__(self, database: Database) -> None:
        self._path = database.address.outbox
        self._folder = spool_folder(self._path)
        self._carrier = Carrier(database)
        self._committer = Committer(self._path, lock_wait_s=_LOCK_WAIT_S, busy_wait_s=_LOCK_WAIT_S)
        self._lock = threading.Lock()

    def spooled_bytes(self) -> int:
        """Return how much is written by recorders of this machine and not in ClickHouse yet."""
        connection = open_for_reading(self._path)
        try:
            return drain.waiting_bytes(connection, self._folder)
        finally:
            if connection is not None:
                connection.close()

    def take_in(self, budget_s: float) -> None:
        """Bring what is spooled to ClickHouse, as far as that goes now; reading goes on without."""
        with contextlib.suppress(StoreError):
            if not self.spooled_bytes():
                return
            deadline = time.monotonic() + budget_s
            with self._lock:
                drain.sweep(
                    self._committer,
                    is_over=lambda: time.monotonic() > deadline,
                    keep=self._carrier.keep,
                    most_frames=CHUNK_FRAMES,
                )
                self._carrier.tell_drops(self._committer)

    def close(self) -> None:
        """Let go of the file."""
        with self._lock, contextlib.suppress(StoreError):
            self._committer.close()


class OutboxTaker:
    """What a drainer of this machine does with its spool; used by one thread."""

    beat_s = recorders.BEAT_S

    def __init__(self, url: str, committer: Committer) -> None:
        self._address = read_address(url)
        self._committer = committer
        self._database = ClientDatabase(self._address)
        self._carrier = Carrier(self._database)
        self._beat_at = -recorders.BEAT_S

    def take_in(self, name: str, fd: int, *, is_alive: bool) -> Progress:
        """Bring the next chunk of one spool file to ClickHouse."""
        return drain.take_in(
            self._committer,
            name,
            fd,
            is_alive=is_alive,
            keep=self._carrier.keep,
            most_frames=CHUNK_FRAMES,
        )

    def write_drops(self, recorder: Recorder, dropped: Mapping[str, int]) -> None:
        """Store how many spans a recorder dropped in all, by reason, here and there."""
        drain.write_drops(self._committer, recorder, dropped)
        self._carrier.tell_drops(self._committer)

    def remove(self, path: Path, *, is_torn: bool) -> None:
        """Remove a file that is stored as a whole."""
        drain.remove(self._committer, path, is_torn=is_torn)

    def sweep(self, *, is_over: Callable[[], bool], skip: Collection[str]) -> None:
        """Bring the spools of all recorders but those named, then bury the dead ones."""
        drain.sweep(
            self._committer,
            is_over=is_over,
            skip=skip,
            keep=self._carrier.keep,
            most_frames=CHUNK_FRAMES,
        )
        self._carrier.tell_drops(self._committer)

    def beat(self, recorder: Recorder) -> None:
        """Tell that the recorder lives, twice in the time after which it would not be believed."""
        now = time.monotonic()
        if now - self._beat_at >= recorders.BEAT_S:
            set_up(self._database, makes=True)
            recorders.note(self._database, recorder)
            self._beat_at = now

    def close(self) -> None:
        """Let go of the server and the file until there is more."""
        self._database.close()
        self._database = ClientDatabase(self._address)
        self._carrier = Carrier(self._database)
        self._committer.close()

    def abandon(self) -> None:
        """Forget what was opened before a fork, and touch none of it."""
        self._committer.abandon()
