"""Receipts ⇄ rows of `longpole_exports`: what each destination has of each run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Final

import orjson

from longpole.storage.clickhouse.connection import Database
from longpole.storage.clickhouse.ddl import EXPORTS
from longpole.storage.clickhouse.summaries import Revisions
from longpole.storage.codec import plain
from longpole.storage.store import Receipt

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
