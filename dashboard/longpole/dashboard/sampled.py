"""A store and a query → samples of the runs that match, the newest first, taken one by one.

Only runs that have ended by themselves are sampled: one that is running, or whose process died, has
no wall to compare.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from longpole.analysis import RunSample
from longpole.dashboard import words
from longpole.dashboard.kept_samples import SampleSource
from longpole.dashboard.settle import EVERY_RUN, is_all_settled, settle_where_possible
from longpole.model.errors import ChainNameError
from longpole.model.pricing import PriceBook
from longpole.model.run import Status
from longpole.storage import RunQuery, Store
from longpole.storage.filters import All, Filter, Matches, Pattern, TextField

ENDED: Final = (Status.OK, Status.ERROR, Status.CANCELLED, Status.INTERRUPTED)
"""How a run can end by itself."""
UNFINISHED: Final = tuple(status for status in Status if status not in ENDED)
_NAMES_SOUGHT: Final = 1_000
_NAMES_TOLD: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampled:
    """Samples of runs, the newest first.

    Attributes:
        matching: how many ended runs there are that match.
        unfinished: how many others match: running ones, and those that were lost.
        unreadable: runs that could not be analysed.
    """

    samples: tuple[RunSample, ...]
    matching: int
    unfinished: int
    unreadable: int

    @property
    def is_cut(self) -> bool:
        """Whether older runs were left out."""
        return len(self.samples) + self.unreadable < self.matching


def sampled(store: Store, query: RunQuery, *, limit: int, book: PriceBook, now_ns: int) -> Sampled:
    """Return samples of the newest runs that match, at most so many.

    Raises:
        StoreError: the store cannot be read.
    """
    if query.where is not None and not is_all_settled(store):
        # What was computed must be there before runs can be chosen by it.
        settle_where_possible(store.url, book=book, now_ns=now_ns, limit=EVERY_RUN)
    ended = store.list_runs(replace(query, status=ENDED, limit=limit))
    found = SampleSource(book).samples(store, ended.rows, now_ns=now_ns).samples
    samples = tuple(found[row.run_id] for row in ended.rows if row.run_id in found)
    return Sampled(
        samples=samples,
        matching=ended.total,
        unfinished=unfinished(store, query),
        unreadable=len(ended.rows) - len(samples),
    )


def unfinished(store: Store, query: RunQuery) -> int:
    """Return how many runs match that have not ended by themselves."""
    return store.list_runs(replace(query, status=UNFINISHED, limit=1)).total


def chain_named(store: Store, name: str) -> str:
    """Return the name of the chain that is called so, or whose name alone begins so.

    Raises:
        ChainNameError: no chain is, or several.
    """
    if store.list_runs(RunQuery(name=name, limit=1)).total:
        return name
    begins: Filter = All((Matches(TextField.NAME, (Pattern((name, "")),)),))
    rows = store.list_runs(RunQuery(where=begins, limit=_NAMES_SOUGHT)).rows
    names = sorted({row.name for row in rows})
    if len(names) == 1:
        return names[0]
    if not names:
        raise ChainNameError(f"no chain is called {name!r}; list them with: longpole chains")
    told = ", ".join(names[:_NAMES_TOLD]) + (", …" if len(names) > _NAMES_TOLD else "")
    raise ChainNameError(f"{name!r} fits {len(names)} chains: {told}; give more of the name")


def left_out(found: Sampled) -> Sequence[str]:
    """Return, in words, which runs are not among the samples; empty when all are."""
    return left_out_words(
        looked_at=len(found.samples),
        matching=found.matching,
        unfinished=found.unfinished,
        unreadable=found.unreadable,
    )


def left_out_words(
    *, looked_at: int, matching: int, unfinished: int, unreadable: int, option: str = "--limit"
) -> Sequence[str]:
    """Return, in words, which of the runs that match were not looked at; empty when all were.

    `option` is how a command is told to look at more.
    """
    told = []
    if looked_at + unreadable < matching:
        counted = words.count(looked_at, "run")
        told.append(f"the newest {counted} of {matching:,}; more with {option}")
    if unfinished:
        told.append(f"{words.count(unfinished, 'run')} running or lost left out")
    if unreadable:
        told.append(f"{words.count(unreadable, 'run')} could not be read")
    return told
