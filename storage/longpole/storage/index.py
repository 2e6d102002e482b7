"""What runs are found by, written behind the recording: facets of spans, words of content.

A facet says that some span of a run has this model, provider, branch, name or kind; each distinct
value is stored once and known by a number. `texts` is a full-text index (FTS5) over inputs and
outputs that keeps no text itself; a document is one distinct text of a run, under the number
`run << 20 | n`. Both hold exactly what the rows of an indexed run say: who changes such a run takes
it out first, and whoever looks next takes it in again. Runs that are not indexed are found by
looking into their spans.

The index forgets a document only when told its text once more. That text is computed anew from the
rows, so `documents` must never change for stored rows without a migration that empties `texts`.

Source: sqlite.org/fts5.html (contentless tables, the delete and merge commands).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Final

from longpole.model.run import Kind, Status
from longpole.storage.texts import VALUE_LIMIT_CHARS, documents_of, phrases

if TYPE_CHECKING:
    from sqlite3 import Connection

FACETS: Final[Mapping[str, str]] = {
    "model": "model",
    "provider": "provider",
    "branch": "branch",
    "name": "name",
    # A span whose kind nobody told is of the kind `other`, as `rows.span_from` has it.
    "kind": f"coalesce(kind, '{Kind.OTHER}')",
}
"""Facets by name, and the expression on `spans` that each is the value of."""

RUN_OF_DOCUMENT: Final = "(rowid >> 20)"
"""SQL for the run that a row of `texts` belongs to."""

_DOCUMENT_BITS: Final = 20
_RUNS_AT_ONCE: Final = 400
_CHARS_AT_ONCE: Final = 1_600_000
_TUNING: Final[Mapping[str, int]] = {"automerge": 8, "hashsize": 16_000_000}
"""How the full-text index is written: as many parts of one size are merged into one; so many bytes
of a transaction are collected in memory, which holds a batch, before they are made a part."""
_MERGED_PAGES: Final = 300

_UNINDEXED: Final = (
    "SELECT run FROM runs WHERE is_indexed = 0 AND start_ns IS NOT NULL "
    f"AND status <> '{Status.RUNNING}' ORDER BY start_ns DESC LIMIT ?"
)


def has_unindexed(connection: Connection) -> bool:
    """Whether there are ended runs that are not indexed yet."""
    return bool(connection.execute(_UNINDEXED, (1,)).fetchall())


def index_some(connection: Connection, limit: int) -> int:
    """Index the newest ended runs that are not yet; return how many.

    As many as one transaction may take, and at most `limit`.
    """
    waiting = connection.execute(_UNINDEXED, (min(limit, _RUNS_AT_ONCE),)).fetchall()
    taken: list[int] = []
    new: list[tuple[int, str]] = []
    chars = 0
    for (run,) in waiting:
        told = list(documents(connection, run))
        new += told
        taken.append(run)
        chars += sum([len(text) for _, text in told])
        if chars > _CHARS_AT_ONCE:
            break
    _add_texts(connection, new)
    _add_facets(connection, taken)
    marks = ", ".join("?" * len(taken))
    connection.execute(f"UPDATE runs SET is_indexed = 1 WHERE run IN ({marks})", taken)
    return len(taken)


def _add_texts(connection: Connection, new: list[tuple[int, str]]) -> None:
    tuned = dict(connection.execute("SELECT k, v FROM texts_config").fetchall())
    for name, value in _TUNING.items():
        if tuned.get(name) != value:
            connection.execute("INSERT INTO texts (texts, rank) VALUES (?, ?)", (name, value))
    # A number below the one before makes FTS5 write out what it has collected: twice the time.
    new.sort(key=itemgetter(0))
    connection.executemany("INSERT INTO texts (rowid, body) VALUES (?, ?)", new)


def _add_facets(connection: Connection, runs: Sequence[int]) -> None:
    marks = ", ".join("?" * len(runs))
    for field, value in FACETS.items():
        connection.execute(
            "INSERT OR IGNORE INTO words (field, value) "
            f"SELECT DISTINCT ?, {value} FROM spans WHERE run IN ({marks}) AND {value} IS NOT NULL",
            (field, *runs),
        )
        connection.execute(
            "INSERT OR IGNORE INTO facets (word, run) SELECT word, run FROM "
            f"(SELECT DISTINCT run, {value} AS told FROM spans WHERE run IN ({marks})) "
            "JOIN words ON field = ? AND words.value = told",
            (*runs, field),
        )


def unindex(connection: Connection, runs: Iterable[int]) -> None:
    """Take runs out of the index; called before any of their rows change or go."""
    numbers = list(runs)
    if not numbers:
        return
    forget_texts(connection, numbers)
    marks = ", ".join("?" * len(numbers))
    connection.execute(f"DELETE FROM facets WHERE run IN ({marks})", numbers)
    connection.execute(f"UPDATE runs SET is_indexed = 0 WHERE run IN ({marks})", numbers)


def forget_texts(connection: Connection, runs: Sequence[int]) -> None:
    """Take the texts of runs, those that are indexed, out of the index."""
    marks = ", ".join("?" * len(runs))
    indexed = connection.execute(
        f"SELECT run FROM runs WHERE is_indexed = 1 AND run IN ({marks})", runs
    ).fetchall()
    for (run,) in indexed:
        connection.executemany(
            "INSERT INTO texts (texts, rowid, body) VALUES ('delete', ?, ?)",
            list(documents(connection, run)),
        )


def documents(connection: Connection, run: int) -> Iterator[tuple[int, str]]:
    """Yield number and text of everything of a run that is indexed: the root's texts first."""
    for number, text in enumerate(documents_of(_contents(connection, run))):
        yield run << _DOCUMENT_BITS | number, text


