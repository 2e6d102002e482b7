"""A trace file is what viewers ask for, and tells what the document tells."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from longpole.analysis import analyse
from longpole.dashboard.documents import show_document
from longpole.model import (
    FanOutKind,
    Kind,
    Order,
    Role,
    Run,
    Span,
    SpanError,
    Status,
    Usage,
    assemble,
)
from longpole.model.pricing import PriceBook, price_run
from longpole.storage import RunQuery, open_store
from longpole.storage.exchange.lanes import MAX_DEPTH
from longpole.storage.exchange.parcel import Parcel
from longpole.storage.exchange.perfetto import write_perfetto
from longpole.tracer import LongpoleHandler
from longpole.tracer.demo import run_scenes
from tests.strategies import BEGIN_NS, MS, any_runs, recorded_runs

NOW_NS = BEGIN_NS + 3_600_000 * MS
Json = dict[str, Any]


def packed(run: Run) -> Parcel:
    analysis = analyse(run, now_ns=NOW_NS)
    return Parcel(run=run, document=show_document(analysis), contents={}, now_ns=NOW_NS)


def written(parcels: Iterable[Parcel]) -> bytes:
    out = io.BytesIO()
    write_perfetto(parcels, out)
    return out.getvalue()


@dataclass(frozen=True)
class Slice:
    start_ns: int
    end_ns: int
    event: Json


def ns(microseconds: Decimal | int) -> int:
    """Return whole nanoseconds; fails where the file is finer or coarser than that."""
    length = Decimal(microseconds) * 1000
    assert length == int(length)
    return int(length)


class Trace:
    """A trace file, read strictly."""

    def __init__(self, file: bytes) -> None:
        read = json.loads(file, parse_float=Decimal, parse_constant=pytest.fail)
        assert set(read) == {"traceEvents", "displayTimeUnit", "otherData"}
        assert read["displayTimeUnit"] in ("ms", "ns")
        self.base_ns = int(read["otherData"]["epoch_start_ns"])
        self.events: list[Json] = read["traceEvents"]
        timed = [event for event in self.events if event["ph"] != "M"]
        # Viewers sort by time and keep the file's order among equals.
        self.timed = sorted(timed, key=lambda event: event["ts"])
        assert not timed or self.timed[0]["ts"] == 0

    def phase(self, *phases: str, **values: Any) -> list[Json]:
        return [
            event
            for event in self.timed
            if event["ph"] in phases and values.items() <= event.items()
        ]

    def slices(self, *, waits: bool = False) -> list[Slice]:
        return [
            Slice(
                self.base_ns + ns(event["ts"]),
                self.base_ns + ns(event["ts"]) + ns(event["dur"]),
                event,
            )
            for event in self.phase("X")
            if (event["cat"] == "queue") is waits
        ]

    def named(self, what: str) -> dict[tuple[int, int], Any]:
        return {
            (event["pid"], event["tid"]): event["args"]
            for event in self.events
            if event["ph"] == "M" and event["name"] == what
        }

    def lane(self, span_id: str) -> str:
        (found,) = [s for s in self.slices() if s.event["args"]["span_id"] == span_id]
        name: str = self.named("thread_name")[found.event["pid"], found.event["tid"]]["name"]
        return name


def check(trace: Trace, parcels: Sequence[Parcel]) -> None:
    """Fail unless a viewer can draw all of it and it is all of these runs."""
    check_nesting(trace)
    check_names(trace, parcels)
    for parcel, (process_id, _) in zip(parcels, trace.named("process_name"), strict=True):
        check_spans(trace, parcel, process_id)
        check_arrows(trace, parcel, process_id)
        check_counters(trace, parcel, process_id)


def check_nesting(trace: Trace) -> None:
    open_on: dict[int, list[Slice]] = {}
    ordered = sorted(
        trace.slices() + trace.slices(waits=True), key=lambda one: (one.start_ns, -one.end_ns)
    )
    for one in ordered:
        stack = open_on.setdefault(one.event["tid"], [])
        assert one.start_ns <= one.end_ns
        while stack and stack[-1].end_ns <= one.start_ns:
            stack.pop()
        assert not stack or one.end_ns <= stack[-1].end_ns, "two slices overlap in part"
        stack.append(one)
        assert len(stack) <= MAX_DEPTH


def check_names(trace: Trace, parcels: Sequence[Parcel]) -> None:
    names = [args["name"] for args in trace.named("process_name").values()]
    assert names == [f"{one.run.name} · {one.run.run_id[:8]}" for one in parcels]
    used = {(event["pid"], event["tid"]) for event in trace.timed}
    assert set(trace.named("thread_name")) == set(trace.named("thread_sort_index")) >= used
    threads = [thread for _, thread in trace.named("thread_name")]
    assert len(threads) == len(set(threads))
    assert all(args["name"] for args in trace.named("thread_name").values())


def check_spans(trace: Trace, parcel: Parcel, process_id: int) -> None:
    run_end_ns = parcel.document["run"]["start_ns"] + parcel.document["run"]["wall_ns"]
    facts = {one["span_id"]: one for one in parcel.document["spans"]}
    slices = [one for one in trace.slices() if one.event["pid"] == process_id]
    assert len(slices) == len(parcel.run.spans)
    for one in slices:
        args = one.event["args"]
        span = parcel.run.span_by_id[args["span_id"]]
        end_ns = max(span.start_ns, run_end_ns) if span.end_ns is None else span.end_ns
        assert (one.start_ns, one.end_ns) == (span.start_ns, end_ns)
        assert one.event["cat"] == span.kind.value
        assert args["status"] == span.status.value
        assert (args.get("end") == "not recorded") is (span.end_ns is None)
        for name in ("on_path", "slack", "drag", "queue_wait"):
            known = facts[span.span_id][f"{name}_ns"]
            assert args.get(f"{name}_ms") == (None if known is None else Decimal(known) / MS)
        assert None not in args.values()
    waits = [one for one in trace.slices(waits=True) if one.event["pid"] == process_id]
    assert {one.event["args"]["span_id"]: one.end_ns - one.start_ns for one in waits} == {
        span_id: one["queue_wait_ns"] for span_id, one in facts.items() if one["queue_wait_ns"]
    }


def check_arrows(trace: Trace, parcel: Parcel, process_id: int) -> None:
    steps = trace.phase("s", "t", "f", pid=process_id)
    assert "".join(step["ph"] for step in steps).replace("t", "") in ("", "sf")
    assert len({step["id"] for step in steps}) <= 1
    path = {segment["span_id"] for segment in parcel.document["critical_path"]}
    # Viewers bind an arrow to the slice that was begun last on its thread.
    begun: dict[int, Json] = {}
    for event in trace.phase("X", "s", "t", "f", pid=process_id):
        if event["ph"] == "X":
            begun[event["tid"]] = event
        else:
            bound = begun[event["tid"]]
            assert bound["args"]["span_id"] in path
            assert bound["ts"] == event["ts"]


def check_counters(trace: Trace, parcel: Parcel, process_id: int) -> None:
    counted: dict[str, list[Mapping[str, Any]]] = {}
    for event in trace.phase("C", pid=process_id):
        counted.setdefault(event["name"], []).append(event["args"])
    shown = parcel.document["run"]
    running = [args["running"] for args in counted["concurrency"]]
    assert min(running) == running[-1] == 0
    if "tokens" in counted:
        assert counted["tokens"][0] == {"input": 0, "output": 0}
    last = counted.get("tokens", [{"input": 0, "output": 0}])[-1]
    usage = shown["usage"]
    assert last == {"input": usage["input_tokens"], "output": usage["output_tokens"]}
    spent = [args["total"] for args in counted.get("cost_usd", [{"total": 0}])]
    assert spent == sorted(spent)
    assert float(spent[-1]) == float(shown["cost_usd"] or 0)


@given(recorded_runs())
@settings(max_examples=60)
def test_a_recorded_run_becomes_a_trace(run: Run) -> None:
    parcel = packed(run)

    check(Trace(written([parcel])), [parcel])


@given(any_runs())
@settings(max_examples=150)
def test_whatever_was_recorded_becomes_a_trace(run: Run) -> None:
    parcel = packed(run)

    check(Trace(written([parcel])), [parcel])


def test_the_demo_becomes_one_trace_of_many_runs(tmp_path: Path) -> None:
    handler = LongpoleHandler(str(tmp_path / "demo.db"))
    run_scenes(handler, speed=200.0)
    assert handler.flush(30.0)
    handler.close()
    store, book = open_store(str(tmp_path / "demo.db"), mode="read"), PriceBook()
    parcels = [
        packed(price_run(store.load_run(run_id), book)) for run_id in store.run_ids(RunQuery())
    ]
    store.close()
    trace = Trace(written(parcels))

    check(trace, parcels)
    assert len(parcels) >= 14
    assert trace.slices(waits=True)
    assert trace.phase("X", cname="terrible")
    assert trace.base_ns == min(parcel.run.root.start_ns for parcel in parcels)


def span(number: int, parent: int | None, start_ms: int, end_ms: int | None, **more: Any) -> Span:
    return Span(
        span_id=f"{number:016x}",
        parent_span_id=None if parent is None else f"{parent:016x}",
        name=f"span {number}",
        start_ns=BEGIN_NS + start_ms * MS,
        end_ns=None if end_ms is None else BEGIN_NS + end_ms * MS,
        **{"kind": Kind.TOOL, "status": Status.RUNNING if end_ms is None else Status.OK, **more},
    )


def branch(number: int, key: str, start_ms: int, end_ms: int, **more: Any) -> Span:
    return span(
        number,
        1,
        start_ms,
        end_ms,
        branch=key,
        role=Role.BRANCH,
        fan_out=FanOutKind.MAP,
        order=Order(group="map"),
        **more,
    )


def traced(*spans: Span) -> Trace:
    parcel = packed(assemble("a" * 32, spans))
    trace = Trace(written([parcel]))
    check(trace, [parcel])
    return trace


def test_children_stay_with_their_parent_and_branches_get_lanes_of_their_name() -> None:
    trace = traced(
        span(1, None, 0, 100),
        branch(2, "red", 10, 90),
        branch(3, "blue", 10, 60),
        span(4, 3, 20, 50),
        branch(5, "green", 10, 40),
        branch(6, "late", 45, 90),
    )

    assert trace.lane(f"{1:016x}") == trace.lane(f"{2:016x}") == "lane 1"
    assert trace.lane(f"{3:016x}") == trace.lane(f"{4:016x}") == "blue"
    # The lane of `green` is used again, so that it belongs to no branch alone.
    assert trace.lane(f"{5:016x}") == trace.lane(f"{6:016x}") == "lane 3"


def test_what_outlives_its_parent_gets_a_lane_of_its_own() -> None:
    trace = traced(span(1, None, 0, 100), span(2, 1, 10, 50), span(3, 2, 20, 80))

    assert trace.lane(f"{2:016x}") == "lane 1"
    assert trace.lane(f"{3:016x}") == "lane 2"


def test_a_wait_lies_before_its_span_or_on_a_lane_of_waits() -> None:
    ready = {"ready_ns": BEGIN_NS + 10 * MS}
    trace = traced(
        span(1, None, 0, 100),
        branch(2, "first", 12, 50, **ready),
        branch(3, "second", 50, 90, **ready),
    )

    threads = trace.named("thread_name")
    lanes = {
        one.event["args"]["span_id"]: threads[one.event["pid"], one.event["tid"]]["name"]
        for one in trace.slices(waits=True)
    }
    assert lanes == {f"{2:016x}": "lane 1", f"{3:016x}": "queued 1"}
    assert not any(one.event["args"]["inferred"] for one in trace.slices(waits=True))


def test_arrows_lead_along_the_critical_path_only() -> None:
    trace = traced(
        span(1, None, 0, 100),
        span(2, 1, 5, 40, order=Order(seq=1)),
        branch(3, "short", 40, 60),
        branch(4, "long", 40, 99),
    )

    threads = {(one.event["tid"], one.start_ns): one.event["name"] for one in trace.slices()}
    steps = trace.phase("s", "t", "f")
    assert [step["ph"] for step in steps] == ["s", "t", "f"]
    assert steps[-1]["bp"] == "e"
    assert [threads[step["tid"], BEGIN_NS + ns(step["ts"])] for step in steps] == [
        "span 1",
        "span 2",
        "span 4 [long]",
    ]


def test_an_arrow_stands_in_the_file_right_after_the_slice_that_it_binds_to() -> None:
    trace = traced(span(1, None, 0, 100), span(2, 1, 9, 99), span(3, 2, 10, 98), span(4, 2, 10, 11))

    drawn = [event["ph"] for event in trace.timed if event["ph"] != "C"]
    assert drawn == ["X", "s", "X", "t", "X", "f", "X"]


def test_a_running_span_lasts_until_the_end_of_the_run_and_says_so() -> None:
    lost = span(3, 1, 20, None, status=Status.LOST)
    trace = traced(span(1, None, 0, 100), span(2, 1, 10, None), lost)

    by_name = {one.event["name"]: one for one in trace.slices()}
    for name in ("span 2", "span 3"):
        assert by_name[name].end_ns == BEGIN_NS + 100 * MS
        assert by_name[name].event["args"]["end"] == "not recorded"
    assert by_name["span 3"].event["cname"] == "bad"


def test_what_failed_and_what_it_cost_can_be_read_on_the_slice() -> None:
    error = SpanError(type="RateLimitError", message="slow down")
    call = span(
        2,
        1,
        10,
        90,
        kind=Kind.LLM,
        attempt=2,
        model="gpt-4o-mini",
        status=Status.ERROR,
        error=error,
        usage=Usage(input_tokens=7, output_tokens=3),
        cost_usd=Decimal("0.00012"),
    )
    trace = traced(span(1, None, 0, 100), call)

    (failed,) = trace.phase("X", cname="terrible")
    args = failed["args"]
    assert args["error"] == "RateLimitError: slow down"
    assert (args["model"], args["attempt"]) == ("gpt-4o-mini", 2)
    assert (args["input_tokens"], args["output_tokens"]) == (7, 3)
    assert args["cost_usd"] == Decimal("0.00012")
    assert "branch" not in args


def test_no_nanosecond_is_lost_and_the_earliest_run_is_the_origin() -> None:
    late = assemble(
        "b" * 32, [replace(span(1, None, 10_000, 10_001), end_ns=BEGIN_NS + 10**10 + 1)]
    )
    early = assemble("c" * 32, [replace(span(1, None, 0, 1), start_ns=BEGIN_NS + 137)])
    parcels = [packed(late), packed(early)]
    trace = Trace(written(parcels))

    check(trace, parcels)
    assert trace.base_ns == BEGIN_NS + 137
    (process_id, _), *_ = trace.named("process_name")
    (first,) = [one for one in trace.slices() if one.event["pid"] == process_id]
    assert (first.start_ns, first.end_ns) == (BEGIN_NS + 10**10, BEGIN_NS + 10**10 + 1)


def test_no_run_makes_an_empty_trace() -> None:
    assert Trace(written([])).events == []


def test_a_deep_chain_is_spread_over_lanes_so_that_no_viewer_drops_any_of_it() -> None:
    depth = 3 * MAX_DEPTH + 1
    trace = traced(
        *[span(number + 1, number or None, number, 2_000 - number) for number in range(depth)]
    )

    assert len(trace.named("thread_name")) == 4


def test_many_children_at_once_get_a_lane_each() -> None:
    children = [span(number, 1, 1, 100 + number) for number in range(2, 2_002)]
    trace = traced(span(1, None, 0, 10_000), *children)

    assert len(trace.named("thread_name")) == 2_000


def test_one_after_the_other_many_children_share_the_lane_of_their_parent() -> None:
    children = [span(number, 1, number, number + 1) for number in range(2, 2_002)]
    trace = traced(span(1, None, 0, 10_000), *children)

    assert set(trace.named("thread_name")) == {(1, 1)}
