"""What leaves as OTLP comes back as it was, and what others write is read as they meant it."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as OtlpSpan
from opentelemetry.proto.trace.v1.trace_pb2 import Status as OtlpStatus

from longpole.analysis import analyse
from longpole.dashboard.documents import show_document
from longpole.dashboard.parcels import pack
from longpole.model import Kind, Run, Span, SpanError, Status
from longpole.model.errors import ExchangeError
from longpole.model.pricing import PriceBook, price_run
from longpole.model.semconv import NOT_RECORDED
from longpole.storage import Content, Recorder, RunQuery, SpanEnd, SpanStart, Store, open_store
from longpole.storage.exchange.otlp_in import (
    incoming_from_document,
    incoming_from_request,
    read_otlp_json,
    read_otlp_protobuf,
)
from longpole.storage.exchange.otlp_out import to_json, to_request
from longpole.storage.exchange.parcel import Incoming, Parcel, Refused
from longpole.tracer import LongpoleHandler
from longpole.tracer.demo import run_scenes
from tests.strategies import BEGIN_NS, any_runs, as_stored, json_values, recorded_runs

ME = Recorder(recorder_id="d" * 16, pid=1, host="here")
NOW_NS = BEGIN_NS + 10**12
TRACE = "0af7651916cd43dd8448eb211c80319c"

_counter = iter(range(1, 10**9))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("otlp")


@pytest.fixture(scope="module")
def store(folder: Path) -> Iterator[Store]:
    """One store for many runs; every test uses ids of its own."""
    opened = open_store(str(folder / "runs.db"), mode="write")
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def parcels(tmp_path_factory: pytest.TempPathFactory) -> list[Parcel]:
    """The demo's runs, packed."""
    path = tmp_path_factory.mktemp("demo") / "demo.db"
    handler = LongpoleHandler(str(path))
    run_scenes(handler, speed=200.0)
    assert handler.flush(30.0)
    handler.close()
    store = open_store(str(path), mode="read")
    ids = store.run_ids(RunQuery())
    packed = [pack(store, one, book=PriceBook(), now_ns=NOW_NS) for one in ids]
    store.close()
    return packed


def bare_parcel(run: Run) -> Parcel:
    """A run of which nothing is recorded but what its spans say."""
    analysis = analyse(price_run(run, PriceBook()), now_ns=NOW_NS)
    return Parcel(run=run, document=show_document(analysis), contents={}, now_ns=NOW_NS)


def events_in(incoming: Iterator[Incoming]) -> list[SpanStart | SpanEnd]:
    found = list(incoming)
    assert [one for one in found if isinstance(one, Refused)] == []
    return [one for one in found if not isinstance(one, Refused)]


def refusals_in(incoming: Iterator[Incoming]) -> list[Refused]:
    return [one for one in incoming if isinstance(one, Refused)]


def stored(
    store: Store, run_id: str, incoming: Iterator[Incoming]
) -> tuple[Run, Mapping[str, Content]]:
    """Return a run as the store gives it back that took these events in."""
    store.write(ME, events_in(incoming))
    return store.load_run(run_id), store.load_contents(run_id)


def fresh(run: Run) -> Run:
    """Return the same run under an id that no store has yet."""
    return replace(run, run_id=f"{next(_counter):032x}")


def sane(run: Run) -> Run:
    """Return a run as one can be recorded: what has ended has another status than running."""
    return replace(
        run,
        spans=tuple(
            replace(span, status=Status.OK)
            if span.end_ns is not None and span.status in (Status.RUNNING, Status.LOST)
            else replace(span, error=None if span.end_ns is None else span.error)
            for span in run.spans
        ),
    )


# --- round trips ------------------------------------------------------------------------------


