from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from longpole.model.errors import OversizedError, UnreadableRequestError
from longpole.storage.exchange.otlp_out import to_json
from longpole.storage.receiving.body import (
    IDENTITY,
    JSON,
    PROTOBUF,
    Received,
    inflated,
    read_traces,
)

MIB = 2**20
JSON_FILE = Path(__file__).parent.parent / "files" / "dialects" / "langfuse.json"


def raw_deflate(body: bytes) -> bytes:
    squeezer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return squeezer.compress(body) + squeezer.flush()


WAYS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "two gzip parts": ("gzip", lambda body: gzip.compress(body[:9]) + gzip.compress(body[9:])),
    "deflate": ("deflate", zlib.compress),
    "deflate without a header": ("deflate", raw_deflate),
    "nothing": (IDENTITY, bytes),
}


@pytest.mark.parametrize("way", WAYS)
@given(st.binary(max_size=3000))
@settings(max_examples=25)
def test_what_was_compressed_comes_out_as_it_was(way: str, body: bytes) -> None:
    encoding, squeeze = WAYS[way]

    assert inflated(squeeze(body), encoding, limit_bytes=max(1, len(body))) == body


@pytest.mark.parametrize("way", ["gzip", "two gzip parts", "deflate", "deflate without a header"])
def test_a_body_that_inflates_beyond_the_limit_is_refused(way: str) -> None:
    encoding, squeeze = WAYS[way]
    bomb = squeeze(bytes(4 * MIB))

    assert len(bomb) < MIB
    with pytest.raises(OversizedError, match="larger than 1 MiB"):
        inflated(bomb, encoding, limit_bytes=MIB)


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", b"no gzip"),
        ("gzip", gzip.compress(b"whole" * 100, mtime=0)[:-9]),
        ("gzip", gzip.compress(b"whole", mtime=0) + b"rest"),
        ("deflate", zlib.compress(b"whole" * 100)[:-5]),
        ("deflate", b"\xff\xff"),
    ],
)
def test_damaged_compression_is_told_as_such(encoding: str, body: bytes) -> None:
    with pytest.raises(UnreadableRequestError, match=encoding):
        inflated(body, encoding, limit_bytes=MIB)


def test_both_formats_of_a_request_hold_the_same() -> None:
    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add()
    span.trace_id, span.span_id = b"\1" * 16, b"\2" * 8
    span.name, span.start_time_unix_nano, span.end_time_unix_nano = "call", 1, 2
    by_protobuf = read_traces(request.SerializeToString(), PROTOBUF)
    by_json = read_traces(to_json(request), JSON)

    assert by_protobuf == by_json
    assert by_protobuf.spans == 1


def test_the_good_spans_of_a_request_are_kept_and_the_others_named() -> None:
    document = orjson.loads(JSON_FILE.read_bytes())
    spans = document["resourceSpans"][0]["scopeSpans"][0]["spans"]
    spans[3]["spanId"] = "nonsense"
    del spans[7]["startTimeUnixNano"]
    received = read_traces(orjson.dumps(document), JSON)

    assert received.spans == len(spans) - 2
    assert [one.where for one in received.refused] == ["span 4", "span 8"]
    assert "span id" in received.refused[0].why
    assert "start time" in received.refused[1].why


@pytest.mark.parametrize(("body", "media_type"), [(b"", PROTOBUF), (b"", JSON), (b"{}", JSON)])
def test_an_empty_request_is_lawful(body: bytes, media_type: str) -> None:
    assert read_traces(body, media_type) == Received(events=(), spans=0, refused=())


@pytest.mark.parametrize(
    ("body", "media_type", "message"),
    [
        (b"{", JSON, "no JSON"),
        (b"[]", JSON, "no object"),
        (b"\xff\xff\xff", PROTOBUF, "no OTLP protobuf"),
    ],
)
def test_what_is_no_request_is_refused_as_a_whole(
    body: bytes, media_type: str, message: str
) -> None:
    with pytest.raises(UnreadableRequestError, match=message):
        read_traces(body, media_type)


@given(st.binary(max_size=200), st.sampled_from([PROTOBUF, JSON]))
@settings(max_examples=100)
def test_no_bytes_make_other_trouble_than_that(body: bytes, media_type: str) -> None:
    try:
        received = read_traces(body, media_type)
    except UnreadableRequestError:
        return

    assert received.spans * 2 >= len(received.events) >= received.spans
