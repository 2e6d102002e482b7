"""One handler of `bench peers`, in a process of its own: its name in, its figures out as JSON.

`python -m tests.bench.peer_handlers NAME` runs where the peers are installed. Longpole writes to
disk and its database; the OpenTelemetry peers batch and encode OTLP as they do by default, and drop
the bytes; LangSmith's client sends to the loopback. The process may connect to nothing else.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.bench.handler import SPANS_A_BRANCH, _chain, _handler

BRANCHES: Final = (2, 10, 100)
MODES: Final = ("sync", "async")
_WARM_SPANS: Final = 400
_TIMED_SPANS: Final = 2000
_FLUSH_S: Final = 60.0
_QUESTION: Final = {"question": "why?"}
_LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")

Figures = dict[str, dict[str, float]]
"""Microseconds a span, `wall_us` and `cpu_us`, by `mode/branches`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One handler, attached.

    Attributes:
        callbacks: what each call gets; empty where a peer attaches itself.
        arrived: waits until all spans are out; how many there were, or `None` where only the other
            end can tell.
    """

    callbacks: list[Any]
    arrived: Callable[[], int | None]


def main() -> None:
    """Print the figures, how many spans were made, and how many arrived."""
    sys.addaudithook(_stay_on_this_machine)
    with tempfile.TemporaryDirectory() as folder:
        subject = SUBJECTS[sys.argv[1]](Path(folder))
        figures: Figures = {}
        made = 0
        for mode in MODES:
            for branches in BRANCHES:
                spans, figures[f"{mode}/{branches}"] = _measured(subject, mode, branches)
                made += spans
        print(json.dumps({"figures": figures, "made": made, "arrived": subject.arrived()}))


def _measured(subject: Subject, mode: str, branches: int) -> tuple[int, dict[str, float]]:
    """Return how many spans were made, and what one took in the timed runs."""
    spans = branches * SPANS_A_BRANCH + 1
    warm, timed = max(1, _WARM_SPANS // spans), max(5, _TIMED_SPANS // spans)
    chain = _chain(branches)
    # One worker, so that the wall time is what a caller waits (see `bench handler`).
    config = {"max_concurrency": 1, "callbacks": subject.callbacks}
    play = _in_threads if mode == "sync" else _in_tasks
    play(chain, config, warm, branches)
    subject.arrived()
    cpu_start_ns = time.process_time_ns()
    wall_ns = play(chain, config, timed, branches)
    subject.arrived()
    cpu_ns = time.process_time_ns() - cpu_start_ns
    return (warm + timed) * spans, {
        # The lower quartile: whatever else the machine does can only add to it.
        "wall_us": statistics.quantiles(wall_ns, n=4)[0] / spans / 1000,
        "cpu_us": cpu_ns / timed / spans / 1000,
    }


def _in_threads(chain: Any, config: Any, runs: int, branches: int) -> list[int]:
    """Return the wall time of each run, in nanoseconds."""
    wall_ns = []
    for _ in range(runs):
        start_ns = time.perf_counter_ns()
        answers = chain.invoke(_QUESTION, config)
        wall_ns.append(time.perf_counter_ns() - start_ns)
        _check(answers, branches)
    return wall_ns


def _in_tasks(chain: Any, config: Any, runs: int, branches: int) -> list[int]:
    """Return the wall time of each run, in nanoseconds; one event loop for all."""

    async def play() -> list[int]:
        wall_ns = []
        for _ in range(runs):
            start_ns = time.perf_counter_ns()
            answers = await chain.ainvoke(_QUESTION, config)
            wall_ns.append(time.perf_counter_ns() - start_ns)
            _check(answers, branches)
        return wall_ns

    return asyncio.run(play())


def _check(answers: Mapping[str, str], branches: int) -> None:
    if len(answers) != branches:
        raise SystemExit(f"expected {branches} answers, got {len(answers)}")


def _stay_on_this_machine(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "socket.getaddrinfo" and arguments[0] not in (*_LOOPBACK, None):
        raise RuntimeError(f"a bench must not look up {arguments[0]!r}")
    if event == "socket.connect" and isinstance(arguments[1], tuple):
        host = arguments[1][0]
        if host not in _LOOPBACK:
            raise RuntimeError(f"a bench must not connect to {host!r}")


# --- the subjects --------------------------------------------------------------------------------


def _no_op(folder: Path) -> Subject:
    return Subject(callbacks=[_handler("no-op", folder)], arrived=lambda: None)


def _longpole(folder: Path) -> Subject:
    handler = _handler("longpole", folder)

    def arrived() -> int:
        if not handler.flush(_FLUSH_S):
            raise SystemExit("the store did not take everything in")
        written: int = handler.stats().spans_written
        return written

    return Subject(callbacks=[handler], arrived=arrived)


def _langsmith(folder: Path) -> Subject:
    from langchain_core.tracers import LangChainTracer
    from langsmith import Client

    client = Client(
        api_url=os.environ["LANGSMITH_ENDPOINT"], api_key=os.environ["LANGSMITH_API_KEY"]
    )
    tracer = LangChainTracer(project_name="bench", client=client)
    return Subject(callbacks=[tracer], arrived=client.flush)


def _langfuse(folder: Path) -> Subject:
    from langfuse import Langfuse
    from langfuse.langchain import CallbackHandler
    from opentelemetry.sdk.trace import TracerProvider

    provider, sink = TracerProvider(), _sink()
    client = Langfuse(
        public_key="pk-lf-bench",
        secret_key="sk-lf-bench",
        base_url="http://127.0.0.1:9",
        tracer_provider=provider,
        span_exporter=sink,
    )

    def arrived() -> int:
        client.flush()
        return int(sink.spans)

    return Subject(callbacks=[CallbackHandler()], arrived=arrived)


def _openinference(folder: Path) -> Subject:
    from openinference.instrumentation.langchain import LangChainInstrumentor

    return _instrumented(LangChainInstrumentor())


def _openllmetry(folder: Path) -> Subject:
    from opentelemetry.instrumentation.langchain import LangchainInstrumentor

    return _instrumented(LangchainInstrumentor())


def _instrumented(instrumentor: Any) -> Subject:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider, sink = TracerProvider(), _sink()
    provider.add_span_processor(BatchSpanProcessor(sink))
    instrumentor.instrument(tracer_provider=provider)

    def arrived() -> int:
        provider.force_flush(int(_FLUSH_S * 1000))
        return int(sink.spans)

    return Subject(callbacks=[], arrived=arrived)


def _sink() -> Any:
    """Return an exporter that does all the work of one, but for the sending."""
    from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

    class Sink(SpanExporter):
        spans = 0

        def export(self, spans: Any) -> Any:
            encode_spans(spans).SerializeToString()
            self.spans += len(spans)
            return SpanExportResult.SUCCESS

    return Sink()


SUBJECTS: Final[dict[str, Callable[[Path], Subject]]] = {
    "no-op": _no_op,
    "longpole": _longpole,
    "langsmith": _langsmith,
    "langfuse": _langfuse,
    "openinference": _openinference,
    "openllmetry": _openllmetry,
}

if __name__ == "__main__":
    main()
