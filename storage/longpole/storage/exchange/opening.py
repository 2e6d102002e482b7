"""A file of any size → its bytes and JSON, piece by piece; gzipped or not.

Readers share this: what is damaged or too large ends in an `ExchangeError` when nothing of the file
can be used, and in a `Refused` when a part of it can.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final, cast

import orjson

from longpole.model.errors import ExchangeError
from longpole.storage.exchange.parcel import Refused

# One line, one framed message or one document; a span has a few kilobytes.
PIECE_BYTES: Final = 512 * 2**20
_GZIP_MAGIC: Final = b"\x1f\x8b"
BROKEN_GZIP: Final = (EOFError, gzip.BadGzipFile, zlib.error)
"""What reading compressed data raises where it is damaged or breaks off."""

Piece = tuple[str, Any]
"""Where in the file it stands, in words, and what was read: empty words are the whole file."""


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for reading; of a gzipped one comes what was compressed.

    Raises:
        ExchangeError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            magic = file.read(len(_GZIP_MAGIC))
            file.seek(0)
            if magic != _GZIP_MAGIC:
                yield file
                return
            with gzip.GzipFile(fileobj=file) as unpacked:
                yield cast("IO[bytes]", unpacked)
    except (OSError, *BROKEN_GZIP) as error:
        reason = getattr(error, "strerror", None) or error
        raise ExchangeError(f"cannot read {str(path)!r}: {reason}") from error


def guarded(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """Yield the pieces of a file; where its compressed data is damaged, those before are kept."""
    where = ""
    try:
        for where, piece in pieces:
            yield where, piece
    except BROKEN_GZIP as error:
        if not where:
            raise
        yield where, Refused(where=f"after {where}", why=f"the file is damaged: {error}")


def whole(path: Path, stream: IO[bytes], begin: bytes = b"") -> bytes:
    """Return all of a stream, with what was read of it before.

    Raises:
        ExchangeError: it is empty, or too large for memory.
    """
    content = begin + stream.read(PIECE_BYTES + 1)
    if len(content) > PIECE_BYTES:
        raise ExchangeError(
            f"{str(path)!r} is one document of more than {PIECE_BYTES >> 20} MiB; "
            "write it in parts, one a line"
        )
    if not content.strip():
        raise ExchangeError(f"{str(path)!r} is empty, expected recorded spans")
    return content


def whole_json(path: Path, stream: IO[bytes], begin: bytes = b"") -> Any:
    """Return what a file that is one JSON document holds.

    Raises:
        ExchangeError: it is no JSON, empty, or too large for memory.
    """
    content = whole(path, stream, begin)
    try:
        return parsed(content)
    except ValueError as error:
        raise ExchangeError(f"{str(path)!r} is no JSON: {error}") from error


def json_lines(path: Path, stream: IO[bytes]) -> Iterator[Piece]:
    """Yield the documents of a file: one a line, or a single one over all lines.

    Raises:
        ExchangeError: it is empty, or no JSON at all.
    """
    lines = _lines(stream)
    number, first = next(lines, (0, b""))
    if not first:
        raise ExchangeError(f"{str(path)!r} is empty, expected recorded spans")
    where, document = _line(number, first)
    if isinstance(document, Refused):
        following, second = next(lines, (0, b""))
        # Nobody prints a document with an object at the margin of its second line.
        if not second.startswith(b'{"'):
            yield "", whole_json(path, stream, first + second)
            return
        yield where, document
        yield _line(following, second)
    else:
        yield where, document
    for number, line in lines:
        yield _line(number, line)


def parsed(text: bytes) -> Any:
    """Return what JSON text holds; also where a producer cut a character in two.

    Raises:
        ValueError: it is no JSON.
    """
    try:
        return orjson.loads(text)
    except ValueError:
        try:
            return json.loads(text)
        except RecursionError as error:
            raise ValueError("it is nested too deeply") from error


def _lines(stream: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    number = 0
    while line := stream.readline(PIECE_BYTES):
        number += 1
        if line.strip():
            yield number, line


def _line(number: int, line: bytes) -> Piece:
    where = f"line {number}"
    try:
        return where, parsed(line)
    except ValueError as error:
        return where, Refused(where=where, why=f"it is no JSON: {error}")
