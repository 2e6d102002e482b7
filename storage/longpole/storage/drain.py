"""Spool files → rows, exactly once.

Anyone may take in any spool, the recorder itself or whoever comes after its death. Under the commit
lock, in one transaction: read how far the file was taken in, parse whole frames from there, store
their events, write down the new offset. What a crash leaves half done was never committed.

A torn last frame of a dead recorder is counted and its file removed; damage in the middle sets the
file aside (`.bad`), counts it and goes on with the others.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from longpole.model.errors import StoreError
from longpole.model.run import Status
from longpole.storage.alive import own_recorders
from longpole.storage.codec import decode
from longpole.storage.commit import Committer
from longpole.storage.ingest import ingest, mark_changed, recorder_number
from longpole.storage.spool import (
    BAD_SUFFIX,
    Frames,
    Tail,
    is_locked,
    opened,
    read_frames,
    read_header,
    recorder_of,
    spool_files,
    spool_folder,
)
from longpole.storage.store import Recorder, SpanEvent, SpanStart

if TYPE_CHECKING:
    from sqlite3 import Connection

CHUNK_BYTES: Final = 4 * 1024 * 1024
CHUNK_FRAMES: Final = 2_000

TORN: Final = "torn by a crash"
DAMAGED: Final = "damaged spool"
UNREADABLE: Final = "not readable"
UNSTORABLE: Final = "not storable"

_FEWER_FRAMES: Final = 8


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one spool file is in the database.

    Attributes:
        offset: bytes taken in.
        spans: starts among them.
        tail: what lies behind.
        is_bad: whether damage was met; nothing more comes from this file.
        dropped: spans that could not be taken in, by reason, of this recorder so far.
    """

    offset: int
    spans: int
    tail: Tail
    is_bad: bool
    dropped: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class _Place:
    offset: int
    events: int
    spans: int
    is_bad: bool


Keep = Callable[["Connection", int, list[SpanEvent], str], int]
"""Stores the events of a recorder, whose number is given, from the part of a spool that the text
names; returns how many of them it could not store."""


def keep_here(connection: Connection, recorder: int, events: list[SpanEvent], _part: str) -> int:
    """Store events in the database itself, in the transaction that notes how far the spool is."""
    ingest(connection, recorder, events)
    return 0


def _keep_nothing(
    _connection: Connection, _recorder: int, events: list[SpanEvent], _part: str
) -> int:
    return len(events)


