"""`RunQuery` → SQL → pages of runs. Columns and orders come from a fixed list, values are bound."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import orjson

from longpole.model.run import Status
from longpole.storage.filter_sql import condition
from longpole.storage.filters import Pattern, Words
from longpole.storage.store import RunOrder, RunPage, RunQuery, RunRow, Share

if TYPE_CHECKING:
    from sqlite3 import Connection

_ORDER_COLUMN: Final[Mapping[RunOrder, str]] = {
    RunOrder.START: "start_ns",
    RunOrder.WALL: "wall_ns",
    RunOrder.COST: "cost_usd",
    RunOrder.NAME: "name",
    RunOrder.STATUS: "status",
    RunOrder.SPEEDUP: "speedup_ratio",
    RunOrder.TOKENS: "tokens",
    RunOrder.RETRIES: "retries",
}


_MANY: Final = 10
"""A filter finds many runs when these are so many pages."""
_ROW: Final = (
    "page.run_id, name, status_now, start_ns, end_ns, spans, session_id, user_id, tags, "
    "run_object, settled_revision IS revision"
)


def dead_among_running(connection: Connection, living: Collection[str]) -> list[int]:
    """Return the numbers of recorders that have running runs and are dead.

    Args:
        connection: for reading.
        living: ids of the recorders that live.
    """
    found = connection.execute(
        "SELECT recorder, recorder_id, is_dead FROM recorders WHERE recorder IN "
        "(SELECT recorder FROM runs WHERE status = 'running')"
    ).fetchall()
    return [
        recorder for recorder, recorder_id, is_dead in found if is_dead or recorder_id not in living
    ]


def status_now(dead: Collection[int]) -> str:
    """Return the SQL for a run's status, given the numbers of dead recorders."""
    if not dead:
        return "status"
    numbers = ", ".join(str(int(number)) for number in dead)
    return f"CASE WHEN status = 'running' AND recorder IN ({numbers}) THEN 'lost' ELSE status END"


def list_runs(connection: Connection, query: RunQuery, dead: Collection[int]) -> RunPage:
    """Return one page of runs."""
    status = status_now(dead)
    where, parameters = _conditions(query, status)
    page = (max(0, query.limit), max(0, query.offset))
    if query.where is not None and (query.order is not RunOrder.START or _looks_up(where)):
        return _filtered_page(connection, query, status, (*parameters, *page))
    total = connection.execute(f"SELECT count(*) FROM runs WHERE {where}", parameters).fetchall()
    if query.where is not None and total[0][0] < _MANY * sum(page):
        return _filtered_page(connection, query, status, (*parameters, *page))
    found = connection.execute(
        f"SELECT {_ROW} FROM ("
        f"SELECT *, {status} AS status_now FROM runs WHERE {where} "
        f"ORDER BY {_order(query, status)} LIMIT ? OFFSET ?"
        f") AS page LEFT JOIN summaries USING (run) ",
        (*parameters, *page),
    ).fetchall()
    return RunPage(rows=tuple(_run_row(row) for row in found), total=total[0][0])


def _looks_up(where: str) -> bool:
    """Whether a condition has lists of runs made first, which should be made only once."""
    return "SELECT" in where


def _filtered_page(
    connection: Connection, query: RunQuery, status: str, parameters: Sequence[Any]
) -> RunPage:
    """Return a page of what a filter finds, which is looked for only once: it may take long.

    What most runs match is better counted, and the page then read in the order of an index.
    """
    where, _ = _conditions(query, status)
    column, direction = _ordering(query, status)
    found = connection.execute(
        "WITH matching AS MATERIALIZED "
        f"(SELECT run, {status} AS status_now, {column} AS placed FROM runs WHERE {where}), "
        "page AS (SELECT * FROM (SELECT run, status_now FROM matching "
        f"ORDER BY placed {direction} NULLS LAST, run {direction} LIMIT ? OFFSET ?) "
        "JOIN runs USING (run)) "
        f"SELECT total, {_ROW} FROM (SELECT count(*) AS total FROM matching) LEFT JOIN page "
        "LEFT JOIN summaries USING (run)",
        parameters,
    ).fetchall()
    rows = (row for _, *row in found if row[0] is not None)
    return RunPage(rows=tuple(map(_run_row, rows)), total=found[0][0])


