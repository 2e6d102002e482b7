"""A LangSmith project → span events, read through its API page by page.

Pages come newest first, so a trace is complete when its root has come and pages have gone past it;
it is given then, and only traces that are not complete are held.
"""

from __future__ import annotations

import datetime
import heapq
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

import orjson

from longpole.model.errors import ExchangeError
from longpole.storage.exchange.langsmith import told
from longpole.storage.exchange.langsmith.trace import events_of_trace
from longpole.storage.exchange.parcel import Incoming

if TYPE_CHECKING:
    from langsmith import Client

Json = Mapping[str, Any]

_PAGE_RUNS: Final = 100
_TRIES: Final = 5
# Children may start a little before their root, on another thread or machine.
_SETTLED_NS: Final = 2 * 10**9

_FIELDS: Final = (
    "id",
    "trace_id",
    "parent_run_id",
    "dotted_order",
    "name",
    "run_type",
    "start_time",
    "end_time",
    "status",
    "error",
    "inputs",
    "outputs",
    "extra",
    "tags",
    "events",
    "first_token_time",
    "prompt_tokens",
    "completion_tokens",
)


def fetch_project(
    client: Client, project: str, *, since: datetime.datetime | None = None
) -> Iterator[Incoming]:
    """Yield the events of all runs in a project, trace by trace.

    Args:
        client: from `open_client`.
        project: its name.
        since: only runs that started then or later.

    Raises:
        ExchangeError: there is no such project, or LangSmith does not answer.
    """
    held: dict[str, list[Json]] = {}
    # The root that started last is first; times are negative, for `heapq` knows least only.
    roots: list[tuple[int, str]] = []
    for run in _runs(client, project, since):
        trace_id = str(run.get("trace_id"))
        held.setdefault(trace_id, []).append(run)
        start_ns = told.time_ns(run.get("start_time")) or 0
        if run.get("parent_run_id") is None:
            heapq.heappush(roots, (-start_ns, trace_id))
        while roots and -roots[0][0] > start_ns + _SETTLED_NS:
            _, complete = heapq.heappop(roots)
            yield from events_of_trace(held.pop(complete), f"trace {complete}")
    for trace_id, runs in held.items():
        yield from events_of_trace(runs, f"trace {trace_id}")


def _runs(client: Client, project: str, since: datetime.datetime | None) -> Iterator[Json]:
    query: dict[str, Any] = {
        "session": [_project_id(client, project)],
        "select": _FIELDS,
        "limit": _PAGE_RUNS,
    }
    if since is not None:
        query["start_time"] = since.isoformat()
    while True:
        page = _asked(client, "POST", "/runs/query", data=orjson.dumps(query, default=str))
        yield from page.get("runs") or ()
        cursor = (page.get("cursors") or {}).get("next")
        if not cursor:
            return
        query["cursor"] = cursor


def _project_id(client: Client, project: str) -> str:
    found = _asked(client, "GET", "/sessions", params={"name": project, "limit": 1})
    if not found:
        raise ExchangeError(
            f"LangSmith at {client.api_url!r} has no project {project!r}; look for its name there"
        )
    return str(found[0]["id"])


def _asked(client: Client, method: Any, path: str, **how: Any) -> Any:
    """Ask the API; the client waits out rate limits and passing troubles."""
    from langsmith.utils import LangSmithError

    try:
        response = client.request_with_retries(
            method, path, request_kwargs=how, stop_after_attempt=_TRIES
        )
        return response.json()
    except (LangSmithError, ValueError, OSError) as error:
        words = " ".join(str(error).split())[:300]
        raise ExchangeError(f"LangSmith at {client.api_url!r} cannot be read: {words}") from error
