"""What the stand-in has stored: runs and projects, and the answers to questions about them.

In: `Posted` requests, taken whole or not at all. Out: the runs as they were posted, and the same as
`langsmith.schemas.Run` reads them. Every method may be called by any thread.
"""

from __future__ import annotations

import threading
import uuid
from collections import ChainMap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any, Final

from tests.langsmith.checks import (
    Flaw,
    Json,
    RefusedError,
    family_flaws,
    field_flaws,
    flaws,
    is_id,
    moment,
    segments,
    window_flaws,
)
from tests.langsmith.wire import Posted

TENANT_ID: Final = "00000000-0000-4000-8000-000000000000"
PAGE_LIMIT: Final = 100

_CONFLICT: Final = "payload already received: payloads already received"
_UNTOLD: Final = (
    *("end_time", "extra", "error", "serialized", "events", "outputs", "tags", "parent_run_id"),
    *("reference_example_id", "manifest_id", "app_path", "feedback_stats", "s3_urls"),
)

_Test = Callable[[Json, Any], bool]

_FILTERS: Final[Mapping[str, _Test]] = {
    "session": lambda run, wanted: run["session_id"] in wanted,
    "trace": lambda run, wanted: bool(run["trace_id"] == wanted),
    "id": lambda run, wanted: run["id"] in wanted,
    "parent_run": lambda run, wanted: bool(run["parent_run_id"] == wanted),
    "run_type": lambda run, wanted: bool(run["run_type"] == wanted),
    "is_root": lambda run, wanted: (run["parent_run_id"] is None) is wanted,
    "error": lambda run, wanted: (run["error"] is not None) is wanted,
    "start_time": lambda run, wanted: moment(run["start_time"]) >= moment(wanted),
}
_SCOPES: Final = ("session", "trace", "id", "parent_run")
_LISTS: Final = ("session", "id")


@dataclass(slots=True)
class Records:
    """The stored runs.

    Attributes:
        now: the clock.
        window: whether runs that started more than 24 hours from now are refused.
        refuse: says what is wrong with a run, or None; for runs that only the API finds wrong.
        projects: the names of the only projects there are; None: a project is made when named.
    """

    now: Callable[[], datetime]
    window: bool
    refuse: Callable[[Json], str | None] | None
    projects: Sequence[str] | None
    _runs: dict[str, Json] = field(default_factory=dict)
    _sessions: dict[str, str] = field(default_factory=dict)
    _feedback: dict[str, Json] = field(default_factory=dict)
    _attachments: dict[tuple[str, str], tuple[str, bytes]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._sessions.update({_session_id(name): name for name in self.projects or ()})

    @property
    def runs(self) -> dict[str, Json]:
        """The runs as they were posted and patched, by id."""
        with self._lock:
            return dict(self._runs)

    @property
    def feedback(self) -> dict[str, Json]:
        """The feedback, by id."""
        with self._lock:
            return dict(self._feedback)

    @property
    def attachments(self) -> dict[tuple[str, str], tuple[str, bytes]]:
        """Media type and bytes of the attachments, by run id and name."""
        with self._lock:
            return dict(self._attachments)

    def take(self, posted: Posted) -> None:
        """Store all that one request brings, or nothing.

        Raises:
            RefusedError: a run is unlawful (400, 422), in no project (404), or there (409).
        """
        for run in posted.posts.values():
            self._check(run)
        for patch in posted.patches.values():
            _raise_first(field_flaws(patch))
        with self._lock:
            if not self._runs.keys().isdisjoint(posted.posts):
                raise RefusedError(409, _CONFLICT)
            known = ChainMap(dict(posted.posts), self._runs)
            for run_id, patch in posted.patches.items():
                known[run_id] = _patched(known.get(run_id), patch, run_id)
            fresh = known.maps[0]
            for run in fresh.values():
                self._check_place(run, known)
            for run in fresh.values():
                self._sessions.setdefault(self._session_of(run), str(run.get("session_name")))
            self._runs.update(fresh)
            self._feedback.update(posted.feedback)
            self._attachments.update(posted.attachments)

    def read(self, run_id: str) -> Json:
        """Return one run as `langsmith.schemas.Run` has it.

        Raises:
            RefusedError: there is no such run (404).
        """
        with self._lock:
            run = self._runs.get(run_id)
            if run is None:
                raise RefusedError(404, f"run {run_id} not found")
            return self._view(run)

    def query(self, wanted: Json) -> Json:
        """Return one page of the runs that fit, the newest first, and where the next begins.

        Raises:
            RefusedError: the query is one the stand-in does not understand (422), or asks for
                everything (400).
        """
        _check_query(wanted)
        with self._lock:
            views = [self._view(run) for run in self._runs.values()]
        tests = [(test, wanted[key]) for key, test in _FILTERS.items() if key in wanted]
        rows = [run for run in views if all(test(run, value) for test, value in tests)]
        rows.sort(key=_sort_key, reverse=True)
        if cursor := wanted.get("cursor"):
            rows = [run for run in rows if _sort_key(run) < cursor]
        limit = wanted.get("limit", PAGE_LIMIT)
        page = rows[:limit]
        after = _sort_key(page[-1]) if len(rows) > limit else None
        return {"runs": _selected(page, wanted.get("select")), "cursors": {"next": after}}

    def sessions(self, name: str | None) -> list[Json]:
        """Return the projects, or the one of this name.

        Raises:
            RefusedError: the projects are fixed, and none has this name (404).
        """
        with self._lock:
            found = [
                _session(session_id, own, self._count(session_id))
                for session_id, own in self._sessions.items()
                if name in (None, own)
            ]
        if name is not None and not found and self.projects is not None:
            raise RefusedError(404, f"project {name!r} not found")
        return found

    def session(self, session_id: str) -> Json:
        """Return one project.

        Raises:
            RefusedError: there is no such project (404).
        """
        for found in self.sessions(None):
            if found["id"] == session_id:
                return found
        raise RefusedError(404, f"project {session_id} not found")

    def _check(self, run: Json) -> None:
        _raise_first(flaws(run))
        if self.window:
            _raise_first(window_flaws(run, self.now()))
        if self.refuse is not None and (words := self.refuse(run)) is not None:
            raise RefusedError(422, f"{words}, run_id:{run['id']}")

    def _check_place(self, run: Json, known: Mapping[str, Json]) -> None:
        parent = known.get(run.get("parent_run_id") or "")
        if parent is not None:
            _raise_first(family_flaws(run, parent))
        session_id = self._session_of(run)
        is_fixed = self.projects is not None or run.get("session_id") is not None
        if is_fixed and session_id not in self._sessions:
            where = run.get("session_name") or session_id
            raise RefusedError(404, f"project {where!r} not found")

    def _session_of(self, run: Json) -> str:
        return run.get("session_id") or _session_id(run["session_name"])

    def _count(self, session_id: str) -> int:
        return sum(self._session_of(run) == session_id for run in self._runs.values())

    def _view(self, run: Json) -> Json:
        """Return a run as the API tells it: what is known of it, and what follows from that."""
        view = {
            **dict.fromkeys(_UNTOLD),
            **run,
            **_usage_view(run),
            "session_id": self._session_of(run),
            "status": _status(run),
            "parent_run_ids": [one.run_id for one in segments(run["dotted_order"])[:-1]],
            "first_token_time": _first_token_time(run),
        }
        view.pop("session_name", None)
        return view


def _raise_first(found: Sequence[Flaw]) -> None:
    if not found:
        return
    prefix = "" if found[0].status == 400 else "validation error: "
    raise RefusedError(found[0].status, prefix + "; ".join(flaw.words for flaw in found))


def _patched(run: Json | None, patch: Json, run_id: str) -> Json:
    """Return a run with a change put in; what a patch tells as null it does not tell."""
    if run is None:
        raise RefusedError(404, f"run {run_id} not found")
    told = {key: value for key, value in patch.items() if value is not None}
    # A run that has begun is posted with empty outputs; its end brings them.
    if "outputs" in told and run.get("outputs"):
        raise RefusedError(409, _CONFLICT)
    merged = run | told
    _raise_first(flaws(merged))
    return merged


@cache
def _session_id(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, name))


