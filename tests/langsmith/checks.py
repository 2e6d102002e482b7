"""What is wrong with a run that somebody posts to LangSmith.

In: a run as JSON told it (all parts of it merged). Out: the list of its flaws, each with the status
the API answers it with; an empty list is a lawful run. Pure: no clock, no store.

The rules are those measured on the API, plus a few that the API lets pass in silence and that
nobody means to send (unknown fields, token counts that do not add up).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, Final

from langsmith.schemas import RunLikeDict

Json = dict[str, Any]

RUN_TYPES: Final = frozenset({"tool", "chain", "llm", "retriever", "embedding", "prompt", "parser"})
REQUIRED: Final = ("id", "trace_id", "dotted_order", "name", "run_type", "start_time", "inputs")
KNOWN: Final = frozenset(RunLikeDict.__annotations__) - {"attachments"}
WINDOW: Final = timedelta(hours=24)

_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_SEGMENT: Final = re.compile(r"(\d{8}T\d{6})(\d{6})Z(.*)", re.ASCII)
_ISO: Final = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)?", re.ASCII
)

_TEXTS: Final = ("name", "error", "session_name")
_IDS: Final = ("id", "trace_id", "parent_run_id", "session_id", "reference_example_id")
_OBJECTS: Final = ("inputs", "outputs", "extra", "serialized")
_TIMES: Final = ("start_time", "end_time")

_COUNTS: Final = ("input_tokens", "output_tokens", "total_tokens")
_COSTS: Final = ("input_cost", "output_cost", "total_cost")
_INPUT_DETAILS: Final = frozenset(
    {
        "cache_read",
        "cache_creation",
        "audio",
        "ephemeral_5m_input_tokens",
        "ephemeral_1h_input_tokens",
    }
)
_OUTPUT_DETAILS: Final = frozenset({"reasoning", "audio"})
_COST_DETAILS: Final = ("input_cost_details", "output_cost_details")
_USAGE_FIELDS: Final = frozenset(
    {*_COUNTS, *_COSTS, *_COST_DETAILS, "input_token_details", "output_token_details"}
)


@dataclass(frozen=True, slots=True)
class Flaw:
    """One thing that is wrong with a run.

    Attributes:
        status: what the API answers it with.
        words: what is wrong, and with which value.
    """

    status: int
    words: str


class RefusedError(Exception):
    """The API does not take a request; nothing of it is stored.

    Attributes:
        status: the HTTP status of the answer.
        words: the answer's text.
    """

    def __init__(self, status: int, words: str) -> None:
        super().__init__(f"{status}: {words}")
        self.status = status
        self.words = words


@dataclass(frozen=True, slots=True)
class Segment:
    """One run in a dotted order: the time it is sorted by, and its id."""

    at: datetime
    run_id: str


def flaws(run: Mapping[str, Any]) -> list[Flaw]:
    """Return what is wrong with a whole run: its fields, its place in the trace, its usage."""
    found = [*_missing(run), *field_flaws(run)]
    if not found:
        found = [Flaw(400, f"invalid 'dotted_order': {words}") for words in _order_flaws(run)]
        found += _end_flaws(run)
    return found


def field_flaws(run: Mapping[str, Any]) -> list[Flaw]:
    """Return what is wrong with the fields a run has, each seen by itself; null is no value."""
    found = [f"{field!r} is no field of a run" for field in run if field not in KNOWN]
    for fields, is_right, expected in _FIELD_RULES:
        found += [
            f"{field!r} is {run[field]!r:.80}, expected {expected}"
            for field in fields
            if run.get(field) is not None and not is_right(run[field])
        ]
    if not found:
        found = list(_usage_flaws(run))
    return [Flaw(422, words) for words in found]


def window_flaws(run: Mapping[str, Any], now: datetime) -> list[Flaw]:
    """Return whether a run started too far from now for the hosted API."""
    started = moment(run["start_time"])
    if abs(started - now) <= WINDOW:
        return []
    return [
        Flaw(
            400,
            f"run start_time {started.isoformat()} is outside the allowed window of"
            f" 24 hours around {now.isoformat()}, run_id:{run['id']}",
        )
    ]


def family_flaws(run: Mapping[str, Any], parent: Mapping[str, Any]) -> list[Flaw]:
    """Return whether a run's path differs from the path of the parent it names."""
    path = run["dotted_order"].rpartition(".")[0]
    if path == parent["dotted_order"]:
        return []
    return [
        Flaw(
            400,
            f"invalid 'dotted_order': {path!r} is not the dotted_order of the parent"
            f" {parent['id']}, {parent['dotted_order']!r}",
        )
    ]


