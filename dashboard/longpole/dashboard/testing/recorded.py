"""Runs that a test has just recorded → numbers to assert on.

`Recording` reads the test's own store each time it is asked, so the numbers are those of the runs
that have happened by then. Every number is that of the analysis, under the same name.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from longpole.analysis import Branch, FanOut, RunAnalysis, Segment, label_of
from longpole.dashboard.prices import price_book
from longpole.dashboard.sentence import sentence
from longpole.dashboard.settle import look_at
from longpole.model.run import Span, Status
from longpole.storage import RunQuery, open_store

_MANY = 10_000


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """One run of a test."""

    analysis: RunAnalysis

    def __repr__(self) -> str:
        told = " · ".join(f"{part.words} {part.name}".strip() for part in sentence(self.analysis))
        return f"<{self.name}: {told}>"

    @property
    def name(self) -> str:
        """Name of the chain."""
        return self.analysis.run.name

    @property
    def status(self) -> Status:
        """How it ended."""
        return self.analysis.run.status

    @property
    def wall_ns(self) -> int:
        """End minus start."""
        return self.analysis.facts.wall_ns

    @property
    def work_ns(self) -> int:
        """All work, as if it had been done one after the other."""
        return self.analysis.facts.work_ns

    @property
    def cost_usd(self) -> Decimal | None:
        """Sum over the priced calls; `None` when calls were made and none is priced."""
        return self.analysis.facts.cost_usd

    @property
    def wasted_cost_usd(self) -> Decimal:
        """What was paid for results that nobody used."""
        return self.analysis.facts.wasted_cost_usd

    @property
    def llm_calls(self) -> int:
        """Calls of models."""
        return self.analysis.facts.llm_calls

    @property
    def retries(self) -> int:
        """Attempts after the first."""
        return self.analysis.facts.retries

    @property
    def fallbacks(self) -> int:
        """Fallback candidates tried."""
        return self.analysis.facts.fallbacks

    @property
    def speedup_ratio(self) -> float:
        """Work over wall."""
        return self.analysis.facts.speedup_ratio

    @property
    def queue_wait_ns(self) -> int:
        """What waiting for a place cost the run."""
        return self.analysis.facts.queue_wait_ns

    @property
    def critical_path(self) -> tuple[Segment, ...]:
        """What the run waited for, earliest first; tiles it exactly."""
        return self.analysis.critical_path

    @property
    def path_labels(self) -> tuple[str, ...]:
        """The same as labels of the spans, each stretch of one span said once."""
        labels: list[str] = []
        for segment in self.analysis.critical_path:
            label = label_of(self.analysis.run.span_by_id[segment.span_id])
            if not labels or labels[-1] != label:
                labels.append(label)
        return tuple(labels)

    @property
    def fan_outs(self) -> tuple[FanOut, ...]:
        """Where it ran side by side, by first start."""
        return self.analysis.fan_outs

    @property
    def spans(self) -> tuple[Span, ...]:
        """All spans, by start."""
        return self.analysis.run.spans

    def branch(self, key: str) -> Branch:
        """Return the one branch of this key.

        Raises:
            LookupError: there is none, or several fan-outs have one.
        """
        branches = [branch for fan_out in self.fan_outs for branch in fan_out.branches]
        found = [branch for branch in branches if branch.key == key]
        if len(found) != 1:
            keys = ", ".join(sorted({branch.key for branch in branches})) or "none"
            raise LookupError(f"{len(found)} branches are called {key!r}; there are: {keys}")
        return found[0]

    def on_path_ratio(self, key: str) -> float:
        """Return the share of the wall for which the run waited for this branch.

        Raises:
            LookupError: as `branch`.
        """
        return self.branch(key).on_path_ns / self.wall_ns if self.wall_ns else 0.0


class Recording:
    """All that chains did since the test began; the numbers of its one run are at hand.

    Args:
        store: URL of the test's own store.
        flush: puts everything recorded into it; whether it could.
    """

    def __init__(self, store: str, flush: Callable[[], bool]) -> None:
        self.store = store
        self._flush = flush

    @property
    def runs(self) -> tuple[RecordedRun, ...]:
        """Every run that was recorded, oldest first.

        Raises:
            RuntimeError: not everything could be written to the store.
        """
        if not self._flush():
            raise RuntimeError("longpole could not write all that was recorded")
        store = open_store(self.store, mode="read")
        try:
            page = store.list_runs(RunQuery(limit=_MANY, descending=False))
            book, now_ns = price_book(), time.time_ns()
            return tuple(
                RecordedRun(look_at(store, row.run_id, book=book, now_ns=now_ns))
                for row in page.rows
            )
        finally:
            store.close()

    @property
    def run(self) -> RecordedRun:
        """The one run.

        Raises:
            LookupError: nothing was recorded, or several runs were.
        """
        runs = self.runs
        if len(runs) != 1:
            names = ", ".join(run.name for run in runs)
            raise LookupError(
                f"{len(runs)} runs were recorded: {names}; choose by .runs or .named(…)"
                if runs
                else "no run was recorded: no chain was invoked in this test"
            )
        return runs[0]

    def named(self, name: str) -> RecordedRun:
        """Return the newest run of this chain.

        Raises:
            LookupError: there is none.
        """
        runs = self.runs
        for run in reversed(runs):
            if run.name == name:
                return run
        names = ", ".join(dict.fromkeys(run.name for run in runs)) or "none"
        raise LookupError(f"no run of {name!r} was recorded; there are: {names}")

    @property
    def wall_ns(self) -> int:
        """Wall of the one run."""
        return self.run.wall_ns

    @property
    def cost_usd(self) -> Decimal | None:
        """Cost of the one run."""
        return self.run.cost_usd

    @property
    def critical_path(self) -> tuple[Segment, ...]:
        """Critical path of the one run."""
        return self.run.critical_path
