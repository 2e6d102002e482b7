"""Receipts ⇄ rows of `exports`: what each destination has of each run.

Written after every answer of a destination, so that an export that is cut off goes on where it was
and sends nothing twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import TYPE_CHECKING, Final

import orjson

from longpole.storage.codec import plain
from longpole.storage.store import DestinationState, Receipt

if TYPE_CHECKING:
    from sqlite3 import Connection

_AT_ONCE: Final = 500
# Ids of spans are free text in imported runs, but hold no line breaks in any format that is read.
_SEPARATOR: Final = "\n"


def receipts(
    connection: Connection, destination: str, run_ids: Iterable[str]
) -> dict[str, Receipt]:
    """Return the receipts of these runs, as far as there are any."""
    found: dict[str, Receipt] = {}
    waiting = iter(run_ids)
    while some := list(islice(waiting, _AT_ONCE)):
        marks = ", ".join("?" * len(some))
        rows = connection.execute(
            "SELECT run_id, exports.revision, runs.revision, sent, refused, waiting, shift_ns, "
            "at_ns FROM runs JOIN exports USING (run) "
            f"WHERE destination = ? AND run_id IN ({marks})",
            (destination, *some),
        ).fetchall()
        for run_id, revision, now, sent, refused, why, shift_ns, at_ns in rows:
            found[run_id] = Receipt(
                destination=destination,
                run_id=run_id,
                revision=revision,
                sent=frozenset(sent.split(_SEPARATOR)) if sent else frozenset(),
                refused=orjson.loads(refused) if refused else {},
                waiting=why,
                shift_ns=shift_ns,
                at_ns=at_ns,
                is_current=revision == now,
            )
    return found


_DESTINATIONS: Final = """
SELECT destination,
    sum(exports.waiting IS NULL AND exports.revision = runs.revision),
    sum(exports.waiting IS NULL AND exports.revision <> runs.revision),
    sum(exports.waiting IS NOT NULL),
    sum(coalesce((SELECT count(*) FROM json_each(exports.refused)), 0)),
    coalesce(max(exports.waiting), max((SELECT max(value) FROM json_each(exports.refused)))),
    max(at_ns)
FROM exports JOIN runs USING (run) GROUP BY destination ORDER BY max(at_ns) DESC, destination
"""


def destinations(connection: Connection) -> list[DestinationState]:
    """Return what is known of each destination, the latest first."""
    return [
        DestinationState(
            destination=name,
            done=done,
            changed=changed,
            waiting=waiting,
            refused_spans=refused,
            reason=reason,
            at_ns=at_ns,
        )
        for name, done, changed, waiting, refused, reason, at_ns in connection.execute(
            _DESTINATIONS
        ).fetchall()
    ]


def save_receipts(connection: Connection, given: Iterable[Receipt]) -> None:
    """Store receipts; those of runs that are not there any more are passed over."""
    connection.executemany(
        "INSERT OR REPLACE INTO exports SELECT ?, run, ?, ?, ?, ?, ?, ? FROM runs WHERE run_id = ?",
        [
            (
                receipt.destination,
                receipt.revision,
                _SEPARATOR.join(sorted(receipt.sent)),
                orjson.dumps(plain(dict(receipt.refused))).decode() if receipt.refused else None,
                receipt.waiting,
                receipt.shift_ns,
                receipt.at_ns,
                receipt.run_id,
            )
            for receipt in given
        ],
    )
