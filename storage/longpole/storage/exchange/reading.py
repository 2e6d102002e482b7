"""A file of recorded spans, of whatever known format → `Incoming` items."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

from longpole.model.errors import ExchangeError
from longpole.storage.exchange.opening import opened
from longpole.storage.exchange.parcel import Incoming

Reader = Callable[[Path], Iterator[Incoming]]
"""Reads one file; raises `ExchangeError` when nothing in it can be read."""

_HERE: Final = "longpole.storage.exchange"
# By name: each is loaded when it is needed, for some load much.
_READERS: Final[Mapping[str, tuple[str, str]]] = {
    "jsonl": (f"{_HERE}.jsonl", "read_jsonl"),
    "otlp-json": (f"{_HERE}.otlp_in", "read_otlp_json"),
    "otlp": (f"{_HERE}.otlp_in", "read_otlp_protobuf"),
    "jaeger": (f"{_HERE}.jaeger", "read_jaeger"),
    "langsmith": (f"{_HERE}.langsmith.files", "read_langsmith"),
}
FORMATS: Final = tuple(_READERS)
"""Every format under its name on the command line."""

_LOOKED_AT_BYTES: Final = 1 << 20
# Of texts that stand in one format only, the one that comes first tells.
_MARKS: Final[Mapping[bytes, str]] = {
    b'"type":"longpole"': "jsonl",
    b'"resourceSpans"': "otlp-json",
    b'"resource_spans"': "otlp-json",
    b'"traceID"': "jaeger",
    b'"run_type"': "langsmith",
    b'"dotted_order"': "langsmith",
}
_OTLP_FIRST_BYTE: Final = b"\x0a"
"""The tag of the first field of a trace request, `resource_spans`."""


def read_file(path: Path, format_name: str | None = None) -> Iterator[Incoming]:
    """Yield what a file holds, in its order.

    Args:
        path: the file; gzipped or not.
        format_name: one of `FORMATS`; found out from the file's beginning when `None`.

    Raises:
        ExchangeError: there is no such file, or it is of no known kind.
    """
    module, name = _READERS[format_name or recognise(path)]
    reader: Reader = getattr(importlib.import_module(module), name)
    return reader(path)


def recognise(path: Path) -> str:
    """Return the name of the format that a file is in.

    Raises:
        ExchangeError: it cannot be read, or is of no known kind.
    """
    with opened(path) as stream:
        begin = stream.read(_LOOKED_AT_BYTES)
    text = begin.lstrip(b" \t\r\n\xef\xbb\xbf")
    if not text:
        raise ExchangeError(f"{str(path)!r} is empty, expected recorded spans")
    if text[:1] not in (b"{", b"["):
        # JSON first: a line feed is the first byte of both.
        if begin.startswith(_OTLP_FIRST_BYTE) or begin[:1] == b"\x00":
            return "otlp"
        raise _unknown(path)
    found = {begin.find(mark): name for mark, name in _MARKS.items() if mark in begin}
    if not found:
        raise _unknown(path)
    return found[min(found)]


def _unknown(path: Path) -> ExchangeError:
    return ExchangeError(
        f"{str(path)!r} is of no known kind, expected Longpole JSON lines, OTLP (JSON or "
        "protobuf), Jaeger JSON or LangSmith runs; say which with --format"
    )
