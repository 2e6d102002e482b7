"""Rows of spans → what lists know of a run, as the SELECT of a materialised view. Pure text.

One row of `otel_traces` is a whole span, whoever wrote it, so everything that lists show and
filters ask for can be gathered while rows arrive: sets, sums of distinct ids, and the facts of the
root. Each fact is such that telling it twice changes nothing, since exporters send again what they
have no answer for. The expressions say in SQL what `rows` and `exchange.foreign` say in Python; the
contract's tests hold them to each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from longpole.model import semconv
from longpole.model.run import Kind, Role, Status
from longpole.storage.columns import KIND_OF_OPENINFERENCE, KIND_OF_OPERATION
from longpole.storage.exchange.foreign import EXCEPTION_MESSAGE, EXCEPTION_TYPE
from longpole.storage.filter_sql import QUEUED_NS

NO_START_NS: Final = 2**63 - 1
"""`first_ns` of rows that tell no start."""

RANK_BITS: Final = 63
"""The rank of a span among those of its run: the highest bit says that it is a root, the lowest
that its end is known, those between how early it started. The highest rank is the root's, so that a
start and what is known of it can be read from a plain maximum."""
LAST_RANKED_NS: Final = 2**62 - 1

ROOT_COLUMNS: Final = {
    "root_span_id": "String",
    "root_name": "String",
    "root_end_ns": "Int64",
    "root_status": "String",
    "root_error_type": "String",
    "root_error_message": "String",
    "root_session_id": "String",
    "root_user_id": "String",
    "root_tags": "Array(String)",
    "root_recorder_id": "String",
}
"""What is kept of the root, each the value of the row with the highest rank."""

SETTLED_COLUMNS: Final = {
    "revision": "UInt64",
    "cost_usd": "Float64",
    "speedup_ratio": "Float64",
    "tokens": "Int64",
    "retries": "Int64",
    "is_unpriced": "UInt8",
}
"""What is kept of the summary that was saved last; unknown is NaN for reals, -1 for counts."""

FOUND_COLUMNS: Final = {
    "indexed_revision": "UInt64",
    "is_corrected": "UInt8",
    "found_status": "String",
    "found_error_type": "String",
    "found_error_message": "String",
    "found_session_id": "String",
    "found_user_id": "String",
    "found_tags": "Array(String)",
    "found_kinds": "Array(String)",
    "found_models": "Array(String)",
    "found_providers": "Array(String)",
    "found_branches": "Array(String)",
    "found_error_types": "Array(String)",
    "found_error_messages": "Array(String)",
    "found_traits": "Array(String)",
}
"""What is kept of the last indexing: at which revision, and the facts where the `found_` ones are
better than what SQL made of the spans (`is_corrected`), else nothing."""

_ID: Final = r"^[A-Za-z0-9_.:#-]{1,128}$"
_ERROR_CODES: Final = "('Error', 'STATUS_CODE_ERROR')"


def run_id_sql() -> str:
    """Return the SQL for the run that a row of `otel_traces` belongs to."""
    return _named(semconv.LONGPOLE_RUN_ID, "TraceId")


def span_id_sql() -> str:
    """Return the SQL for the span's id in Longpole."""
    return _named(semconv.LONGPOLE_SPAN_ID, "SpanId")


def _named(key: str, otherwise: str) -> str:
    told = _attribute(key)
    return f"if(match({told}, '{_ID}'), {told}, {otherwise})"


def _attribute(key: str) -> str:
    return f"SpanAttributes['{key}']"


def _first_of(*keys: str) -> str:
    *others, last = [_attribute(key) for key in keys]
    told = "".join(f"{other} != '', {other}, " for other in others)
    return f"multiIf({told}{last})" if others else last


def _texts(values: Mapping[str, Kind]) -> str:
    keys = ", ".join(f"'{key}'" for key in values)
    kinds = ", ".join(f"'{kind.value}'" for kind in values.values())
    return f"[{keys}], [{kinds}], ''"


