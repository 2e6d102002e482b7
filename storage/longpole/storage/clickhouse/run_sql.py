"""One row a run: the SQL that puts the parts of `longpole_runs` together. Pure.

The parts of a run lie in the rows that arrived together, and are merged in the background and here.
Rows are sorted by the hour of their spans, so that a list with bounds on the start reads few of
them; the parts of one run are found together as long as a span of it starts every few hours.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from longpole.model.run import Status
from longpole.storage.clickhouse.ddl import OPEN_START, TOLD
from longpole.storage.clickhouse.facts import (
    LAST_RANKED_NS,
    NO_START_NS,
    RANK_BITS,
    ROOT_COLUMNS,
    SETTLED_COLUMNS,
)

REACH_S: Final = 6 * 3600
"""How far apart spans of one run may start for lists with bounds to see them together."""

_LAST_SECOND: Final = 2**32 - 1
_SECOND_NS: Final = 1_000_000_000
_RUNNING: Final = f"'{Status.RUNNING.value}'"


def _merged(columns: Iterable[str]) -> str:
    return ",\n    ".join(f"argMaxMerge({name}) AS told_{name}" for name in columns)


_PARTS: Final = f"""
  SELECT run_id,
    max(trace_id) AS trace,
    min(first_ns) AS begin_ns,
    max(end_ns) AS until_ns,
    uniqExactMerge(spans) AS span_count,
    uniqExactIfMerge(ended) AS ended_count,
    max(rank) AS top_rank,
    {_merged(ROOT_COLUMNS)},
    {_merged(SETTLED_COLUMNS)},
    groupUniqArrayArray(names) AS all_names,
    groupUniqArrayArray(kinds) AS all_kinds,
    groupUniqArrayArray(models) AS all_models,
    groupUniqArrayArray(providers) AS all_providers,
    groupUniqArrayArray(branches) AS all_branches,
    groupUniqArrayArray(recorders) AS all_recorders,
    groupUniqArrayArray(error_types) AS all_error_types,
    groupUniqArrayArray(error_messages) AS all_error_messages,
    max(has_retry) AS any_retry,
    max(has_failed) AS any_failed,
    max(has_fallback) AS any_fallback,
    max(has_cache_hit) AS any_cache_hit,
    max(has_queue) AS any_queue,
    max(has_unended) AS any_unended
  FROM {{runs}} {{where}}
  GROUP BY run_id
  HAVING begin_ns < {NO_START_NS}"""

_OF_ROOT: Final = f"""
  SELECT *,
    bitShiftRight(top_rank, {RANK_BITS}) = 1 AS is_rooted,
    span_count > ended_count AS has_open,
    if(is_rooted, told_root_name, arrayMin(all_names)) AS name,
    if(is_rooted, toInt64({LAST_RANKED_NS} - bitAnd(bitShiftRight(top_rank, 1), {LAST_RANKED_NS})),
      begin_ns) AS start_ns,
    if(is_rooted, bitAnd(top_rank, 1) = 0, has_open) AS is_open,
    if(is_open, NULL, if(is_rooted, told_root_end_ns, until_ns)) AS end_ns,
    if(is_open, NULL, greatest(assumeNotNull(end_ns) - start_ns, 0)) AS wall_ns,
    if(is_open, {_RUNNING}, if(is_rooted, told_root_status, '{Status.OK.value}')) AS status,
    if(is_rooted, has(dead, told_root_recorder_id), hasAll(dead, all_recorders)) AS is_left,
    if(status = {_RUNNING} AND is_left, '{Status.LOST.value}', status) AS status_now,
    if(is_rooted, nullIf(told_root_session_id, ''), NULL) AS session_id,
    if(is_rooted, nullIf(told_root_user_id, ''), NULL) AS user_id,
    if(is_rooted, told_root_tags, []) AS tags,
    arrayStringConcat(
      arrayFilter(text -> text != '', if(is_rooted,
        [told_root_name, told_root_error_type, told_root_error_message], [name])), '\\n') AS search,
    -- Grows by each start and each end that is new; that a recorder died counts too.
    (span_count + ended_count) * 2 + (status_now = '{Status.LOST.value}') AS revision,
    told_revision = revision AS is_settled,
    if(told_revision = 0 OR isNaN(told_cost_usd), NULL, told_cost_usd) AS cost_usd,
    if(told_revision = 0 OR isNaN(told_speedup_ratio), NULL, told_speedup_ratio) AS speedup_ratio,
    if(told_revision = 0 OR told_tokens < 0, NULL, told_tokens) AS tokens,
    if(told_revision = 0 OR told_retries < 0, NULL, told_retries) AS retries,
    told_is_unpriced AS is_unpriced,
    status_now = '{Status.LOST.value}' OR (has_open AND (any_unended OR run_id GLOBAL IN (
      SELECT RunId FROM {{open}} FINAL
      WHERE Part = '{OPEN_START}' AND Version = {TOLD} AND has(dead, RecorderId)))) AS any_lost
  FROM ({{parts}})"""


def runs_sql(runs: str, open_: str, dead: str, *, where: Iterable[str] = ()) -> str:
    """Return a SELECT with one row a run.

    Args:
        runs: what `longpole_runs` is called.
        open_: what `longpole_open` is called.
        dead: SQL for an array of the ids of dead recorders.
        where: conditions on the rows of `longpole_runs`.
    """
    conditions = list(where)
    text = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    parts = _PARTS.replace("{runs}", runs).replace("{where}", text)
    whole = _OF_ROOT.replace("{parts}", parts).replace("{open}", open_)
    # Who left a span open without a name (a span whose end was not told) is dead as well.
    return f"WITH arrayPushBack({dead}, '') AS dead SELECT * FROM ({whole})"


def bounds(since_ns: int | None, until_ns: int | None) -> list[str]:
    """Return conditions on the hour that hold for all parts of runs that start in between."""
    conditions = []
    if since_ns is not None:
        # The hour of a span begins before it does.
        conditions.append(f"hour >= {_hour(since_ns // _SECOND_NS - REACH_S - 3600)}")
    if until_ns is not None:
        conditions.append(f"hour <= {_hour(until_ns // _SECOND_NS + REACH_S)}")
    return conditions


def _hour(second: int) -> str:
    return f"toDateTime({max(0, min(second, _LAST_SECOND))}, 'UTC')"