def run_ids(connection: Connection, query: RunQuery, dead: Collection[int]) -> list[str]:
    """Return the ids of all runs that match, in order."""
    status = status_now(dead)
    where, parameters = _conditions(query, status)
    found = connection.execute(
        f"SELECT run_id FROM runs WHERE {where} ORDER BY {_order(query, status)}", parameters
    ).fetchall()
    return [run_id for (run_id,) in found]


def _ordering(query: RunQuery, status: str) -> tuple[str, str]:
    column = status if query.order is RunOrder.STATUS else _ORDER_COLUMN[query.order]
    return column, "DESC" if query.descending else "ASC"


def _order(query: RunQuery, status: str) -> str:
    column, direction = _ordering(query, status)
    # What is not known yet comes last either way.
    return f"{column} {direction} NULLS LAST, run {direction}"


def _conditions(query: RunQuery, status: str) -> tuple[str, list[Any]]:
    # A plus keeps an index from being used that would name too many runs, each of which is then
    # looked up on its own. Few runs have other statuses than `ok`, and most have that one.
    is_rare = bool(query.status) and Status.OK not in query.status
    plus = "+" if is_rare else ""
    conditions = ["start_ns IS NOT NULL"]
    parameters: list[Any] = []

    def add(condition: str, *values: Any) -> None:
        conditions.append(condition)
        parameters.extend(values)

    if query.name is not None:
        add(f"{plus}name = ?", query.name)
    if query.status:
        marks = ", ".join("?" * len(query.status))
        is_common = query.where is not None and not is_rare
        add(
            f"{'+' if is_common else ''}{status} IN ({marks})", *(one.value for one in query.status)
        )
    if query.session_id is not None:
        add(f"{plus}session_id = ?", query.session_id)
    if query.tag is not None:
        add("run IN (SELECT run FROM run_tags WHERE tag = ?)", query.tag)
    if query.since_ns is not None:
        add("start_ns >= ?", query.since_ns)
    if query.until_ns is not None:
        add("start_ns < ?", query.until_ns)
    if query.text:
        sql, values = condition(Words(Pattern((query.text,))), status=status)
        add(sql, *values)
    if query.where is not None:
        sql, values = condition(query.where, status=status)
        add(sql, *values)
    return " AND ".join(conditions), parameters


def _run_row(row: Sequence[Any]) -> RunRow:
    run_id, name, status, start_ns, end_ns, spans, session_id, user_id, tags, summary, fits = row
    return RunRow(
        run_id=run_id,
        name=name,
        status=Status(status),
        start_ns=start_ns,
        end_ns=end_ns,
        spans=spans,
        session_id=session_id,
        user_id=user_id,
        tags=tuple(orjson.loads(tags)) if tags else (),
        summary=orjson.loads(summary) if summary else None,
        is_settled=bool(fits),
    )


def matching_runs(connection: Connection, beginning: str, limit: int) -> list[str]:
    """Return ids that begin like this, in order, at most `limit` of them."""
    found = connection.execute(
        "SELECT run_id FROM runs WHERE run_id >= ? AND run_id < ? AND start_ns IS NOT NULL "
        "ORDER BY run_id LIMIT ?",
        (beginning, beginning + "\U0010ffff", limit),
    ).fetchall()
    return [run_id for (run_id,) in found]


def last_run(connection: Connection) -> str | None:
    """Return the id of the run that started last."""
    found = connection.execute(
        "SELECT run_id FROM runs WHERE start_ns IS NOT NULL "
        "ORDER BY start_ns DESC, run DESC LIMIT 1"
    ).fetchall()
    return found[0][0] if found else None


def unsettled_runs(
    connection: Connection, dead: Collection[int], limit: int, share: Share
) -> list[tuple[str, int]]:
    """Return id and revision of ended runs whose summary is missing or old, newest first."""
    return connection.execute(
        "SELECT run_id, revision FROM runs "
        "WHERE (settled_revision IS NULL OR settled_revision <> revision) "
        f"AND start_ns IS NOT NULL AND {status_now(dead)} <> 'running' "
        # Numbers of rows are as good as a hash of ids: a run keeps its own.
        "AND run % ? = ? ORDER BY start_ns DESC LIMIT ?",
        (share.count, share.index, max(0, limit)),
    ).fetchall()