@given(recorded_runs(max_spans=12) | any_runs().map(sane))
@settings(max_examples=40, deadline=None)
def test_a_run_comes_back_as_it_was_over_protobuf_and_json(store: Store, run: Run) -> None:
    one, other = fresh(run), fresh(run)
    wire = to_request([bare_parcel(one)]).SerializeToString()
    read = incoming_from_request(ExportTraceServiceRequest.FromString(wire))
    by_protobuf, _ = stored(store, one.run_id, read)
    written = to_json(to_request([bare_parcel(other)]))
    by_json, _ = stored(store, other.run_id, incoming_from_document(orjson.loads(written)))

    assert as_stored(by_protobuf) == as_stored(one)
    assert as_stored(by_json) == as_stored(other)


def test_recorded_runs_come_back_with_all_that_was_recorded(
    folder: Path, store: Store, parcels: list[Parcel]
) -> None:
    assert len(parcels) >= 14
    path = folder / "runs.jsonl"
    path.write_bytes(b"\n".join(to_json(to_request([parcel])) for parcel in parcels))
    store.write(ME, events_in(read_otlp_json(path)))
    for parcel in parcels:
        run_id = parcel.run.run_id
        back, contents = store.load_run(run_id), store.load_contents(run_id)
        assert as_stored(back) == as_stored(parcel.run)
        assert back.trace_id == parcel.run.trace_id
        for span_id, content in parcel.contents.items():
            again = contents[span_id]
            assert content.attributes.items() <= again.attributes.items()
            assert replace(again, attributes={}) == replace(content, attributes={})
            assert not NOT_RECORDED & set(again.attributes)


def test_both_forms_of_a_request_say_the_same(folder: Path, parcels: list[Parcel]) -> None:
    request = to_request(parcels)
    in_json, in_protobuf = folder / "all.json", folder / "all.pb"
    in_json.write_bytes(to_json(request))
    in_protobuf.write_bytes(gzip.compress(request.SerializeToString()))

    assert events_in(read_otlp_json(in_json)) == events_in(read_otlp_protobuf(in_protobuf))


def test_json_has_ids_in_hex_wide_integers_as_text_and_enums_as_numbers(
    parcels: list[Parcel],
) -> None:
    parcel = parcels[0]
    told = orjson.loads(to_json(to_request([parcel])))
    (resource,) = told["resourceSpans"]
    (scope,) = resource["scopeSpans"]
    (root,) = [span for span in scope["spans"] if "parentSpanId" not in span]
    attributes = {one["key"]: one["value"] for one in root["attributes"]}

    assert root["traceId"] == parcel.run.trace_id
    assert root["spanId"] == parcel.run.root_span_id
    assert root["startTimeUnixNano"] == str(parcel.run.root.start_ns)
    assert root["kind"] == OtlpSpan.SPAN_KIND_INTERNAL
    assert attributes["longpole.run.id"] == {"stringValue": parcel.run.run_id}
    assert attributes["longpole.run.root"] == {"boolValue": True}
    assert attributes["longpole.on_path_ns"]["intValue"].isdecimal()
    assert scope["scope"]["name"] == "longpole"


def test_computed_facts_are_those_of_the_document(parcels: list[Parcel]) -> None:
    costs = 0
    for parcel in parcels:
        document = {one["span_id"]: one for one in parcel.document["spans"]}
        for span in spans_of(to_request([parcel])):
            told = {one.key: one.value for one in span.attributes}
            facts = document[span.span_id.hex()]
            assert told["longpole.on_path_ns"].int_value == facts["on_path_ns"]
            assert told["longpole.drag_ns"].int_value == facts["drag_ns"]
            assert ("longpole.wasted" in told) == (facts["wasted"] is not None)
            if facts["cost_usd"] is not None:
                costs += 1
                assert told["longpole.cost_usd"].string_value == facts["cost_usd"]
    assert costs > 10


