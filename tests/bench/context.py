"""What asking for OpenTelemetry's current context costs, beside the stock one.

Subject: `opentelemetry.context.get_current()`, outside all runs, in the body of a chain that is
called, and in the body of one below a span of the user's. Minimum and median of repetitions that
are interleaved between the two, in microseconds of this thread's processor time.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from langchain_core.runnables import RunnableLambda
from opentelemetry import context, trace
from opentelemetry.sdk.trace import TracerProvider

from longpole.tracer import LongpoleHandler

REPETITIONS = 30
CALLS = 10_000


def main() -> None:
    """Measure and print a table."""
    with tempfile.TemporaryDirectory() as folder:
        provider = TracerProvider()
        handler = LongpoleHandler(str(Path(folder) / "runs.db"), tracer_provider=provider)
        ours = context._RUNTIME_CONTEXT
        stock = ours.beneath  # type: ignore[attr-defined]
        print("context: get_current in microseconds, minimum and median")
        print(f"{'':24}{'stock':>16}{'with runs':>16}{'first in a run':>16}")
        _print("outside all runs", stock, ours)

        def in_a_body(value: Any) -> None:
            _check(handler)
            _print("in a chain's body", stock, ours)
            with provider.get_tracer("app").start_as_current_span("mine") as mine:
                if trace.get_current_span() is not mine:
                    raise SystemExit("the user's own span is not current")
                _print("below the user's span", stock, ours)

        RunnableLambda(in_a_body, name="body").invoke(1, {"callbacks": [handler]})
        handler.close()
        provider.shutdown()


def _check(handler: LongpoleHandler) -> None:
    if getattr(trace.get_current_span(), "name", None) != "body":
        raise SystemExit("the run's span is not current in its body")


def _print(where: str, stock: Any, ours: Any) -> None:
    from longpole.tracer import bodies

    def again() -> None:
        here = bodies.here()
        if here is not None:
            here.cached = None
        ours.get_current()

    subjects: list[Callable[[], object]] = [stock.get_current, ours.get_current, again]
    taken: list[list[float]] = [[], [], []]
    for _ in range(REPETITIONS):
        for subject, times in zip(subjects, taken, strict=True):
            times.append(_timed_us(subject))
    cells = [f"{min(times):7.3f} {statistics.median(times):7.3f}" for times in taken]
    print(f"{where:24}" + "".join(f"{cell:>16}" for cell in cells))


def _timed_us(call: Callable[[], object]) -> float:
    start_ns = time.thread_time_ns()
    for _ in range(CALLS):
        call()
    return (time.thread_time_ns() - start_ns) / CALLS / 1000