_CONTENT: Final = (
    "SELECT substr(input_value, 1, ?), input_mime_type, substr(output_value, 1, ?), "
    "output_mime_type FROM contents WHERE run = ? "
    "AND (input_value IS NOT NULL OR output_value IS NOT NULL) "
)
_ROOT: Final = "(SELECT root_span_id FROM runs WHERE run = ?)"


def _contents(connection: Connection, run: int) -> Iterator[tuple[str | None, str | None]]:
    parameters = (VALUE_LIMIT_CHARS, VALUE_LIMIT_CHARS, run, run)
    for which in (f"AND span_id IS {_ROOT}", f"AND span_id IS NOT {_ROOT} ORDER BY span_id"):
        # Not fetched at once: of a large run only the beginning is wanted.
        with contextlib.closing(connection.execute(_CONTENT + which, parameters)) as rows:
            for input_value, input_type, output_value, output_type in rows:
                yield input_value, input_type
                yield output_value, output_type


def tidy(connection: Connection) -> bool:
    """Drop some of what is left of deleted runs; return whether there is more.

    Words of deleted texts stay in the file, unfindable, until the parts of the index that hold them
    are written anew.
    """
    connection.execute(
        "DELETE FROM words WHERE NOT EXISTS (SELECT 1 FROM facets WHERE facets.word = words.word)"
    )
    before = connection.total_changes
    connection.execute("INSERT INTO texts (texts, rank) VALUES ('merge', ?)", (_MERGED_PAGES,))
    return connection.total_changes - before > 1


def begin_tidying(connection: Connection) -> None:
    """Have all parts of the full-text index merged by the calls of `tidy` that follow."""
    connection.execute("INSERT INTO texts (texts, rank) VALUES ('merge', ?)", (-_MERGED_PAGES,))


def text_query(pieces: Sequence[str]) -> str:
    """Return the FTS5 query for texts in which all pieces occur, as whole words in their order.

    A piece that a wildcard follows may end in the middle of a word.
    """
    asked = []
    for piece, is_beginning in phrases(pieces):
        escaped = piece.replace('"', '""')
        asked.append(f'"{escaped}"' + (" *" if is_beginning else ""))
    return " AND ".join(asked) or '""'