def test_an_error_leaves_as_status_and_exception_event(parcels: list[Parcel]) -> None:
    failed = 0
    for parcel in parcels:
        for told in spans_of(to_request([parcel])):
            span = parcel.run.span_by_id[told.span_id.hex()]
            is_error = told.status.code == OtlpStatus.STATUS_CODE_ERROR
            assert is_error == (span.status is Status.ERROR)
            if span.error is not None:
                failed += 1
                (event,) = told.events
                about = {one.key: one.value.string_value for one in event.attributes}
                assert about["exception.type"] == span.error.type
                assert about["exception.message"] == span.error.message
    assert failed > 0


def test_each_host_has_a_resource_of_its_own() -> None:
    root = a_span("1" * 16, host="one")
    run = a_run(root, a_span("2" * 16, parent="1" * 16, host="two"))
    request = to_request([bare_parcel(run), bare_parcel(run)])
    hosts = [
        {one.key: one.value.string_value for one in resource.resource.attributes}["host.name"]
        for resource in request.resource_spans
    ]

    assert hosts == ["one", "two"]


def test_an_open_span_leaves_with_the_last_known_moment_and_comes_back_open() -> None:
    root = replace(a_span("1" * 16), end_ns=None, status=Status.LOST)
    child = a_span("2" * 16, parent="1" * 16)
    request = to_request([bare_parcel(a_run(root, child))])
    ends = {span.span_id.hex(): span.end_time_unix_nano for span in spans_of(request)}
    events = events_in(incoming_from_request(request))

    assert ends["1" * 16] == child.end_ns
    assert [one.span_id for one in events if isinstance(one, SpanEnd)] == ["2" * 16]


def test_ids_that_fit_into_no_eight_bytes_come_back_as_they_were() -> None:
    run = a_run(a_span("root"), a_span("#2", parent="root"), a_span("0" * 16, parent="#2"))
    events = events_in(incoming_from_request(to_request([bare_parcel(run)])))
    parents = {one.span_id: one.parent_span_id for one in events if isinstance(one, SpanStart)}

    assert parents == {"root": None, "#2": "root", "0" * 16: "#2"}


def test_a_link_to_another_trace_is_no_parent() -> None:
    request = to_request([bare_parcel(a_run(a_span("1" * 16)))])
    (span,) = spans_of(request)
    span.links.add(trace_id=b"\x09" * 16, span_id=b"\x08" * 8)
    start = events_in(incoming_from_request(request))[0]
    span.ClearField("attributes")
    span.links.add(trace_id=span.trace_id, span_id=b"\x07" * 8)
    linked = events_in(incoming_from_request(request))[0]

    assert isinstance(start, SpanStart)
    assert isinstance(linked, SpanStart)
    assert (start.parent_span_id, start.is_root) == (None, True)
    assert (linked.parent_span_id, linked.is_root) == ("07" * 8, False)


@pytest.mark.parametrize("depth", [10, 60, 300])
def test_values_of_any_depth_leave_in_a_message_that_can_be_read(depth: int) -> None:
    deep: Any = "bottom"
    for _ in range(depth):
        deep = {"in": [deep]}
    content = Content(
        input_value=None,
        input_mime_type=None,
        output_value=None,
        output_mime_type=None,
        attributes={"deep": deep, "wide": 2**70, "odd": float("inf"), "raw": b"\xff", "no": None},
    )
    parcel = replace(bare_parcel(a_run(a_span("1" * 16))), contents={"1" * 16: content})
    wire = to_request([parcel]).SerializeToString()
    request = ExportTraceServiceRequest.FromString(wire)
    events = events_in(incoming_from_request(request))

    assert {"deep", "wide", "odd", "raw"} <= events[-1].attributes.keys()
    assert events_in(incoming_from_document(orjson.loads(to_json(request)))) == events


# --- what others write ------------------------------------------------------------------------


