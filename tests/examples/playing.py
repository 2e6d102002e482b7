"""An example is played on a temporary store, and what it recorded is read back and analysed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from longpole.analysis.laws import check_analysis
from longpole.analysis.result import Branch, FanOut, RunAnalysis
from longpole.dashboard.settle import look_at
from longpole.model import FanOutKind, Kind, Role, Span
from longpole.model.pricing import PriceBook
from longpole.storage import RunQuery, open_store
from longpole.tracer import LongpoleHandler

Result = TypeVar("Result")


def played(
    play: Callable[[str | None, float], Result], folder: Path, *, speed: float
) -> tuple[Result, list[RunAnalysis]]:
    """Return what the example returned, and its runs, oldest first, each checked."""
    path = str(folder / "runs.db")
    result = play(path, speed)
    handler = LongpoleHandler(path)
    try:
        assert handler.flush(30.0)
        stats = handler.stats()
        assert stats.errors == {}
        assert not stats.dropped
    finally:
        handler.close()
    return result, _read(path)


def _read(path: str) -> list[RunAnalysis]:
    store = open_store(path, mode="read")
    try:
        rows = store.list_runs(RunQuery(limit=100, descending=False)).rows
        seen = [look_at(store, row.run_id, book=PriceBook(), now_ns=0) for row in rows]
    finally:
        store.close()
    for analysis in seen:
        check_analysis(analysis)
        assert analysis.run.repairs == ()
    return seen


def fan_out(analysis: RunAnalysis, *kinds: FanOutKind) -> FanOut:
    """The one fan-out of this kind."""
    (found,) = (found for found in analysis.fan_outs if found.kind in kinds)
    return found


def branches(fan_out: FanOut) -> dict[str, Branch]:
    """The branches by key."""
    return {branch.key: branch for branch in fan_out.branches}


def pole(fan_out: FanOut) -> str:
    """The key of the branch that the join waited for."""
    return next(branch.key for branch in fan_out.branches if branch.span_id == fan_out.long_pole)


def spans(analysis: RunAnalysis, kind: Kind | None = None, role: Role | None = None) -> list[Span]:
    """The spans of this kind and role, by start."""
    return [
        span
        for span in analysis.run.spans
        if kind in (None, span.kind) and role in (None, span.role)
    ]
