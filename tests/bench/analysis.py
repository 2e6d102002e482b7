"""How long the analysis of one run takes: path, slack, drag, fan-outs and all sums.

Subjects: 10,000 and 100,000 spans as a tree of branches of model calls, as one flat fan-out, and as
one flat sequence. The analysis is checked by the laws before it is timed.
"""

from __future__ import annotations

import statistics
import time

from longpole.analysis import analyse, check_analysis
from longpole.model import FanOutKind, Kind, Order, Role, Run, Span, Status, assemble

REPETITIONS = 5
SIZES = (10_000, 100_000)
MS = 1_000_000


def main() -> None:
    """Measure and print a table."""
    print("analysis of one run, seconds; medians (lowest … highest)")
    for size in SIZES:
        for name, make in (("branches", _branches), ("flat fan-out", _flat), ("sequence", _steps)):
            run = make(size)
            check_analysis(analyse(run, now_ns=0))
            taken = []
            for _ in range(REPETITIONS if size <= 10_000 else 3):
                start_ns = time.perf_counter_ns()
                analyse(run, now_ns=0)
                taken.append((time.perf_counter_ns() - start_ns) / 1e9)
            label = f"{len(run.spans):,} spans, {name}"
            print(
                f"{label:32}{statistics.median(taken):8.3f} ({min(taken):.3f} … {max(taken):.3f})"
            )


def _span(number: int, parent: int | None, start: int, end: int, **more: object) -> Span:
    return Span(
        span_id=f"{number:016x}",
        parent_span_id=None if parent is None else f"{parent:016x}",
        name="span",
        kind=Kind.LLM if more.pop("is_call", False) else Kind.CHAIN,
        start_ns=start,
        end_ns=end,
        status=Status.OK,
        **more,  # type: ignore[arg-type]
    )


def _branch(number: int, parent: int, start: int, end: int) -> Span:
    return _span(
        number,
        parent,
        start,
        end,
        role=Role.BRANCH,
        branch=str(number),
        fan_out=FanOutKind.PARALLEL,
        order=Order(group="parallel"),
    )


def _branches(size: int) -> Run:
    """Return a root of branches of 100 spans each: sequences of steps, each with a call below."""
    spans = [_span(0, None, 0, 10**12)]
    number = 1
    while number < size:
        branch = number
        begin = 1000 + (branch * 7919) % 100_000
        spans.append(_branch(branch, 0, begin, begin + 50 * 21 * MS))
        number += 1
        for step in range(1, 50):
            at = begin + step * 21 * MS + (number * 104_729) % 200_000
            spans.append(_span(number, branch, at, at + 20 * MS, order=Order(seq=step)))
            spans.append(_span(number + 1, number, at + 5, at + 19 * MS, is_call=True))
            number += 2
    return assemble("b" * 32, spans[:size])


def _flat(size: int) -> Run:
    spans = [_span(0, None, 0, 2_000 * MS)]
    for number in range(1, size):
        length = 500 * MS + (number * 104_729) % (1_400 * MS)
        spans.append(_branch(number, 0, number % 1000, length))
    return assemble("f" * 32, spans)


def _steps(size: int) -> Run:
    spans = [_span(0, None, 0, size * 11 * MS)]
    spans += [
        _span(number, 0, number * 11 * MS, number * 11 * MS + 10 * MS, order=Order(seq=number))
        for number in range(1, size - 1)
    ]
    return assemble("s" * 32, spans)
