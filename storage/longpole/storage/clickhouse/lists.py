"""`RunQuery` → pages of runs, and what else is asked of runs as rows."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import orjson

from longpole.model.run import Status
from longpole.storage.clickhouse.connection import Database
from longpole.storage.clickhouse.ddl import OPEN, RUNS
from longpole.storage.clickhouse.facts import NO_START_NS
from longpole.storage.clickhouse.filter_sql import Bound, condition
from longpole.storage.clickhouse.run_sql import bounds, runs_sql
from longpole.storage.clickhouse.summaries import run_objects
from longpole.storage.filters import All, Filter, Started, TimeField
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
    return f"SELECT * FROM ({source}) WHERE {' AND '.join(_conditions(query, bound))}"


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


def _conditions(query: RunQuery, bound: Bound) -> list[str]:
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
        text = bound.add(query.text, "String")
        conditions.append(f"positionCaseInsensitiveUTF8(search, {text}) > 0")
    if query.where is not None:
        conditions.append(condition(query.where, bound))
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
