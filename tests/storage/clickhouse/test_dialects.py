"""Spans of other tools that a Collector brought: a file with the same spans says the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from longpole.dashboard.settle import settle
from longpole.model.pricing import PriceBook
from longpole.storage import RunQuery, Store, open_store
from longpole.storage.clickhouse.connection import ClientDatabase
from longpole.storage.filter_text import parse
from tests.storage.clickhouse.collector import COLUMNS, GENERATIONS, rows_of
from tests.storage.exchange.test_dialects import ALL, FILES, ME, NOW_NS, events_of

FILTERS = (
    *("kind:llm", "kind:tool", "kind:node", "kind:chain", "kind:prompt", "kind:parser"),
    *("kind:retriever", "kind:other", "kind:http", "model:gpt-4o-mini*", "model:*mini"),
    *("provider:openai", "provider:*", "model:*", "branch:*", "branch:news", "tokens>=150"),
    *("status:error", "status:ok", "has:error", "error:*", "error:ValueError", "has:retry"),
    *("has:fallback", "has:cost", "has:unpriced", "cost>0", "session:*", "user:*", "tag:*"),
    *("ValueError", "answer", "umbrella", "sunny", "weath*", '"the weather"', "has:queue"),
)


@pytest.mark.parametrize("dialect", ALL)
def test_every_dialect_is_listed_found_and_priced_as_in_a_file(
    database: ClientDatabase, tmp_path: Path, dialect: str
) -> None:
    database.command(GENERATIONS["2026"].replace("{name}", database.name("otel_traces")))
    database.insert("otel_traces", COLUMNS, rows_of(FILES / f"{dialect}.json"))
    here = open_store(database.address.url, mode="write")
    there = open_store(str(tmp_path / "runs.db"), mode="write")
    there.write(ME, events_of(dialect))
    for store in (here, there):
        assert settle(store, book=PriceBook(), now_ns=NOW_NS, limit=10) > 0
    mine, others = _known(here), _known(there)
    here.close()
    there.close()

    assert mine == others


def _known(store: Store) -> dict[str, Any]:
    """What lists, filters and pages of runs say."""
    rows = store.list_runs(RunQuery()).rows
    found = {
        text: sorted(store.run_ids(RunQuery(where=parse(text, now_ns=NOW_NS)))) for text in FILTERS
    }
    return {
        "rows": [replace(row, summary=dict(row.summary or {})) for row in rows],
        "found": found,
        "runs": {row.run_id: store.load_run(row.run_id) for row in rows},
        "unindexed": store.has_unindexed_runs(),
    }
