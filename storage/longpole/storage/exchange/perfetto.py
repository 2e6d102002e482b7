"""Parcels → a trace that ui.perfetto.dev and chrome://tracing open (Chrome Trace Event JSON).

One process a run, one thread a lane, one slice a span; arrows lead along the critical path, and
counters tell how many leaves were open and how many tokens and USD were spent. Times are
microseconds since the earliest moment in the file, with three decimals: doubles, as which both
viewers read them, would not hold nanoseconds since the epoch. That moment is in `otherData`.

Source: Trace Event Format (Google, 2016). Perfetto tells threads apart by their number alone and
orders events of one time as they stand in the file; an arrow binds to the slice begun last.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from tempfile import SpooledTemporaryFile
from typing import Any, BinaryIO, Final

import orjson

from longpole.model.run import Kind, Run, Span, Status
from longpole.model.usage import Usage
from longpole.storage.exchange.lanes import Bar, Layout, lay_out
from longpole.storage.exchange.parcel import Parcel
from longpole.storage.exchange.written import Written

_SPOOL_BYTES: Final = 8_000_000
_NS_PER_US: Final = 1_000
_NS_PER_MS: Final = 1_000_000
_CALLS: Final = frozenset({Kind.LLM, Kind.EMBEDDING})
_PATH: Final = "critical path"
_COLOURS: Final[Mapping[Status, str]] = {
    Status.ERROR: "terrible",
    Status.LOST: "bad",
    Status.CANCELLED: "grey",
}
_WAIT_COLOUR: Final = "thread_state_sleeping"

Event = dict[str, Any]
Timed = tuple[int | None, Event]
"""An event and when it is, in nanoseconds since the epoch; names of threads have no time."""


def write_perfetto(parcels: Iterable[Parcel], out: BinaryIO) -> Written:
    """Write one trace file; one run at a time is held.

    Raises:
        OSError: it cannot be written.
    """
    # The first moment of all is known only after the last run, so times are filled in then.
    with SpooledTemporaryFile(max_size=_SPOOL_BYTES) as spool:
        base_ns: int | None = None
        runs = spans = 0
        process_id = 1
        for parcel in parcels:
            trace = _trace_of(parcel, process_id)
            for at_ns, event in _events(trace):
                if at_ns is not None and (base_ns is None or at_ns < base_ns):
                    base_ns = at_ns
                spool.write(_spooled(at_ns, event))
            runs += 1
            spans += len(parcel.run.spans)
            process_id += trace.layout.lanes
        spool.seek(0)
        out.write(b'{"traceEvents":[')
        for number, line in enumerate(spool):
            out.write(b",\n" if number else b"\n")
            out.write(_settled(line, base_ns or 0))
        about = {"producer": "longpole", "runs": runs, "epoch_start_ns": str(base_ns or 0)}
        out.write(b'\n],"displayTimeUnit":"ms","otherData":%s}\n' % orjson.dumps(about))
    return Written(runs, spans)


def _spooled(at_ns: int | None, event: Event) -> bytes:
    return b"%s %s\n" % (b"" if at_ns is None else str(at_ns).encode(), orjson.dumps(event))


def _settled(line: bytes, base_ns: int) -> bytes:
    at_ns, _, event = line.rstrip(b"\n").partition(b" ")
    if not at_ns:
        return event
    return b'{"ts":%s,%s' % (orjson.dumps((int(at_ns) - base_ns) / _NS_PER_US), event[1:])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trace:
    """A run as it is drawn; sequences go by span, parents before children.

    Attributes:
        process_id: also the thread of the first lane; the other lanes follow it.
        parent: number of the parent, -1 for the root.
        end_ns: the run's end where none was recorded.
        facts: the document's `spans`, by span id.
        number: of each span id.
    """

    parcel: Parcel
    process_id: int
    spans: Sequence[Span]
    parent: Sequence[int]
    end_ns: Sequence[int]
    facts: Mapping[str, Mapping[str, Any]]
    number: Mapping[str, int]
    layout: Layout

    def thread(self, number: int) -> int:
        """Return the thread that a span is drawn on."""
        return self.process_id + self.layout.lane[number]

    def wait_ns(self, number: int) -> int:
        """Return how long a span waited, as far as known."""
        wait_ns: int | None = self.facts[self.spans[number].span_id]["queue_wait_ns"]
        return wait_ns or 0


def _trace_of(parcel: Parcel, process_id: int) -> _Trace:
    spans, parent = _parents_first(parcel.run)
    shown = parcel.document["run"]
    run_end_ns = shown["start_ns"] + shown["wall_ns"]
    end_ns = [
        max(span.start_ns, run_end_ns) if span.end_ns is None else span.end_ns for span in spans
    ]
    facts = {one["span_id"]: one for one in parcel.document["spans"]}
    bars = [
        Bar(
            start_ns=span.start_ns,
            end_ns=end_ns[number],
            parent=parent[number],
            wait_ns=facts[span.span_id]["queue_wait_ns"] or 0,
        )
        for number, span in enumerate(spans)
    ]
    return _Trace(
        parcel=parcel,
        process_id=process_id,
        spans=spans,
        parent=parent,
        end_ns=end_ns,
        facts=facts,
        number={span.span_id: number for number, span in enumerate(spans)},
        layout=lay_out(bars),
    )


def _parents_first(run: Run) -> tuple[list[Span], list[int]]:
    spans, parent = [run.root], [-1]
    for number, span in enumerate(spans):  # the list grows while it is walked
        for child in run.children(span.span_id):
            spans.append(child)
            parent.append(number)
    return spans, parent


def _events(trace: _Trace) -> Iterator[Timed]:
    yield from _names(trace)
    steps = _path_steps(trace)
    for number in range(len(trace.spans)):
        yield from _slices(trace, number)
        if number in steps:
            yield steps[number]
    yield from _concurrency(trace)
    yield from _spent(trace)


def _names(trace: _Trace) -> Iterator[Timed]:
    run = trace.parcel.run
    process = {"ph": "M", "pid": trace.process_id, "tid": trace.process_id}
    name = f"{run.name} · {run.run_id[:8]}"
    yield None, {**process, "name": "process_name", "args": {"name": name}}
    yield None, {**process, "name": "process_sort_index", "args": {"sort_index": trace.process_id}}
    for place, name in enumerate(_lane_names(trace)):
        thread = {"ph": "M", "pid": trace.process_id, "tid": trace.process_id + place}
        yield None, {**thread, "name": "thread_name", "args": {"name": name}}
        yield None, {**thread, "name": "thread_sort_index", "args": {"sort_index": place}}


def _lane_names(trace: _Trace) -> Iterator[str]:
    """Yield the key of the branch that a lane belongs to, or else its number."""
    branch = [-1] * len(trace.spans)
    for number, span in enumerate(trace.spans):
        above = trace.parent[number]
        branch[number] = number if span.branch is not None or above < 0 else branch[above]
    for place, tops in enumerate(trace.layout.tops):
        owners = {branch[top] for top in tops}
        key = trace.spans[owners.pop()].branch if len(owners) == 1 else None
        yield f"lane {place + 1}" if key is None else key
    waits = trace.layout.lanes - len(trace.layout.tops)
    yield from (f"queued {place}" for place in range(1, waits + 1))


def _slices(trace: _Trace, number: int) -> Iterator[Timed]:
    span = trace.spans[number]
    wait_ns = trace.wait_ns(number)
    if wait_ns:
        yield (
            span.start_ns - wait_ns,
            {
                "ph": "X",
                "name": f"queued: {_label(span)}",
                "cat": "queue",
                "dur": wait_ns / _NS_PER_US,
                "pid": trace.process_id,
                "tid": trace.process_id + trace.layout.wait_lane[number],
                "cname": _WAIT_COLOUR,
                "args": {"inferred": span.ready_ns is None, "span_id": span.span_id},
            },
        )
    event: Event = {
        "ph": "X",
        "name": _label(span),
        "cat": span.kind.value,
        "dur": (trace.end_ns[number] - span.start_ns) / _NS_PER_US,
        "pid": trace.process_id,
        "tid": trace.thread(number),
        "args": _arguments(span, trace.facts[span.span_id]),
    }
    if span.status in _COLOURS:
        event["cname"] = _COLOURS[span.status]
    yield span.start_ns, event


def _label(span: Span) -> str:
    return span.name if span.branch in (None, span.name) else f"{span.name} [{span.branch}]"


def _arguments(span: Span, facts: Mapping[str, Any]) -> Event:
    """Return what is known of a span; what is not known is not there."""
    usage, error = span.usage, span.error
    cost = span.cost_usd
    found = {
        "status": span.status.value,
        "end": "not recorded" if span.end_ns is None else None,
        "branch": span.branch,
        "attempt": span.attempt if span.attempt > 1 else None,
        "error": None if error is None else f"{error.type}: {error.message}",
        "wasted": facts["wasted"],
        "model": span.model,
        "input_tokens": None if usage is None else usage.input_tokens,
        "output_tokens": None if usage is None else usage.output_tokens,
        "cache_hit": span.cache_hit or None,
        "cost_usd": None if cost is None else float(cost),
        "unpriced": span.unpriced,
        "on_path_ms": _ms(facts["on_path_ns"]),
        "slack_ms": _ms(facts["slack_ns"]),
        "drag_ms": _ms(facts["drag_ns"]),
        "queue_wait_ms": _ms(facts["queue_wait_ns"]),
        "first_token_ms": _ms(span.time_to_first_token_ns),
        "span_id": span.span_id,
    }
    return {key: value for key, value in found.items() if value is not None}


def _ms(length_ns: int | None) -> float | None:
    return None if length_ns is None else length_ns / _NS_PER_MS


def _path_steps(trace: _Trace) -> dict[int, Timed]:
    """Return for each span that the critical path enters the end of an arrow, at its start.

    Spans entered in the middle are left out: a parent that the path comes back to after each of
    its steps, or a span that began before the one that it waited for.
    """
    entered: list[int] = []
    last = (-1, -1)
    for segment in trace.parcel.document["critical_path"]:
        number = trace.number[segment["span_id"]]
        place = (trace.spans[number].start_ns, number)
        if place > last:
            entered.append(number)
            last = place
    if len(entered) < 2:
        return {}
    phases = ["s", *["t"] * (len(entered) - 2), "f"]
    return {
        number: (trace.spans[number].start_ns, _flow(trace, number, phase))
        for number, phase in zip(entered, phases, strict=True)
    }


def _flow(trace: _Trace, number: int, phase: str) -> Event:
    event = {
        "ph": phase,
        "name": _PATH,
        "cat": _PATH,
        "id": trace.process_id,
        "pid": trace.process_id,
        "tid": trace.thread(number),
    }
    return {**event, "bp": "e"} if phase == "f" else event


def _concurrency(trace: _Trace) -> Iterator[Timed]:
    """Yield how many spans without children are open, at every change."""
    has_children = set(trace.parent)
    changes: dict[int, int] = {}
    for number, span in enumerate(trace.spans):
        if number not in has_children:
            changes[span.start_ns] = changes.get(span.start_ns, 0) + 1
            changes[trace.end_ns[number]] = changes.get(trace.end_ns[number], 0) - 1
    running = 0
    for at_ns in sorted(changes):
        running += changes[at_ns]
        yield _counted(trace, at_ns, "concurrency", {"running": running})


def _spent(trace: _Trace) -> Iterator[Timed]:
    """Yield the tokens and USD spent so far: 0 at first, then the sum at each call's end."""
    calls = sorted(_calls(trace), key=lambda number: trace.end_ns[number])
    spans = [trace.spans[number] for number in calls]
    start_ns = min((span.start_ns for span in spans), default=0)
    if any(span.usage is not None for span in spans):
        yield _counted(trace, start_ns, "tokens", {"input": 0, "output": 0})
    if any(span.cost_usd is not None for span in spans):
        yield _counted(trace, start_ns, "cost_usd", {"total": 0})
    usage, cost_usd = Usage(), Decimal(0)
    for number, span in zip(calls, spans, strict=True):
        if span.usage is not None and not span.cache_hit:
            usage += span.usage
            counts = {"input": usage.input_tokens, "output": usage.output_tokens}
            yield _counted(trace, trace.end_ns[number], "tokens", counts)
        if span.cost_usd is not None:
            cost_usd += span.cost_usd
            yield _counted(trace, trace.end_ns[number], "cost_usd", {"total": float(cost_usd)})


def _calls(trace: _Trace) -> list[int]:
    """Return the model calls with no model call below: the others repeat what is below them."""
    is_above_call = [False] * len(trace.spans)
    calls: list[int] = []
    for number in range(len(trace.spans) - 1, -1, -1):
        is_call = trace.spans[number].kind in _CALLS
        if is_call and not is_above_call[number]:
            calls.append(number)
        if number and (is_call or is_above_call[number]):
            is_above_call[trace.parent[number]] = True
    return calls[::-1]


def _counted(trace: _Trace, at_ns: int, name: str, counts: Event) -> Timed:
    return at_ns, {
        "ph": "C",
        "name": name,
        "pid": trace.process_id,
        "tid": trace.process_id,
        "args": counts,
    }
