"""The pages about many runs without a browser: Streamlit runs them in this process."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from longpole.analysis import analyse, samples_of
from longpole.analysis.losses import CacheUse
from longpole.dashboard import meanings, words
from longpole.dashboard.cached_tokens import saved_by_caches, saved_by_provider
from longpole.dashboard.cheaper import WhatIsAsked, savings
from longpole.dashboard.sampled import Sampled
from longpole.dashboard.settle import settle
from longpole.dashboard.web import samples
from longpole.dashboard.web.samples import Question
from longpole.dashboard.web.table import Action, Table, cells
from longpole.dashboard.web.views import many
from longpole.dashboard.web.views.unpriced import entry, unpriced_models
from longpole.model import Kind
from longpole.model.pricing import PriceBook
from longpole.model.settings import LONGPOLE_STORE
from longpole.storage import Recorder, RunQuery, open_store
from longpole.storage.run_events import events_from_run
from longpole.storage.urls import store_path
from tests.browser import stories
from tests.browser.conftest import wait_until
from tests.browser.recording import new_store_url, record

NOW_NS = stories.START_NS + 3_600_000 * stories.MS
HISTORY = list(stories.history(24))


@pytest.fixture
def store_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    url = new_store_url(tmp_path)
    monkeypatch.setenv(LONGPOLE_STORE, url)
    yield url
    st.cache_resource.clear()


def _drawn(page: Callable[[], None], **asked: str) -> AppTest:
    app = AppTest.from_function(page, default_timeout=60)
    for name, value in asked.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception
    return app


def _chains() -> None:
    from longpole.dashboard.web.views import chains

    chains.page()


def _compare() -> None:
    from longpole.dashboard.web.views import compare

    compare.page()


def _cost() -> None:
    from longpole.dashboard.web.views import cost

    cost.page()


def _failures() -> None:
    from longpole.dashboard.web.views import failures

    failures.page()


def _tables(app: AppTest) -> dict[str, dict[str, Any]]:
    """The tables of a page by their captions."""
    return {table["caption"]: table for table in _shown(app) if "caption" in table}


def _links(app: AppTest) -> list[list[str]]:
    """Return what links lead to, of components that hold some: word before, label, address."""
    return [link for one in _shown(app) for link in one.get("links", ())]


def _shown(app: AppTest) -> list[dict[str, Any]]:
    """Return what components were given."""
    return [json.loads(element.proto.json)[0] for element in app.get("bidi_component")]


def _cells(table: dict[str, Any], row: int) -> dict[str, str]:
    keys = [column["key"] for column in table["columns"]]
    return dict(zip(keys, (cell[0] for cell in table["rows"][row]["cells"]), strict=True))


def _metrics(app: AppTest) -> dict[str, str]:
    return {metric.label: metric.value for metric in app.metric}


def _captions(app: AppTest) -> str:
    return " ".join(caption.value for caption in app.caption)


def test_chains_are_listed_with_what_bounds_them(store_url: str) -> None:
    record(store_url, *HISTORY, stories.failing(2))

    table = _tables(_drawn(_chains))["Chains"]
    panel, triage = (_cells(table, row) for row in range(2))
    assert (panel["name"], panel["runs"], panel["p50"]) == ("panel", "24", "2.30 s")
    assert panel["bound"] == "claude · 69 %"
    assert (triage["name"], triage["failed"]) == ("triage", "100 %")
    assert table["rows"][0]["href"] == "chains?chain=panel"


def test_looking_at_runs_that_were_settled_without_samples_gives_them_theirs(
    store_url: str,
) -> None:
    record(store_url, *HISTORY)
    _drawn(_chains)
    with contextlib.closing(open_store(store_url, mode="write")) as store:
        settle(store, book=PriceBook(), now_ns=NOW_NS, limit=len(HISTORY))
        run_ids = store.run_ids(RunQuery())
        kept = dict(store.samples(run_ids))
        with contextlib.closing(sqlite3.connect(store_path(store_url))) as connection, connection:
            connection.execute("UPDATE summaries SET sample = NULL")
            connection.execute("UPDATE totals SET changes = changes + 1")
        assert store.samples(run_ids) == {}
        st.cache_resource.clear()

        _drawn(_chains)
        wait_until(lambda: store.samples(run_ids) == kept)
    assert len(kept) == len(HISTORY)


def test_a_chain_keeps_the_filter_in_the_address_of_its_row(store_url: str) -> None:
    record(store_url, *HISTORY)

    table = _tables(_drawn(_chains, q="wall>1s"))["Chains"]
    assert table["rows"][0]["href"] == "chains?q=wall%3E1s&chain=panel"


def test_one_chain_tells_its_numbers_and_who_it_waits_for(store_url: str) -> None:
    record(store_url, *HISTORY)

    app = _drawn(_chains, chain="panel")
    assert app.subheader[0].value == "panel"
    assert _metrics(app)["p50"] == "2.30 s"
    assert all(metric.help for metric in app.metric)
    first = _cells(_tables(app)["Positions by contribution"], 0)
    assert (first["place"], first["share"]) == ("claude › ChatAnthropic", "1.56 s")
    assert "24 runs · times are UTC" in _captions(app)


@pytest.mark.parametrize("part", ["Flame graph", "Runs", "Over time", "Errors", "Structures"])
def test_every_part_of_a_chain_can_be_linked_to(store_url: str, part: str) -> None:
    record(store_url, *HISTORY)

    app = _drawn(_chains, chain="panel", part=part)
    drawn = {"Flame graph": 1, "Runs": 1, "Over time": 2, "Errors": 0, "Structures": 0}
    assert len(app.get("plotly_chart")) == drawn[part]


def test_with_few_runs_the_slow_ones_are_not_told(store_url: str) -> None:
    record(store_url, *HISTORY[:3])

    assert "It takes 20 runs to tell; there are 3 runs." in _captions(
        _drawn(_chains, chain="panel")
    )
    app = _drawn(_chains, chain="panel", part="Flame graph", flame="difference")
    assert "It takes 20 runs" in _captions(app)


def test_two_runs_of_the_address_are_compared(store_url: str) -> None:
    record(store_url, stories.panel(1), stories.failing(2))

    app = _drawn(_compare, a="00000001", b="00000002")
    assert "1.05 s faster" in app.markdown[0].value.replace("\\", "")
    assert _metrics(app)["Wall"] == "2.30 s → 1.25 s"
    pairs = _tables(app)["Spans that make the difference"]["rows"]
    assert all(row["href"].startswith("run?run=0000000") for row in pairs)
    assert [(what, label) for what, label, _ in _links(app)] == [
        ("before", "panel 00000001"),
        ("after", "triage 00000002"),
    ]
    assert any("different chains" in text.value for text in app.caption)


def test_without_an_address_the_newest_two_of_a_chain_are_offered(store_url: str) -> None:
    record(store_url, *HISTORY, stories.failing(2))

    app = _drawn(_compare)
    app.button[1].click().run()
    assert not app.exception
    assert "As long as before" in app.markdown[0].value


def test_a_run_that_is_not_there_is_told(store_url: str) -> None:
    record(store_url, *HISTORY)

    app = _drawn(_compare, a="feedbeef", b="last")
    assert "no run matches 'feedbeef'" in app.code[0].value


def test_two_filters_of_the_address_are_compared(store_url: str) -> None:
    record(store_url, *HISTORY, *(stories.failing(number) for number in range(2, 8)))

    app = _drawn(_compare, before="name:panel", after="name:triage")
    assert "faster" in app.markdown[0].value
    numbers = _tables(app)["Both sets side by side"]
    assert _cells(numbers, 1)["before"] == "2.30 s"
    assert _cells(numbers, 4)["after"] == "100 %"


def test_a_side_without_runs_says_which(store_url: str) -> None:
    record(store_url, *HISTORY)

    app = _drawn(_compare, before="name:panel", after="name:nobody")
    assert app.info[0].value == "No run that has ended matches the filter after."


def test_costs_add_up_by_whatever_is_chosen(store_url: str) -> None:
    record(store_url, *HISTORY)

    app = _drawn(_cost, cost_by="branch")
    rows = _tables(app)["Cost by branch"]["rows"]
    total = sum(row["cells"][1][1] for row in rows)
    assert _metrics(app)["Cost"] == words.usd(Decimal(total)) != "$0"


def test_waste_has_its_reason_and_its_place(store_url: str) -> None:
    record(store_url, stories.failing(2))

    app = _drawn(_cost, cost_part="Wasted")
    waste = _tables(app)["Waste by reason and place"]
    assert {_cells(waste, row)["reason"] for row in range(len(waste["rows"]))} >= {"sibling failed"}
    assert waste["rows"][0]["href"].startswith("run?run=00000002")


def test_what_would_be_cheaper_says_what_it_supposes(store_url: str) -> None:
    record(store_url, *HISTORY[:4])

    app = _drawn(_cost, cost_part="What would be cheaper")
    table = _tables(app)["What would have been cheaper"]
    batch, cache, cheap = (_cells(table, row) for row in range(3))
    assert batch["saved"].endswith("50 %")
    assert cache["saved"].endswith("30 %")
    assert cheap["after"] != "–"
    assert "'*:cache=0.3'" in app.code[0].value


def test_failures_are_told_with_model_rate_and_newest_run(store_url: str) -> None:
    record(store_url, *HISTORY, stories.failing(2))

    app = _drawn(_failures)
    metrics = _metrics(app)
    assert metrics["Failed runs"] == "1 · 4.0 %"
    assert metrics["Rate-limited"] == "1 · 4.0 %"
    first = _cells(_tables(app)["Errors by kind"], 0)
    assert first["model"] == "gpt-4o-mini-2024-07-18"
    assert (first["rate"], first["remark"]) == ("4.0 %", "rate limit")


def test_a_run_that_was_lost_is_listed(store_url: str) -> None:
    run = stories.running(5, start_ns=stories.START_NS)
    gone = Recorder(recorder_id="d" * 16, pid=1, host="elsewhere")
    with contextlib.closing(open_store(store_url, mode="write")) as store:
        store.write(gone, list(events_from_run(run)))

    app = _drawn(_failures, failure_part="Lost runs")
    assert _metrics(app)["Lost runs"] == "1"
    assert _tables(app)["Lost runs, the newest first"]["rows"][0]["id"] == run.run_id


@pytest.mark.parametrize("page", [_chains, _compare, _cost, _failures])
def test_an_empty_store_says_how_to_begin(store_url: str, page: Callable[[], None]) -> None:
    assert _drawn(page).subheader[0].value == "No runs yet"


@pytest.mark.parametrize("page", [_chains, _cost, _failures])
def test_a_filter_that_fits_nothing_says_so(store_url: str, page: Callable[[], None]) -> None:
    record(store_url, *HISTORY[:2])

    app = _drawn(page, q="name:nobody")
    assert _says_nothing_matches(app)
    assert not _says_nothing_matches(app.button[0].click().run())


def _says_nothing_matches(app: AppTest) -> bool:
    return any("No run that has ended matches" in text.value for text in app.markdown)


@pytest.mark.parametrize("page", [_chains, _compare, _cost, _failures])
def test_a_store_that_is_none_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: Callable[[], None]
) -> None:
    file = tmp_path / "notes.db"
    file.write_text("these are my notes\n" * 400)
    monkeypatch.setenv(LONGPOLE_STORE, f"sqlite:///{file}")

    app = _drawn(page)
    assert app.error[0].value == "The store cannot be read."
    st.cache_resource.clear()


def test_a_run_is_sampled_once_until_it_changes(store_url: str) -> None:
    record(store_url, *HISTORY[:3])
    question = Question(query=RunQuery(), newest=100, token=1)
    first = samples.sampled(question)

    record(store_url, stories.failing(2))
    again = samples.sampled(replace(question, token=2))

    assert len(again.samples) == 4
    kept = {id(sample) for sample in again.samples}
    assert all(id(sample) in kept for sample in first.samples)


def test_what_is_left_out_is_counted() -> None:
    found = samples_of(analyse(run, now_ns=NOW_NS) for run in HISTORY[:2])

    told = many.counted(Sampled(samples=tuple(found), matching=9, unfinished=1, unreadable=1))
    assert told == (
        "newest 2 of 9 runs · 1 running or lost left out · 1 run could not be read · times are UTC"
    )


def test_an_entry_of_the_price_file_says_the_model_whatever_it_is_called() -> None:
    run = stories.hostile(3)
    found = unpriced_models(samples_of([analyse(run, now_ns=NOW_NS)]))

    (one,) = found
    assert one.has_no_price
    read = tomllib.loads(entry(one, [("input_usd_per_million", 0.4), ("usd_per_second", 1e-05)]))
    assert read["price"][0]["model"] == stories.CANARY
    assert read["price"][0]["usd_per_second"] == 0.00001


def test_tokens_that_a_provider_had_cached_are_worth_the_difference_of_two_prices() -> None:
    use = CacheUse(model="gpt-4o-mini", provider="openai", calls=1, hits=0, saved_usd=Decimal(0),
                   unknown_hits=0, read_tokens=1_000_000)  # fmt: skip
    unknown = replace(use, model="nobody-knows-it")
    book = PriceBook()

    saved = saved_by_provider(use, book, at_ns=stories.START_NS)
    assert saved is not None
    assert 0 < saved < Decimal("0.15")
    assert saved_by_provider(unknown, book, at_ns=stories.START_NS) is None
    assert saved_by_caches([use, unknown], book, at_ns=stories.START_NS) == saved


def test_ways_to_spend_less_that_do_not_apply_say_why() -> None:
    story = stories.Story(1, stories.START_NS)
    story.add(None, "no_model", Kind.CHAIN, 0, 10)
    asked = WhatIsAsked(hit_ratio=Fraction(3, 10), cheap_model="", accepted_ratio=Fraction(7, 10))

    found = savings([story.run()], asked, book=PriceBook(), now_ns=NOW_NS)
    assert [saving.saved_usd for saving in found if saving.answer is None] == [None] * len(
        [saving for saving in found if saving.refusal]
    )
    assert all(saving.answer is not None or saving.refusal for saving in found)


def test_numbers_in_cells_sort_by_what_they_are() -> None:
    assert cells.length(0).text == "–"
    assert cells.length(Fraction(1, 2) * 10**9, of_ns=10**9).ratio == 0.5
    assert cells.share(-0.1).text == "−10 %"
    assert cells.share(-0.0001).text == "< 0.1 %"
    assert cells.cost(None, 3).text == "unpriced"
    assert cells.cost(Decimal("0.5"), 3).note == "3 calls without a price"


def test_what_can_be_done_with_ticked_rows_travels_with_the_table() -> None:
    action = Action(label="Compare", href="compare?a={1}&b={2}", least=2, most=2)

    payload = Table(caption="Runs", columns=(), rows=(), actions=(action,)).payload()
    assert payload["actions"] == [
        {"label": "Compare", "href": "compare?a={1}&b={2}", "key": "", "least": 2, "most": 2}
    ]


@pytest.mark.parametrize(
    "said",
    [
        "own time on the critical path, in the mean over all runs",
        "how much sooner a run would end were the position instant",
        "share of the runs that waited for it or for something below it",
        "drawn anew 1,000 times",
        "whose messages agree but for ids and numbers, at the deepest span that failed",
        "critical-path time between a failed try and the next",
        "another tool called, a step never reached",
        "called changed in one case of a hundred",
    ],
)
def test_pages_say_what_the_documents_say(said: str) -> None:
    docs = Path(__file__).parents[2] / "docs"
    told = " ".join(
        (docs / name).read_text().replace("**", "").replace("`", "")
        for name in ("metrics.md", "many-runs.md")
    )
    shown = " ".join(value for name, value in vars(meanings).items() if name.isupper())

    for text in (told, shown):
        assert _bare(said) in _bare(text)


def _bare(text: str) -> str:
    return " ".join(text.lower().split())