def test_a_foreign_trace_is_one_run_of_its_trace_id(store: Store) -> None:
    document = a_document(
        a_json_span("1" * 16, attributes=[text("gen_ai.conversation.id", "trip")]),
        a_json_span("2" * 16, parentSpanId="1" * 16, attributes=[text("gen_ai.system", "openai")]),
    )
    run, contents = stored(store, TRACE, incoming_from_document(document))

    assert run.root_span_id == "1" * 16
    assert run.session_id == "trip"
    assert run.span_by_id["2" * 16].provider == "openai"
    assert run.span_by_id["2" * 16].host == "box"
    assert contents["2" * 16].attributes["service.name"] == "shop"
    assert contents["2" * 16].attributes["otel.scope.name"] == "their.scope"


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text,
        lambda text: text.replace(f'"{TRACE}"', f'"{b64(TRACE)}"'),
        lambda text: text.replace('"1111111111111111"', f'"{b64("1" * 16)}"'),
        lambda text: text.replace(TRACE, TRACE.upper()),
        lambda text: text.replace("traceId", "trace_id").replace("spanId", "span_id"),
        lambda text: text.replace("resourceSpans", "resource_spans"),
        lambda text: text.replace("scopeSpans", "instrumentationLibrarySpans").replace(
            '"scope"', '"instrumentationLibrary"'
        ),
        lambda text: text.replace(f'"{BEGIN_NS}"', str(BEGIN_NS)),
        lambda text: text.replace("startTimeUnixNano", "start_time_unix_nano"),
        lambda text: text.replace('"code":2', '"code":"STATUS_CODE_ERROR"'),
        lambda text: text.replace('"intValue":7', '"intValue":"7"'),
        lambda text: text.replace("intValue", "int_value"),
        lambda text: f"\ufeff{text}",
        lambda text: f"[{text}]",
    ],
)
def test_every_way_to_write_the_same_is_read_the_same(
    tmp_path: Path, change: Callable[[str], str]
) -> None:
    span = a_json_span(
        "1" * 16,
        attributes=[{"key": "count", "value": {"intValue": 7}}],
        status={"code": 2, "message": "no"},
    )
    path = tmp_path / "written.json"
    path.write_text(change(orjson.dumps(a_document(span)).decode()), encoding="utf-8")
    first, end = events_in(read_otlp_json(path))

    assert isinstance(first, SpanStart)
    assert (first.trace_id, first.span_id, first.start_ns) == (TRACE, "1" * 16, BEGIN_NS)
    assert isinstance(end, SpanEnd)
    assert end.attributes["count"] == 7
    assert (end.status, end.error) == (Status.ERROR, SpanError(type="Error", message="no"))


def test_attribute_values_keep_their_types() -> None:
    values: list[tuple[Any, Any]] = [
        ({"stringValue": ""}, ""),
        ({"boolValue": False}, False),
        ({"intValue": "-9223372036854775808"}, -(2**63)),
        ({"doubleValue": 3}, 3.0),
        ({"doubleValue": "NaN"}, "nan"),
        ({"arrayValue": {"values": [{"intValue": 1}, {"stringValue": "a"}, {}]}}, [1, "a", None]),
        ({"arrayValue": {}}, []),
        (
            {"kvlistValue": {"values": [{"key": "k", "value": {"arrayValue": {"values": []}}}]}},
            {"k": []},
        ),
        ({"bytesValue": "/w=="}, "/w=="),
    ]
    span = a_json_span(
        "1" * 16,
        attributes=[{"key": f"a{n}", "value": told} for n, (told, _) in enumerate(values)],
    )
    _, end = events_in(incoming_from_document(a_document(span)))

    found = [end.attributes[f"a{n}"] for n in range(len(values))]
    assert found == [meant for _, meant in values]
    assert [type(one) for one in found] == [type(meant) for _, meant in values]


def test_the_last_exception_of_a_failed_span_is_its_error() -> None:
    span = a_json_span(
        "1" * 16,
        status={"code": 2, "message": "status"},
        events=[exception("First", "1"), {"name": "retry"}, exception("Last", "2", "trace…")],
    )
    _, end = events_in(incoming_from_document(a_document(span)))

    assert isinstance(end, SpanEnd)
    assert end.error == SpanError(type="Last", message="2")
    assert end.attributes["exception.stacktrace"] == "trace…"


