"""The receiver's answers, with the app in this process; see test_serve.py for the process."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
from google.rpc.status_pb2 import Status as RpcStatus
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from starlette.testclient import TestClient

from longpole.dashboard.receiver.app import Limits, build_app
from longpole.model.errors import StoreUnavailableError
from longpole.storage import Recorder, RunQuery, open_store
from longpole.storage.receiving.body import JSON, PROTOBUF
from longpole.storage.receiving.intake import Intake
from tests.storage.receiving.gates import GatedStore

ME = Recorder(recorder_id="a" * 16, pid=os.getpid(), host="here")
TRACES = "/v1/traces"


def a_request(*names: str, trace: int = 1) -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    of_scope = request.resource_spans.add().scope_spans.add()
    for number, name in enumerate(names, 1):
        span = of_scope.spans.add()
        span.trace_id, span.span_id = trace.to_bytes(16, "big"), number.to_bytes(8, "big")
        span.parent_span_id = b"" if number == 1 else (1).to_bytes(8, "big")
        span.name, span.start_time_unix_nano, span.end_time_unix_nano = name, number, number + 10
    return request


@contextmanager
def receiving(
    path: Path, *, token: str | None = None, limits: Limits | None = None
) -> Iterator[TestClient]:
    """The app on a store of its own; everything is stored when the block is left."""
    store = open_store(str(path), mode="write")
    app = build_app(Intake(store, ME), token=token, limits=limits)
    try:
        with TestClient(app, base_url="http://127.0.0.1:4318") as client:
            yield client
    finally:
        store.close()


def spans_in(path: Path) -> int:
    store = open_store(str(path))
    try:
        return store.state().spans
    finally:
        store.close()


def post(client: TestClient, body: bytes, media_type: str = PROTOBUF, **headers: str) -> Any:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.post(TRACES, content=body, headers={"content-type": media_type, **named})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runs.db"


def test_spans_are_stored_when_the_answer_comes_in_the_senders_format(path: Path) -> None:
    with receiving(path) as client:
        by_protobuf = post(client, a_request("chain", "call").SerializeToString())
        assert spans_in(path) == 2
        by_json = post(client, b'{"resourceSpans": []}', f"{JSON}; charset=utf-8")

    assert by_protobuf.status_code == by_json.status_code == 200
    assert by_protobuf.headers["content-type"] == PROTOBUF
    assert by_protobuf.content == b""
    assert by_json.headers["content-type"] == JSON
    assert by_json.json() == {}


def test_the_same_request_again_changes_nothing(path: Path) -> None:
    body = a_request("chain", "call", "call").SerializeToString()
    with receiving(path) as client:
        answers = [post(client, body).status_code for _ in range(3)]
    store = open_store(str(path))
    (row,) = store.list_runs(RunQuery()).rows
    store.close()

    assert answers == [200, 200, 200]
    assert (row.name, row.spans) == ("chain", 3)


def test_a_trace_may_come_in_several_requests_its_root_last(path: Path) -> None:
    whole = a_request("chain", "call", "call", trace=7)
    with receiving(path) as client:
        for number in (2, 1, 0):
            part = ExportTraceServiceRequest()
            part.resource_spans.add().scope_spans.add().spans.append(
                whole.resource_spans[0].scope_spans[0].spans[number]
            )
            assert post(client, part.SerializeToString()).status_code == 200
    store = open_store(str(path))
    run = store.load_run(f"{7:032x}")
    store.close()

    assert run.name == "chain"
    assert [child.name for child in run.children(run.root_span_id)] == ["call", "call"]
    assert run.repairs == ()


def test_refused_spans_are_counted_and_the_first_reason_told(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    request = a_request("chain", "bad", "worse", "call")
    spans = request.resource_spans[0].scope_spans[0].spans
    spans[1].span_id = b"short"
    spans[2].trace_id = bytes(16)
    with receiving(path) as client:
        answer = post(client, request.SerializeToString())
        health = client.get("/healthz").json()
    told = ExportTraceServiceResponse.FromString(answer.content).partial_success

    assert answer.status_code == 200
    assert told.rejected_spans == 2
    assert told.error_message.startswith("span 2: span id is ")
    assert told.error_message.endswith("(and 1 more)")
    assert health == {"status": "ok", "spans_stored": 2, "spans_refused": 2}
    assert "refused 2 of 4 spans: span 2: span id" in caplog.text
    assert spans_in(path) == 2


def test_refused_spans_are_told_in_json_too(path: Path) -> None:
    document = {"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "x"}]}]}]}
    with receiving(path) as client:
        told = post(client, orjson.dumps(document), JSON).json()["partialSuccess"]

    assert told["rejectedSpans"] == "1"
    assert "trace id is 'x', expected 32 hex digits" in told["errorMessage"]


GOOD = a_request("chain").SerializeToString()


@pytest.mark.parametrize(
    ("body", "headers", "status", "message"),
    [
        (b"\xff\xff", {}, 400, "no OTLP protobuf"),
        (b"{", {"content-type": JSON}, 400, "no JSON"),
        (b"[1]", {"content-type": JSON}, 400, "no object"),
        (b"no gzip", {"content-encoding": "gzip"}, 400, "no gzip"),
        (gzip.compress(GOOD, mtime=0)[:-4], {"content-encoding": "gzip"}, 400, "breaks off"),
        (
            gzip.compress(bytes(3 * 2**20), mtime=0),
            {"content-encoding": "gzip"},
            413,
            "larger than 1 MiB",
        ),
        (bytes(2**20 + 1), {}, 413, "larger than 1 MiB"),
        (GOOD, {"content-type": "text/plain"}, 415, "'text/plain', expected application/x-"),
        (GOOD, {"content-type": ""}, 415, "content type is ''"),
        (GOOD, {"content-encoding": "zstd"}, 415, "'zstd', expected gzip or deflate"),
    ],
)
def test_what_cannot_be_taken_is_refused_with_its_reason(
    path: Path, body: bytes, headers: dict[str, str], status: int, message: str
) -> None:
    with receiving(path, limits=Limits(request_bytes=2**20)) as client:
        answer = client.post(TRACES, content=body, headers={"content-type": PROTOBUF, **headers})
    is_protobuf = answer.headers["content-type"] == PROTOBUF
    told = RpcStatus.FromString(answer.content).message if is_protobuf else answer.json()["message"]

    assert answer.status_code == status
    assert message in told
    assert spans_in(path) == 0


def test_a_body_of_unknown_length_is_cut_off_at_the_limit(path: Path) -> None:
    def pieces() -> Iterator[bytes]:
        for _ in range(100):
            yield bytes(2**16)

    with receiving(path, limits=Limits(request_bytes=2**20)) as client:
        answer = client.post(TRACES, content=pieces(), headers={"content-type": PROTOBUF})

    assert answer.status_code == 413


def test_without_its_token_nothing_is_taken(path: Path) -> None:
    with receiving(path, token="s3cret") as client:
        refused = [
            post(client, GOOD).status_code,
            post(client, GOOD, authorization="Bearer wrong").status_code,
            post(client, GOOD, authorization="s3cret").status_code,
        ]
        assert spans_in(path) == 0
        taken = post(client, GOOD, authorization="Bearer s3cret", host="anything.example")

    assert refused == [401, 401, 401]
    assert taken.status_code == 200
    assert spans_in(path) == 1


@pytest.mark.parametrize("host", ["localhost:4318", "127.0.0.1", "[::1]:4318"])
def test_this_machines_own_names_are_answered_to(path: Path, host: str) -> None:
    with receiving(path) as client:
        assert post(client, GOOD, host=host).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:4318", "127.0.0.1.evil.example"])
def test_a_page_that_points_its_own_name_here_is_not_answered_to(path: Path, host: str) -> None:
    with receiving(path) as client:
        answers = [post(client, GOOD, host=host), client.get("/healthz", headers={"host": host})]

    assert [answer.status_code for answer in answers] == [400, 400]
    assert spans_in(path) == 0


def test_a_page_of_another_site_gets_no_leave_to_send(path: Path) -> None:
    asked = {
        "origin": "https://evil.example",
        "access-control-request-method": "POST",
        "access-control-request-headers": "content-type",
    }
    with receiving(path) as client:
        answer = client.options(TRACES, headers=asked)

    assert answer.status_code == 405
    assert "access-control-allow-origin" not in answer.headers


# --- when the store is behind -----------------------------------------------------------------


@pytest.fixture
def gated(path: Path) -> Iterator[GatedStore]:
    store = GatedStore(path, "write")
    store.open()
    store.hold()
    yield store
    store.close()


def test_a_store_that_cannot_be_written_asks_the_sender_to_come_again(gated: GatedStore) -> None:
    app = build_app(Intake(gated, ME))
    with TestClient(app, base_url="http://localhost") as client:
        gated.fail(StoreUnavailableError("the file is locked"))
        failed = post(client, GOOD)
        health = client.get("/healthz")
        gated.let_through()
        again = post(client, GOOD)

    assert failed.status_code == health.status_code == 503
    assert failed.headers["retry-after"] == "1"
    assert RpcStatus.FromString(failed.content).message == "the file is locked"
    assert health.json()["error"] == "the file is locked"
    assert again.status_code == 200


def test_a_slow_store_asks_the_sender_to_come_again_and_stores_it_all_the_same(
    gated: GatedStore, path: Path
) -> None:
    app = build_app(Intake(gated, ME), limits=Limits(wait_s=0.0))
    with TestClient(app, base_url="http://localhost") as client:
        behind = post(client, GOOD)
        gated.let_through()

    assert behind.status_code == 503
    assert "behind" in RpcStatus.FromString(behind.content).message
    assert spans_in(path) == 1


def test_what_still_waits_for_the_store_takes_its_room(gated: GatedStore) -> None:
    limits = Limits(wait_s=0.0, waiting_bytes=len(GOOD))
    app = build_app(Intake(gated, ME), limits=limits)
    with TestClient(app, base_url="http://localhost") as client:

        def told() -> str:
            return str(RpcStatus.FromString(post(client, GOOD).content).message)

        behind, full = told(), told()
        gated.let_through()
        later = next(text for text in (told() for _ in range(10_000)) if text != full)
        gated.let_through()

    assert "behind" in behind
    assert "more spans wait" in full
    assert later == behind


def test_there_is_room_for_so_many_bytes_that_wait_and_no_more(path: Path) -> None:
    larger = a_request("chain", "call").SerializeToString()
    with receiving(path, limits=Limits(waiting_bytes=len(GOOD))) as client:
        answers = [post(client, body) for body in (larger, GOOD, larger, GOOD)]

    assert [answer.status_code for answer in answers] == [503, 200, 503, 200]
    assert answers[0].headers["retry-after"] == "1"
    assert "wait for the store" in RpcStatus.FromString(answers[0].content).message


def test_inflated_bytes_count_for_the_room_too(path: Path) -> None:
    body = gzip.compress(a_request("a" * 5000).SerializeToString())
    with receiving(path, limits=Limits(waiting_bytes=3000)) as client:
        answer = post(client, body, content_encoding="gzip")

    assert answer.status_code == 503
