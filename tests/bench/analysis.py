"""How long analysis takes: path, slack, drag, fan-outs and all sums, of one run and of many.

Subjects: 10,000 and 100,000 spans as a tree of branches of model calls, as one flat fan-out, as a
fan-out whose branches queue for eight places, as one flat sequence, and as siblings that overlap
without any hint; then 100,000 small runs of ten spans. Every subject is checked by the laws before
it is timed. Figures are CPU time of this process, the lowest of some repetitions, as others may be
at work on the machine; wall time beside it is the median.
"""

from __future__ import annotations

import heapq
import random
import statistics
import time
from collections.abc import Callable, Iterator
from decimal import Decimal

from longpole.analysis import analyse, check_analysis
from longpole.model import FanOutKind, Kind, Order, Role, Run, Span, Status, Usage, assemble

REPETITIONS = 5
SIZES = (10_000, 100_000)
SMALL_RUNS = 100_000
SMALL_RUNS_CHECKED = 200
MS = 1_000_000


def main() -> None:
    """Measure and print two tables."""
    print(f"{'analysis of one run':34}{'CPU s':>8}{'wall s':>8}{'µs/span':>9}")
    for size in SIZES:
        for name, make in SUBJECTS.items():
            run = make(size)
            check_analysis(analyse(run, now_ns=0))
            cpu_s, wall_s = _timed(run, REPETITIONS if size <= 10_000 else 3)
            label = f"{len(run.spans):,} spans, {name}"
            print(f"{label:34}{cpu_s:8.3f}{wall_s:8.3f}{cpu_s / size * 1e6:9.1f}")
    _small_runs()


def _timed(run: Run, repetitions: int) -> tuple[float, float]:
    """Return the lowest CPU time and the median wall time."""
    cpu_s, wall_s = [], []
    for _ in range(repetitions):
        begin_ns, begin_cpu_ns = time.perf_counter_ns(), time.process_time_ns()
        analyse(run, now_ns=0)
        cpu_s.append((time.process_time_ns() - begin_cpu_ns) / 1e9)
        wall_s.append((time.perf_counter_ns() - begin_ns) / 1e9)
    return min(cpu_s), statistics.median(wall_s)


def _small_runs() -> None:
    """Analyse many small runs one after another, each as a loader would hand it over."""
    spans = cpu_ns = assembled_ns = 0
    for number in range(SMALL_RUNS):
        rows = list(_small(number))
        begin_ns = time.process_time_ns()
        run = assemble(f"{number:032x}", rows)
        made_ns = time.process_time_ns()
        analysis = analyse(run, now_ns=0)
        cpu_ns += time.process_time_ns() - made_ns
        assembled_ns += made_ns - begin_ns
        spans += len(rows)
        if number < SMALL_RUNS_CHECKED:
            check_analysis(analysis)
    print(f"\n{SMALL_RUNS:,} runs of {spans // SMALL_RUNS} spans, spans a second of CPU time")
    print(f"{'analysed':34}{spans * 1e9 / cpu_ns:>16,.0f}")
    print(f"{'assembled and analysed':34}{spans * 1e9 / (cpu_ns + assembled_ns):>16,.0f}")


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


def _branch(number: int, parent: int, start: int, end: int, **more: object) -> Span:
    return _span(
        number,
        parent,
        start,
        end,
        role=Role.BRANCH,
        branch=str(number),
        fan_out=FanOutKind.PARALLEL,
        order=Order(group="parallel"),
        **more,
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


def _queued(size: int) -> Run:
    draw = random.Random(size)
    places = [0] * 8
    branches = []
    for number in range(1, size):
        start = heapq.heappop(places)
        end = start + draw.randint(5 * MS, 50 * MS)
        heapq.heappush(places, end + draw.randint(1_000, 90_000))
        branches.append(_branch(number, 0, start, end, fan_out_limit=8))
    return assemble("c" * 32, [_span(0, None, 0, max(places)), *branches])


def _steps(size: int) -> Run:
    spans = [_span(0, None, 0, size * 11 * MS)]
    spans += [
        _span(number, 0, number * 11 * MS, number * 11 * MS + 10 * MS, order=Order(seq=number))
        for number in range(1, size)
    ]
    return assemble("a" * 32, spans)


def _unhinted(size: int) -> Run:
    draw = random.Random(size)
    spans = [_span(0, None, 0, size * 10 * MS)]
    for number in range(1, size):
        start = number * 9 * MS
        spans.append(_span(number, 0, start, start + draw.randint(1 * MS, 60 * MS)))
    return assemble("d" * 32, spans)


SUBJECTS: dict[str, Callable[[int], Run]] = {
    "branches": _branches,
    "flat fan-out": _flat,
    "queued fan-out": _queued,
    "sequence": _steps,
    "no hints": _unhinted,
}


def _small(number: int) -> Iterator[Span]:
    """Return a chain: a map of three branches, two of them with steps below, a prompt, a call."""
    late = number % 400 * MS
    call: dict[str, object] = {
        "is_call": True,
        "usage": Usage(input_tokens=100, output_tokens=20),
        "cost_usd": Decimal("0.0012"),
    }
    yield _span(0, None, 0, 1000 * MS)
    yield _span(1, 0, 1 * MS, 800 * MS, order=Order(seq=1), role=Role.FAN_OUT)
    yield _branch(2, 1, 2 * MS, 700 * MS)
    yield _span(3, 2, 3 * MS, 4 * MS, order=Order(seq=1))
    yield _span(4, 2, 5 * MS, 699 * MS, order=Order(seq=2), **call)
    yield _branch(5, 1, 2 * MS, 500 * MS)
    yield _span(6, 5, 5 * MS, 499 * MS, **call)
    yield _branch(7, 1, 2 * MS, 300 * MS + late, **call)
    yield _span(8, 0, 801 * MS, 803 * MS, order=Order(seq=2))
    yield _span(9, 0, 804 * MS, 998 * MS, order=Order(seq=3), **call)
