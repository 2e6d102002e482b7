"""Ended runs → what finds them: words of their inputs and outputs, facts that SQL cannot make out.

`longpole_texts` holds the words of each distinct text of a run, folded and parted by single blanks,
so that LIKE finds a phrase and an index of whole words says where to look. `longpole_index` notes
at which revision a run was looked at. The spans of a run may be those of other tools, whose words
only Python understands; where what it understands differs from what the views made of the rows, its
facts are kept too and count from then on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass
from itertools import chain
from typing import Any, Final

from longpole.model.run import Role, Span, Status
from longpole.storage import columns
from longpole.storage.clickhouse import load
from longpole.storage.clickhouse.connection import Database
from longpole.storage.clickhouse.ddl import INDEX, TEXTS
from longpole.storage.clickhouse.facts import FOUND_COLUMNS
from longpole.storage.clickhouse.run_sql import TRAITS
from longpole.storage.clickhouse.spelling import Layout
from longpole.storage.clickhouse.summaries import hour_s
from longpole.storage.filter_sql import QUEUED_NS
from longpole.storage.texts import VALUE_LIMIT_CHARS, documents_of, words_of

_INDEX_COLUMNS: Final = ("run_id", "hour", "saved_ns", *FOUND_COLUMNS)
_TEXT_COLUMNS: Final = ("run_id", "number", "hour", "saved_ns", "words")


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What lists and filters know of a run; fields as the `found_` columns, empty is unknown."""

    status: str
    error_type: str
    error_message: str
    session_id: str
    user_id: str
    tags: tuple[str, ...]
    kinds: tuple[str, ...]
    models: tuple[str, ...]
    providers: tuple[str, ...]
    branches: tuple[str, ...]
    error_types: tuple[str, ...]
    error_messages: tuple[str, ...]
    traits: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unindexed:
    """An ended run that was not looked at as it is now, and what the views made of its rows."""

    run_id: str
    revision: int
    start_ns: int
    seen: Facts


def index_runs(
    database: Database,
    layout: Layout,
    waiting: Sequence[Unindexed],
    is_living: Callable[[str], bool],
    *,
    now_ns: int,
) -> None:
    """Index these runs. Texts come first: what is noted as indexed has all its words."""
    unindexed = {one.run_id: one for one in waiting}
    for places in load.portions(database, list(unindexed)):
        texts: list[tuple[Any, ...]] = []
        notes: list[tuple[Any, ...]] = []
        for run in load.load_rows(database, layout, places, is_living, with_content=True):
            one = unindexed.pop(run.place.run_id)
            hour = hour_s(one.start_ns)
            texts += (
                (one.run_id, number, hour, now_ns, words) for number, words in _numbered_words(run)
            )
            notes.append(_note(one, _facts(run, one.seen), now_ns))
        database.insert(TEXTS, _TEXT_COLUMNS, texts)
        database.insert(INDEX, _INDEX_COLUMNS, notes)
    # Of what cannot be loaded nothing is to be found, and it need not be looked at again.
    rest = [_note(one, one.seen, now_ns) for one in unindexed.values()]
    database.insert(INDEX, _INDEX_COLUMNS, rest)


def _note(one: Unindexed, found: Facts, now_ns: int) -> tuple[Any, ...]:
    return (
        *(one.run_id, hour_s(one.start_ns), now_ns, one.revision),
        *_corrections(one.seen, found),
    )


def _corrections(seen: Facts, found: Facts) -> tuple[Any, ...]:
    """Return whether facts are to be kept, and those that are."""
    if found == seen:
        return (0, *(type(value)() for value in astuple(found)))
    return (1, *astuple(found))


def _numbered_words(run: load.Loaded) -> Iterator[tuple[int, str]]:
    """Yield number and words of each text of a run, words between blanks."""
    root = run.place.root_span_id
    in_order = sorted(run.recorded.items(), key=lambda known: (known[0] != root, known[0]))
    contents = chain.from_iterable(_contents(one) for _, one in in_order)
    for number, text in enumerate(documents_of(contents)):
        words = words_of(text)
        if words:
            yield number, f" {' '.join(words)} "


def _contents(one: load.Recorded) -> Iterator[tuple[str | None, str | None]]:
    told = columns.content_from(one.attributes)
    for which in ("input", "output"):
        value = told.get(f"{which}_value")
        yield None if value is None else value[:VALUE_LIMIT_CHARS], told.get(f"{which}_mime_type")


def _facts(run: load.Loaded, seen: Facts) -> Facts:
    """Return what the spans of a run say, as they are understood here.

    Args:
        run: with its spans and what was recorded of them.
        seen: what the views made of them; of a run without a root it is all that is known.
    """
    root_id = run.place.root_span_id or ""
    root = next((span for span in run.spans if span.span_id == root_id), None)
    recorded = run.recorded.get(root_id)
    if root is None or recorded is None:
        about = {"status": seen.status, "error_type": "", "error_message": ""}
        told: dict[str, Any] = {}
    else:
        error = root.error
        about = {
            "status": seen.status if root.end_ns is None else root.status.value,
            "error_type": error.type if error else "",
            "error_message": error.message if error else "",
        }
        told = recorded.attributes
    errors = [span.error for span in run.spans if span.error is not None]
    return Facts(
        **about,
        session_id=columns.session_id(told) or "",
        user_id=columns.user_id(told) or "",
        tags=columns.tags(told),
        kinds=_set(span.kind.value for span in run.spans),
        models=_set(span.model for span in run.spans),
        providers=_set(span.provider for span in run.spans),
        branches=_set(span.branch for span in run.spans),
        error_types=_set(error.type for error in errors),
        error_messages=tuple(sorted({error.message for error in errors})),
        traits=tuple(trait for trait in TRAITS if any(map(_TRAITS[trait], run.spans))),
    )


def _set(values: Iterable[str | None]) -> tuple[str, ...]:
    return tuple(sorted({value for value in values if value}))


_TRAITS: Final[dict[str, Callable[[Span], bool]]] = {
    "retry": lambda span: span.attempt > 1,
    "failed": lambda span: span.status is Status.ERROR,
    "fallback": lambda span: span.role is Role.FALLBACK,
    "cache_hit": lambda span: span.cache_hit,
    "queue": lambda span: (span.queue_wait_ns or 0) >= QUEUED_NS,
}
