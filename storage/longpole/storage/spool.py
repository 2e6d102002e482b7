"""Where events are safe the moment a callback returns: append-only files beside the database.

Folder `<database>.spool/` (0700), files `<recorder id>-<number>.spool` (0600). A frame is
u32 length | u32 crc32 | payload, little endian; the first frame of a file says who recorded it.
One `write` a frame on an O_APPEND descriptor: what has been written survives the process. The
recorder holds `flock` on its current file, so whether it is alive is whether that file is locked;
the kernel lets go of the lock when the process dies, however it dies.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final

import orjson

from longpole.model.errors import StoreUnavailableError
from longpole.storage.store import Recorder

FORMAT: Final = 1
"""Version of the file format; files of a newer one are left alone."""
FRAME: Final = struct.Struct("<II")
FRAME_LIMIT_BYTES: Final = 64 * 1024 * 1024
"""Largest payload; a length beyond it can only be damage."""
SUFFIX: Final = ".spool"
BAD_SUFFIX: Final = ".bad"

_OPEN_NEW: Final = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
_OPEN_OLD: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


def spool_folder(database: Path) -> Path:
    """Return the folder that holds the spool files of a database."""
    return database.with_name(database.name + SUFFIX)


def frame(payload: bytes) -> bytes:
    """Return payload with its length and checksum in front."""
    return FRAME.pack(len(payload), zlib.crc32(payload)) + payload


class SpoolFile:
    """The file that a recorder writes; not thread-safe, the writer holds a lock around `append`.

    Attributes:
        name: file name, the key of its offset in the database.
        begin: where events begin, behind the header.
        size: bytes written so far.
        spans: how many of the frames written are starts.
    """

    def __init__(self, folder: Path, recorder: Recorder, number: int) -> None:
        """Create the file; it appears under its name only once it is locked and has its header.

        Raises:
            OSError: it cannot be created.
        """
        self.name = f"{recorder.recorder_id}-{number:06d}{SUFFIX}"
        self.path = folder / self.name
        self.spans = 0
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        hidden = folder / f".{self.name}"
        self.fd = os.open(hidden, _OPEN_NEW, 0o600)
        try:
            fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            header = frame(_header(recorder))
            if os.write(self.fd, header) != len(header):
                raise OSError(f"{hidden} took only a part of its header")
            os.rename(hidden, self.path)
        except BaseException:
            os.close(self.fd)
            with contextlib.suppress(OSError):
                os.unlink(hidden)
            raise
        self.begin = self.size = len(header)

    def append(self, payload: bytes, *, is_start: bool) -> None:
        """Write one frame whole, or nothing.

        Raises:
            OSError: it could not be written; the file ends where it ended before.
        """
        data = FRAME.pack(len(payload), zlib.crc32(payload)) + payload
        # `os.write` lets go of the interpreter, but a write this short is over before another
        # thread wakes up: beside one that computes, an append takes 4 µs. A write that keeps the
        # interpreter would gain nothing, and hold up the whole app where the disk is slow.
        written = os.write(self.fd, data)
        if written != len(data):
            os.ftruncate(self.fd, os.fstat(self.fd).st_size - written)
            raise OSError(errno.ENOSPC, "only a part of a frame could be written")
        self.size += written
        if is_start:
            self.spans += 1

    def is_gone(self) -> bool:
        """Whether somebody removed the file under us."""
        return os.fstat(self.fd).st_nlink == 0

    def close(self) -> None:
        """Let go of the lock and the descriptor."""
        with contextlib.suppress(OSError):
            fcntl.flock(self.fd, fcntl.LOCK_UN)
        self.abandon()

    def abandon(self) -> None:
        """Close the descriptor only: in a forked child the lock still is the parent's."""
        with contextlib.suppress(OSError):
            os.close(self.fd)


def _header(recorder: Recorder) -> bytes:
    return orjson.dumps(
        {
            "format": FORMAT,
            "recorder_id": recorder.recorder_id,
            "pid": recorder.pid,
            "host": recorder.host,
        }
    )