def test_an_exception_on_a_span_that_is_fine_was_handled() -> None:
    span = a_json_span("1" * 16, status={"code": 1}, events=[exception("Handled", "1")])
    _, end = events_in(incoming_from_document(a_document(span)))

    assert isinstance(end, SpanEnd)
    assert (end.status, end.error) == (Status.OK, None)


def test_handed_over_work_is_detached_and_other_work_is_not() -> None:
    same = {"traceId": TRACE, "spanId": "1" * 16}
    document = a_document(
        a_json_span("1" * 16),
        a_json_span("2" * 16, parentSpanId="1" * 16, kind=4),
        a_json_span("3" * 16, parentSpanId="2" * 16, kind=5),
        a_json_span("4" * 16, parentSpanId="1" * 16, kind=5),
        a_json_span("5" * 16, links=[{"traceId": "f" * 32, "spanId": "1" * 16}, same]),
        a_json_span("6" * 16, parentSpanId="2" * 16, links=[same]),
    )
    events = events_in(incoming_from_document(document))
    detached = {one.span_id for one in events if one.attributes.get("longpole.order.detached")}
    parents = {one.span_id: one.parent_span_id for one in events if isinstance(one, SpanStart)}
    roots = [one.span_id for one in events if isinstance(one, SpanStart) and one.is_root]

    assert detached == {"3" * 16, "5" * 16}
    assert parents["5" * 16] == "1" * 16
    assert roots == ["1" * 16]


def test_a_producer_of_an_earlier_line_is_remembered(tmp_path: Path) -> None:
    path = tmp_path / "lines.json"
    path.write_bytes(
        orjson.dumps(a_document(a_json_span("2" * 16, kind="SPAN_KIND_PRODUCER")))
        + b"\n\n"
        + orjson.dumps(a_document(a_json_span("3" * 16, parentSpanId="2" * 16, kind=5)))
    )
    last = events_in(read_otlp_json(path))[-1]

    assert last.span_id == "3" * 16
    assert last.attributes["longpole.order.detached"] is True


