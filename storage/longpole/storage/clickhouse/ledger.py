"""Receipts ⇄ rows of `longpole_exports`: what each destination has of each run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Final

import orjson

from longpole.storage.clickhouse.connection import Database
from longpole.storage.clickhouse.ddl import EXPORTS
from longpole.storage.clickhouse.summaries import Revisions
from longpole.storage.codec import plain
from longpole.storage.store import DestinationState, Receipt

_AT_ONCE: Final = 500
_SEPARATOR: Final = "\n"
_COLUMNS: Final = (
    *("destination", "run_id", "revision", "sent", "refused", "waiting", "shift_ns", "at_ns"),
    "saved_ns",
)


def receipts(
    database: Database, destination: str, run_ids: Iterable[str], revisions: Revisions
) -> dict[str, Receipt]:
    """Return the receipts of these runs, as far as there are any."""
    found: dict[str, Receipt] = {}
    waiting = iter(run_ids)
    while some := list(islice(waiting, _AT_ONCE)):
        known = revisions(some)
        rows = database.query(
            "SELECT run_id, revision, sent, refused, waiting, shift_ns, at_ns "
            f"FROM {database.name(EXPORTS)} FINAL WHERE destination = {{to:String}} "
            "AND run_id IN {ids:Array(String)}",
            {"to": destination, "ids": some},
        )
        for run_id, revision, sent, refused, why, shift_ns, at_ns in rows.rows:
            if run_id in known:
                found[run_id] = Receipt(
                    destination=destination,
                    run_id=run_id,
                    revision=revision,
                    sent=frozenset(sent.split(_SEPARATOR)) if sent else frozenset(),
                    refused=orjson.loads(refused) if refused else {},
                    waiting=why,
                    shift_ns=shift_ns,
                    at_ns=at_ns,
                    is_current=revision == known[run_id][0],
                )
    return found


def destinations(
    database: Database, revisions: Callable[[str], Mapping[str, int]]
) -> list[DestinationState]:
    """Return what is known of each destination, the latest first.

    Args:
        database: to read from.
        revisions: SQL for ids of runs → the revisions of those that there are.
    """
    exports = f"{database.name(EXPORTS)} FINAL"
    known = revisions(f"SELECT DISTINCT run_id FROM {exports}")
    tallies: dict[str, _Tally] = {}
    found = database.query(
        f"SELECT destination, run_id, revision, refused, waiting, at_ns FROM {exports} "
        "ORDER BY at_ns, run_id"
    )
    for destination, run_id, revision, refused, waiting, at_ns in found.rows:
        if run_id in known:
            tally = tallies.setdefault(destination, _Tally())
            tally.add(
                refused=orjson.loads(refused) if refused else {},
                waiting=waiting,
                at_ns=at_ns,
                is_current=revision == known[run_id],
            )
    states = [tally.state(destination) for destination, tally in tallies.items()]
    return sorted(states, key=lambda state: (-state.at_ns, state.destination))


@dataclass(slots=True)
class _Tally:
    """Counts of one destination's receipts, which are added from the oldest to the latest."""

    done: int = 0
    changed: int = 0
    waiting: int = 0
    refused_spans: int = 0
    waits_for: str | None = None
    refused_for: str | None = None
    at_ns: int = 0

    def add(
        self, *, refused: Mapping[str, str], waiting: str | None, at_ns: int, is_current: bool
    ) -> None:
        if waiting is not None:
            self.waiting += 1
            self.waits_for = waiting
        elif is_current:
            self.done += 1
        else:
            self.changed += 1
        self.refused_spans += len(refused)
        self.refused_for = next(iter(refused.values()), self.refused_for)
        self.at_ns = at_ns

    def state(self, destination: str) -> DestinationState:
        return DestinationState(
            destination=destination,
            done=self.done,
            changed=self.changed,
            waiting=self.waiting,
            refused_spans=self.refused_spans,
            reason=self.refused_for if self.waits_for is None else self.waits_for,
            at_ns=self.at_ns,
        )


def save_receipts(
    database: Database, given: Iterable[Receipt], revisions: Revisions, *, now_ns: int
) -> None:
    """Store receipts; those of runs that are not there any more are passed over."""
    told = list(given)
    known: Mapping[str, tuple[int, int]] = revisions([receipt.run_id for receipt in told])
    database.insert(
        EXPORTS,
        _COLUMNS,
        [
            (
                receipt.destination,
                receipt.run_id,
                receipt.revision,
                _SEPARATOR.join(sorted(receipt.sent)),
                orjson.dumps(plain(dict(receipt.refused))).decode() if receipt.refused else "",
                receipt.waiting,
                receipt.shift_ns,
                receipt.at_ns,
                now_ns,
            )
            for receipt in told
            if receipt.run_id in known
        ],
    )
