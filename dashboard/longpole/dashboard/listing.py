"""A query for runs → one page of them, each with its run object; for people, programs and agents.

What is computed of runs is kept beside them, so a list first has it computed where that is missing,
then reads it. A run that is still changing is looked at anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from longpole.dashboard.documents import run_object
from longpole.dashboard.settle import EVERY_RUN, is_all_settled, look_at, settle_where_possible
from longpole.model.pricing import PriceBook
from longpole.storage import RunOrder, RunPage, RunQuery, RunRow, Store

Object = Mapping[str, Any]


def looked_up(
    store: Store, query: RunQuery, *, book: PriceBook, now_ns: int
) -> tuple[RunPage, list[Object]]:
    """Return the page and the run objects of its rows, as of `now_ns`.

    Raises:
        StoreError: the store cannot be read.
    """
    if not is_all_settled(store):
        # Everything must be settled before it can be ordered or chosen by what was computed.
        is_by_start = query.order is RunOrder.START and query.where is None and not query.text
        limit = query.limit if is_by_start else EVERY_RUN
        settle_where_possible(store.url, book=book, now_ns=now_ns, limit=limit)
    page = store.list_runs(query)
    return page, [_object(store, row, book, now_ns) for row in page.rows]


def _object(store: Store, row: RunRow, book: PriceBook, now_ns: int) -> Object:
    """Return a row's run object; computed now for a run that is still changing."""
    if row.summary is not None and row.is_settled:
        # A run that was running when it was settled may have been lost since.
        return {**row.summary, "status": row.status.value}
    return run_object(look_at(store, row.run_id, book=book, now_ns=now_ns))