def test_a_text_cut_inside_a_character_costs_no_span(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "cut.json"
    span = a_json_span("1" * 16, name="cut \ud83d", attributes=[text("input.value", "\ud83d")])
    path.write_text(json.dumps(a_document({**span, "traceId": "c" * 32})))
    run, contents = stored(store, "c" * 32, read_otlp_json(path))

    assert run.name == "cut \\ud83d"
    assert contents["1" * 16].input_value == "\\ud83d"


# --- files ------------------------------------------------------------------------------------


def three_lines() -> list[bytes]:
    return [orjson.dumps(a_document(a_json_span(digit * 16))) for digit in "123"]


def starts_in(incoming: Iterator[Incoming]) -> list[str]:
    return [one.span_id[0] for one in incoming if isinstance(one, SpanStart)]


def test_a_document_may_be_printed_over_many_lines(tmp_path: Path) -> None:
    path = tmp_path / "pretty.json"
    path.write_text(json.dumps(a_document(a_json_span("1" * 16)), indent=2))

    assert len(events_in(read_otlp_json(path))) == 2


@pytest.mark.parametrize("broken", [0, 1, 2])
def test_a_broken_line_is_named_and_the_others_are_kept(tmp_path: Path, broken: int) -> None:
    lines = three_lines()
    lines[broken] = lines[broken][:50]
    path = tmp_path / "lines.json"
    path.write_bytes(b"\n".join(lines))
    found = list(read_otlp_json(path))

    assert [one.where for one in refusals_in(iter(found))] == [f"line {broken + 1}"]
    assert starts_in(iter(found)) == [one for n, one in enumerate("123") if n != broken]


def test_a_gzipped_file_that_ends_too_early_gives_what_it_has(tmp_path: Path) -> None:
    path = tmp_path / "lines.json.gz"
    lines = [orjson.dumps(a_document(a_json_span(f"{n:016x}"))) for n in range(1, 2000)]
    packed = gzip.compress(b"\n".join(lines))
    path.write_bytes(packed[: len(packed) // 2])
    found = list(read_otlp_json(path))

    (refused,) = refusals_in(iter(found))
    assert refused.where.startswith("after line ")
    assert 0 < len(starts_in(iter(found))) < 1999


def test_messages_with_their_length_before_them_are_read_one_by_one(
    tmp_path: Path, parcels: list[Parcel]
) -> None:
    messages = [to_request([parcel]).SerializeToString() for parcel in parcels[:3]]
    messages.insert(1, b"\xff" * 9)
    path = tmp_path / "framed.pb"
    framed = b"".join(len(one).to_bytes(4, "big") + one for one in messages)
    path.write_bytes(framed[:-1])
    found = list(read_otlp_protobuf(path))
    runs = {one.run_id for one in found if isinstance(one, SpanStart)}

    assert runs == {parcel.run.run_id for parcel in parcels[:2]}
    assert [one.where for one in refusals_in(iter(found))] == ["message 2", "message 4"]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"traceId": "xyz"}, "trace id"),
        ({"traceId": "0" * 32}, "all zero"),
        ({"spanId": None}, "span id"),
        ({"parentSpanId": "12"}, "parent span id"),
        ({"startTimeUnixNano": str(2**63)}, "start time"),
        ({"startTimeUnixNano": -1}, "start time"),
        ({"startTimeUnixNano": "soon"}, "start time"),
        ({"startTimeUnixNano": 0}, "not set"),
        ({"endTimeUnixNano": "9" * 100}, "end time"),
        ({"endTimeUnixNano": []}, "end time"),
    ],
)
def test_a_bad_span_is_refused_by_name_and_its_neighbours_are_kept(
    tmp_path: Path, change: dict[str, Any], why: str
) -> None:
    bad = {**a_json_span("2" * 16), **change}
    path = tmp_path / "one.json"
    path.write_bytes(orjson.dumps(a_document(a_json_span("1" * 16), bad, a_json_span("3" * 16))))
    found = list(read_otlp_json(path))
    (refused,) = refusals_in(iter(found))

    assert refused.where == "line 1, span 2"
    assert why in refused.why
    assert starts_in(iter(found)) == ["1", "3"]


def test_a_bad_span_of_a_request_in_memory_is_refused() -> None:
    request = ExportTraceServiceRequest()
    spans = request.resource_spans.add().scope_spans.add().spans
    spans.add(trace_id=b"\x01" * 16, span_id=b"\x02" * 8, start_time_unix_nano=1)
    spans.add(trace_id=b"\x01" * 3, span_id=b"\x02" * 8, start_time_unix_nano=1)
    spans.add(trace_id=b"\x01" * 16, span_id=b"\x03" * 8, start_time_unix_nano=2**64 - 1)
    found = list(incoming_from_request(request))

    assert starts_in(iter(found)) == ["0"]
    assert [one.where for one in refusals_in(iter(found))] == ["span 2", "span 3"]


@pytest.mark.parametrize("reader", [read_otlp_json, read_otlp_protobuf])
@pytest.mark.parametrize("content", [None, b"", b"\x1f\x8b\x08", b"hello", b"\x00\x00", b"\n\n"])
def test_a_file_of_nothing_is_an_error_that_names_it(
    tmp_path: Path, reader: Any, content: bytes | None
) -> None:
    path = tmp_path / "nothing"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ExchangeError, match="nothing"):
        list(reader(path))


def test_lines_of_other_signals_are_passed_over_and_foreign_ones_refused(tmp_path: Path) -> None:
    path = tmp_path / "mixed.json"
    path.write_bytes(b'{"resourceMetrics":[]}\n{}\n{"spans":[]}\n17\n' + three_lines()[0])
    found = list(read_otlp_json(path))

    assert [one.where for one in refusals_in(iter(found))] == ["line 3", "line 4"]
    assert starts_in(iter(found)) == ["1"]


