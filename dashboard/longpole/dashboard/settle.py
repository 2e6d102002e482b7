"""Newly recorded runs → their summaries, kept beside them.

Recording only stores spans; whoever looks next prices and analyses the runs that changed since, so
that lists need no analysis and the traced app pays for none.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Final

from longpole.analysis import analyse, facts_of, sample_of
from longpole.analysis.collector import no_cycle_collection
from longpole.analysis.result import RunAnalysis, RunFacts
from longpole.dashboard.documents import run_object_from
from longpole.dashboard.sample_text import sample_text
from longpole.model.errors import BrokenLawError, StoreError
from longpole.model.pricing import PriceBook, price_run
from longpole.model.run import Run
from longpole.storage import ALL_RUNS, RunSummary, Share, Store, open_store

EVERY_RUN: Final = 1_000_000_000
"""A limit that no store reaches."""
BATCH: Final = 200
"""Runs whose summaries are computed and kept at once."""
LARGE_RUNS: Final = 5_000
"""So many are a backlog: computing them takes longer than starting processes that help."""


def settle(
    store: Store, *, book: PriceBook, now_ns: int, limit: int, share: Share = ALL_RUNS
) -> int:
    """Compute and keep the summaries of up to `limit` runs, newest first; return of how many.

    As many runs are then indexed, so that filters and words find them quickly. A run that cannot be
    loaded does not hold up the others; it stays without a summary.

    Args:
        store: open for writing.
        book: what calls cost.
        now_ns: the moment that running spans are looked at.
        limit: how many at most.
        share: only these runs.

    Raises:
        StoreUnavailableError: the store cannot be read or written.
    """
    failed: set[tuple[str, int]] = set()
    settled = 0
    # Samples take as long again. Of a backlog they are taken when a page wants them.
    takes_samples = store.keeps_samples and not has_backlog(store, share)
    while settled < limit:
        # What has failed is listed again, before what is older.
        listed = store.unsettled_runs(len(failed) + min(BATCH, limit - settled), share)
        waiting = dict(found for found in listed if found not in failed)
        if not waiting:
            break
        summaries = summaries_of(
            store, waiting, book=book, now_ns=now_ns, takes_samples=takes_samples
        )
        store.save_summaries(summaries)
        settled += len(summaries)
        failed.update(waiting.items() - {(one.run_id, one.revision) for one in summaries})
    store.index_runs(limit, share)
    return settled


def summaries_of(
    store: Store,
    revisions: Mapping[str, int],
    *,
    book: PriceBook,
    now_ns: int,
    takes_samples: bool = False,
) -> list[RunSummary]:
    """Return the summaries of runs, given with their revisions, as far as they can be computed."""
    found: list[RunSummary] = []
    # Rows, spans and summaries hold no cycles, but their number would have them walked for some.
    with no_cycle_collection():
        for run in store.load_runs(list(revisions)):
            with contextlib.suppress(BrokenLawError):
                priced = price_run(run, book)
                revision = revisions[run.run_id]
                if takes_samples:
                    analysis = analyse(priced, now_ns=now_ns)
                    found.append(sampled_summary_of(analysis, revision))
                else:
                    found.append(summary_of(priced, revision, now_ns=now_ns))
    return found


def is_all_settled(store: Store) -> bool:
    """Whether there is nothing for `settle` to do.

    Raises:
        StoreError: the store cannot be read.
    """
    return not store.unsettled_runs(1) and not store.has_unindexed_runs()


def has_backlog(store: Store, share: Share = ALL_RUNS) -> bool:
    """Whether there are `LARGE_RUNS` runs or more to settle.

    Raises:
        StoreError: the store cannot be read.
    """
    return len(store.unsettled_runs(LARGE_RUNS, share)) >= LARGE_RUNS


def settle_where_possible(url: str, *, book: PriceBook, now_ns: int, limit: int) -> None:
    """Keep what is computed, where it can be kept; a store on a read-only disk is still listed."""
    with (
        contextlib.suppress(StoreError),
        contextlib.closing(open_store(url, mode="write")) as store,
    ):
        settle(store, book=book, now_ns=now_ns, limit=limit)


def look_at(store: Store, run_id: str, *, book: PriceBook, now_ns: int) -> RunAnalysis:
    """Load, price and analyse one run; one that is running is looked at as of `now_ns`.

    Raises:
        UnknownRunError: there is no such run.
        StoreError: the store cannot be read.
    """
    return analyse(price_run(store.load_run(run_id), book), now_ns=now_ns)


def summary_of(run: Run, revision: int, *, now_ns: int) -> RunSummary:
    """Return what is kept of a priced run at this revision; its open spans end at `now_ns`."""
    return _summary(run, facts_of(run, now_ns=now_ns), revision, None)


def sampled_summary_of(analysis: RunAnalysis, revision: int) -> RunSummary:
    """Return the same of a run that is analysed, with its sample for answers about many runs."""
    run = analysis.run
    # When the sample of a run is taken must make no difference.
    is_over = all(span.end_ns is not None for span in run.spans)
    sample = sample_text(sample_of(analysis)) if is_over else None
    return _summary(run, analysis.facts, revision, sample)


def _summary(run: Run, facts: RunFacts, revision: int, sample: str | None) -> RunSummary:
    return RunSummary(
        run_id=run.run_id,
        revision=revision,
        run_object=run_object_from(run, facts),
        costs={
            span.span_id: (
                None if span.cost_usd is None else f"{span.cost_usd:f}",
                span.unpriced,
            )
            for span in run.spans
            if span.cost_usd is not None or span.unpriced is not None
        },
        sample=sample,
    )
