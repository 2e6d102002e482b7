"""Puts runs into a store as a recorder would."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from longpole.model import Run
from longpole.model.semconv import (
    INPUT_MIME_TYPE,
    INPUT_VALUE,
    OUTPUT_MIME_TYPE,
    OUTPUT_VALUE,
)
from longpole.storage import Recorder, SpanEvent, SpanStart, open_store
from longpole.storage.run_events import events_from_run
from longpole.storage.writer import Writer, shared_writer

_RECORDER = Recorder(recorder_id="c0ffee0000000001", pid=os.getpid(), host="test")


@dataclass(frozen=True)
class Said:
    """What every span of a recorded run got and gave: plain text in, JSON out."""

    input_text: str
    output_json: str


def new_store_url(folder: Path) -> str:
    """Return the URL of a store that does not exist yet."""
    return f"sqlite:///{folder / 'longpole.db'}"


def record(store_url: str, *runs: Run, said: Said | None = None) -> None:
    """Store runs as a recorder would that lives as long as this process."""
    store = open_store(store_url, mode="write")
    try:
        for run in runs:
            store.write(_RECORDER, list(_events(run, said)))
    finally:
        store.close()


def record_live(store_url: str, run: Run) -> Writer:
    """Store a run as the tracer does, so that it runs on for as long as the writer is open."""
    writer = shared_writer(store_url)
    for event in events_from_run(run):
        writer.append(event)
    assert writer.flush()
    return writer


def _events(run: Run, said: Said | None) -> Iterator[SpanEvent]:
    for event in events_from_run(run):
        yield event if said is None else _saying(event, said)


def _saying(event: SpanEvent, said: Said) -> SpanEvent:
    if isinstance(event, SpanStart):
        content = {INPUT_VALUE: said.input_text, INPUT_MIME_TYPE: "text/plain"}
    else:
        content = {OUTPUT_VALUE: said.output_json, OUTPUT_MIME_TYPE: "application/json"}
    return event._replace(attributes={**event.attributes, **content})
