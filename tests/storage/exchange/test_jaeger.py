"""What Jaeger's UI downloads is read as the tracers behind it meant it."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from longpole.model import Kind, SpanError, Status
from longpole.model.errors import ExchangeError
from longpole.storage import Recorder, SpanEnd, SpanStart, open_store
from longpole.storage.exchange.jaeger import read_jaeger
from longpole.storage.exchange.parcel import Refused
from tests.strategies import json_values

ME = Recorder(recorder_id="d" * 16, pid=1, host="here")
TRACE = "0af7651916cd43dd8448eb211c80319c"
BEGIN_US = 1_790_000_000_000_000


def tag(key: str, value: Any, kind: str = "string") -> dict[str, Any]:
    return {"key": key, "type": kind, "value": value}


def a_span(span_id: str, parent: str | None = None, **more: Any) -> dict[str, Any]:
    references = [] if parent is None else [reference(parent)]
    return {
        "traceID": TRACE,
        "spanID": span_id,
        "operationName": "their span",
        "references": references,
        "startTime": BEGIN_US,
        "duration": 1_500,
        "tags": [tag("internal.span.format", "otlp")],
        "logs": [],
        "processID": "p1",
        "warnings": None,
        **more,
    }


def reference(span_id: str, kind: str = "CHILD_OF", trace: str = TRACE) -> dict[str, str]:
    return {"refType": kind, "traceID": trace, "spanID": span_id}


def a_document(*spans: Any) -> dict[str, Any]:
    process = {"serviceName": "shop", "tags": [tag("hostname", "box")]}
    return {
        "data": [{"traceID": TRACE, "spans": list(spans), "processes": {"p1": process}}],
        "total": 0,
        "limit": 0,
        "errors": None,
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("jaeger")


def written(folder: Path, document: Any) -> Path:
    path = folder / "traces.json"
    path.write_text(json.dumps(document))
    return path


def events_of(folder: Path, *spans: Any) -> list[SpanStart | SpanEnd]:
    found = list(read_jaeger(written(folder, a_document(*spans))))
    assert [one for one in found if isinstance(one, Refused)] == []
    return [one for one in found if not isinstance(one, Refused)]


def end_of(folder: Path, span: Any) -> SpanEnd:
    end = events_of(folder, span)[-1]
    assert isinstance(end, SpanEnd)
    return end


def test_a_trace_is_a_run(folder: Path) -> None:
    spans = (
        a_span("1" * 16, tags=[tag("session.id", "trip")]),
        a_span("2" * 16, "1" * 16, tags=[tag("gen_ai.operation.name", "chat")]),
    )
    store = open_store(str(folder / "runs.db"), mode="write")
    store.write(ME, events_of(folder, *spans))
    run = store.load_run(TRACE)
    store.close()
    child = run.span_by_id["2" * 16]

    assert (run.root_span_id, run.name, run.session_id) == ("1" * 16, "their span", "trip")
    assert (child.parent_span_id, child.kind, child.host) == ("1" * 16, Kind.LLM, "box")
    assert child.start_ns == BEGIN_US * 1_000
    assert child.end_ns == (BEGIN_US + 1_500) * 1_000


def test_tags_keep_their_types_and_those_of_jaeger_itself_are_left_out(folder: Path) -> None:
    told = [
        tag("count", 7, "int64"),
        tag("wide", "9007199254740993", "int64"),
        tag("share", "0.5", "float64"),
        tag("flag", True, "bool"),
        tag("old.flag", "true", "bool"),
        tag("raw", "/w==", "binary"),
        tag("number", "12"),
        tag("longpole.order.after", '["2222222222222222"]'),
        tag("internal.span.format", "proto"),
        tag("span.kind", "internal"),
        tag("otel.status_code", "OK"),
        tag("error", False, "bool"),
    ]
    end = end_of(folder, a_span("1" * 16, tags=told))

    assert end.attributes == {
        "host.name": "box",
        "service.name": "shop",
        "count": 7,
        "wide": 2**53 + 1,
        "share": 0.5,
        "flag": True,
        "old.flag": True,
        "raw": "/w==",
        "number": "12",
        "longpole.order.after": ["2" * 16],
    }
    assert end.status is Status.OK


@pytest.mark.parametrize(
    "tags",
    [
        [tag("error", True, "bool")],
        [tag("error", "true")],
        [tag("otel.status_code", "ERROR")],
    ],
)
@pytest.mark.parametrize(
    "fields",
    [
        [tag("event", "exception"), tag("exception.type", "Bad"), tag("exception.message", "no")],
        [tag("event", "error"), tag("error.kind", "Bad"), tag("message", "no")],
    ],
)
def test_an_error_is_told_by_tag_and_log(folder: Path, tags: list[Any], fields: list[Any]) -> None:
    end = end_of(folder, a_span("1" * 16, tags=tags, logs=[{"timestamp": 1, "fields": fields}]))

    assert (end.status, end.error) == (Status.ERROR, SpanError(type="Bad", message="no"))


def test_an_error_without_a_log_has_the_words_of_its_status(folder: Path) -> None:
    tags = [tag("error", True, "bool"), tag("otel.status_description", "too slow")]

    assert end_of(folder, a_span("1" * 16, tags=tags)).error == SpanError(
        type="Error", message="too slow"
    )


def test_what_only_follows_is_detached(folder: Path) -> None:
    events = events_of(
        folder,
        a_span("1" * 16),
        a_span("2" * 16, references=[reference("1" * 16, "FOLLOWS_FROM")]),
        a_span("3" * 16, references=[reference("2" * 16, "FOLLOWS_FROM"), reference("1" * 16)]),
        a_span("4" * 16, "1" * 16, tags=[tag("span.kind", "producer")]),
        a_span("5" * 16, "4" * 16, tags=[tag("span.kind", "consumer")]),
    )
    parents = {one.span_id[0]: one.parent_span_id for one in events if isinstance(one, SpanStart)}
    detached = {one.span_id[0] for one in events if one.attributes.get("longpole.order.detached")}

    assert parents == {"1": None, "2": "1" * 16, "3": "1" * 16, "4": "1" * 16, "5": "4" * 16}
    assert detached == {"2", "5"}


def test_of_several_parents_the_first_counts(folder: Path) -> None:
    several = [reference("2" * 16), reference("3" * 16)]
    start = events_of(folder, a_span("1" * 16, references=several))[0]

    assert isinstance(start, SpanStart)
    assert start.parent_span_id == "2" * 16


def test_a_reference_to_another_trace_is_no_parent(folder: Path) -> None:
    other = reference("2" * 16, "FOLLOWS_FROM", trace="f" * 32)
    start = events_of(folder, a_span("1" * 16, references=[other]))[0]

    assert isinstance(start, SpanStart)
    assert (start.parent_span_id, start.is_root) == (None, True)


def test_older_files_with_short_ids_and_parents_beside_the_references_are_read(
    folder: Path,
) -> None:
    short = {"traceID": "abc", "references": None}
    events = events_of(
        folder, a_span("1", **short), a_span("2", **short, parentSpanID="1", process={"tags": 1})
    )
    child = events[2]

    assert isinstance(child, SpanStart)
    assert child.trace_id == "abc".zfill(32)
    assert (child.span_id, child.parent_span_id) == ("2".zfill(16), "1".zfill(16))


@pytest.mark.parametrize("bare", ["trace", "list"])
def test_a_trace_without_its_wrapping_and_gzipped_is_read(folder: Path, bare: str) -> None:
    traces = a_document(a_span("1" * 16))["data"]
    path = folder / "bare.json.gz"
    path.write_bytes(gzip.compress(json.dumps(traces[0] if bare == "trace" else traces).encode()))

    assert len(list(read_jaeger(path))) == 2


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"spanID": "xyz"}, "span id"),
        ({"traceID": 5}, "trace id"),
        ({"startTime": None}, "start time"),
        ({"startTime": 2**63 // 1_000 + 1}, "start time"),
        ({"duration": -1}, "duration"),
        ({"references": [reference("zz")]}, "span id of a reference"),
    ],
)
def test_a_bad_span_is_refused_by_name_and_its_neighbours_are_kept(
    folder: Path, change: dict[str, Any], why: str
) -> None:
    bad = {**a_span("2" * 16), **change}
    found = list(read_jaeger(written(folder, a_document(a_span("1" * 16), bad, 7))))
    refused = [one for one in found if isinstance(one, Refused)]

    assert [one.where for one in refused] == ["trace 1, span 2", "trace 1, span 3"]
    assert why in refused[0].why
    assert [one.span_id for one in found if not isinstance(one, Refused)] == ["1" * 16] * 2


@pytest.mark.parametrize("content", [None, "", "hello", "{}", '{"data": 1}', "17"])
def test_a_file_of_something_else_is_an_error_that_names_it(
    tmp_path: Path, content: str | None
) -> None:
    path = tmp_path / "nothing"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ExchangeError, match="nothing"):
        list(read_jaeger(path))


KEYS = [
    *("traceID", "spanID", "operationName", "references", "startTime", "duration", "tags", "logs"),
    *("processID", "process", "parentSpanID", "key", "type", "value", "fields", "refType"),
]
json_of_traces = json_values(KEYS)


@given(st.dictionaries(st.sampled_from(KEYS), json_of_traces, max_size=6), json_of_traces)
@settings(max_examples=150, deadline=None)
def test_an_odd_span_is_either_read_or_refused(
    folder: Path, odd: dict[str, Any], trace: Any
) -> None:
    document = a_document({**a_span("1" * 16), **odd}, a_span("2" * 16))
    document["data"].append(trace)
    found = list(read_jaeger(written(folder, document)))
    refused = [one for one in found if isinstance(one, Refused)]
    started = [one.span_id for one in found if isinstance(one, SpanStart)]

    assert "2" * 16 in started
    assert len(started) + len(refused) >= 3
