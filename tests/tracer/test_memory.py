"""What was recorded is let go of: a process that records for months holds no more than at first."""

from __future__ import annotations

import gc
import sys

import pytest

from longpole.storage import open_store
from longpole.tracer import open_runs
from tests.tracer.conftest import Recording
from tests.tracer.mixed_runs import rounds

ROUNDS = 25
BLOCKS_A_SPAN = 0.5
"""A span that is held costs dozens; tables that fill, and what Python keeps, cost about this."""


def _held_blocks(recording: Recording) -> int:
    """How many blocks of memory Python has given out once everything is written."""
    assert recording.handler.flush(30.0)
    gc.collect()
    return sys.getallocatedblocks()


def _spans(recording: Recording) -> int:
    store = open_store(str(recording.path), mode="read")
    try:
        return store.state().spans
    finally:
        store.close()


def test_runs_of_every_kind_leave_nothing_in_memory(
    recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Smaller tables are full, and so at their bound, after fewer rounds.
    monkeypatch.setattr(open_runs, "MAX_CLOSED", 64)
    play = rounds()
    for _ in range(ROUNDS):
        play(recording.config)
    before, spans_before = _held_blocks(recording), _spans(recording)
    for _ in range(ROUNDS):
        play(recording.config)
    more = _held_blocks(recording) - before
    spans = _spans(recording) - spans_before

    assert spans >= 50 * ROUNDS
    assert more <= BLOCKS_A_SPAN * spans
    assert recording.handler.stats().open == 0
