"""Parcels → one file in memory, in a form that `longpole export` writes too, for a browser to take.

A page holds the whole file until it is taken, so both what goes in and what comes out is bounded;
the command line writes files of any size.
"""

from __future__ import annotations

import io
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import BinaryIO, Final

from longpole.dashboard import words
from longpole.model.errors import TooLargeError
from longpole.storage.exchange.csv_out import Table, write_csv
from longpole.storage.exchange.parcel import Parcel
from longpole.storage.exchange.written import Written

SPANS_MOST: Final = 50_000
BYTES_MOST: Final = 64_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """What a file can be.

    Attributes:
        label: what it is called on a page.
        about: what opens it.
        suffix: how its name ends.
        mime_type: what the browser is told.
        command: the words behind `longpole export` that do the same, or what comes next to it.
        on_command_line: what that command does.
        write: writes the runs, told whether their contents are meant to be in it.
        holds_content: whether inputs and outputs have a place in it.
    """

    label: str
    about: str
    suffix: str
    mime_type: str
    command: tuple[str, ...]
    write: Callable[[Iterable[Parcel], BinaryIO, bool], Written]
    holds_content: bool = True
    on_command_line: str = "The same on the command line, with no limit:"


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file that was made."""

    name: str
    mime_type: str
    data: bytes
    written: Written


def make_file(
    parcels: Iterable[Parcel],
    form: Form,
    *,
    stem: str,
    with_content: bool,
    bytes_most: int = BYTES_MOST,
) -> File:
    """Return runs as a file.

    Args:
        parcels: the runs, with the contents that may leave.
        form: one of `FORMS`.
        stem: its name without the suffix.
        with_content: whether inputs and outputs are meant to be in it.
        bytes_most: how large it may become.

    Raises:
        TooLargeError: it would become larger.
        ExchangeError: it cannot be written.
    """
    out = _Bounded(bytes_most)
    written = form.write(_bounded(parcels, bytes_most), out, with_content)
    return File(
        name=stem + form.suffix, mime_type=form.mime_type, data=out.getvalue(), written=written
    )


def check_spans(count: int) -> None:
    """Raise `TooLargeError` when runs with so many spans together are too much for a page."""
    if count > SPANS_MOST:
        raise TooLargeError(
            f"these runs have {count:,} spans, a page makes files of {SPANS_MOST:,} at most; "
            "choose fewer, or use the command line, which has no such limit"
        )


class _Bounded(io.BytesIO):
    """A file in memory that refuses to grow beyond a size."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def write(self, data: bytes, /) -> int:  # type: ignore[override]
        if self.tell() + len(data) > self._most:
            raise _too_large(self._most)
        return super().write(data)


def _bounded(parcels: Iterable[Parcel], most: int) -> Iterator[Parcel]:
    """Pass parcels on until their contents are more than the file may hold.

    Some forms hold all runs before they write the first byte.
    """
    held = 0
    for parcel in parcels:
        held += sum(
            len(one.input_value or "") + len(one.output_value or "")
            for one in parcel.contents.values()
        )
        if held > most:
            raise _too_large(most)
        yield parcel


def _too_large(most: int) -> TooLargeError:
    return TooLargeError(
        f"the file would be larger than {words.size(most)}, the most a page makes; leave inputs "
        "and outputs away, choose fewer runs, or use the command line, which has no such limit"
    )


# --- forms ---------------------------------------------------------------------------------------
# Writers are loaded when they are needed: some bring large packages along.


def _jsonl(parcels: Iterable[Parcel], out: BinaryIO, _with_content: bool) -> Written:
    from longpole.storage.exchange.jsonl import write_jsonl

    return write_jsonl(parcels, out)


def _perfetto(parcels: Iterable[Parcel], out: BinaryIO, _with_content: bool) -> Written:
    from longpole.storage.exchange.perfetto import write_perfetto

    return write_perfetto(parcels, out)


def _otlp(parcels: Iterable[Parcel], out: BinaryIO, _with_content: bool) -> Written:
    from longpole.storage.exchange.otlp_out import to_json, to_request

    held = list(parcels)
    out.write(to_json(to_request(held)))
    return _written(held)


def _html(parcels: Iterable[Parcel], out: BinaryIO, with_content: bool) -> Written:
    from longpole.dashboard.report import html_report

    held = list(parcels)
    text = html_report(
        held, with_content=with_content, version=version("longpole"), made_ns=time.time_ns()
    )
    out.write(text.encode())
    return _written(held)


def _csv(parcels: Iterable[Parcel], out: BinaryIO, _with_content: bool, *, table: Table) -> Written:
    text = io.TextIOWrapper(out, encoding="utf-8", newline="", write_through=True)
    try:
        return write_csv(parcels, text, table)
    finally:
        text.detach()


def _parquet(parcels: Iterable[Parcel], out: BinaryIO, _with_content: bool) -> Written:
    """Write both tables into one ZIP file, as a browser takes one file."""
    from longpole.storage.exchange.parquet import write_parquet

    with tempfile.TemporaryDirectory() as folder:
        written = write_parquet(parcels, Path(folder))
        with zipfile.ZipFile(out, "w") as packed:
            for path in sorted(Path(folder).iterdir()):
                packed.write(path, path.name)
    return written


def _written(held: list[Parcel]) -> Written:
    return Written(len(held), sum(len(parcel.run.spans) for parcel in held))


_TEXT: Final = "text/csv"
FORMS: Final = (
    Form(
        label="JSON lines",
        about="Everything, as `longpole import` takes it in again",
        suffix=".jsonl",
        mime_type="application/x-ndjson",
        command=("jsonl",),
        write=_jsonl,
    ),
    Form(
        label="Perfetto trace",
        about="For ui.perfetto.dev and chrome://tracing",
        suffix=".perfetto.json",
        mime_type="application/json",
        command=("perfetto",),
        write=_perfetto,
        holds_content=False,
    ),
    Form(
        label="OTLP JSON",
        about="For any OpenTelemetry collector, as a file",
        suffix=".otlp.json",
        mime_type="application/json",
        command=("otlp",),
        write=_otlp,
        on_command_line="Sent to a collector from the command line, with no limit:",
    ),
    Form(
        label="HTML report",
        about="One file that opens in any browser, without a network",
        suffix=".html",
        mime_type="text/html",
        command=("html",),
        write=_html,
    ),
    Form(
        label="CSV of runs",
        about="For a spreadsheet, one row a run",
        suffix=".runs.csv",
        mime_type=_TEXT,
        command=("csv",),
        write=partial(_csv, table="runs"),
        holds_content=False,
    ),
    Form(
        label="CSV of spans",
        about="For a spreadsheet, one row a span",
        suffix=".spans.csv",
        mime_type=_TEXT,
        command=("csv", "--table", "spans"),
        write=partial(_csv, table="spans"),
    ),
    Form(
        label="Parquet tables",
        about="For data tools: runs.parquet and spans.parquet in one ZIP file",
        suffix=".parquet.zip",
        mime_type="application/zip",
        command=("parquet",),
        write=_parquet,
    ),
)
"""What a file can be, what is wanted most first."""
