"""What the pages about many runs ask, cached: samples of the runs, and what is computed of them.

Samples are kept beside the runs when these are settled, and remembered as long as a run stays as it
is, so a question that differs from an earlier one only in its filter, or in that new runs have
come, costs what is new.
What is computed of samples is cached by the question, with the store's change token in it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from threading import Lock
from typing import Final, TypeVar

import streamlit as st

from longpole.analysis import (
    Aggregate,
    Bound,
    Bucket,
    ChangePoint,
    CostBy,
    CostShares,
    ErrorGroup,
    Flame,
    RunComparison,
    RunSample,
    SetComparison,
    aggregate,
    bound_of,
    by_chain,
    change_points,
    compare,
    compare_sets,
    cost_shares,
    criticality,
    error_groups,
    flame_difference,
    flame_of,
    trend_of,
)
from longpole.analysis.chain import ChainAnalysis, analyse_chain
from longpole.analysis.collector import no_cycle_collection
from longpole.analysis.flame import FrameDelta
from longpole.analysis.losses import CacheUse, Wastes, cache_use, wastes
from longpole.analysis.trends import bucket_fitting
from longpole.dashboard.cheaper import Saving, WhatIsAsked, savings
from longpole.dashboard.kept_samples import SampleSource
from longpole.dashboard.sampled import ENDED, Sampled, unfinished
from longpole.dashboard.web import queries
from longpole.model import Run, Status
from longpole.model.errors import UnknownRunError
from longpole.model.pricing import price_run
from longpole.storage import RunPage, RunQuery, RunRow

NEWEST: Final = 1_000
"""How many runs are looked at unless told otherwise, the newest first."""
_KEPT_MOST: Final = 6_000
_LOST_SHOWN: Final = 50
_SERIES_MOST: Final = 6
_REPLAYED: Final = 20
OTHERS: Final = "others"

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Which runs a page is about.

    Attributes:
        newest: how many of those that match are looked at.
        token: the store's change token; with it an answer is one for good.
    """

    query: RunQuery
    newest: int
    token: int


# --- samples ----------------------------------------------------------------------------------


def sampled(question: Question) -> Sampled:
    """Return samples of the runs.

    Raises:
        StoreError: the store cannot be read.
    """
    return _sampled(queries.store_url(), question)


@st.cache_resource(show_spinner="Looking at the runs …", max_entries=24)
def _sampled(url: str, question: Question) -> Sampled:
    store, query = queries.store(), question.query
    with no_cycle_collection():
        ended = store.list_runs(replace(query, status=ENDED, limit=question.newest))
        samples = _shelf(url).samples(ended.rows)
    return Sampled(
        samples=samples,
        matching=ended.total,
        unfinished=unfinished(store, query),
        unreadable=len(ended.rows) - len(samples),
    )


class _Shelf:
    """Samples of single runs, those that were put there longest ago dropped when there are many."""

    def __init__(self) -> None:
        # Sessions that ask at once would else take the same samples twice.
        self._lock = Lock()
        self._source = SampleSource(queries.prices())
        self._kept: dict[tuple[object, ...], RunSample | None] = {}

    def samples(self, rows: Sequence[RunRow]) -> tuple[RunSample, ...]:
        """Return the samples of runs in this order, without those that cannot be analysed."""
        with self._lock:
            lacking = {version: row for row in rows if (version := _version(row)) not in self._kept}
            taken = self._source.samples(
                queries.store(), list(lacking.values()), now_ns=time.time_ns()
            )
            for version, row in lacking.items():
                self._kept[version] = taken.samples.get(row.run_id)
            found = [self._kept[_version(row)] for row in rows]
            while len(self._kept) > _KEPT_MOST:
                self._kept.pop(next(iter(self._kept)))
        queries.keep(taken.missing)
        return tuple(sample for sample in found if sample is not None)


def _version(row: RunRow) -> tuple[object, ...]:
    """Return what tells a run from itself before it changed, or was priced anew."""
    costs = row.summary or {}
    return (row.run_id, row.end_ns, row.spans, row.status,
            costs.get("cost_usd"), costs.get("unpriced_calls"))  # fmt: skip


@st.cache_resource(show_spinner=False)
def _shelf(url: str) -> _Shelf:
    return _Shelf()