def _kind() -> str:
    own = _attribute(semconv.LONGPOLE_KIND)
    known = ", ".join(f"'{kind.value}'" for kind in Kind)
    told = f"transform({_attribute(semconv.OPENINFERENCE_SPAN_KIND)}, "
    asked = f"transform({_attribute(semconv.GEN_AI_OPERATION_NAME)}, "
    return (
        f"multiIf({own} IN ({known}), {own}, "
        f"{told}{_texts(KIND_OF_OPENINFERENCE)}) != '', {told}{_texts(KIND_OF_OPENINFERENCE)}), "
        f"{asked}{_texts(KIND_OF_OPERATION)}))"
    )


_STATUSES: Final = ", ".join(f"'{status.value}'" for status in Status)
_OPEN: Final = f"('{Status.RUNNING.value}', '{Status.LOST.value}')"
_TAGS: Final = _attribute(semconv.TAG_TAGS)
_READY: Final = f"toInt64OrNull({_attribute(semconv.LONGPOLE_READY_NS)})"

_OF_SPAN: Final[Mapping[str, str]] = {
    "of_run": run_id_sql(),
    "of_span": span_id_sql(),
    "begin_ns": "toUnixTimestamp64Nano(Timestamp)",
    "told_status": _attribute(semconv.LONGPOLE_STATUS),
    # A span without an end has a length that wrapped around: below zero when read with a sign.
    "has_ended": f"toUInt8(toInt64(Duration) >= 0 AND told_status NOT IN {_OPEN})",
    "until_ns": "begin_ns + toInt64(Duration)",
    "status_told": (
        f"multiIf(told_status IN ({_STATUSES}), told_status, "
        f"StatusCode IN {_ERROR_CODES}, '{Status.ERROR.value}', '{Status.OK.value}')"
    ),
    "noted": "Events.Attributes[arrayLastIndex(name -> name = 'exception', Events.Name)]",
    "is_noted": "has(Events.Name, 'exception')",
    "error_named": (
        f"if(noted['{EXCEPTION_TYPE}'] != '', noted['{EXCEPTION_TYPE}'], "
        f"{_attribute(semconv.ERROR_TYPE)})"
    ),
    "error_words": (
        f"if(mapContains(noted, '{EXCEPTION_MESSAGE}'), noted['{EXCEPTION_MESSAGE}'], "
        "StatusMessage)"
    ),
    "is_failed": f"status_told = '{Status.ERROR.value}'",
    "has_error": (
        "toUInt8(has_ended AND "
        f"(is_failed OR mapContains(SpanAttributes, '{semconv.LONGPOLE_STATUS}')) "
        "AND (is_noted OR (is_failed AND (error_named != '' OR error_words != ''))))"
    ),
    "error_type": "multiIf(NOT has_error, '', error_named != '', error_named, 'Error')",
    "error_message": "if(has_error, error_words, '')",
    "is_a_root": (
        f"toUInt8({_attribute(semconv.LONGPOLE_RUN_ROOT)} = 'true' OR (ParentSpanId = '' AND "
        f"{_named(semconv.LONGPOLE_PARENT_SPAN_ID, chr(39) * 2)} = '' AND NOT arrayExists("
        "(trace, span) -> trace = TraceId AND span != SpanId, Links.TraceId, Links.SpanId)))"
    ),
    "rank_told": (
        f"bitShiftLeft(toUInt64(is_a_root), {RANK_BITS}) + has_ended "
        f"+ toUInt64({LAST_RANKED_NS} - greatest(least(begin_ns, {LAST_RANKED_NS}), 0)) * 2"
    ),
    "tags_told": (
        f"multiIf(startsWith({_TAGS}, '['), "
        f"arrayDistinct(JSONExtract({_TAGS}, 'Array(String)')), "
        f"{_TAGS} = '', [], [{_TAGS}])"
    ),
    "kind_told": _kind(),
    "model_told": _first_of(semconv.GEN_AI_RESPONSE_MODEL, semconv.GEN_AI_REQUEST_MODEL),
    "provider_told": _first_of(semconv.GEN_AI_PROVIDER_NAME, semconv.GEN_AI_SYSTEM),
    "branch_told": _attribute(semconv.LONGPOLE_BRANCH),
}


