"""A store and a question → runs played again with changes, for the command, pages and agents.

Which runs are meant, what other runs tell about models and calls, and the prices in force are
looked up here; the answer itself is `longpole.analysis.what_if`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from longpole.analysis.change_text import parse_change
from longpole.analysis.changes import Change, Hedge, OtherModel
from longpole.analysis.curves import Curve, curves
from longpole.analysis.learned import NOTHING, Learned, learn
from longpole.analysis.what_if import Replayable, replayable
from longpole.analysis.what_if_set import SetWhatIf, what_if_all
from longpole.dashboard.settle import EVERY_RUN, settle_where_possible
from longpole.model.errors import NotReplayableError
from longpole.model.pricing import PriceBook, price_run
from longpole.model.run import Run, Status
from longpole.storage import RunQuery, Store
from longpole.storage.filters import Filter, Matches, Pattern, TextField

_HISTORY: Final = 50
_CURVES_SHOWN: Final = 10
_ENDED: Final = tuple(one for one in Status if one not in (Status.RUNNING, Status.LOST))


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked.

    Attributes:
        references: RUN arguments, asked about first.
        where: chooses the newest runs that match, at most `limit`; `None` for none.
        texts: of the changes.
        with_curves: whether to tell what each branch is worth.
    """

    references: tuple[str, ...] = ()
    where: Filter | None = None
    limit: int = 20
    texts: tuple[str, ...] = ()
    with_curves: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Supposed:
    """The answer.

    Attributes:
        answer: `None` when nothing was to be changed.
        curves: empty unless asked for.
    """

    answer: SetWhatIf | None
    curves: tuple[Curve, ...]


def suppose(store: Store, question: Question, *, book: PriceBook, now_ns: int) -> Supposed:
    """Answer a question.

    Raises:
        ChangeError, TargetError: a change cannot be understood, or fits nothing.
        RunReferenceError: a reference does not name exactly one run.
        NotReplayableError: there is no run, or none that can be run again.
        StoreError: the store cannot be read.
    """
    changes = [parse_change(text) for text in question.texts]
    runs = _runs(store, question, book, now_ns)
    learned = learned_for(store, runs, changes)
    answer = (
        what_if_all(runs, changes, book=book, learned=learned, now_ns=now_ns) if changes else None
    )
    drawn = curves(_replayables(runs, now_ns), most=_CURVES_SHOWN) if question.with_curves else ()
    return Supposed(answer=answer, curves=tuple(drawn))


def _runs(store: Store, question: Question, book: PriceBook, now_ns: int) -> list[Run]:
    run_ids = list(dict.fromkeys(store.resolve(one) for one in question.references))
    if question.where is not None:
        if store.unsettled_runs(1):
            # What was computed must be there before runs can be chosen by it.
            settle_where_possible(store.url, book=book, now_ns=now_ns, limit=EVERY_RUN)
        query = RunQuery(where=question.where, status=_ENDED, limit=question.limit)
        run_ids += [row.run_id for row in store.list_runs(query).rows if row.run_id not in run_ids]
    if not run_ids:
        raise NotReplayableError("no run that has ended fits the filter")
    return [price_run(store.load_run(run_id), book) for run_id in run_ids]


def learned_for(store: Store, runs: Sequence[Run], changes: Sequence[Change]) -> Learned:
    """Return what other runs tell about the models and calls that the changes are about.

    Raises:
        StoreError: the store cannot be read.
    """
    queries = [
        RunQuery(
            where=Matches(TextField.MODEL, (Pattern((change.model, "")),)),
            status=_ENDED,
            limit=_HISTORY,
        )
        for change in changes
        if isinstance(change, OtherModel)
    ]
    if any(isinstance(change, Hedge | OtherModel) for change in changes):
        names = dict.fromkeys(run.name for run in runs)
        queries += [RunQuery(name=name, status=_ENDED, limit=_HISTORY) for name in names]
    run_ids = {row.run_id: None for query in queries for row in store.list_runs(query).rows}
    return learn(store.load_run(run_id) for run_id in run_ids) if run_ids else NOTHING


def _replayables(runs: Sequence[Run], now_ns: int) -> list[Replayable]:
    found: list[Replayable] = []
    failure: NotReplayableError | None = None
    for run in runs:
        try:
            found.append(replayable(run, now_ns=now_ns))
        except NotReplayableError as error:
            failure = error
    if failure is not None and not found:
        raise failure
    return found
