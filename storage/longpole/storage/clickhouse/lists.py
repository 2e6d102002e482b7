"""`RunQuery` → pages of runs, and what else is asked of runs as rows."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from typing import Any, Final

import orjson

from longpole.model.run import Kind, Status
from longpole.storage.clickhouse.connection import Database
from longpole.storage.clickhouse.ddl import OPEN, RUNS, TEXTS
from longpole.storage.clickhouse.facts import NO_START_NS
from longpole.storage.clickhouse.filter_sql import Bound, condition
from longpole.storage.clickhouse.indexing import Facts, Unindexed
from longpole.storage.clickhouse.run_sql import TRAITS, bounds, runs_sql
from longpole.storage.clickhouse.summaries import run_objects
from longpole.storage.filters import All, Filter, Pattern, Started, TimeField, Words
from longpole.storage.store import RunOrder, RunPage, RunQuery, RunRow, Share

_ORDER_COLUMN: Final[Mapping[RunOrder, str]] = {
    RunOrder.START: "start_ns",
    RunOrder.WALL: "wall_ns",
    RunOrder.COST: "cost_usd",
    RunOrder.NAME: "name",
    RunOrder.STATUS: "status_now",
    RunOrder.SPEEDUP: "speedup_ratio",
    RunOrder.TOKENS: "tokens",
    RunOrder.RETRIES: "retries",
}
_COLUMNS: Final = (
    "run_id, name, status_now, start_ns, end_ns, span_count, session_id, user_id, tags, is_settled"
)


def list_runs(database: Database, query: RunQuery, dead: Collection[str]) -> RunPage:
    """Return one page of runs; `dead` are the recorders that left spans open.

    Which runs, and in which order, is asked first, since it needs few columns of many runs; what
    is shown of them then, which needs many columns of few.
    """
    bound = Bound()
    source = _matching(database, query, dead, bound)
    total = database.query(f"SELECT count() FROM ({source})", bound.values).rows[0][0]
    found = database.query(
        f"SELECT run_id, start_ns FROM ({source}) ORDER BY {_order(query)} "
        f"LIMIT {max(0, query.limit)} OFFSET {max(0, query.offset)}",
        bound.values,
    )
    rows = _rows(database, {row[0]: row[1] for row in found.rows}, dead)
    return RunPage(rows=tuple(rows[run_id] for run_id, _ in found.rows), total=total)


def _rows(
    database: Database, start_by_id: Mapping[str, int], dead: Collection[str]
) -> dict[str, RunRow]:
    """Return what lists show of these runs."""
    if not start_by_id:
        return {}
    bound = Bound()
    where = [
        f"run_id IN {bound.add(list(start_by_id), 'Array(String)')}",
        *bounds(min(start_by_id.values()), None),
    ]
    found = database.query(
        f"SELECT {_COLUMNS} FROM ({_runs(database, dead, bound, where)})", bound.values
    )
    objects = run_objects(database, list(start_by_id))
    return {row[0]: _run_row(row, objects) for row in found.rows}


def run_ids(database: Database, query: RunQuery, dead: Collection[str]) -> list[str]:
    """Return the ids of all runs that match, in order."""
    bound = Bound()
    source = _matching(database, query, dead, bound)
    found = database.query(f"SELECT run_id FROM ({source}) ORDER BY {_order(query)}", bound.values)
    return [run_id for (run_id,) in found.rows]


def unsettled_runs(
    database: Database, dead: Collection[str], limit: int, share: Share
) -> list[tuple[str, int]]:
    """Return id and revision of ended runs whose summary is missing or old, newest first."""
    bound = Bound()
    source = _runs(database, dead, bound, [_shared(share)])
    found = database.query(
        f"SELECT run_id, revision FROM ({source}) WHERE NOT is_settled "
        f"AND status_now != '{Status.RUNNING.value}' "
        f"ORDER BY start_ns DESC, run_id DESC LIMIT {max(0, limit)}",
        bound.values,
    )
    return [(run_id, revision) for run_id, revision in found.rows]


_SEEN: Final = (
    "seen_status, told_root_error_type, told_root_error_message, told_root_session_id, "
    "told_root_user_id, told_root_tags, "
    f"arraySort(arrayDistinct(arrayMap(one -> if(one = '', '{Kind.OTHER}', one), seen_kinds))), "
    "arraySort(seen_models), "
    "arraySort(seen_providers), arraySort(seen_branches), arraySort(seen_error_types), "
    "arraySort(seen_error_messages), arrayFilter(name -> name != '', ["
    + ", ".join(f"if(seen_{trait}, '{trait}', '')" for trait in TRAITS)
    + "])"
)
"""The fields of `Facts`, as the views made them of rows."""


def unindexed_runs(
    database: Database, dead: Collection[str], limit: int, share: Share
) -> list[Unindexed]:
    """Return ended runs that were not indexed as they are now, newest first."""
    bound = Bound()
    source = _runs(database, dead, bound, [_shared(share)])
    found = database.query(
        f"SELECT run_id, revision, start_ns, {_SEEN} FROM ({source}) WHERE NOT is_indexed "
        f"AND status_now != '{Status.RUNNING.value}' "
        f"ORDER BY start_ns DESC, run_id DESC LIMIT {max(0, limit)}",
        bound.values,
    )
    return [
        Unindexed(run_id=run_id, revision=revision, start_ns=start_ns, seen=_facts(seen))
        for run_id, revision, start_ns, *seen in found.rows
    ]


def has_unindexed_runs(database: Database, dead: Collection[str]) -> bool:
    """Whether there are such runs."""
    bound = Bound()
    found = database.query(
        f"SELECT 1 FROM ({_runs(database, dead, bound, ())}) WHERE NOT is_indexed "
        f"AND status_now != '{Status.RUNNING.value}' LIMIT 1",
        bound.values,
    )
    return bool(found.rows)


def _facts(seen: Sequence[Any]) -> Facts:
    values: list[Any] = [tuple(value) if isinstance(value, list) else value for value in seen]
    names = [field.name for field in fields(Facts)]
    return Facts(**dict(zip(names, values, strict=True)))


def revisions(
    database: Database, run_ids_: Sequence[str], dead: Collection[str]
) -> dict[str, tuple[int, int]]:
    """Return revision and start of those of these runs that there are."""
    bound = Bound()
    where = [f"run_id IN {bound.add(list(run_ids_), 'Array(String)')}"]
    found = database.query(
        f"SELECT run_id, revision, start_ns FROM ({_runs(database, dead, bound, where)})",
        bound.values,
    )
    return {run_id: (revision, start_ns) for run_id, revision, start_ns in found.rows}


def revisions_among(database: Database, ids: str, dead: Collection[str]) -> dict[str, int]:
    """Return the revisions of those runs that there are; `ids` is SQL that selects their ids."""
    bound = Bound()
    source = _runs(database, dead, bound, [f"run_id GLOBAL IN ({ids})"])
    found = database.query(f"SELECT run_id, revision FROM ({source})", bound.values)
    return {row[0]: row[1] for row in found.rows}


def matching_runs(database: Database, beginning: str, limit: int) -> list[str]:
    """Return ids that begin like this, in order, at most `limit` of them."""
    found = database.query(
        f"SELECT run_id FROM {database.name(RUNS)} WHERE startsWith(run_id, {{begin:String}}) "
        f"GROUP BY run_id HAVING min(first_ns) < {NO_START_NS} ORDER BY run_id LIMIT {limit}",
        {"begin": beginning},
    )
    return [run_id for (run_id,) in found.rows]


def last_run(database: Database, dead: Collection[str]) -> str | None:
    """Return the id of the run that started last."""
    found = run_ids_page(database, RunQuery(limit=1), dead)
    return found[0] if found else None


def run_ids_page(database: Database, query: RunQuery, dead: Collection[str]) -> list[str]:
    """Return the ids of one page."""
    bound = Bound()
    source = _matching(database, query, dead, bound)
    found = database.query(
        f"SELECT run_id FROM ({source}) ORDER BY {_order(query)} LIMIT {max(0, query.limit)}",
        bound.values,
    )
    return [run_id for (run_id,) in found.rows]


def _shared(share: Share) -> str:
    if share.count == 1:
        return "1"
    return f"cityHash64(run_id) % {share.count} = {share.index}"


def _runs(database: Database, dead: Collection[str], bound: Bound, where: Sequence[str]) -> str:
    gone = bound.add(sorted(dead), "Array(String)")
    return runs_sql(database.name(RUNS), database.name(OPEN), gone, where=where)


def _matching(database: Database, query: RunQuery, dead: Collection[str], bound: Bound) -> str:
    since_ns = _innermost([query.since_ns, *_started(query.where, TimeField.SINCE)], max)
    until_ns = _innermost([query.until_ns, *_started(query.where, TimeField.UNTIL)], min)
    source = _runs(database, dead, bound, bounds(since_ns, until_ns))
    conditions = _conditions(query, bound, database.name(TEXTS))
    return f"SELECT * FROM ({source}) WHERE {' AND '.join(conditions)}"


def _innermost(moments: Sequence[int | None], choose: Any) -> int | None:
    known = [moment for moment in moments if moment is not None]
    return choose(known) if known else None


def _started(where: Filter | None, field: TimeField) -> list[int]:
    """Return the bounds that hold for whatever else a filter asks."""
    match where:
        case Started(asked, at_ns) if asked is field:
            return [at_ns]
        case All(parts):
            return [at_ns for part in parts for at_ns in _started(part, field)]
    return []


def _conditions(query: RunQuery, bound: Bound, texts: str) -> list[str]:
    conditions = ["1"]
    if query.name is not None:
        conditions.append(f"name = {bound.add(query.name, 'String')}")
    if query.status:
        asked = [status.value for status in query.status]
        conditions.append(f"status_now IN {bound.add(asked, 'Array(String)')}")
    if query.session_id is not None:
        conditions.append(f"ifNull(session_id = {bound.add(query.session_id, 'String')}, 0)")
    if query.tag is not None:
        conditions.append(f"has(tags, {bound.add(query.tag, 'String')})")
    if query.since_ns is not None:
        conditions.append(f"start_ns >= {bound.number(query.since_ns)}")
    if query.until_ns is not None:
        conditions.append(f"start_ns < {bound.number(query.until_ns)}")
    if query.text:
        conditions.append(condition(Words(Pattern((query.text,))), bound, texts))
    if query.where is not None:
        conditions.append(condition(query.where, bound, texts))
    return conditions


def _order(query: RunQuery) -> str:
    direction = "DESC" if query.descending else "ASC"
    # What is not known yet comes last either way.
    return f"{_ORDER_COLUMN[query.order]} {direction} NULLS LAST, run_id {direction}"


def _run_row(row: Sequence[Any], objects: Mapping[str, str]) -> RunRow:
    run_id, name, status, start_ns, end_ns, spans, session_id, user_id, tags, fits = row
    run_object = objects.get(run_id)
    return RunRow(
        run_id=run_id,
        name=name,
        status=Status(status),
        start_ns=start_ns,
        end_ns=end_ns,
        spans=spans,
        session_id=session_id,
        user_id=user_id,
        tags=tuple(tags),
        summary=None if run_object is None else orjson.loads(run_object),
        is_settled=bool(fits),
    )
