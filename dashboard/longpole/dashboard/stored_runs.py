"""A store and ids of runs → a sequence of analysed runs that need not all be in memory.

So many are kept as have `SPANS_KEPT` spans together; a run beyond that is loaded and analysed again
whenever it is asked for. What cannot be loaded or analysed is left out from the start.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, overload

from longpole.analysis.findings import Digests
from longpole.analysis.result import RunAnalysis
from longpole.dashboard.digests import digests_of
from longpole.dashboard.settle import look_at
from longpole.model.errors import BrokenLawError, UnknownRunError
from longpole.model.pricing import PriceBook
from longpole.storage import Store

SPANS_KEPT: Final = 50_000
"""Spans of runs that stay in memory: some 100 MB with all that analysis adds."""


class StoredRuns(Sequence[RunAnalysis]):
    """Analysed runs in the order of the ids they were asked for by.

    Attributes:
        digests: of the inputs and answers of all of them.
        unreadable: how many runs are left out.
    """

    def __init__(
        self,
        store: Store,
        run_ids: Sequence[str],
        *,
        book: PriceBook,
        now_ns: int,
        spans_kept: int = SPANS_KEPT,
    ) -> None:
        """Load every run once.

        Raises:
            StoreError: the store cannot be read.
        """
        self._store, self._book, self._now_ns = store, book, now_ns
        self._run_ids: list[str] = []
        self._kept: dict[int, RunAnalysis] = {}
        inputs: dict[str, str] = {}
        answers: dict[str, str] = {}
        for run_id in run_ids:
            try:
                analysis = self._load(run_id)
            except (UnknownRunError, BrokenLawError):
                continue
            found = digests_of(analysis.run, store.load_contents(run_id))
            inputs.update(found.inputs)
            answers.update(found.answers)
            spans_kept -= len(analysis.run.spans)
            if spans_kept >= 0:
                self._kept[len(self._run_ids)] = analysis
            self._run_ids.append(run_id)
        self.digests = Digests(inputs=inputs, answers=answers)
        self.unreadable = len(run_ids) - len(self._run_ids)

    def __len__(self) -> int:
        return len(self._run_ids)

    @overload
    def __getitem__(self, at: int) -> RunAnalysis: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[RunAnalysis]: ...
    def __getitem__(self, at: int | slice) -> RunAnalysis | Sequence[RunAnalysis]:
        if isinstance(at, slice):
            return [self[one] for one in range(len(self))[at]]
        at = range(len(self))[at]
        return self._kept[at] if at in self._kept else self._load(self._run_ids[at])

    def _load(self, run_id: str) -> RunAnalysis:
        return look_at(self._store, run_id, book=self._book, now_ns=self._now_ns)
