"""Rounds of kill -9 against a busy writer, and what must be there after each of them."""

from __future__ import annotations

import os
import random
from dataclasses import dataclass
from pathlib import Path

from longpole.model.run import Status
from longpole.storage import RunQuery, Store, open_store
from tests.storage.warm import EVENTS_A_RUN, ROUND_NS, Warm, run_id

MOST_EVENTS = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Events whose callbacks returned before the kills, frames torn by these, what is broken."""

    acknowledged: int
    torn: int
    problems: tuple[str, ...]


def kill_busy_writers(path: Path, *, rounds: int, seed: int) -> Outcome:
    """Kill a writer at a random moment, so many times; every round is checked before the next.

    Raises:
        AssertionError: something is missing that a callback had returned from.
    """
    dice = random.Random(seed)
    acknowledged = 0
    fifo = path.with_name("told")
    os.mkfifo(fifo)
    with Warm() as warm:
        for round_ in range(1, rounds + 1):
            pid = warm.start("write_for_ever", store=str(path), round_=round_, told=str(fifo))
            with open(fifo, "rb", buffering=0) as told:
                events = 0
                enough = dice.randrange(1, MOST_EVENTS)
                while events < enough:
                    events += len(told.read(64))
                warm.kill(pid)
                while some := told.read(65536):
                    events += len(some)
            acknowledged += events
            store = open_store(str(path), mode="read")
            try:
                _check_round(store, round_, events)
            finally:
                store.close()
    store = open_store(str(path), mode="read")
    try:
        return Outcome(
            acknowledged=acknowledged,
            torn=sum(store.state().dropped.values()),
            problems=tuple(store.problems(is_thorough=True)),
        )
    finally:
        store.close()


def _check_round(store: Store, round_: int, events: int) -> None:
    """All runs that were told to the end are whole, and what was under way is lost."""
    begin_ns = round_ * ROUND_NS
    query = RunQuery(since_ns=begin_ns, until_ns=begin_ns + ROUND_NS, limit=100_000)
    found = {row.run_id: row for row in store.list_runs(query).rows}
    whole, rest = divmod(events, EVENTS_A_RUN)
    for number in range(whole):
        row = found[run_id(round_, number)]
        assert (row.status, row.spans) == (Status.OK, 3), (round_, number, events, row)
    # The event after the last one that was told may be there, or not.
    assert whole + (rest > 0) <= len(found) <= whole + 1
    if rest:
        last = store.load_run(run_id(round_, whole))
        starts, ends = _told_of_last(rest)
        assert len(last.spans) >= starts
        assert sum(span.end_ns is not None for span in last.spans) >= ends
        assert {span.status for span in last.spans} <= {Status.OK, Status.LOST}
        assert last.status is (Status.OK if last.root.end_ns is not None else Status.LOST)


def _told_of_last(rest: int) -> tuple[int, int]:
    """Return how many spans of a run had begun, and how many had ended, after so many events."""
    return (0, 1, 2, 2, 3, 3)[rest], (0, 0, 0, 1, 1, 2)[rest]
