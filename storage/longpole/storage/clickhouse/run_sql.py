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
    FOUND_COLUMNS,
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
    {_merged(FOUND_COLUMNS)},
    groupUniqArrayArray(names) AS all_names,
    groupUniqArrayArray(kinds) AS seen_kinds,
    groupUniqArrayArray(models) AS seen_models,
    groupUniqArrayArray(providers) AS seen_providers,
    groupUniqArrayArray(branches) AS seen_branches,
    groupUniqArrayArray(recorders) AS all_recorders,
    groupUniqArrayArray(error_types) AS seen_error_types,
    groupUniqArrayArray(error_messages) AS seen_error_messages,
    max(has_retry) AS seen_retry,
    max(has_failed) AS seen_failed,
    max(has_fallback) AS seen_fallback,
    max(has_cache_hit) AS seen_cache_hit,
    max(has_queue) AS seen_queue,
    max(has_unended) AS any_unended
  FROM {{runs}} {{where}}
  GROUP BY run_id
  HAVING begin_ns < {NO_START_NS}"""

_SETS: Final = ("kinds", "models", "providers", "branches", "error_types", "error_messages")
TRAITS: Final = ("retry", "failed", "fallback", "cache_hit", "queue")
"""What some span of a run may have, as `found_traits` names it."""


def _better(name: str, otherwise: str) -> str:
    """Return what is known of the root: as found, or else as seen."""
    return f"multiIf(NOT is_rooted, {otherwise}, is_corrected, told_found_{name}, told_root_{name})"


def _sets() -> str:
    """Return what is known of all spans: as found, or else as seen."""
    return ",\n    ".join(
        [f"if(is_corrected, told_found_{name}, seen_{name}) AS all_{name}" for name in _SETS]
        + [
            f"if(is_corrected, has(told_found_traits, '{name}'), seen_{name}) AS any_{name}"
            for name in TRAITS
        ]
    )


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
    if(is_open, {_RUNNING}, if(is_rooted, told_root_status, '{Status.OK.value}')) AS seen_status,
    if(is_rooted, has(dead, told_root_recorder_id), hasAll(dead, all_recorders)) AS is_left,
    seen_status = {_RUNNING} AND is_left AS is_gone,
    -- Grows by each start and each end that is new; that a recorder died counts too.
    (span_count + ended_count) * 2 + is_gone AS revision,
    told_revision = revision AS is_settled,
    if(told_revision = 0 OR isNaN(told_cost_usd), NULL, told_cost_usd) AS cost_usd,
    if(told_revision = 0 OR isNaN(told_speedup_ratio), NULL, told_speedup_ratio) AS speedup_ratio,
    if(told_revision = 0 OR told_tokens < 0, NULL, told_tokens) AS tokens,
    if(told_revision = 0 OR told_retries < 0, NULL, told_retries) AS retries,
    told_is_unpriced AS is_unpriced,
    told_indexed_revision = revision AS is_indexed,
    is_indexed AND told_is_corrected AS is_corrected,
    if(is_corrected AND NOT is_open AND is_rooted, told_found_status, seen_status) AS status,
    if(is_gone, '{Status.LOST.value}', status) AS status_now,
    nullIf({_better("session_id", "''")}, '') AS session_id,
    nullIf({_better("user_id", "''")}, '') AS user_id,
    {_better("tags", "[]")} AS tags,
    {_better("error_type", "''")} AS root_error_type,
    {_better("error_message", "''")} AS root_error_message,
    arrayStringConcat(
      arrayFilter(text -> text != '', [name, root_error_type, root_error_message]), '\\n'
    ) AS search,
    {_sets()},
    is_gone OR (has_open AND (any_unended OR run_id GLOBAL IN (
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
