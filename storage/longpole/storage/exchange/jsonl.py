"""JSON lines: runs with everything recorded of them ⇄ one JSON object a line.

Out: a header, then for each run one `run` line and one `span` line for each of its spans. In: the
same, from Longpole or from elsewhere; each span line becomes a `SpanStart` and, if it has ended, a
`SpanEnd`. What was computed (costs, slack, ratios …) is written for the reader's sake and not read
back: a store computes it anew. Written, read into a store and written from there gives the same
bytes; that a span without an end is still running is not in the file, it is lost once it is read
elsewhere. `docs/exchange-files.md` says what every field is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO, Final

import orjson

from longpole.model.errors import ExchangeError
from longpole.model.run import FanOutKind, Kind, Order, Role, Run, Span, SpanError, Status
from longpole.model.semconv import INPUT_MIME_TYPE, INPUT_VALUE, OUTPUT_MIME_TYPE, OUTPUT_VALUE
from longpole.model.usage import Usage
from longpole.storage.codec import plain
from longpole.storage.exchange.exported_tables import SpanRow, span_rows
from longpole.storage.exchange.fields import Fields, MisfitError
from longpole.storage.exchange.opening import BROKEN_GZIP, opened
from longpole.storage.exchange.parcel import Incoming, Parcel, Refused
from longpole.storage.exchange.recorded import attributes_of_root, attributes_of_span
from longpole.storage.exchange.written import Written
from longpole.storage.store import SpanEnd, SpanStart

SCHEMA: Final = 1
HEADER: Final[Mapping[str, Any]] = {"type": "longpole", "schema": SCHEMA}
"""The first line."""

_LINE_LIMIT_BYTES: Final = 2**29
# What orjson reads but does not write again; no line of ours is nested that deeply.
_DEPTH_LIMIT: Final = 250

# --- out --------------------------------------------------------------------------------------


def write_jsonl(parcels: Iterable[Parcel], out: BinaryIO) -> Written:
    """Write runs one after the other; only one is held at a time."""
    runs = spans = 0
    out.write(_line(HEADER))
    for parcel in parcels:
        out.write(_line(_run_object(parcel)))
        runs += 1
        for row in span_rows(parcel):
            out.write(_line(_span_object(parcel.run, row)))
            spans += 1
    return Written(runs, spans)


def _line(fields: Mapping[str, Any]) -> bytes:
    try:
        return orjson.dumps(fields, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:
        # Of runs made by hand: what JSON lacks is written as the store would keep it.
        return orjson.dumps(plain(fields), option=orjson.OPT_APPEND_NEWLINE)


def _run_object(parcel: Parcel) -> dict[str, Any]:
    document = parcel.document
    return {
        "type": "run",
        **document["run"],
        "trace_id": parcel.run.trace_id,
        "fan_outs": document["fan_outs"],
        "critical_path": document["critical_path"],
    }


def _span_object(run: Run, row: SpanRow) -> dict[str, Any]:
    span, order, content = row.span, row.span.order, row.content
    attributes = attributes_of_span(content.attributes, span)
    if span.parent_span_id is None:
        attributes = attributes_of_root(attributes, run)
    captured = {
        "input": content.input_value,
        "input_mime_type": content.input_mime_type,
        "output": content.output_value,
        "output_mime_type": content.output_mime_type,
    }
    return {
        "type": "span",
        "run_id": row.run_id,
        **row.facts,
        "ready_ns": span.ready_ns,
        "first_token_ns": span.first_token_ns,
        "host": span.host,
        "fan_out": span.fan_out and span.fan_out.value,
        "fan_out_limit": span.fan_out_limit,
        "limit_ignored": span.limit_ignored,
        "order_group": order.group,
        "order_seq": order.seq,
        "order_superstep": order.superstep,
        "order_after": order.after,
        "is_streamed": order.streamed,
        "is_detached": order.detached,
        "attributes": attributes,
        **{name: value for name, value in captured.items() if value is not None},
    }


# --- in ---------------------------------------------------------------------------------------


def read_jsonl(path: Path) -> Iterator[Incoming]:
    """Yield the events of a file line by line, and what is wrong with the lines that are bad.

    The file may be compressed with gzip, whatever its name is.

    Raises:
        ExchangeError: it cannot be read, does not begin with a header, or has a newer schema.
    """
    reading = _Reading(path)
    with opened(path) as file:
        try:
            for number, line in _lines(file):
                yield from reading.line(number, line)
        except BROKEN_GZIP:
            if not reading.has_begun:
                raise
            where = f"what follows line {reading.last_line}"
            yield Refused(where=where, why="the compressed file breaks off or is damaged here")
    if not reading.has_begun:
        raise ExchangeError(
            f"{str(path)!r} is empty, expected {_shown(HEADER)!r} on its first line"
        )


def _lines(file: IO[bytes]) -> Iterator[tuple[int, bytes | None]]:
    """Yield each line that is not blank with its number; `None` for one too long to hold."""
    number = 0
    while line := file.readline(_LINE_LIMIT_BYTES):
        number += 1
        if len(line) == _LINE_LIMIT_BYTES and not line.endswith(b"\n"):
            while line and not line.endswith(b"\n"):
                line = file.readline(_LINE_LIMIT_BYTES)
            yield number, None
        elif not line.isspace():
            yield number, line


@dataclass(slots=True)
class _Reading:
    """One file being read; `about` is the last `run` line."""

    path: Path
    has_begun: bool = False
    last_line: int = 0
    about: _About | None = None

    def line(self, number: int, line: bytes | None) -> Iterator[Incoming]:
        self.last_line = number
        try:
            fields = _fields(line)
            kind = fields.text("type")
            if not self.has_begun or kind == "longpole":
                self._begin(fields)
            elif kind == "run":
                self.about = _about(fields)
            elif kind == "span":
                yield from _events(fields, self.about)
            else:
                raise MisfitError(f"type is {kind!r}, expected 'run' or 'span'")
        except MisfitError as misfit:
            if not self.has_begun:
                raise ExchangeError(
                    f"{str(self.path)!r} has no header on line {number} ({misfit}), "
                    f"expected {_shown(HEADER)!r}; export it again, or put that line first"
                ) from None
            yield Refused(where=f"line {number}", why=str(misfit))

    def _begin(self, fields: Fields) -> None:
        if fields.text("type") != "longpole":
            raise MisfitError(f"type is {fields.text('type')!r}")
        schema = fields.integer("schema")
        if schema > SCHEMA:
            raise ExchangeError(
                f"{str(self.path)!r} has schema {schema}, this version reads up to {SCHEMA}; "
                "upgrade with: pip install -U longpole"
            )
        self.has_begun = True
        self.about = None


def _shown(fields: Mapping[str, Any]) -> str:
    return orjson.dumps(fields).decode()


def _fields(line: bytes | None) -> Fields:
    if line is None:
        raise MisfitError(f"longer than {_LINE_LIMIT_BYTES:,} bytes, expected a shorter line")
    try:
        found = orjson.loads(line)
    except ValueError as error:
        raise MisfitError(f"no JSON ({error}), expected one JSON object") from None
    if type(found) is not dict:
        raise MisfitError(f"a JSON {type(found).__name__}, expected one JSON object")
    if line.count(b"[") + line.count(b"{") > _DEPTH_LIMIT and _is_too_deep(found):
        raise MisfitError(f"nested too deeply, expected at most {_DEPTH_LIMIT} levels")
    return Fields(found)


def _is_too_deep(found: dict[str, Any]) -> bool:
    try:
        orjson.dumps(found)
    except TypeError:
        return True
    return False


@dataclass(frozen=True, slots=True)
class _About:
    """What a `run` line tells of a run that its spans do not."""

    run_id: str
    trace_id: str
    session_id: str | None
    user_id: str | None
    tags: tuple[str, ...]
    metadata: Mapping[str, Any]


def _about(fields: Fields) -> _About:
    return _About(
        run_id=fields.name("run_id"),
        trace_id=fields.text_or_none("trace_id") or "",
        session_id=fields.text_or_none("session_id"),
        user_id=fields.text_or_none("user_id"),
        tags=fields.texts_or_none("tags") or (),
        metadata=fields.object_or_none("metadata") or {},
    )


def _events(fields: Fields, about: _About | None) -> Iterator[Incoming]:
    run_id, span = fields.name("run_id"), _span(fields)
    # A run whose own line is bad is kept all the same: its root's attributes tell most of it.
    known = about if about is not None and about.run_id == run_id else None
    yield SpanStart(
        run_id=run_id,
        trace_id="" if known is None else known.trace_id,
        span_id=span.span_id,
        parent_span_id=span.parent_span_id,
        is_root=span.parent_span_id is None,
        name=span.name,
        start_ns=span.start_ns,
        attributes=_attributes(fields, span, known),
    )
    if span.end_ns is not None:
        yield SpanEnd(
            run_id=run_id,
            span_id=span.span_id,
            end_ns=span.end_ns,
            status=span.status,
            error=span.error,
        )


def _attributes(fields: Fields, span: Span, about: _About | None) -> dict[str, Any]:
    attributes = attributes_of_span(fields.object_or_none("attributes") or {}, span)
    if span.parent_span_id is None and about is not None:
        run = Run(
            run_id=about.run_id,
            root_span_id=span.span_id,
            spans=(span,),
            session_id=about.session_id,
            user_id=about.user_id,
            tags=about.tags,
            metadata=about.metadata,
        )
        attributes = attributes_of_root(attributes, run)
    captured = {
        INPUT_VALUE: fields.text_or_none("input"),
        INPUT_MIME_TYPE: fields.text_or_none("input_mime_type"),
        OUTPUT_VALUE: fields.text_or_none("output"),
        OUTPUT_MIME_TYPE: fields.text_or_none("output_mime_type"),
    }
    return attributes | {key: value for key, value in captured.items() if value is not None}


def _span(fields: Fields) -> Span:
    fields.check_stated("parent_span_id", "end_ns")
    start_ns, end_ns = fields.integer("start_ns"), fields.integer_or_none("end_ns")
    if end_ns is not None and end_ns < start_ns:
        raise MisfitError(f"end_ns is {end_ns}, expected start_ns ({start_ns}) or later")
    error = fields.part_or_none("error")
    if error is not None and end_ns is None:
        raise MisfitError("error is given although end_ns is null, expected an end")
    return Span(
        span_id=fields.name("span_id"),
        parent_span_id=fields.name_or_none("parent_span_id"),
        name=fields.text("name"),
        kind=fields.member("kind", Kind),
        start_ns=start_ns,
        end_ns=end_ns,
        status=fields.member("status", Status),
        role=fields.member_or_none("role", Role),
        branch=fields.text_or_none("branch"),
        step=fields.integer_or_none("step"),
        attempt=_attempt(fields),
        fan_out=fields.member_or_none("fan_out", FanOutKind),
        fan_out_limit=fields.integer_or_none("fan_out_limit"),
        limit_ignored=fields.integer_or_none("limit_ignored"),
        order=_order(fields),
        error=None
        if error is None
        else SpanError(type=error.text("type"), message=error.text("message")),
        ready_ns=fields.integer_or_none("ready_ns"),
        first_token_ns=fields.integer_or_none("first_token_ns"),
        model=fields.text_or_none("model"),
        provider=fields.text_or_none("provider"),
        usage=_usage(fields.part_or_none("usage")),
        cache_hit=fields.flag("cache_hit"),
        result_swapped=fields.flag("result_swapped"),
        langchain_run_id=fields.text_or_none("langchain_run_id"),
        host=fields.text_or_none("host"),
    )


def _attempt(fields: Fields) -> int:
    number = fields.integer_or_none("attempt")
    if number is not None and number < 1:
        raise MisfitError(f"attempt is {number}, expected 1 or more")
    return number or 1


def _order(fields: Fields) -> Order:
    return Order(
        group=fields.text_or_none("order_group"),
        seq=fields.integer_or_none("order_seq"),
        superstep=fields.integer_or_none("order_superstep"),
        after=fields.texts_or_none("order_after"),
        streamed=fields.flag("is_streamed"),
        detached=fields.flag("is_detached"),
    )


def _usage(counts: Fields | None) -> Usage | None:
    if counts is None:
        return None
    return Usage(
        input_tokens=counts.count("input_tokens"),
        output_tokens=counts.count("output_tokens"),
        cache_read_tokens=counts.count("cache_read_tokens"),
        cache_write_tokens=counts.count("cache_write_tokens"),
        reasoning_tokens=counts.count("reasoning_tokens"),
    )
