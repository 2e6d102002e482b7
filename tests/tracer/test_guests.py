"""Spans of other people inside our runs: recorded in their branch, as little of them as allowed."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests
from langchain_core.embeddings import Embeddings
from langchain_core.runnables import Runnable, RunnableLambda, RunnableParallel
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased, Sampler
from opentelemetry.trace import StatusCode

from longpole.model import Kind, Run, Span, Status
from longpole.tracer import LongpoleHandler, LongpoleSpanProcessor, guests
from tests.storage.exchange.collector import collecting
from tests.tracer.chains import chain, step
from tests.tracer.conftest import Recording, outline, spans_named


@pytest.fixture
def provider() -> Iterator[TracerProvider]:
    """The app's own provider, which no handler was given."""
    provider = TracerProvider()
    provider.add_span_processor(LongpoleSpanProcessor())
    yield provider
    provider.shutdown()


def _spanning(
    provider: TracerProvider, name: str, attributes: dict[str, Any] | None = None
) -> Runnable[Any, Any]:
    """A step whose body makes a span of the user's."""

    def body(value: Any) -> Any:
        with provider.get_tracer("app").start_as_current_span(name, attributes=attributes):
            return value

    return RunnableLambda(body, name="body")


def _guest(recording: Recording, name: str) -> tuple[Run, Span]:
    run = recording.run()
    (span,) = spans_named(run, name)
    return run, span


@pytest.fixture
def server() -> Iterator[tuple[str, list[str | None]]]:
    """An HTTP server on the loopback, and the `traceparent` of each request."""
    parents: list[str | None] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parents.append(self.headers.get("traceparent"))
            self.send_response(404 if self.path.startswith("/none") else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_address[1]}", parents
        httpd.shutdown()
        thread.join()


@pytest.mark.parametrize("asynchronous", [False, True])
def test_http_requests_are_recorded_in_their_branch(
    recording: Recording,
    provider: TracerProvider,
    server: tuple[str, list[str | None]],
    asynchronous: bool,
) -> None:
    url, parents = server
    parallel: Runnable[Any, Any] = RunnableParallel(
        a=RunnableLambda(lambda path: requests.get(f"{url}/a", timeout=5).status_code, name="a"),
        b=RunnableLambda(lambda path: requests.get(f"{url}/none", timeout=5).status_code, name="b"),
    )
    instrumentor = RequestsInstrumentor()
    instrumentor.instrument(tracer_provider=provider)
    try:
        answers = (
            asyncio.run(parallel.ainvoke(1, recording.config))
            if asynchronous
            else parallel.invoke(1, recording.config)
        )
    finally:
        instrumentor.uninstrument()

    assert answers == {"a": 200, "b": 404}
    run = recording.run()
    assert sorted(outline(run)) == [
        "    GET http",
        "    GET http error",
        "  a chain branch [a]",
        "  b chain branch [b]",
        "RunnableParallel<a,b> chain fan_out",
    ]
    found = spans_named(run, "GET")
    assert {(run.trace_id, span.span_id) for span in found} == {
        tuple((parent or "").split("-")[1:3]) for parent in parents
    }
    assert {span.error and span.error.type for span in found} == {None, "404"}
    for span in found:
        above = run.span_by_id[span.parent_span_id or ""]
        assert above.start_ns <= span.start_ns <= (span.end_ns or 0) <= (above.end_ns or 0)


