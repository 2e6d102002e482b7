"""The JSON of `longpole show --json`, schema 1, as a check that any document can be put to."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from itertools import pairwise
from typing import Any

Check = Callable[[Any], bool]


def one_of(*values: str | None) -> Check:
    return lambda value: value in values


def or_null(check: Check) -> Check:
    return lambda value: value is None or check(value)


def text(value: Any) -> bool:
    return isinstance(value, str)


def integer(value: Any) -> bool:
    return type(value) is int


def ratio(value: Any) -> bool:
    return type(value) in (int, float) and value >= 0


def flag(value: Any) -> bool:
    return type(value) is bool


def length(value: Any) -> bool:
    return type(value) is int and value >= 0


def money(value: Any) -> bool:
    return (
        isinstance(value, str)
        and re.fullmatch(r"\d+(\.\d+)?", value) is not None
        and Decimal(value) >= 0
    )


def mapping(value: Any) -> bool:
    return isinstance(value, dict)


def texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


STATUS = one_of("ok", "error", "cancelled", "interrupted", "running", "lost")

USAGE: Mapping[str, Check] = {
    "input_tokens": length,
    "output_tokens": length,
    "cache_read_tokens": length,
    "cache_write_tokens": length,
    "reasoning_tokens": length,
}


def usage(value: Any) -> bool:
    return isinstance(value, dict) and not problems_in(value, USAGE, "usage")


def error(value: Any) -> bool:
    return isinstance(value, dict) and not problems_in(
        value, {"type": text, "message": text}, "error"
    )


RUN: Mapping[str, Check] = {
    "run_id": lambda value: re.fullmatch("[0-9a-f]{32}", value) is not None,
    "name": text,
    "status": STATUS,
    "start_ns": integer,
    "end_ns": or_null(integer),
    "wall_ns": length,
    "work_ns": length,
    "span_length_ns": length,
    "speedup_ratio": ratio,
    "parallelism_ratio": ratio,
    "efficiency_ratio": ratio,
    "peak_concurrency": length,
    "queue_wait_ns": length,
    "backoff_ns": length,
    "retries": length,
    "fallbacks": length,
    "llm_calls": length,
    "cache_hits": length,
    "usage": usage,
    "cost_usd": or_null(money),
    "unpriced_calls": length,
    "wasted_ns": length,
    "wasted_cost_usd": money,
    "time_to_first_token_ns": or_null(length),
    "dependencies": one_of("recorded", "inferred", "mixed"),
    "session_id": or_null(text),
    "user_id": or_null(text),
    "tags": texts,
    "metadata": mapping,
}

BREAKDOWN: Mapping[str, Check] = {
    "work_on_path_ns": length,
    "head_ns": length,
    "between_ns": length,
    "tail_ns": length,
    "idle_ns": length,
    "idle_ratio": ratio,
    "serial_ns": length,
    "serial_ratio": ratio,
    "parallel_ns": length,
    "backoff_total_ns": length,
    "on_path_cost_usd": money,
    "off_path_cost_usd": money,
    "wasted_wall_ns": length,
    "wasted_unpriced_calls": length,
    "avoidable_ns": length,
    "avoidable_cost_usd": money,
    "tokens_per_s": or_null(ratio),
}

SPAN: Mapping[str, Check] = {
    "span_id": lambda value: re.fullmatch("[0-9a-f]{16}", value) is not None,
    "parent_span_id": or_null(text),
    "langchain_run_id": or_null(text),
    "name": text,
    "kind": one_of(
        "chain",
        "llm",
        "tool",
        "retriever",
        "embedding",
        "prompt",
        "parser",
        "node",
        "http",
        "other",
    ),
    "role": one_of("fan_out", "branch", "step", "attempt", "fallback", "item", None),
    "branch": or_null(text),
    "step": or_null(integer),
    "attempt": lambda value: type(value) is int and value >= 1,
    "start_ns": integer,
    "end_ns": or_null(integer),
    "status": STATUS,
    "error": or_null(error),
    "queue_wait_ns": or_null(length),
    "self_ns": length,
    "on_path_ns": length,
    "slack_ns": or_null(length),
    "drag_ns": length,
    "cache_hit": flag,
    "result_swapped": flag,
    "model": or_null(text),
    "provider": or_null(text),
    "usage": or_null(usage),
    "cost_usd": or_null(money),
    "unpriced": or_null(text),
    "time_to_first_token_ns": or_null(length),
    "wasted": one_of(
        "failed attempt",
        "failed",
        "failed, tolerated",
        "sibling failed",
        "cancelled",
        "abandoned",
        None,
    ),
}

SEGMENT: Mapping[str, Check] = {
    "span_id": text,
    "start_ns": integer,
    "end_ns": integer,
    "kind": one_of("work", "head", "between", "tail", "backoff"),
    "via": one_of("root", "join", "seq", "slot", "cancel", "stream"),
    "inferred": flag,
}

BRANCH: Mapping[str, Check] = {
    "key": text,
    "span_id": text,
    "start_ns": integer,
    "end_ns": integer,
    "queue_wait_ns": or_null(length),
    "slack_ns": or_null(length),
    "drag_ns": length,
    "on_path_ns": length,
    "cost_usd": or_null(money),
    "attempts": lambda value: type(value) is int and value >= 1,
    "status": STATUS,
    "straggler": flag,
    "idle_at_join_ns": length,
}


def branches(value: Any) -> bool:
    return len(value) >= 2 and not any(problems_in(one, BRANCH, "branch") for one in value)


FAN_OUT: Mapping[str, Check] = {
    "span_id": text,
    "kind": one_of("parallel", "map", "batch", "superstep", "send", "tools", "record"),
    "limit": or_null(lambda value: type(value) is int and value >= 1),
    "hidden_limit": or_null(lambda value: type(value) is int and value >= 1),
    "limit_ignored": or_null(lambda value: type(value) is int and value >= 1),
    "peak": length,
    "joined_ns": integer,
    "imbalance_ratio": lambda value: value >= 1,
    "lost_ns": length,
    "long_pole": text,
    "waited_after_failure_ns": length,
    "avoidable_ns": length,
    "avoidable_cost_usd": money,
    "branches": branches,
}


def problems_in(value: Any, keys: Mapping[str, Check], where: str) -> list[str]:
    """Return what is wrong with an object: keys missing, unknown, or of a wrong value."""
    if not isinstance(value, dict):
        return [f"{where} is no object"]
    found = [f"{where} lacks {key}" for key in keys if key not in value]
    found += [f"{where} has an unknown key {key}" for key in value if key not in keys]
    found += [
        f"{where}.{key} is {value[key]!r}"
        for key, check in keys.items()
        if key in value and not check(value[key])
    ]
    return found


def check_run_object(run: Any) -> None:
    assert problems_in(run, RUN, "run") == []


def check_document(document: Any) -> None:
    """Fail unless the document is what schema 1 says, and its path tiles its run."""
    assert set(document) == {
        "schema",
        "run",
        "breakdown",
        "spans",
        "critical_path",
        "path_to_first_token",
        "fan_outs",
    }
    assert document["schema"] == 1
    check_run_object(document["run"])
    found = problems_in(document["breakdown"], BREAKDOWN, "breakdown")
    found += [problem for one in document["spans"] for problem in problems_in(one, SPAN, "span")]
    found += [
        problem
        for one in (*document["critical_path"], *(document["path_to_first_token"] or ()))
        for problem in problems_in(one, SEGMENT, "segment")
    ]
    found += [
        problem for one in document["fan_outs"] for problem in problems_in(one, FAN_OUT, "fan_out")
    ]
    assert found == []
    _check_references(document)
    _check_tiling(document)


def _check_references(document: Any) -> None:
    ids = {span["span_id"] for span in document["spans"]}
    assert [one for one in document["spans"] if one["parent_span_id"] is None] != []
    assert {span["parent_span_id"] for span in document["spans"] if span["parent_span_id"]} <= ids
    assert {segment["span_id"] for segment in document["critical_path"]} <= ids
    for fan_out in document["fan_outs"]:
        members = {branch["span_id"] for branch in fan_out["branches"]}
        assert {fan_out["span_id"], fan_out["long_pole"], *members} <= ids
        assert fan_out["long_pole"] in members


def _check_tiling(document: Any) -> None:
    path, run = document["critical_path"], document["run"]
    assert sum(one["end_ns"] - one["start_ns"] for one in path) == run["wall_ns"]
    if path:
        assert path[0]["start_ns"] == run["start_ns"]
        assert path[-1]["end_ns"] == run["start_ns"] + run["wall_ns"]
        assert run["end_ns"] in (None, path[-1]["end_ns"])
    for one, following in pairwise(path):
        assert one["end_ns"] == following["start_ns"]
