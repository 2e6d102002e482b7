"""`longpole serve` as a process: real exporters post to it, and it is stopped and killed."""

from __future__ import annotations

import http.client
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from langchain_core.runnables import RunnableLambda, RunnableParallel
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor

from longpole.dashboard.cli.serve import serve
from longpole.dashboard.receiver.app import Limits
from longpole.dashboard.receiver.serve import DEFAULT_HOST, DEFAULT_PORT, main
from longpole.model import Run
from longpole.storage import RunQuery, open_store
from longpole.storage.receiving.body import ENCODINGS, PROTOBUF
from longpole.tracer import LongpoleHandler
from tests.dashboard.test_receiver import a_request
from tests.receiver import Receiver
from tests.strategies import as_stored

DOCUMENT = Path(__file__).parent.parent.parent / "docs" / "otlp.md"
DEFAULT_ADDRESS = f"http://{DEFAULT_HOST}:{DEFAULT_PORT}"


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiver]:
    with Receiver(tmp_path_factory.mktemp("serve") / "runs.db") as running:
        yield running


def runs_named(store_url: str, name: str) -> list[Run]:
    store = open_store(store_url)
    try:
        return [store.load_run(run_id) for run_id in store.run_ids(RunQuery(name=name))]
    finally:
        store.close()


@pytest.mark.parametrize("compression", Compression)
def test_an_opentelemetry_exporter_posts_to_it(
    receiver: Receiver, compression: Compression
) -> None:
    provider = TracerProvider(resource=Resource({"service.name": "shop", "host.name": "till-3"}))
    exporter = OTLPSpanExporter(endpoint=receiver.endpoint, compression=compression)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    tracer = provider.get_tracer("shop.code")
    name = f"order by {compression.value}"
    with tracer.start_as_current_span(name), tracer.start_as_current_span("chat") as span:
        span.set_attribute("gen_ai.operation.name", "chat")
        span.set_attribute("gen_ai.request.model", "gpt-4o-mini")
    assert provider.force_flush()
    provider.shutdown()
    (run,) = runs_named(receiver.store_url, name)
    (chat,) = run.children(run.root_span_id)

    assert (chat.kind.value, chat.model, chat.host) == ("llm", "gpt-4o-mini", "till-3")


def test_what_a_handler_records_arrives_as_the_same_run(receiver: Receiver, tmp_path: Path) -> None:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(receiver.endpoint)))
    handler = LongpoleHandler(str(tmp_path / "here.db"), tracer_provider=provider)
    branches = RunnableParallel(left=lambda told: told, right=lambda told: f"{told}!")
    chain = branches | RunnableLambda(lambda told: told["right"])
    chain.invoke("tea", config={"callbacks": [handler], "run_name": "sent on", "tags": ["t"]})
    assert handler.flush(30.0)
    handler.close()
    provider.shutdown()
    (here,) = runs_named(str(tmp_path / "here.db"), "sent on")
    (there,) = runs_named(receiver.store_url, "sent on")

    assert as_stored(there) == as_stored(here)
    assert there.run_id == here.run_id


def posting(port: int, body: bytes) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("POST", "/v1/traces", body, {"Content-Type": PROTOBUF})
        return connection.getresponse().status
    finally:
        connection.close()


def spans_in(path: Path) -> int:
    store = open_store(str(path))
    try:
        return store.state().spans
    finally:
        store.close()


