"""The tabs of the run page and the Settings page, without a browser."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from longpole.dashboard.web.views.run import TABS
from longpole.model import Run
from longpole.model.settings import LONGPOLE_PRICES, LONGPOLE_STORE
from tests.browser import stories
from tests.browser.recording import Said, new_store_url, record
from tests.dashboard.test_web_pages import _run_page


@pytest.fixture
def store_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    url = new_store_url(tmp_path)
    monkeypatch.setenv(LONGPOLE_STORE, url)
    yield url
    st.cache_resource.clear()


def _tab(store_url: str, run: Run, tab: str, *changes: str) -> AppTest:
    record(store_url, run)
    app = AppTest.from_function(_run_page, default_timeout=30)
    app.query_params["run"] = run.run_id
    app.query_params["tab"] = tab
    if changes:
        app.query_params["change"] = list(changes)
    app.run()
    assert not app.exception
    return app


def _said(app: AppTest) -> str:
    return "\n".join(one.value for one in (*app.markdown, *app.caption, *app.code, *app.text))


def _payloads(app: AppTest) -> list[Any]:
    found = [element.proto for element in app.get("bidi_component")]
    return [json.loads(one.json)[0] for one in found if one.json]


@pytest.mark.parametrize("tab", TABS)
def test_every_tab_shows_names_as_they_are(store_url: str, tab: str) -> None:
    app = _tab(store_url, stories.hostile(1), tab)

    for element in (*app.subheader, *app.markdown, *app.caption):
        assert "![x](" not in element.value


@pytest.mark.parametrize("tab", ["What-if", "Cost", "Graph", "Raw"])
def test_a_tab_shows_a_run_that_is_running(store_url: str, tab: str) -> None:
    _tab(store_url, stories.running(1, start_ns=stories.START_NS), tab)


def test_a_link_with_changes_shows_the_answer_and_the_command(store_url: str) -> None:
    app = _tab(store_url, stories.panel(1), "What-if", "claude:faster=2", "*:cache=50%")

    assert "2\\.30 s → " in _said(app)
    command = next(one.value for one in app.code if one.value.startswith("longpole what-if"))
    assert "--change claude:faster=2 --change '*:cache=50%'" in command
    assert app.select_slider("what_if:speed:0").value == Fraction(2)


def test_a_slider_puts_its_change_into_the_address(store_url: str) -> None:
    app = _tab(store_url, stories.panel(1), "What-if")

    app.select_slider("what_if:speed:0").set_value(Fraction(2)).run()
    assert not app.exception
    assert app.query_params["change"] == "claude:faster=2"
    assert "if claude were 2\\.0× as fast" in _said(app)
    app.select_slider("what_if:speed:0").set_value(Fraction(1)).run()
    assert "change" not in app.query_params


def test_controls_say_the_rest_about_their_target(store_url: str) -> None:
    app = _tab(store_url, stories.failing(1), "What-if")

    app.toggle("what_if:backoff").set_value(True).run()
    app.toggle("what_if:retries").set_value(True).run()
    app.select_slider("what_if:limit").set_value(2).run()
    app.number_input("what_if:timeout").set_value(0.5).run()
    app.select_slider("what_if:cheap").set_value(70).run()
    app.number_input("what_if:cheap_ms").set_value(50).run()
    app.select_slider("what_if:cache").set_value(40).run()

    assert not app.exception
    assert app.query_params["change"] == [
        "*:no-backoff",
        "*:no-retries",
        "*:limit=2",
        "*:timeout=500ms",
        "*:cheap-first=50ms,accept=0.7",
        "*:cache=0.4",
    ]


def test_a_change_that_cannot_be_read_is_pointed_at(store_url: str) -> None:
    app = _tab(store_url, stories.panel(1), "What-if", "claude:fastr=2")

    assert "did you mean 'faster'" in _said(app)
    assert "^^^^^" in _said(app)


def test_a_change_about_nothing_names_what_there_is(store_url: str) -> None:
    app = _tab(store_url, stories.panel(1), "What-if", "claud:faster=2")

    assert "did you mean 'claude'" in _said(app)


def test_a_run_that_goes_on_says_that_it_cannot_be_played_again_yet(store_url: str) -> None:
    app = _tab(store_url, stories.running(1, start_ns=stories.START_NS), "What-if")

    assert "has not ended" in _said(app) or "cannot be played again" in app.warning[0].value


def test_calls_without_a_price_come_with_an_entry_for_the_price_file(store_url: str) -> None:
    app = _tab(store_url, stories.hostile(1), "Cost")

    entry = next(one.value for one in app.code if one.value.startswith("[[price]]"))
    assert tomllib.loads(entry)["price"][0]["model"] == stories.CANARY


def test_the_spans_are_filtered_and_sorted_over_all_pages(store_url: str) -> None:
    app = _tab(store_url, stories.wide(1, branches=200), "Spans")

    app.text_input("spans_filter").set_value("gpt-4o llm").run()
    assert len(_payloads(app)[0]["rows"]) == 200
    app.session_state["spans_sort"] = None
    app.text_input("spans_filter").set_value("no such span").run()
    assert "No span of this run matches." in _said(app)


def test_the_raw_tab_holds_the_document(store_url: str) -> None:
    app = _tab(store_url, stories.panel(1), "Raw")

    [kind, _, items] = next(one["node"] for one in _payloads(app) if "node" in one)
    shown = dict(items)
    assert kind == "o"
    assert ["name", ["s", "panel", 5]] in shown["run"][2]
    assert shown["spans"][1] == len(stories.panel(1).spans)


def _details(store_url: str, said: Said) -> AppTest:
    run = stories.panel(1)
    record(store_url, run, said=said)
    app = AppTest.from_function(_run_page, default_timeout=30)
    app.query_params["run"] = run.run_id
    app.query_params["span"] = run.spans[1].span_id
    app.run()
    assert not app.exception
    return app


def test_an_output_that_is_json_is_a_tree_and_can_be_text(store_url: str) -> None:
    app = _details(store_url, Said("plain", '{"answer": [1, 2]}'))

    (tree,) = [one["node"] for one in _payloads(app) if "node" in one]
    assert tree == ["o", 1, [["answer", ["a", 2, [["n", "1"], ["n", "2"]]]]]]
    app.button_group[0].set_value("text").run()
    assert not [one for one in _payloads(app) if "node" in one]
    assert '"answer": [\n    1,' in _said(app)
    assert app.session_state["content_wanted"] == "text"


def test_a_chat_is_shown_as_one_and_what_is_none_as_a_tree(store_url: str) -> None:
    app = _details(store_url, Said("plain", '[{"role": "ai", "content": "So."}]'))

    assert app.button_group[0].options == ["chat", "tree", "text"]
    assert "So." in _said(app)
    app.button_group[0].set_value("tree").run()
    assert [one for one in _payloads(app) if "node" in one]


@pytest.mark.parametrize("text", ["\\ud800", "\\u202e", stories.CANARY])
def test_any_json_text_reaches_the_tree(store_url: str, text: str) -> None:
    app = _details(store_url, Said("plain", f'["{text}"]'))

    assert [one for one in _payloads(app) if "node" in one]


def _settings_page() -> None:
    from longpole.dashboard.web.views import settings

    settings.page()


def _settings() -> AppTest:
    app = AppTest.from_function(_settings_page, default_timeout=30).run()
    assert not app.exception
    return app


def test_settings_tell_health_size_and_what_is_missing(
    store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [one for one in os.environ if one.startswith(("LANGSMITH_", "LANGCHAIN_"))]:
        monkeypatch.delenv(name)
    record(store_url, stories.panel(1), stories.hostile(2))

    app = _settings()
    assert {one.label: one.value for one in app.metric}["Runs"] == "2"
    subjects = [row["cells"][1][0] for row in _payloads(app)[0]["rows"]]
    assert {"store", "soundness", "prices", "spool"} <= set(subjects)
    assert f"longpole prune --older-than 30d --dry-run --store {store_url}" in _said(app)
    assert "Nothing was sent anywhere yet." in _said(app)
    assert "Set LANGSMITH_API_KEY" in _said(app)
    assert json.dumps(stories.CANARY) in _said(app)


def test_settings_show_the_price_file_or_what_is_wrong_with_it(
    store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(store_url, stories.panel(1))
    prices = tmp_path / "prices.toml"
    prices.write_text('[[price]]\nprovider = "openai"\nfactor = 0.8\n')
    monkeypatch.setenv(LONGPOLE_PRICES, str(prices))
    rules = next(one for one in _payloads(_settings()) if one["caption"].startswith("Prices"))
    assert rules["rows"][0]["cells"][8][0] == "× 0.8"

    prices.write_text("[[price]]\n")
    st.cache_resource.clear()
    app = _settings()
    assert "The price file cannot be used." in app.error[0].value
    assert "no price; give" in _said(app)


def test_settings_of_a_file_that_is_no_store_say_so(store_url: str, tmp_path: Path) -> None:
    (tmp_path / "longpole.db").write_text("these are my notes\n" * 400)

    app = _settings()
    assert "is no Longpole store" in _said(app)
