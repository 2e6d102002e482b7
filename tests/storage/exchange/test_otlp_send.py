"""Requests reach a server that reads them strictly, and every answer of it is told."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from longpole.model.errors import SettingsError
from longpole.storage.exchange.otlp_send import Answer, OtlpSender
from tests.storage.exchange.collector import PROTOBUF, Collector, Reply, collecting


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as told:
        yield told


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as opened:
        opened.trust_env = False
        yield opened


@pytest.fixture
def pauses() -> list[float]:
    """What the sender waited; nobody really waits."""
    return []


@pytest.fixture
def sender(collector: Collector, session: requests.Session, pauses: list[float]) -> OtlpSender:
    return OtlpSender(collector.url, {"x-api-key": "secret"}, session=session, sleep=pauses.append)


def a_request() -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    request.resource_spans.add().scope_spans.add().spans.add(name="one", trace_id=b"\x01" * 16)
    return request


@pytest.mark.parametrize("ending", ["", "/", "/v1/traces", "/v1/traces/"])
@pytest.mark.parametrize("gzipped", [True, False])
def test_a_request_arrives_whole_at_its_path_with_its_key(
    collector: Collector, session: requests.Session, ending: str, gzipped: bool
) -> None:
    sender = OtlpSender(
        collector.url + ending,
        {"x-api-key": "secret"},
        session=session,
        sleep=lambda _: None,
        gzip=gzipped,
    )

    assert sender.send(a_request()) == Answer(state="sent")
    assert collector.paths == ["/v1/traces"]
    assert collector.keys == ["secret"]
    assert collector.spans == ["one"]


@pytest.mark.parametrize("media_type", [PROTOBUF, "application/json; charset=utf-8"])
def test_spans_that_a_server_did_not_keep_are_counted(
    collector: Collector, sender: OtlpSender, media_type: str
) -> None:
    partial = ExportTracePartialSuccess(rejected_spans=3, error_message="too old")
    body = (
        ExportTraceServiceResponse(partial_success=partial).SerializeToString()
        if media_type == PROTOBUF
        else b'{"partialSuccess":{"rejectedSpans":"3","errorMessage":"too old"}}'
    )
    collector.replies = [Reply(body=body, headers={"Content-Type": media_type})]

    assert sender.send(a_request()) == Answer(state="partial", rejected=3, detail="too old")
    assert len(collector.paths) == 1


@pytest.mark.parametrize("body", [b"{}", b"[]", b"nonsense", b'{"partialSuccess":{"x":1}}'])
def test_an_answer_that_says_nothing_is_a_success(
    collector: Collector, sender: OtlpSender, body: bytes
) -> None:
    collector.replies = [Reply(body=body, headers={"Content-Type": "application/json"})]

    assert sender.send(a_request()).state == "sent"


def test_a_web_page_is_no_collector(collector: Collector, sender: OtlpSender) -> None:
    collector.replies = [Reply(body=b"<html>", headers={"Content-Type": "text/html"})]
    answer = sender.send(a_request())

    assert answer.state == "refused"
    assert "web page" in answer.detail


@pytest.mark.parametrize("code", [429, 502, 503, 504])
def test_a_busy_server_is_asked_again_after_growing_pauses(
    collector: Collector, sender: OtlpSender, pauses: list[float], code: int
) -> None:
    collector.replies = [Reply(code=code)] * 3

    assert sender.send(a_request()) == Answer(state="sent")
    assert pauses == [1.0, 2.0, 4.0]
    assert collector.spans == ["one"]


@pytest.mark.parametrize(
    ("headers", "pause_s"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": "0"}, 0.0),
        ({"Retry-After": "soon"}, 1.0),
    ],
)
def test_a_server_says_how_long_to_wait(
    collector: Collector,
    sender: OtlpSender,
    pauses: list[float],
    headers: dict[str, str],
    pause_s: float,
) -> None:
    collector.replies = [Reply(code=503, headers=headers)]

    assert sender.send(a_request()).state == "sent"
    assert pauses == [pause_s]


def test_a_date_to_wait_for_counts_from_the_servers_own_clock(
    collector: Collector, sender: OtlpSender, pauses: list[float]
) -> None:
    # The server sends its Date by itself; a moment long gone means: at once.
    collector.replies = [Reply(code=503, headers={"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"})]

    assert sender.send(a_request()).state == "sent"
    assert pauses == [0.0]


def test_a_server_that_stays_busy_leaves_the_request_waiting(
    collector: Collector, sender: OtlpSender, pauses: list[float]
) -> None:
    collector.replies = [Reply(code=503, body=b"full", headers={})] * 9
    answer = sender.send(a_request())

    assert answer.state == "waiting"
    assert "HTTP 503: full" in answer.detail
    assert len(collector.paths) == 5
    assert pauses == [1.0, 2.0, 4.0, 8.0]


def test_a_server_that_asks_for_an_hour_is_not_waited_for(
    collector: Collector, sender: OtlpSender, pauses: list[float]
) -> None:
    collector.replies = [Reply(code=429, headers={"Retry-After": "3600"})]
    answer = sender.send(a_request())

    assert answer.state == "waiting"
    assert "3600 s" in answer.detail
    assert pauses == []


@pytest.mark.parametrize(
    ("code", "state"),
    [
        *((code, "refused") for code in (301, 400, 404, 413, 500)),
        *((code, "denied") for code in (401, 403)),
    ],
)
@pytest.mark.parametrize(
    ("body", "media_type"),
    [
        (b"bad\nid\x1b[2J", "text/plain"),
        (b'{"code":3,"message":"bad id [2J"}', "application/json"),
        # A google.rpc.Status: its code is field 1, its message field 2.
        (b"\x08\x03\x12\x0abad id [2J", PROTOBUF),
    ],
)
def test_what_will_never_be_taken_is_told_in_the_servers_words(
    collector: Collector,
    sender: OtlpSender,
    pauses: list[float],
    code: int,
    state: str,
    body: bytes,
    media_type: str,
) -> None:
    headers = {"Content-Type": media_type, "Location": "http://127.0.0.1:1/elsewhere"}
    collector.replies = [Reply(code=code, body=body, headers=headers)]

    answer = sender.send(a_request())

    assert answer == Answer(state=answer.state, detail=f"127.0.0.1: HTTP {code}: bad id [2J")
    assert answer.state == state
    assert pauses == []
    assert len(collector.paths) == 1


def test_words_without_end_are_cut(collector: Collector, sender: OtlpSender) -> None:
    collector.replies = [Reply(code=400, body=b"x" * 10**6, headers={})]

    assert len(sender.send(a_request()).detail) < 400


def test_nobody_there_leaves_the_request_waiting(
    session: requests.Session, pauses: list[float]
) -> None:
    # Bound and closed again, so that nobody listens there.
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as closed:
        port = closed.server_address[1]
    sender = OtlpSender(
        f"http://user:secret@127.0.0.1:{port}", {}, session=session, sleep=pauses.append
    )
    answer = sender.send(a_request())

    assert answer.state == "waiting"
    assert "ConnectionError" in answer.detail
    assert "secret" not in answer.detail
    assert len(pauses) == 4


def test_a_key_that_no_header_can_hold_is_refused_and_not_repeated(
    collector: Collector, session: requests.Session, pauses: list[float]
) -> None:
    sender = OtlpSender(
        collector.url, {"x-api-key": "sec\nret"}, session=session, sleep=pauses.append
    )
    answer = sender.send(a_request())

    assert answer.state == "refused"
    assert "InvalidHeader" in answer.detail
    assert "sec" not in answer.detail
    assert collector.paths == []


@pytest.mark.parametrize(
    "endpoint", ["", "localhost:4318", "ftp://host", "http://", "http://[", "http://host:x"]
)
def test_what_is_no_address_is_told_before_anything_is_sent(
    session: requests.Session, endpoint: str
) -> None:
    with pytest.raises(SettingsError, match="is no HTTP address"):
        OtlpSender(endpoint, {}, session=session, sleep=lambda _: None)
