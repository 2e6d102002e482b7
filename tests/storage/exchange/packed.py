"""Runs packed for export, out of real stores; read back into another one."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from longpole.dashboard.parcels import pack
from longpole.model import Run
from longpole.model.pricing import PriceBook
from longpole.storage import Recorder, RunQuery, SpanEvent, Store, open_store
from longpole.storage.exchange.parcel import Parcel
from longpole.storage.run_events import events_from_run
from longpole.tracer import LongpoleHandler
from longpole.tracer.demo import run_scenes

NOW_NS = 1_900_000_000_000_000_000
"""The moment at which whatever still runs is looked at; the same for every packing."""

LIVING = Recorder(recorder_id="a" * 16, pid=os.getpid(), host="here")
DEAD = Recorder(recorder_id="dead" * 4, pid=1, host="here")

_BOOK = PriceBook()
_counter = iter(range(10**9))


def new_store(folder: Path) -> Store:
    return open_store(str(folder / f"{next(_counter)}.db"), mode="write")


def packed_from(store: Store) -> list[Parcel]:
    """Return all runs of a store, by id."""
    run_ids = sorted(store.run_ids(RunQuery()))
    return [pack(store, run_id, book=_BOOK, now_ns=NOW_NS) for run_id in run_ids]


def packed(events: Iterable[SpanEvent], folder: Path, recorder: Recorder = DEAD) -> list[Parcel]:
    """Return the runs that these events make in an empty store."""
    store = new_store(folder)
    try:
        store.write(recorder, events)
        return packed_from(store)
    finally:
        store.close()


def packed_run(run: Run, folder: Path, recorder: Recorder = DEAD) -> Parcel:
    (parcel,) = packed(events_from_run(run), folder, recorder)
    return parcel


def packed_demo(folder: Path) -> list[Parcel]:
    """Return the demo's runs, recorded fast."""
    path = folder / "demo.db"
    handler = LongpoleHandler(str(path))
    run_scenes(handler, speed=200.0)
    assert handler.flush(30.0)
    handler.close()
    store = open_store(str(path), mode="read")
    try:
        return packed_from(store)
    finally:
        store.close()
