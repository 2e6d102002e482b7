"""How many spans a second `longpole serve` takes in, each stored before its answer.

The receiver is a process of its own on the loopback; one or several senders post prepared requests
of 512 spans, as exporters batch them: chat calls in traces of 20 spans, told in OpenInference's
words. Beside the rate: the CPU time that the receiver took for a span, which a busy machine changes
less. What is in the store is counted before anything is printed.
"""

from __future__ import annotations

import gzip
import http.client
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue

from longpole.storage import open_store
from longpole.storage.exchange.otlp_out import to_json
from longpole.storage.receiving.body import JSON, PROTOBUF
from tests.receiver import Receiver

SPANS_A_REQUEST = 512
REQUESTS = 60
SPANS_A_TRACE = 20
_BEGIN_NS = 1_790_000_000_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    label: str
    senders: int
    media_type: str = PROTOBUF
    encoding: str | None = None


CASES = (
    Case(label="protobuf, 1 sender", senders=1),
    Case(label="protobuf, 4 senders", senders=4),
    Case(label="protobuf, gzip, 4 senders", senders=4, encoding="gzip"),
    Case(label="JSON, 4 senders", senders=4, media_type=JSON),
)


def main() -> None:
    """Measure and print a table."""
    requests = [a_request(number) for number in range(REQUESTS)]
    spans = REQUESTS * SPANS_A_REQUEST
    size = sum(len(one.SerializeToString()) for one in requests) / spans
    print(f"receiver: {REQUESTS} requests of {SPANS_A_REQUEST} spans, {size:,.0f} bytes a span")
    print(f"{'':30}{'spans/s':>10}{'CPU µs a span':>15}{'peak MB':>10}")
    for case in CASES:
        bodies = [_body(one, case) for one in requests]
        with tempfile.TemporaryDirectory() as folder:
            store = Path(folder) / "runs.db"
            with Receiver(store) as receiver:
                _send(receiver.port, bodies[:1], case)
                cpu_s = receiver.cpu_s()
                start_ns = time.perf_counter_ns()
                _send(receiver.port, bodies[1:], case)
                seconds = (time.perf_counter_ns() - start_ns) / 1e9
                cpu_us = (receiver.cpu_s() - cpu_s) * 1e6 / (spans - SPANS_A_REQUEST)
                peak_mb = receiver.peak_mb()
            opened = open_store(str(store))
            assert opened.state().spans == spans, f"{opened.state().spans} spans of {spans}"
            opened.close()
        rate = (spans - SPANS_A_REQUEST) / seconds
        print(f"{case.label:30}{rate:10,.0f}{cpu_us:15,.0f}{peak_mb:10,.0f}")


def _body(request: ExportTraceServiceRequest, case: Case) -> bytes:
    body = to_json(request) if case.media_type == JSON else request.SerializeToString()
    return gzip.compress(body, 6) if case.encoding == "gzip" else body


def _send(port: int, bodies: Sequence[bytes], case: Case) -> None:
    threads = [
        threading.Thread(target=_send_some, args=(port, bodies[first :: case.senders], case))
        for first in range(case.senders)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _send_some(port: int, bodies: Sequence[bytes], case: Case) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {"Content-Type": case.media_type}
    if case.encoding is not None:
        headers["Content-Encoding"] = case.encoding
    for body in bodies:
        connection.request("POST", "/v1/traces", body, headers)
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200, answer.status
    connection.close()


def a_request(number: int) -> ExportTraceServiceRequest:
    """Return one request; `number` is in every id."""
    request = ExportTraceServiceRequest()
    of_resource = request.resource_spans.add()
    of_resource.resource.attributes.append(_attribute("service.name", "app"))
    of_scope = of_resource.scope_spans.add()
    of_scope.scope.name = "openinference.instrumentation.langchain"
    content = '[{"role":"user","content":"' + "Why is the sky blue? " * 20 + '"}]'
    for index in range(SPANS_A_REQUEST):
        position = number * SPANS_A_REQUEST + index
        span = of_scope.spans.add()
        span.trace_id = (position // SPANS_A_TRACE + 1).to_bytes(16, "big")
        span.span_id = (position + 1).to_bytes(8, "big")
        if position % SPANS_A_TRACE:
            first = position // SPANS_A_TRACE * SPANS_A_TRACE
            span.parent_span_id = (first + 1).to_bytes(8, "big")
        span.name = "ChatOpenAI"
        span.start_time_unix_nano = _BEGIN_NS + position * 1000
        span.end_time_unix_nano = span.start_time_unix_nano + 10**9
        span.attributes.extend(_of_call(content))
    return request


def _of_call(content: str) -> list[KeyValue]:
    told: dict[str, str | int] = {
        "openinference.span.kind": "LLM",
        "input.value": content,
        "input.mime_type": "application/json",
        "output.value": content,
        "output.mime_type": "application/json",
        "llm.model_name": "gpt-4o-mini",
        "llm.provider": "openai",
        "llm.token_count.prompt": 100,
        "llm.token_count.completion": 10,
        "llm.token_count.total": 110,
        "metadata": '{"session_id":"s-1"}',
        "session.id": "s-1",
    }
    return [_attribute(key, value) for key, value in told.items()]


def _attribute(key: str, value: str | int) -> KeyValue:
    attribute = KeyValue(key=key)
    if isinstance(value, int):
        attribute.value.int_value = value
    else:
        attribute.value.string_value = value
    return attribute


if __name__ == "__main__":
    main()
