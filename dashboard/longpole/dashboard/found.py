"""A store and a query → the findings of the runs that match, over all chains or one.

Of the newest runs that have ended those of one name are one chain. What models are like when they
stream is learned from runs of all chains together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain as chained
from itertools import islice
from typing import Final

from longpole.analysis.findings import NO_DIGESTS, Finding, Rule, find, needs_digests, rank
from longpole.analysis.learned import learn
from longpole.dashboard.sampled import ENDED, left_out_words
from longpole.dashboard.settle import EVERY_RUN, settle_where_possible
from longpole.dashboard.stored_runs import StoredRuns
from longpole.model.pricing import PriceBook
from longpole.storage import RunQuery, Store

_LEARNED_FROM: Final = 200
"""Runs that tell how soon streamed calls of a model begin; the newest of every chain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What was found.

    Attributes:
        findings: of all chains, what is worth most first.
        chains: how many runs of each chain were looked at, the chain with most of them first.
        silent: rules that could not tell in some chain, with the reason.
        matching: how many ended runs match, looked at or not.
        unfinished: how many others match: running ones, and those that were lost.
        unreadable: runs that could not be analysed.
    """

    findings: tuple[Finding, ...]
    chains: Mapping[str, int]
    silent: Mapping[Rule, str]
    matching: int
    unfinished: int
    unreadable: int

    @property
    def runs(self) -> int:
        """How many runs were looked at."""
        return sum(self.chains.values())


def found_in(store: Store, query: RunQuery, *, limit: int, book: PriceBook, now_ns: int) -> Found:
    """Return the findings of the newest runs that match, at most so many.

    Raises:
        StoreError: the store cannot be read.
    """
    if query.where is not None and store.unsettled_runs(1):
        # What was computed must be there before runs can be chosen by it.
        settle_where_possible(store.url, book=book, now_ns=now_ns, limit=EVERY_RUN)
    every = store.list_runs(replace(query, limit=1)).total
    page = store.list_runs(replace(query, status=ENDED, limit=limit))
    run_ids: dict[str, list[str]] = {}
    for row in page.rows:
        run_ids.setdefault(row.name, []).append(row.run_id)
    chains = {
        name: StoredRuns(store, ids, book=book, now_ns=now_ns)
        for name, ids in sorted(run_ids.items(), key=lambda one: (-len(one[1]), one[0]))
    }
    return Found(
        findings=_findings(list(chains.values())),
        chains={name: len(runs) for name, runs in chains.items() if len(runs)},
        silent=_silent(list(chains.values())),
        matching=page.total,
        unfinished=max(0, every - page.total),
        unreadable=sum(runs.unreadable for runs in chains.values()),
    )


def _findings(chains: Sequence[StoredRuns]) -> tuple[Finding, ...]:
    share = max(1, _LEARNED_FROM // max(1, len(chains)))
    newest = chained.from_iterable(islice(runs, share) for runs in chains)
    learned = learn(analysis.run for analysis in newest)
    each = (find(runs, digests=runs.digests, learned=learned) for runs in chains)
    return rank(chained.from_iterable(each))


def _silent(chains: Sequence[StoredRuns]) -> Mapping[Rule, str]:
    """Return the rules that no chain had the content for; of no runs there is nothing to say."""
    if not chains:
        return {}
    missing = [needs_digests(runs.digests) for runs in chains]
    return {
        rule: reason
        for rule, reason in needs_digests(NO_DIGESTS).items()
        if all(rule in one for one in missing)
    }


def left_out_of(found: Found) -> Sequence[str]:
    """Return, in words, which runs were not looked at; empty when all were."""
    return left_out_words(
        looked_at=found.runs,
        matching=found.matching,
        unfinished=found.unfinished,
        unreadable=found.unreadable,
        option="--runs",
    )
