"""Stores with many small runs, for tests of what leaves them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import orjson

from longpole.model import Kind, Order, Role, Run, Span, Status, Usage, assemble, semconv
from longpole.storage import Recorder, SpanEvent, SpanStart, Store, open_store
from longpole.storage.run_events import events_from_run

RECORDER = Recorder(recorder_id="stores", pid=1, host="here")
SECOND_NS = 10**9


def small_run(number: int, begin_ns: int, branches: int = 3) -> Run:
    """A run of a root and its branches, `number` in every id."""
    root_id = f"{number:08x}{0:08x}"
    root = Span(
        span_id=root_id,
        parent_span_id=None,
        name="panel",
        kind=Kind.CHAIN,
        role=Role.FAN_OUT,
        start_ns=begin_ns,
        end_ns=begin_ns + SECOND_NS,
        status=Status.OK,
    )
    below = [
        Span(
            span_id=f"{number:08x}{branch:08x}",
            parent_span_id=root_id,
            name=f"expert-{branch}",
            kind=Kind.LLM,
            role=Role.BRANCH,
            branch=str(branch),
            order=Order(group="parallel"),
            start_ns=begin_ns + branch * 1000,
            end_ns=begin_ns + SECOND_NS - branch * 10_000_000,
            status=Status.OK,
            model="gpt-4o-mini-2024-07-18",
            provider="openai",
            usage=Usage(input_tokens=100, output_tokens=20),
        )
        for branch in range(1, branches + 1)
    ]
    return assemble(f"{number:032x}", [root, *below], trace_id=f"{number:032x}")


def with_input(event: SpanEvent) -> SpanEvent:
    """The same event, its input naming its span, so that a test can tell them apart."""
    if not isinstance(event, SpanStart):
        return event
    told = {
        semconv.INPUT_VALUE: orjson.dumps({"asked": event.span_id}).decode(),
        semconv.INPUT_MIME_TYPE: "application/json",
    }
    return event._replace(attributes={**event.attributes, **told})


_opened: Final[list[Store]] = []


def close_opened() -> None:
    """Close the stores that `fill` has opened; called when a test is over."""
    while _opened:
        _opened.pop().close()


def fill(path: Path, begin_ns: int, runs: int, branches: int = 3) -> Store:
    """Open a store for writing and put so many runs into it, a second apart."""
    store = open_store(str(path), mode="write")
    _opened.append(store)
    store.write(
        RECORDER,
        [
            with_input(event)
            for number in range(1, runs + 1)
            for event in events_from_run(small_run(number, begin_ns + number * SECOND_NS, branches))
        ],
    )
    return store