def is_id(value: object) -> bool:
    """Return whether a value is a UUID as LangSmith writes them."""
    return isinstance(value, str) and _UUID.fullmatch(value) is not None


def moment(text: str) -> datetime:
    """Return the time of an ISO text; one without a zone is UTC."""
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def segments(dotted_order: str) -> list[Segment]:
    """Return the runs along a dotted order, the root first.

    Raises:
        ValueError: this is no dotted order.
    """
    found = []
    for text in dotted_order.split("."):
        match = _SEGMENT.fullmatch(text)
        if match is None or not is_id(match[3]):
            raise ValueError(f"{text!r} is no segment, expected YYYYMMDDTHHMMSSffffffZ and a UUID")
        found.append(Segment(moment(f"{match[1]}.{match[2]}"), match[3]))
    return found


def _missing(run: Mapping[str, Any]) -> Iterator[Flaw]:
    for field in REQUIRED:
        if run.get(field) is None:
            yield Flaw(422, f"{field!r} is required and missing, run_id:{run.get('id')}")
    if run.get("session_name") is None and run.get("session_id") is None:
        yield Flaw(422, f"'session_name' or 'session_id' is required, run_id:{run.get('id')}")


def _order_flaws(run: Mapping[str, Any]) -> Iterator[str]:
    try:
        path = segments(run["dotted_order"])
    except ValueError as error:
        yield str(error)
        return
    own = path[-1]
    where = (
        f"for run_id:{run['id']} trace_id:{run['trace_id']} dotted_order:{run['dotted_order']}"
        f" parent_run_id:{run.get('parent_run_id')}"
    )
    if own.run_id != run["id"]:
        yield f"run_id does not match last part of dotted_order {where}"
    if path[0].run_id != run["trace_id"]:
        yield f"trace_id does not match first part of dotted_order {where}"
    yield from _parent_flaws(run.get("parent_run_id"), path, where)
    for above, below in pairwise(path):
        if below.at < above.at:
            yield (
                f"dotted_order {run['dotted_order']} has timestamp {below.at.isoformat()}"
                f" earlier than parent timestamp {above.at.isoformat()} {where}"
            )
    yield from _start_flaws(moment(run["start_time"]), path, where)


def _parent_flaws(parent_run_id: str | None, path: list[Segment], where: str) -> Iterator[str]:
    if parent_run_id is None and len(path) > 1:
        yield f"dotted_order must contain a single part for root runs {where}"
    elif parent_run_id is not None and len(path) < 2:
        yield f"dotted_order must contain at least two parts for child runs {where}"
    elif parent_run_id is not None and path[-2].run_id != parent_run_id:
        yield f"parent_run_id does not match second-to-last part of dotted_order {where}"


def _start_flaws(started: datetime, path: list[Segment], where: str) -> Iterator[str]:
    own = path[-1]
    # A child that seems to start before its parent is sorted by the parent's time instead.
    is_clamped = len(path) > 1 and own.at == path[-2].at and own.at > started
    if own.at != started and not is_clamped:
        yield f"start_time {started.isoformat()} does not match last part of dotted_order {where}"


def _end_flaws(run: Mapping[str, Any]) -> list[Flaw]:
    end = run.get("end_time")
    if end is None or moment(end) >= moment(run["start_time"]):
        return []
    words = f"'end_time' {end} is before 'start_time' {run['start_time']}, run_id:{run['id']}"
    return [Flaw(422, words)]