def take_in(
    committer: Committer,
    name: str,
    fd: int,
    *,
    is_alive: bool,
    keep: Keep = keep_here,
    most_frames: int = CHUNK_FRAMES,
) -> Progress:
    """Store the next chunk of one spool file.

    Args:
        committer: writes to the database that the spool belongs to.
        name: the file's name, its key in the database.
        fd: the file, open for reading.
        is_alive: whether its recorder may still be writing the last frame.
        keep: where the events go.
        most_frames: how many events a chunk has at most.

    Raises:
        StoreError: the database cannot be written now, or a newer Longpole wrote the file.
    """
    limit_frames = most_frames
    while True:
        try:
            return _take_in(committer, name, fd, is_alive, limit_frames, keep)
        except StoreError:
            raise
        except Exception:  # noqa: BLE001
            # Something in this chunk fits no row, which `rows` should not let happen. Whatever it
            # is, it must not hold up the spans around it.
            if limit_frames == 1:
                return _take_in(committer, name, fd, is_alive, 1, _keep_nothing)
            limit_frames = max(1, limit_frames // _FEWER_FRAMES)


def _take_in(
    committer: Committer,
    name: str,
    fd: int,
    is_alive: bool,
    limit_frames: int,
    keep: Keep,
) -> Progress:
    header = read_header(fd)
    with committer.committing() as connection:
        known = header[0] if header else Recorder(recorder_id=recorder_of(name), pid=0, host="")
        recorder = recorder_number(connection, known)
        if is_alive:
            _revive(connection, recorder)
        place = _place(connection, name)
        if header is None:
            return _set_aside(connection, name, recorder, place)
        if place.is_bad:
            return _progress(connection, recorder, place, Tail.DAMAGED)
        frames = read_frames(
            fd,
            max(place.offset, header[1]),
            limit_bytes=CHUNK_BYTES,
            limit_frames=limit_frames,
        )
        part = f"{name}:{place.offset}-{frames.end}"
        place = _store_frames(
            connection,
            recorder,
            place,
            frames,
            lambda connection, recorder, events: keep(connection, recorder, events, part),
        )
        if frames.tail is Tail.DAMAGED and not (is_alive and _is_last(fd, frames)):
            return _set_aside(connection, name, recorder, place)
        _write_place(connection, name, recorder, place)
        return _progress(connection, recorder, place, frames.tail)


def _revive(connection: Connection, recorder: int) -> None:
    """Take back that a recorder is dead: it held no file for a moment."""
    if connection.execute(
        "UPDATE recorders SET is_dead = 0 WHERE recorder = ? AND is_dead = 1", (recorder,)
    ).rowcount:
        connection.execute(
            "UPDATE runs SET status = ?, revision = revision + 1 "
            "WHERE recorder = ? AND status = ? AND end_ns IS NULL",
            (Status.RUNNING.value, recorder, Status.LOST.value),
        )
        mark_changed(connection)


def _is_last(fd: int, frames: Frames) -> bool:
    """Whether what looks damaged ends the file, where it may still be in the writing."""
    rest = read_frames(fd, frames.end, limit_bytes=CHUNK_BYTES, limit_frames=1)
    return rest.tail is not Tail.DAMAGED


def _store_frames(
    connection: Connection,
    recorder: int,
    place: _Place,
    frames: Frames,
    store: Callable[[Connection, int, list[SpanEvent]], int],
) -> _Place:
    events: list[SpanEvent] = []
    unreadable = 0
    for payload in frames.payloads:
        try:
            events.append(decode(payload))
        except ValueError:
            unreadable += 1
    unstorable = store(connection, recorder, events) if events else 0
    add_drops(connection, recorder, {UNREADABLE: unreadable, UNSTORABLE: unstorable})
    spans = 0 if unstorable else sum(isinstance(event, SpanStart) for event in events)
    return _Place(
        offset=frames.end,
        events=place.events + len(frames.payloads),
        spans=place.spans + spans,
        is_bad=False,
    )


def _set_aside(connection: Connection, name: str, recorder: int, place: _Place) -> Progress:
    if not place.is_bad:
        add_drops(connection, recorder, {DAMAGED: 1})
        place = _Place(place.offset, place.events, place.spans, is_bad=True)
        _write_place(connection, name, recorder, place)
    return _progress(connection, recorder, place, Tail.DAMAGED)


def _place(connection: Connection, name: str) -> _Place:
    found = connection.execute(
        "SELECT offset, events, spans, is_bad FROM spools WHERE file = ?", (name,)
    ).fetchall()
    if not found:
        return _Place(0, 0, 0, is_bad=False)
    offset, events, spans, is_bad = found[0]
    return _Place(offset, events, spans, bool(is_bad))


def _write_place(connection: Connection, name: str, recorder: int, place: _Place) -> None:
    connection.execute(
        "INSERT INTO spools (file, recorder, offset, events, spans, is_bad) "
        "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (file) DO UPDATE SET offset = excluded.offset, "
        "events = excluded.events, spans = excluded.spans, is_bad = excluded.is_bad",
        (name, recorder, place.offset, place.events, place.spans, place.is_bad),
    )


def _progress(connection: Connection, recorder: int, place: _Place, tail: Tail) -> Progress:
    dropped = connection.execute(
        "SELECT reason, spans FROM drops WHERE recorder = ?", (recorder,)
    ).fetchall()
    return Progress(place.offset, place.spans, tail, place.is_bad, dict(dropped))


def add_drops(connection: Connection, recorder: int, dropped: Mapping[str, int]) -> None:
    """Count spans that were found to be lost while taking in a spool."""
    connection.executemany(
        "INSERT INTO drops (recorder, reason, spans) VALUES (?, ?, ?) "
        "ON CONFLICT (recorder, reason) DO UPDATE SET spans = spans + excluded.spans",
        [(recorder, reason, spans) for reason, spans in dropped.items() if spans],
    )


def write_drops(committer: Committer, recorder: Recorder, dropped: Mapping[str, int]) -> None:
    """Store how many spans a recorder dropped in all, by reason.

    Raises:
        StoreError: the database cannot be written now.
    """
    with committer.committing() as connection:
        number = recorder_number(connection, recorder)
        connection.executemany(
            "INSERT INTO drops (recorder, reason, spans) VALUES (?, ?, ?) "
            "ON CONFLICT (recorder, reason) DO UPDATE SET spans = max(spans, excluded.spans)",
            [(number, reason, spans) for reason, spans in dropped.items()],
        )
        mark_changed(connection)


def remove(committer: Committer, path: Path, *, is_torn: bool) -> None:
    """Remove a file that is in the database as a whole.

    Raises:
        StoreError: the database cannot be written now.
    """
    with committer.committing() as connection:
        found = connection.execute(
            "SELECT recorder FROM spools WHERE file = ?", (path.name,)
        ).fetchall()
        # Gone before its row is: were it the other way round, it could be counted twice.
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        if found:
            add_drops(connection, found[0][0], {TORN: int(is_torn)})
            connection.execute("DELETE FROM spools WHERE file = ?", (path.name,))


def set_aside(path: Path) -> None:
    """Rename a damaged file, so that it is kept and not read again."""
    with contextlib.suppress(OSError):
        os.rename(path, path.with_name(path.name + BAD_SUFFIX))


def sweep(
    committer: Committer,
    *,
    is_over: Callable[[], bool],
    skip: Collection[str] = (),
    keep: Keep = keep_here,
    most_frames: int = CHUNK_FRAMES,
) -> None:
    """Take in the spools of all recorders, then bury the dead ones.

    Args:
        committer: writes to the database.
        is_over: asked between chunks; when true the rest is left for the next time.
        skip: names of files that the caller takes in itself.
        keep: where the events go.
        most_frames: how many events a chunk has at most.

    Raises:
        StoreError: the database cannot be written now.
    """
    for path in spool_files(spool_folder(committer.path)):
        if is_over():
            return
        if path.name not in skip:
            _take_in_file(committer, path, is_over, keep, most_frames)
    bury(committer)


def _take_in_file(
    committer: Committer,
    path: Path,
    is_over: Callable[[], bool],
    keep: Keep,
    most_frames: int,
) -> None:
    with opened(path) as fd:
        if fd is None:
            return
        # Asked before reading: what a dead recorder wrote is complete.
        is_alive = is_locked(fd)
        while not is_over():
            progress = take_in(
                committer, path.name, fd, is_alive=is_alive, keep=keep, most_frames=most_frames
            )
            if progress.tail is Tail.MORE:
                continue
            if not is_alive:
                _clear_away(committer, path, fd, progress)
            return


def _clear_away(committer: Committer, path: Path, fd: int, progress: Progress) -> None:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return
    if progress.is_bad:
        set_aside(path)
    else:
        remove(committer, path, is_torn=progress.tail is Tail.TORN)


def bury(committer: Committer) -> None:
    """Mark the recorders that have died; what they left open is lost.

    Raises:
        StoreError: the database cannot be written now.
    """
    folder = spool_folder(committer.path)
    left = {recorder_of(path.name) for path in spool_files(folder)} | own_recorders()
    with committer.committing() as connection:
        recorders = connection.execute(
            "SELECT recorder, recorder_id FROM recorders WHERE is_dead = 0"
        ).fetchall()
        dead = [(recorder,) for recorder, recorder_id in recorders if recorder_id not in left]
        if not dead:
            return
        connection.executemany("UPDATE recorders SET is_dead = 1 WHERE recorder = ?", dead)
        connection.executemany(
            "UPDATE runs SET status = ?, revision = revision + 1 WHERE recorder = ? AND status = ?",
            [(Status.LOST.value, *number, Status.RUNNING.value) for number in dead],
        )
        mark_changed(connection)


def waiting_bytes(connection: Connection | None, folder: Path) -> int:
    """Return how many bytes of the spools in a folder are not taken in; `None` knows of nothing."""
    files = spool_files(folder)
    if not files:
        return 0
    taken: dict[str, int] = {}
    if connection is not None:
        taken = dict(connection.execute("SELECT file, offset FROM spools").fetchall())
    return sum(max(0, file_size(path) - taken.get(path.name, 0)) for path in files)


def file_size(path: Path) -> int:
    """Return the size of a file; 0 when there is none."""
    try:
        return os.stat(path).st_size
    except OSError:
        return 0