def test_what_was_acknowledged_survives_a_kill_the_next_instant(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    with Receiver(path) as receiver:
        status = posting(receiver.port, a_request("chain", "call").SerializeToString())
        receiver.kill()

    assert status == 200
    assert spans_in(path) == 2


def test_told_to_stop_it_stores_and_answers_what_is_under_way(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    acknowledged: list[int] = []
    has_begun = threading.Event()

    def send(port: int, first: int) -> None:
        for trace in range(first, first + 10_000):
            try:
                body = a_request("chain", "call", trace=trace).SerializeToString()
                status = posting(port, body)
            except (OSError, http.client.HTTPException):
                return
            if status == 200:
                acknowledged.append(trace)
            if len(acknowledged) >= 20:
                has_begun.set()

    with Receiver(path) as receiver:
        senders = [
            threading.Thread(target=send, args=(receiver.port, 10_000 * n + 1)) for n in range(3)
        ]
        for sender in senders:
            sender.start()
        assert has_begun.wait(30)
        code, errors = receiver.stop()
        for sender in senders:
            sender.join(30)
    store = open_store(str(path))
    stored = set(store.run_ids(RunQuery()))
    store.close()

    assert (code, errors) == (0, "")
    assert {f"{trace:032x}" for trace in acknowledged} <= stored


def test_with_a_token_it_may_listen_anywhere_and_says_where(tmp_path: Path) -> None:
    environ = {"LONGPOLE_TOKEN": "s3cret"}
    with Receiver(tmp_path / "runs.db", "--host", "0.0.0.0", environ=environ) as receiver:
        refused = posting(receiver.port, a_request("chain").SerializeToString())
        shown = OTLPSpanExporter(
            f"http://127.0.0.1:{receiver.port}/v1/traces",
            headers={"authorization": "Bearer s3cret"},
        )
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(shown))
        with provider.get_tracer("app").start_as_current_span("with token"):
            pass
        provider.shutdown()

    assert receiver.address == f"http://0.0.0.0:{receiver.port}"
    assert refused == 401
    assert len(runs_named(receiver.store_url, "with token")) == 1


def test_without_a_token_it_does_not_listen_beyond_this_machine(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LONGPOLE_TOKEN", raising=False)
    for host in ("0.0.0.0", "::", "192.0.2.7", "example.org"):
        assert main(["--store", str(tmp_path / "runs.db"), "--host", host, "--port", "0"]) == 2

        told = capsys.readouterr().err
        assert f"{host!r} is reached from other machines" in told
        assert "--token" in told
    assert not (tmp_path / "runs.db").exists()


def test_a_taken_port_is_an_error_with_a_way_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["--store", str(tmp_path / "runs.db"), "--port", str(port)]) == 1

    said = capsys.readouterr().err
    assert f"cannot listen on 127.0.0.1:{port}: Address already in use; name another" in said


def test_a_file_that_is_no_store_is_left_as_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database" * 100)

    assert main(["--store", str(path), "--port", "0"]) == 1
    assert "no Longpole store" in capsys.readouterr().err
    assert path.read_text() == "not a database" * 100


# --- what docs/otlp.md says -------------------------------------------------------------------


def documented(language: str) -> str:
    (block,) = re.findall(rf"```{language}\n(.*?)```", DOCUMENT.read_text(), re.S)
    assert isinstance(block, str)
    return block


def test_the_documented_set_up_sends_a_run(receiver: Receiver) -> None:
    assert DEFAULT_ADDRESS in documented("sh")
    variables = documented("sh").replace(DEFAULT_ADDRESS, receiver.address)
    environ = dict(line.removeprefix("export ").split("=", 1) for line in variables.splitlines())
    subprocess.run(
        [sys.executable, "-c", documented("python")],
        env={**os.environ, **environ},
        check=True,
        timeout=60,
    )

    assert len(runs_named(receiver.store_url, "a request")) == 1


def test_the_documented_collector_sends_to_where_it_listens() -> None:
    told = yaml.safe_load(documented("yaml"))
    (name,) = told["exporters"]

    assert told["exporters"][name]["endpoint"] == DEFAULT_ADDRESS
    assert told["exporters"][name]["compression"] in ENCODINGS
    assert told["service"]["pipelines"]["traces"]["exporters"] == [name]


def test_every_option_of_the_receiver_is_explained() -> None:
    explained = set(re.findall(r"^\| `(--[a-z-]+)", DOCUMENT.read_text(), re.M))
    options = {name for one in serve.params for name in one.opts if name.startswith("--")}

    assert explained == options - {"--store", "--json"}


def test_the_options_default_to_what_the_receiver_takes_by_itself() -> None:
    defaults = {one.name: one.default for one in serve.params}

    assert defaults["host"] == DEFAULT_HOST
    assert defaults["port"] == DEFAULT_PORT
    assert defaults["max_request_mib"] == Limits().request_bytes >> 20
    assert defaults["max_waiting_mib"] == Limits().waiting_bytes >> 20