def _usage_flaws(run: Mapping[str, Any]) -> Iterator[str]:
    metadata = (run.get("extra") or {}).get("metadata") or {}
    if not isinstance(metadata, dict):
        yield f"'extra.metadata' is {metadata!r:.80}, expected an object"
        return
    for where, holder in (("outputs", run.get("outputs") or {}), ("extra.metadata", metadata)):
        usage = holder.get("usage_metadata")
        if usage is not None:
            yield from (f"'{where}.usage_metadata' {words}" for words in usage_flaws(usage))


def usage_flaws(usage: object) -> list[str]:
    """Return what is wrong with one usage_metadata."""
    if not isinstance(usage, dict):
        return [f"is {usage!r:.80}, expected an object"]
    found = [f"has {key!r}, which is no field of it" for key in usage if key not in _USAGE_FIELDS]
    found += [
        f"has {key} {usage.get(key)!r}, expected an integer from 0"
        for key in _COUNTS
        if not _is_count(usage.get(key))
    ]
    found += [
        f"has {key} {usage[key]!r}, expected a number from 0"
        for key in _COSTS
        if usage.get(key) is not None and not _is_cost(usage[key])
    ]
    if found:
        return found
    if usage["input_tokens"] + usage["output_tokens"] != usage["total_tokens"]:
        counts = [usage[key] for key in _COUNTS]
        found.append("has {} in and {} out, which is not {} in total".format(*counts))
    found += _details_flaws(usage, "input", _INPUT_DETAILS)
    found += _details_flaws(usage, "output", _OUTPUT_DETAILS)
    return found + [
        f"has {key} {usage[key]!r:.80}, expected an object of numbers from 0"
        for key in _COST_DETAILS
        if usage.get(key) is not None and not _is_object_of(usage[key], _is_cost)
    ]


def _details_flaws(usage: Json, side: str, known: frozenset[str]) -> list[str]:
    details = usage.get(f"{side}_token_details")
    if details is None:
        return []
    if not _is_object_of(details, _is_count):
        return [f"has {side}_token_details {details!r:.80}, expected an object of integers from 0"]
    found = [f"has {side}_token_details.{key}, which is unknown" for key in details.keys() - known]
    whole = usage[f"{side}_tokens"]
    found += [
        f"has {count} {side}_token_details.{key} of {whole} {side}_tokens"
        for key, count in details.items()
        if count > whole
    ]
    cached = details.get("cache_read", 0) + details.get("cache_creation", 0)
    if cached > whole:
        found.append(f"has {cached} tokens read from and put into the cache of {whole}")
    return found


def _is_count(value: object) -> bool:
    return type(value) is int and value >= 0


def _is_cost(value: object) -> bool:
    return type(value) in (int, float) and value >= 0  # type: ignore[operator]


def _is_object_of(value: object, is_right: Callable[[object], bool]) -> bool:
    return isinstance(value, dict) and all(is_right(one) for one in value.values())


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_object(value: object) -> bool:
    return isinstance(value, dict)


def _is_time(value: object) -> bool:
    if not isinstance(value, str) or _ISO.fullmatch(value) is None:
        return False
    try:
        moment(value)
    except ValueError:
        return False
    return True


def _is_tags(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(tag, str) for tag in value)


def _is_events(value: object) -> bool:
    return isinstance(value, list) and all(
        isinstance(event, dict) and _is_text(event.get("name")) and _is_time(event.get("time"))
        for event in value
    )


_FIELD_RULES: Final[tuple[tuple[tuple[str, ...], Callable[[object], bool], str], ...]] = (
    (_TEXTS, _is_text, "a string"),
    (_IDS, is_id, "a UUID"),
    (("dotted_order",), _is_text, "a string"),
    (("run_type",), lambda value: value in RUN_TYPES, "one of " + " ".join(sorted(RUN_TYPES))),
    (_OBJECTS, _is_object, "an object"),
    (_TIMES, _is_time, "an ISO 8601 time"),
    (("tags",), _is_tags, "a list of strings"),
    (("events",), _is_events, "a list of objects with a name and a time"),
)
