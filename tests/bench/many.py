"""How long many runs take: a sample of each, then everything that is told of all of them.

Subjects: 10,000 runs of 10 to 50 spans (a plan, four experts of some calls each, a check) whose
lengths vary, in which now and then a branch is slow. The laws are checked before anything is timed.
"""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from random import Random

from longpole.analysis import (
    CostBy,
    RunAnalysis,
    RunSample,
    Sampler,
    aggregate,
    analyse,
    change_points,
    compare_sets,
    cost_shares,
    criticality,
    error_groups,
    flame_of,
    heat_map,
    samples_of,
    shape_groups,
    tail_of,
    trend_of,
)
from longpole.analysis.trends import HOUR_NS
from longpole.model import FanOutKind, Kind, Order, Role, Run, Span, Status, assemble

RUNS = 10_000
MS = 1_000_000
EXPERTS = ("web", "notes", "mail", "code")


def main() -> None:
    """Measure and print a table."""
    random = Random(1)
    taken_ns = {"analyse": 0, "sample": 0}
    sampler = Sampler()
    samples: list[RunSample] = []
    spans = 0
    for run in _runs(RUNS, random):
        begin_ns = time.perf_counter_ns()
        analysis = analyse(run, now_ns=0)
        middle_ns = time.perf_counter_ns()
        samples.append(sampler.sample(analysis))
        taken_ns["analyse"] += middle_ns - begin_ns
        taken_ns["sample"] += time.perf_counter_ns() - middle_ns
        spans += len(run.spans)
    _check(samples)
    print(f"{RUNS:,} runs, {spans:,} spans, {len(aggregate(samples).places)} positions; seconds")
    for name, length_ns in taken_ns.items():
        print(f"{name + ' (run by run)':34}{length_ns / 1e9:8.3f}")
    for name, job in _jobs(samples).items():
        begin_ns = time.perf_counter_ns()
        job()
        print(f"{name:34}{(time.perf_counter_ns() - begin_ns) / 1e9:8.3f}")
    print(f"{'a sample keeps':34}{_kept_bytes(random) / 1024:8.1f} KiB")


def _jobs(samples: Sequence[RunSample]) -> dict[str, Callable[[], object]]:
    half = len(samples) // 2
    return {
        "aggregate": lambda: aggregate(samples),
        "shapes": lambda: shape_groups(samples),
        "criticality": lambda: criticality(samples),
        "tail, 1,000 resamples": lambda: tail_of(samples),
        "flame graph": lambda: flame_of(samples),
        "heat map": lambda: heat_map(samples),
        "trend": lambda: trend_of(samples, bucket_ns=HOUR_NS),
        "change points": lambda: change_points(samples),
        "errors": lambda: error_groups(samples),
        "costs, seven ways": lambda: [cost_shares(samples, by) for by in CostBy],
        "two halves, 1,000 resamples": lambda: compare_sets(samples[:half], samples[half:]),
    }


def _check(samples: Sequence[RunSample]) -> None:
    """Raise unless all laws hold and the slow branch is found."""
    for sample in samples:
        sample.check()
    aggregate(samples).check()
    tail = tail_of(samples, resamples=10)
    assert tail is not None
    assert tail.places[0].position[-2:-1] == ("model[web]",)
    (fan_out,) = criticality(samples)
    assert len(fan_out.branches) == len(EXPERTS)
    assert len(change_points(samples)) == 1
    compare_sets(samples[:100], samples[100:200], resamples=10).check()


def _kept_bytes(random: Random) -> float:
    analyses: list[RunAnalysis] = [analyse(run, now_ns=0) for run in _runs(500, random)]
    tracemalloc.start()
    kept = samples_of(analyses)
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return held / len(kept)


def _runs(count: int, random: Random) -> Iterator[Run]:
    for number in range(count):
        yield _run(number, random, slower=1.3 if number > RUNS * 2 // 3 else 1.0)


def _run(number: int, random: Random, *, slower: float) -> Run:
    spans: list[Span] = []
    start_ns = 1_790_000_000_000_000_000 + number * 60_000 * MS

    def add(parent: int | None, name: str, first: int, last: int, **more: object) -> int:
        spans.append(
            Span(
                span_id=f"{number:08x}{len(spans):08x}",
                parent_span_id=None if parent is None else f"{number:08x}{parent:08x}",
                name=name,
                start_ns=start_ns + first,
                end_ns=start_ns + last,
                status=Status.OK,
                **{"kind": Kind.CHAIN, **more},  # type: ignore[arg-type]
            )
        )
        return len(spans) - 1

    calls = random.randint(1, 11)
    ends = []
    root = add(None, "panel", 0, 0)
    add(root, "plan", MS, 20 * MS, order=Order(seq=1))
    experts = add(root, "experts", 20 * MS, 0, order=Order(seq=2))
    for key in EXPERTS:
        at = 20 * MS
        branch = add(
            experts,
            "model",
            at,
            at,
            branch=key,
            role=Role.BRANCH,
            fan_out=FanOutKind.PARALLEL,
            order=Order(group="experts"),
        )
        is_slow = key == "web" and random.random() < 0.03
        for call in range(calls):
            end = at + int(slower * (5 if is_slow else 1) * random.lognormvariate(4, 0.3) * MS)
            add(
                branch,
                "call",
                at,
                end,
                kind=Kind.LLM,
                model="small",
                cost_usd=Decimal("0.0012"),
                order=Order(seq=call),
            )
            at = end
        ends.append((branch, at))
    for place, end in [*ends, (experts, max(end for _, end in ends)), (root, 0)]:
        end = end or max(end for _, end in ends) + 5 * MS
        spans[place] = replace(spans[place], end_ns=start_ns + end)
    return assemble(f"{number:032x}", spans)