class Tail(Enum):
    """What lies behind the last whole frame that was read."""

    END = "end"
    MORE = "more"
    TORN = "torn"
    DAMAGED = "damaged"


@dataclass(frozen=True, slots=True)
class Frames:
    """Whole frames of a spool file, and where they end."""

    payloads: list[bytes]
    end: int
    tail: Tail


def read_frames(fd: int, offset: int, *, limit_bytes: int, limit_frames: int) -> Frames:
    """Read whole frames from `offset` on, at least one if there is one, up to the limits.

    Raises:
        OSError: the file cannot be read.
    """
    size = os.fstat(fd).st_size
    chunk = os.pread(fd, limit_bytes, offset)
    if len(chunk) >= FRAME.size:
        first = FRAME.size + FRAME.unpack_from(chunk)[0]
        if len(chunk) < first <= min(size - offset, FRAME.size + FRAME_LIMIT_BYTES):
            chunk = os.pread(fd, first, offset)
    payloads: list[bytes] = []
    at = 0
    tail = Tail.MORE
    while len(payloads) < limit_frames:
        begin = at + FRAME.size
        if begin > len(chunk):
            tail = _tail(offset + at, offset + begin, size)
            break
        length, checksum = FRAME.unpack_from(chunk, at)
        if length > FRAME_LIMIT_BYTES:
            tail = Tail.DAMAGED
            break
        if begin + length > len(chunk):
            tail = _tail(offset + at, offset + begin + length, size)
            break
        payload = chunk[begin : begin + length]
        if zlib.crc32(payload) != checksum:
            tail = Tail.DAMAGED
            break
        payloads.append(payload)
        at = begin + length
    return Frames(payloads, offset + at, tail)


def _tail(frames_end: int, needed_end: int, size: int) -> Tail:
    if frames_end >= size:
        return Tail.END
    return Tail.TORN if needed_end > size else Tail.MORE


def read_header(fd: int) -> tuple[Recorder, int] | None:
    """Return who recorded a file and where its events begin; `None` when it does not say.

    Raises:
        StoreUnavailableError: a newer Longpole wrote the file; it is left alone.
        OSError: the file cannot be read.
    """
    frames = read_frames(fd, 0, limit_bytes=4096, limit_frames=1)
    if not frames.payloads:
        return None
    try:
        header = orjson.loads(frames.payloads[0])
        if header["format"] > FORMAT:
            raise StoreUnavailableError(
                f"spool has format {header['format']}, this version reads up to {FORMAT}; "
                "upgrade with: pip install -U longpole"
            )
        recorder = Recorder(
            recorder_id=str(header["recorder_id"]), pid=int(header["pid"]), host=str(header["host"])
        )
    except (ValueError, TypeError, KeyError):
        return None
    return recorder, frames.end


def spool_files(folder: Path) -> list[Path]:
    """Return the spool files in a folder, oldest number first; none when there is no folder."""
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries if _is_spool(entry.name))
    except OSError:
        return []
    return [folder / name for name in names]


def _is_spool(name: str) -> bool:
    return name.endswith(SUFFIX) and not name.startswith(".")


def recorder_of(name: str) -> str:
    """Return the recorder id that a spool file's name begins with."""
    return name.partition("-")[0]


@contextlib.contextmanager
def opened(path: Path) -> Iterator[int | None]:
    """Open a spool file for reading; `None` when it is no longer there."""
    try:
        fd = os.open(path, _OPEN_OLD)
    except OSError:
        yield None
        return
    try:
        yield fd
    finally:
        os.close(fd)


def is_locked(fd: int) -> bool:
    """Whether a living recorder still writes this file."""
    try:
        # Shared, so that two who ask at once do not take each other for the recorder.
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    fcntl.flock(fd, fcntl.LOCK_UN)
    return False


def living_recorders(folder: Path) -> frozenset[str]:
    """Return the ids of the recorders that hold a file in this folder."""
    living: set[str] = set()
    for path in spool_files(folder):
        recorder_id = recorder_of(path.name)
        if recorder_id not in living:
            with opened(path) as fd:
                if fd is not None and is_locked(fd):
                    living.add(recorder_id)
    return frozenset(living)
