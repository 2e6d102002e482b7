"""Files of LangSmith runs → span events.

Known: a JSON array of runs, an object `{"runs": […]}` as its API answers, one run alone, runs
nested in `child_runs`, and JSON lines of runs (its bulk export). Runs of one trace may lie anywhere
in the file: they are put together before their places are known, so a file is held whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from longpole.model.errors import ExchangeError
from longpole.storage.exchange.langsmith.trace import events_of_trace
from longpole.storage.exchange.opening import guarded, json_lines, opened
from longpole.storage.exchange.parcel import Incoming, Refused

Json = Mapping[str, Any]

_MARKS: Final = ("run_type", "dotted_order", "trace_id")


def read_langsmith(path: Path) -> Iterator[Incoming]:
    """Yield what a file of LangSmith runs holds, trace by trace.

    Raises:
        ExchangeError: it cannot be read, or holds no run.
    """
    refused: list[Refused] = []
    runs: list[Json] = []
    with opened(path) as stream:
        for where, piece in guarded(json_lines(path, stream)):
            if isinstance(piece, Refused):
                refused.append(piece)
                continue
            found = list(_runs_in(piece))
            if not found:
                refused.append(Refused(where=where or "the file", why="it holds no LangSmith run"))
            runs.extend(found)
    if not runs:
        why = f": {refused[0].where}: {refused[0].why}" if refused else ""
        raise ExchangeError(f"{str(path)!r} holds no LangSmith run{why}")
    yield from refused
    yield from events_of_runs(runs)


def events_of_runs(runs: Iterable[Json]) -> Iterator[Incoming]:
    """Yield the events of runs of any number of traces."""
    traces: dict[str, list[Json]] = {}
    for run in runs:
        traces.setdefault(str(run.get("trace_id")), []).append(run)
    for trace_id, members in traces.items():
        yield from events_of_trace(members, f"trace {trace_id}")


def _runs_in(document: object) -> Iterator[Json]:
    """Yield the runs in a document, those nested below others too."""
    waiting: list[tuple[object, str | None]] = [(document, None)]
    while waiting:
        at, trace_id = waiting.pop()
        if isinstance(at, list):
            waiting.extend((below, trace_id) for below in reversed(at))
        elif isinstance(at, dict):
            if sum(mark in at for mark in _MARKS) >= 2 or ("run_type" in at and "id" in at):
                own = at.get("trace_id") or trace_id or at.get("id")
                yield {**at, "trace_id": own, "child_runs": None}
                waiting.append((_below(at), own))
            elif isinstance(at.get("runs"), list):
                waiting.append((at["runs"], None))


def _below(run: Mapping[str, Any]) -> list[Any]:
    """Return the nested runs; one that does not name its parent gets it."""
    below = run.get("child_runs")
    if not isinstance(below, list):
        return []
    return [
        {"parent_run_id": run.get("id"), **child} if isinstance(child, dict) else child
        for child in below
    ]