def facts_sql(source: str, *, recorder: str = "''", where: str = "1") -> str:
    """Return the SELECT that makes rows of `longpole_runs` of rows of spans.

    Args:
        source: a table with the columns that all generations of `otel_traces` share.
        recorder: SQL for the id of who records a span that is open.
        where: which rows count.
    """
    words = ",\n  ".join(f"{sql} AS {name}" for name, sql in _OF_SPAN.items())
    root = {
        "root_span_id": "of_span",
        "root_name": "toString(SpanName)",
        "root_end_ns": "if(has_ended, until_ns, 0)",
        "root_status": "toString(status_told)",
        "root_error_type": "error_type",
        "root_error_message": "error_message",
        "root_session_id": _first_of(semconv.SESSION_ID, semconv.GEN_AI_CONVERSATION_ID),
        "root_user_id": _attribute(semconv.USER_ID),
        "root_tags": "tags_told",
        "root_recorder_id": recorder,
    }
    of_root = ",\n  ".join(f"argMaxState({sql}, rank_told) AS {name}" for name, sql in root.items())
    return f"""WITH
  {words}
SELECT
  toStartOfHour(toDateTime(Timestamp, 'UTC')) AS hour,
  of_run AS run_id,
  max(TraceId) AS trace_id,
  min(begin_ns) AS first_ns,
  max(begin_ns) AS last_ns,
  max(if(has_ended, until_ns, begin_ns)) AS end_ns,
  uniqExactState(cityHash64(of_run, of_span)) AS spans,
  uniqExactIfState(cityHash64(of_run, of_span), has_ended) AS ended,
  max(rank_told) AS rank,
  {of_root},
  groupUniqArray(toString(SpanName)) AS names,
  groupUniqArray(kind_told) AS kinds,
  groupUniqArrayIf(model_told, model_told != '') AS models,
  groupUniqArrayIf(provider_told, provider_told != '') AS providers,
  groupUniqArrayIf(branch_told, branch_told != '') AS branches,
  groupUniqArrayIf({recorder}, {recorder} != '') AS recorders,
  groupUniqArrayIf(error_type, has_error) AS error_types,
  groupUniqArrayIf(error_message, has_error) AS error_messages,
  max(toUInt8(toInt64OrZero({_attribute(semconv.LONGPOLE_ATTEMPT)}) > 1)) AS has_retry,
  max(toUInt8(has_ended AND is_failed)) AS has_failed,
  max(toUInt8({_attribute(semconv.LONGPOLE_ROLE)} = '{Role.FALLBACK.value}')) AS has_fallback,
  max(toUInt8({_attribute(semconv.LONGPOLE_CACHE_HIT)} = 'true')) AS has_cache_hit,
  max(toUInt8(ifNull({_READY} < begin_ns AND begin_ns - {_READY} >= {QUEUED_NS}, 0))) AS has_queue,
  max(toUInt8(NOT has_ended AND {recorder} = '')) AS has_unended,
  toUnixTimestamp64Nano(now64(9)) AS changed_ns
FROM {source}
WHERE {where}
GROUP BY hour, run_id"""


FACT_COLUMNS: Final = (
    *("hour", "run_id", "trace_id", "first_ns", "last_ns", "end_ns", "spans", "ended", "rank"),
    *ROOT_COLUMNS,
    *("names", "kinds", "models", "providers", "branches", "recorders"),
    *("error_types", "error_messages", "has_retry", "has_failed", "has_fallback"),
    *("has_cache_hit", "has_queue", "has_unended", "changed_ns"),
)
"""The columns of `facts_sql`, in its order."""