def _session(session_id: str, name: str, run_count: int) -> Json:
    return {
        "id": session_id,
        "name": name,
        "start_time": "2026-01-01T00:00:00+00:00",
        "tenant_id": TENANT_ID,
        "reference_dataset_id": None,
        "run_count": run_count,
    }


def _status(run: Json) -> str:
    if run.get("error") is not None:
        return "error"
    return "pending" if run.get("end_time") is None else "success"


def _first_token_time(run: Json) -> str | None:
    for event in run.get("events") or ():
        if event["name"] == "new_token":
            time: str = event["time"]
            return time
    return None


def _usage_view(run: Json) -> Json:
    metadata = (run.get("extra") or {}).get("metadata") or {}
    told = (run.get("outputs") or {}).get("usage_metadata") or metadata.get("usage_metadata")
    usage = told or {}
    return {
        "prompt_tokens": usage.get("input_tokens"),
        "completion_tokens": usage.get("output_tokens"),
        "total_tokens": usage.get("total_tokens"),
        "prompt_token_details": usage.get("input_token_details"),
        "completion_token_details": usage.get("output_token_details"),
        "prompt_cost": usage.get("input_cost"),
        "completion_cost": usage.get("output_cost"),
        "total_cost": usage.get("total_cost"),
    }


def _check_query(wanted: Json) -> None:
    unknown = wanted.keys() - {*_FILTERS, "cursor", "limit", "select"}
    if unknown:
        raise RefusedError(422, f"the stand-in has no filter {sorted(unknown)}")
    if not any(wanted.get(key) for key in _SCOPES):
        raise RefusedError(400, f"at least one of {', '.join(_SCOPES)} must be specified")
    for key in _SCOPES:
        value = wanted.get(key, [])
        ids = value if isinstance(value, list) else [value]
        if isinstance(value, list) is not (key in _LISTS) and key in wanted:
            raise RefusedError(422, f"{key!r} is {value!r:.80}")
        if not all(is_id(one) for one in ids):
            raise RefusedError(422, f"{key!r} is {value!r:.80}, expected UUIDs")
    limit = wanted.get("limit", PAGE_LIMIT)
    if type(limit) is not int or not 1 <= limit <= PAGE_LIMIT:
        raise RefusedError(422, f"'limit' is {limit!r}, expected an integer from 1 to {PAGE_LIMIT}")


def _sort_key(run: Json) -> str:
    return f"{moment(run['start_time']).timestamp():020.6f} {run['id']}"


def _selected(page: Sequence[Json], select: Iterable[str] | None) -> list[Json]:
    if select is None:
        return [*page]
    wanted = {*select}
    return [{key: value for key, value in run.items() if key in wanted} for run in page]
