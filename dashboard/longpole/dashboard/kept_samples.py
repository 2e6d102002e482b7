"""Listed runs → samples of them: as they were kept when the runs were settled, or taken now.

What is taken although a run is settled is told, so that whoever may write keeps it: such a run was
settled by a version that kept no samples, or other ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from longpole.analysis import RunSample, Sampler, analyse
from longpole.analysis.result import RunAnalysis
from longpole.dashboard.sample_text import SampleReader
from longpole.dashboard.settle import sampled_summary_of
from longpole.model.errors import BrokenLawError, UnknownRunError
from longpole.model.pricing import PriceBook, price_run
from longpole.storage import RunRow, RunSummary, Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """Samples by run id, without those of runs that cannot be analysed.

    Attributes:
        missing: summaries of settled runs beside which no sample was kept.
    """

    samples: Mapping[str, RunSample]
    missing: Sequence[RunSummary]


class SampleSource:
    """Samples of the runs of any store; not safe from several threads at once."""

    def __init__(self, book: PriceBook) -> None:
        """Start with nothing in memory; `book` is what calls cost."""
        self._book = book
        self._reader = SampleReader()
        self._sampler = Sampler()

    def samples(self, store: Store, rows: Sequence[RunRow], *, now_ns: int) -> Taken:
        """Return samples of these runs.

        Raises:
            StoreError: the store cannot be read.
        """
        samples = self._kept(store, rows)
        rest = [row for row in rows if row.run_id not in samples]
        # Before they are loaded: a summary of an older state is ignored.
        revisions = dict(_revisions(store, rest)) if store.keeps_samples else {}
        missing: list[RunSummary] = []
        for analysis in self._analysed(store, [row.run_id for row in rest], now_ns):
            run_id = analysis.run.run_id
            samples[run_id] = self._sampler.sample(analysis)
            if run_id in revisions:
                missing.append(sampled_summary_of(analysis, revisions[run_id]))
        return Taken(
            samples=samples, missing=tuple(one for one in missing if one.sample is not None)
        )

    def _kept(self, store: Store, rows: Sequence[RunRow]) -> dict[str, RunSample]:
        texts = store.samples([row.run_id for row in rows])
        found: dict[str, RunSample] = {}
        for row in rows:
            text = texts.get(row.run_id)
            if text is None:
                continue
            sample = self._reader.sample(text, run_id=row.run_id, start_ns=row.start_ns)
            if sample is not None:
                found[row.run_id] = sample
        return found

    def _analysed(self, store: Store, run_ids: Sequence[str], now_ns: int) -> Iterator[RunAnalysis]:
        for run in store.load_runs(run_ids):
            try:
                yield analyse(price_run(run, self._book), now_ns=now_ns)
            except BrokenLawError:
                continue


def _revisions(store: Store, rows: Sequence[RunRow]) -> Iterator[tuple[str, int]]:
    for row in rows:
        if row.is_settled:
            try:
                yield row.run_id, store.revision(row.run_id)
            except UnknownRunError:
                continue