@pytest.mark.parametrize(
    ("attributes", "kind"),
    [
        ({"http.request.method": "GET", "url.full": "http://x/"}, Kind.HTTP),
        ({"http.method": "GET", "http.url": "http://x/"}, Kind.HTTP),
        ({"db.system.name": "postgresql", "db.query.text": "SELECT 1"}, Kind.OTHER),
        ({"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 7}, Kind.OTHER),
        ({"longpole.kind": "llm", "longpole.run.id": "x"}, Kind.OTHER),
        ({}, Kind.OTHER),
    ],
)
def test_the_kind_is_told_by_the_semantic_attributes(
    recording: Recording, provider: TracerProvider, attributes: dict[str, Any], kind: Kind
) -> None:
    _spanning(provider, "call", attributes).invoke(1, recording.config)

    _, call = _guest(recording, "call")
    assert (call.kind, call.usage, call.langchain_run_id) == (kind, None, None)


def test_what_is_told_late_is_recorded_too(recording: Recording, provider: TracerProvider) -> None:
    def body(value: Any) -> Any:
        with provider.get_tracer("app").start_as_current_span("call") as span:
            span.set_attribute("http.response.status_code", 200)
        return value

    RunnableLambda(body).invoke(1, recording.config)

    _, call = _guest(recording, "call")
    assert call.kind is Kind.HTTP
    assert recording.content(call).attributes["http.response.status_code"] == 200


def test_runs_inside_a_users_span_stand_below_it(
    recording: Recording, provider: TracerProvider
) -> None:
    inner = chain()

    def body(value: Any) -> Any:
        tracer = provider.get_tracer("app")
        with tracer.start_as_current_span("work"), tracer.start_as_current_span("more"):
            inner.invoke({"question": "?"})
        step("after").invoke(1)
        return value

    RunnableLambda(body, name="body").invoke(1, recording.config)

    assert outline(recording.run()) == [
        "body chain",
        "  work other",
        "    more other",
        "      RunnableSequence chain",
        "        ChatPromptTemplate prompt step step=1",
        "        GenericFakeChatModel llm step step=2",
        "        StrOutputParser parser step step=3",
        "  after chain",
    ]


def test_a_failure_is_told_with_type_and_message(
    recording: Recording, provider: TracerProvider
) -> None:
    def body(value: Any) -> Any:
        with provider.get_tracer("app").start_as_current_span("call"):
            raise ConnectionError("reset by peer")

    with pytest.raises(ConnectionError):
        RunnableLambda(body).invoke(1, recording.config)

    _, call = _guest(recording, "call")
    assert call.error is not None
    assert (call.status, call.error.type) == (Status.ERROR, "ConnectionError")
    assert call.error.message == "reset by peer"


def test_spans_outside_runs_are_left_alone(recording: Recording, provider: TracerProvider) -> None:
    tracer = provider.get_tracer("app")
    with tracer.start_as_current_span("before"):
        step("x").invoke(1, recording.config)
    tracer.start_span("after").end()

    assert outline(recording.run()) == ["x chain"]


def test_instrumentations_that_tell_the_same_runs_again_are_not_recorded(
    recording: Recording, provider: TracerProvider
) -> None:
    def body(value: Any) -> Any:
        provider.get_tracer("openinference.instrumentation.langchain").start_span("same").end()
        return value

    RunnableLambda(body, name="body").invoke(1, recording.config)

    assert outline(recording.run()) == ["body chain"]


def test_two_processors_record_a_span_once(recording: Recording, provider: TracerProvider) -> None:
    provider.add_span_processor(LongpoleSpanProcessor())
    _spanning(provider, "call").invoke(1, recording.config)

    assert outline(recording.run()) == ["body chain", "  call other"]
    assert recording.handler.stats().spans_seen == 2


def test_branches_are_right_with_the_current_span_switched_off(
    tmp_path: Path, provider: TracerProvider
) -> None:
    recording = Recording(
        tmp_path / "runs.db", LongpoleHandler(str(tmp_path / "runs.db"), current_span=False)
    )
    with provider.get_tracer("app").start_as_current_span("server") as server:
        RunnableParallel(a=_spanning(provider, "call"), b=step("b")).invoke(1, recording.config)
        assert trace.get_current_span() is server

    run, call = _guest(recording, "call")
    assert run.span_by_id[call.parent_span_id or ""].branch == "a"


def test_a_bug_of_ours_never_reaches_the_users_span(
    recording: Recording, provider: TracerProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object) -> None:
        raise RuntimeError("a bug of ours")

    monkeypatch.setattr(guests, "kept_of", fail)

    assert _spanning(provider, "call").invoke(1, recording.config) == 1
    assert recording.handler.stats().errors == {"span start: RuntimeError": 1}


# --- how much of them -----------------------------------------------------------------------------

_CARRIES = {
    "http.request.method": "GET",
    "url.full": "http://x/path?token=secret",
    "db.query.text": "SELECT secret",
    "input.value": "secret",
    "app.customer": "secret",
    "http.request.header.authorization": ("secret",),
}


def _everything_below(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_content_that_is_switched_off_is_not_recorded_of_guests_either(
    tmp_path: Path, provider: TracerProvider
) -> None:
    mine = LongpoleHandler(str(tmp_path / "runs.db"), capture_content=False)
    recording = Recording(tmp_path / "runs.db", mine)
    _spanning(provider, "GET", _CARRIES).invoke(1, recording.config)

    _, call = _guest(recording, "GET")
    assert recording.content(call).attributes["url.full"] == "http://x/path"
    assert b"secret" not in _everything_below(tmp_path)


def test_redaction_reaches_guests(tmp_path: Path, provider: TracerProvider) -> None:
    mine = LongpoleHandler(
        str(tmp_path / "runs.db"), redact=lambda text: text.replace("secret", "***")
    )
    recording = Recording(tmp_path / "runs.db", mine)

    def body(value: Any) -> Any:
        with provider.get_tracer("app").start_as_current_span("a secret", attributes=_CARRIES):
            raise ValueError("secret")

    with pytest.raises(ValueError, match="secret"):
        RunnableLambda(body).invoke(1, recording.config)

    _guest(recording, "a ***")
    assert b"secret" not in _everything_below(tmp_path)


def test_long_texts_and_many_attributes_are_cut(
    recording: Recording, provider: TracerProvider
) -> None:
    _spanning(provider, "call", {"text": "x" * 1_000_000, "texts": ("y" * 9_000,)}).invoke(
        1, recording.config
    )

    _, call = _guest(recording, "call")
    kept = recording.content(call).attributes
    assert len(kept["text"]) < 4_100
    assert kept["text"].endswith("[cut 996000 of 1000000 characters]")
    assert len(kept["texts"][0]) < 4_100


def test_guests_that_never_end_do_not_pile_up(
    recording: Recording, provider: TracerProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = len(guests._open)
    monkeypatch.setattr(guests, "MAX_OPEN", before + 3)

    def body(value: Any) -> Any:
        spans = [provider.get_tracer("app").start_span("endless") for _ in range(5)]
        assert len(guests._open) == before + 3
        for span in spans[2:]:
            span.end()
        return value

    RunnableLambda(body).invoke(1, recording.config)

    statuses = [span.status for span in spans_named(recording.run(), "endless")]
    assert statuses == [Status.CANCELLED] * 2 + [Status.OK] * 3


def test_what_code_sets_on_the_current_span_is_kept_on_the_same_terms(tmp_path: Path) -> None:
    mine = LongpoleHandler(
        str(tmp_path / "runs.db"), redact=lambda text: text.replace("secret", "***")
    )
    recording = Recording(tmp_path / "runs.db", mine)

    def body(value: Any) -> Any:
        span = trace.get_current_span()
        span.set_attribute("app.customer", "a secret")
        span.set_attributes({"app.size": 3, "longpole.kind": "llm"})
        return value

    RunnableLambda(body).invoke(1, recording.config)

    run = recording.run()
    kept = recording.content(run.root).attributes
    assert (kept["app.customer"], kept["app.size"]) == ("a ***", 3)
    assert run.root.kind is Kind.CHAIN


def test_code_inside_a_run_cannot_end_rename_or_judge_it(recording: Recording) -> None:
    def body(value: Any) -> Any:
        span = trace.get_current_span()
        assert span.is_recording()
        span.update_name("another")
        span.set_status(StatusCode.OK)
        span.end()
        assert span.is_recording()
        raise ValueError("boom")

    with pytest.raises(ValueError, match="boom"):
        RunnableLambda(body, name="body").invoke(1, recording.config)

    run = recording.run()
    assert (run.name, run.status) == ("body", Status.ERROR)
    assert run.root.error is not None


# --- the user's provider, sampler, exporters ------------------------------------------------------


@pytest.mark.parametrize("sampler", [ALWAYS_OFF, ParentBased(ALWAYS_OFF)])
def test_a_sampler_decides_what_exporters_get_not_what_is_recorded(
    tmp_path: Path, sampler: Sampler
) -> None:
    exporter, provider = InMemorySpanExporter(), TracerProvider(sampler=sampler)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    mine = LongpoleHandler(str(tmp_path / "runs.db"), tracer_provider=provider)
    recording = Recording(tmp_path / "runs.db", mine)
    RunnableParallel(a=_spanning(provider, "call"), b=chain()).invoke(
        {"question": "?"}, recording.config
    )

    assert exporter.get_finished_spans() == ()
    run = recording.run()
    assert len(run.spans) == 6
    assert spans_named(run, "call") == []
    provider.shutdown()


def test_what_an_unsampled_request_makes_stays_unsampled(recording: Recording) -> None:
    exporter, provider = InMemorySpanExporter(), TracerProvider(sampler=ParentBased(ALWAYS_OFF))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with provider.get_tracer("app").start_as_current_span("server"):
        _spanning(provider, "call").invoke(1, recording.config)

    assert exporter.get_finished_spans() == ()
    assert outline(recording.run()) == ["body chain"]
    provider.shutdown()


@pytest.mark.parametrize("given", [False, True])
def test_longpole_records_when_the_apps_own_telemetry_is_disabled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: bool
) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    provider = TracerProvider() if given else None
    mine = LongpoleHandler(str(tmp_path / "runs.db"), tracer_provider=provider)
    recording = Recording(tmp_path / "runs.db", mine)
    step("x").invoke(1, recording.config)

    assert outline(recording.run()) == ["x chain"]


def test_an_otlp_backend_gets_one_tree_of_runs_and_the_users_spans(tmp_path: Path) -> None:
    with collecting() as collector:
        provider = TracerProvider()
        provider.add_span_processor(
            BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{collector.url}/v1/traces"))
        )
        mine = LongpoleHandler(str(tmp_path / "runs.db"), tracer_provider=provider)
        recording = Recording(tmp_path / "runs.db", mine)
        RunnableParallel(a=_spanning(provider, "call"), b=step("b")).invoke(1, recording.config)
        provider.shutdown()

    run = recording.run()
    assert sorted(collector.span_ids) == sorted(span.span_id for span in run.spans)
    (call,) = spans_named(run, "call")
    assert run.span_by_id[call.parent_span_id or ""].branch == "a"


def test_a_request_inside_an_embedding_is_below_it(
    recording: Recording, provider: TracerProvider
) -> None:
    class Asking(Embeddings):
        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            with provider.get_tracer("app").start_as_current_span("POST"):
                return [[0.0] for _ in texts]

        def embed_query(self, text: str) -> list[float]:
            return self.embed_documents([text])[0]

    def ask(text: str) -> str:
        Asking().embed_query(text)
        provider.get_tracer("app").start_span("afterwards").end()
        return text

    RunnableLambda(ask).invoke("x", recording.config)

    assert outline(recording.run()) == [
        "ask chain",
        "  Asking embedding",
        "    POST other",
        "  afterwards other",
    ]