def lost(question: Question) -> RunPage:
    """Return the newest runs that were lost, and how many there are."""
    query = replace(question.query, status=(Status.LOST,), limit=_LOST_SHOWN)
    return queries.runs(query, question.token)


# --- what is computed of them -----------------------------------------------------------------


@st.cache_resource(show_spinner=False, max_entries=64)
def _computed(
    url: str, what: str, question: Question, _compute: Callable[[Sampled], Answer]
) -> Answer:
    found = sampled(question)
    with no_cycle_collection():
        return _compute(found)


def _of(question: Question, what: str, compute: Callable[[Sampled], Answer]) -> Answer:
    """Return an answer, computed once a question; `what` tells the answers apart."""
    answer: Answer = _computed(queries.store_url(), what, question, compute)
    return answer


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainRow:
    """One chain in the list of chains."""

    name: str
    whole: Aggregate
    bound: Bound | None
    changes: tuple[ChangePoint, ...]
    rate_limited: int


def chain_rows(question: Question) -> tuple[ChainRow, ...]:
    """Return the chains, the one with most runs first."""
    return _of(question, "chains", _chain_rows)


def _chain_rows(found: Sampled) -> tuple[ChainRow, ...]:
    rows = []
    for name, samples in by_chain(found.samples).items():
        whole = aggregate(samples)
        rows.append(
            ChainRow(
                name=name,
                whole=whole,
                bound=bound_of(whole, criticality(samples)),
                changes=change_points(samples),
                rate_limited=sum(any(e.is_rate_limit for e in one.errors) for one in samples),
            )
        )
    return tuple(rows)


def chain(question: Question) -> ChainAnalysis:
    """Return everything of one chain, of which at least one run has been sampled."""
    return _of(question, "chain", lambda found: analyse_chain(found.samples))


@dataclass(frozen=True, slots=True, kw_only=True)
class Flames:
    """Flame graphs; those of slow runs only where there are enough runs to tell them."""

    every: Flame
    slow: Flame | None
    difference: tuple[FrameDelta, ...] | None


def flames(question: Question) -> Flames:
    """Return the flame graphs of one chain: all runs, slow ones, and slow against usual ones."""
    analysis = chain(question)
    return _of(question, "flames", lambda found: _flames(found, analysis))


def _flames(found: Sampled, analysis: ChainAnalysis) -> Flames:
    every, tail = flame_of(found.samples), analysis.tail
    if tail is None:
        return Flames(every=every, slow=None, difference=None)
    slow, usual = (
        flame_of([found.samples[at] for at in places]) for places in (tail.slow, tail.usual)
    )
    return Flames(every=every, slow=slow, difference=flame_difference(usual, slow))


@dataclass(frozen=True, slots=True, kw_only=True)
class Failures:
    """What failed in runs of any chain, and over time."""

    whole: Aggregate
    groups: tuple[ErrorGroup, ...]
    trend: tuple[Bucket, ...]
    kinds: dict[str, tuple[int, ...]]
    rate_limited: int


def failures(question: Question) -> Failures:
    """Return what failed in at least one sampled run."""
    return _of(question, "failures", _failures)


def _failures(found: Sampled) -> Failures:
    samples = found.samples
    trend = trend_of(samples, bucket_ns=bucket_fitting(samples))
    return Failures(
        whole=aggregate(samples),
        groups=error_groups(samples),
        trend=trend,
        kinds=_kinds(samples, trend),
        rate_limited=sum(any(error.is_rate_limit for error in one.errors) for one in samples),
    )