KEYS = [
    *("resourceSpans", "scopeSpans", "spans", "traceId", "spanId", "parentSpanId", "name", "kind"),
    *("resource", "scope", "attributes", "key", "value", "events", "links", "status", "code"),
    *("startTimeUnixNano", "endTimeUnixNano", "intValue", "arrayValue", "kvlistValue", "values"),
]
json_of_traces = json_values(KEYS)


@given(st.binary(max_size=300) | json_of_traces.map(lambda one: json.dumps(one).encode()))
@settings(max_examples=150, deadline=None)
def test_garbage_is_refused_in_words(folder: Path, content: bytes) -> None:
    path = folder / "garbage"
    path.write_bytes(content)
    for reader in (read_otlp_json, read_otlp_protobuf):
        try:
            found = list(reader(path))
        except ExchangeError:
            continue
        assert all(isinstance(one, (SpanStart, SpanEnd, Refused)) for one in found)


@given(
    st.dictionaries(st.sampled_from(KEYS), json_of_traces, max_size=6),
    st.lists(st.fixed_dictionaries({"key": st.text(max_size=5), "value": json_of_traces})),
)
@settings(max_examples=100, deadline=None)
def test_an_odd_span_is_either_stored_or_refused(
    store: Store, odd: dict[str, Any], attributes: list[Any]
) -> None:
    trace_id = f"{next(_counter):032x}"
    span = {**a_json_span("1" * 16, attributes=attributes, traceId=trace_id), **odd}
    neighbour = a_json_span("2" * 16, traceId=trace_id)
    found = list(incoming_from_document(a_document(span, neighbour)))
    store.write(ME, [one for one in found if not isinstance(one, Refused)])

    assert "2" * 16 in store.load_run(trace_id).span_by_id
    assert len(refusals_in(iter(found))) + len(starts_in(iter(found))) == 2


# --- makers -----------------------------------------------------------------------------------


def spans_of(request: ExportTraceServiceRequest) -> Iterator[OtlpSpan]:
    for resource in request.resource_spans:
        for scope in resource.scope_spans:
            yield from scope.spans


def a_span(span_id: str, parent: str | None = None, host: str | None = None) -> Span:
    return Span(
        span_id=span_id,
        parent_span_id=parent,
        name="step",
        kind=Kind.CHAIN,
        start_ns=BEGIN_NS,
        end_ns=BEGIN_NS + 5,
        status=Status.OK,
        host=host,
    )


def a_run(root: Span, *others: Span) -> Run:
    return Run(run_id="c" * 32, root_span_id=root.span_id, spans=(root, *others))


def b64(digits: str) -> str:
    return base64.b64encode(bytes.fromhex(digits)).decode()


def text(key: str, value: str) -> dict[str, Any]:
    return {"key": key, "value": {"stringValue": value}}


def exception(name: str, message: str, stack: str | None = None) -> dict[str, Any]:
    told = [text("exception.type", name), text("exception.message", message)]
    more = [] if stack is None else [text("exception.stacktrace", stack)]
    return {"name": "exception", "attributes": told + more}


def a_json_span(span_id: str, **more: Any) -> dict[str, Any]:
    return {
        "traceId": TRACE,
        "spanId": span_id,
        "name": "their span",
        "startTimeUnixNano": str(BEGIN_NS),
        "endTimeUnixNano": str(BEGIN_NS + 1_000),
        **more,
    }


def a_document(*spans: dict[str, Any]) -> dict[str, Any]:
    resource = {"attributes": [text("host.name", "box"), text("service.name", "shop")]}
    scope_spans = [{"scope": {"name": "their.scope"}, "spans": list(spans)}]
    return {"resourceSpans": [{"resource": resource, "scopeSpans": scope_spans}]}