def _kinds(samples: tuple[RunSample, ...], trend: tuple[Bucket, ...]) -> dict[str, tuple[int, ...]]:
    """Return failures by type, one number a bucket, the most frequent type first."""
    place = {bucket.start_ns: at for at, bucket in enumerate(trend)}
    length_ns = trend[0].length_ns
    counted: dict[str, list[int]] = {}
    for sample in samples:
        at = place[sample.start_ns // length_ns * length_ns]
        for error in sample.errors:
            named = error.type.rpartition(".")[2] or "(not told)"
            counted.setdefault(named, [0] * len(trend))[at] += error.count
    ranked = sorted(counted, key=lambda name: (-sum(counted[name]), name))
    kept = ranked if len(ranked) <= _SERIES_MOST else ranked[: _SERIES_MOST - 1]
    series = {name: tuple(counted[name]) for name in kept}
    left = [counted[name] for name in ranked[len(kept) :]]
    if left:
        series[OTHERS] = tuple(sum(column) for column in zip(*left, strict=True))
    return series


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """What calls cost, by one thing, in all and over time.

    Attributes:
        series: keys of the dearest, then `None` for all others; one cost a bucket.
    """

    shares: CostShares
    trend: tuple[Bucket, ...]
    series: dict[tuple[str, ...] | None, tuple[Decimal, ...]]


def costs(question: Question, by: CostBy) -> Costs:
    """Return what calls cost, told apart by one thing."""
    return _of(question, f"costs by {by}", lambda found: _costs(found, by))


def _costs(found: Sampled, by: CostBy) -> Costs:
    samples = found.samples
    bucket_ns = bucket_fitting(samples)
    trend = trend_of(samples, bucket_ns=bucket_ns)
    shares = cost_shares(samples, by)
    held: dict[int, list[RunSample]] = {bucket.start_ns: [] for bucket in trend}
    for sample in samples:
        held[sample.start_ns // bucket_ns * bucket_ns].append(sample)
    spent = [
        {row.key: row.cost_usd or Decimal(0) for row in cost_shares(runs, by).rows}
        for runs in held.values()
    ]
    known = [row.key for row in shares.rows if row.cost_usd]
    kept = known if len(known) <= _SERIES_MOST else known[: _SERIES_MOST - 1]
    series: dict[tuple[str, ...] | None, tuple[Decimal, ...]] = {
        key: tuple(one.get(key, Decimal(0)) for one in spent) for key in kept
    }
    if len(kept) < len(known):
        series[None] = tuple(
            sum((cost for key, cost in one.items() if key not in kept), Decimal(0)) for one in spent
        )
    return Costs(shares=shares, trend=trend, series=series)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """What was spent, wasted and saved by at least one run."""

    whole: Aggregate
    wastes: Wastes
    caches: tuple[CacheUse, ...]


def spending(question: Question) -> Spending:
    """Return what at least one sampled run spent."""
    return _of(question, "spending", _spending)


def _spending(found: Sampled) -> Spending:
    return Spending(
        whole=aggregate(found.samples),
        wastes=wastes(found.samples),
        caches=cache_use(found.samples),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """Two sets of runs, and what differs; no comparison where a side has no run."""

    before: Sampled
    after: Sampled
    comparison: SetComparison | None


def compared_sets(before: Question, after: Question) -> Compared:
    """Return two sets of runs side by side."""
    one, other = sampled(before), sampled(after)
    if not one.samples or not other.samples:
        return Compared(before=one, after=other, comparison=None)
    comparison = _compared_sets(queries.store_url(), before, after)
    return Compared(before=one, after=other, comparison=comparison)


@st.cache_resource(show_spinner=False, max_entries=8)
def _compared_sets(url: str, before: Question, after: Question) -> SetComparison:
    return compare_sets(sampled(before).samples, sampled(after).samples)


def compared_runs(before: str, after: str, token: int) -> RunComparison:
    """Return two runs side by side.

    Raises:
        UnknownRunError: there is no such run.
    """
    return compare(queries.analysis(before, token), queries.analysis(after, token))


# --- what would have been cheaper -------------------------------------------------------------


def cheaper(question: Question, asked: WhatIsAsked) -> tuple[Saving, ...]:
    """Return what batches, a cache and a cheap model first would have saved of the newest runs."""
    return _cheaper(queries.store_url(), question, asked)


@st.cache_resource(show_spinner="Running the newest runs again on paper …", max_entries=32)
def _cheaper(url: str, question: Question, asked: WhatIsAsked) -> tuple[Saving, ...]:
    query = replace(question.query, status=ENDED, limit=_REPLAYED)
    ids = [row.run_id for row in queries.store().list_runs(query).rows]
    runs = [run for run_id in ids if (run := _priced(run_id)) is not None]
    return savings(runs, asked, book=queries.prices(), now_ns=time.time_ns())


def _priced(run_id: str) -> Run | None:
    try:
        return price_run(queries.store().load_run(run_id), queries.prices())
    except UnknownRunError:
        return None
