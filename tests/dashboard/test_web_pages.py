"""Pages without a browser: Streamlit runs them in this process and tells what they emit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from longpole.dashboard.web.serve import APP
from longpole.model.settings import LONGPOLE_STORE
from longpole.storage.spool import spool_folder
from longpole.storage.urls import store_path
from tests.browser import stories
from tests.browser.recording import new_store_url, record


@pytest.fixture
def store_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    url = new_store_url(tmp_path)
    monkeypatch.setenv(LONGPOLE_STORE, url)
    yield url
    st.cache_resource.clear()


def _app() -> AppTest:
    return AppTest.from_file(str(APP), default_timeout=30)


def _tables(app: AppTest) -> list[Any]:
    return [element.proto for element in app.get("bidi_component")]


def test_an_empty_store_shows_how_to_begin(store_url: str) -> None:
    app = _app().run()

    assert not app.exception
    assert app.subheader[0].value == "No runs yet"
    assert "LongpoleHandler(" in app.code[0].value


def _runs_page() -> None:
    from longpole.dashboard.web.views import runs

    runs.page()


def test_the_list_shows_a_run(store_url: str) -> None:
    record(store_url, stories.panel(1))

    app = AppTest.from_function(_runs_page, default_timeout=30).run()
    assert not app.exception
    assert len(_tables(app)) == 1
    assert any("1 runs" in caption.value or "1 run" in caption.value for caption in app.caption)


def test_the_list_says_how_many_spans_were_lost(store_url: str) -> None:
    record(store_url, stories.panel(1))
    folder = spool_folder(store_path(store_url))
    folder.mkdir(exist_ok=True)
    (folder / f"{'c' * 16}-000001.spool").write_bytes(b"no frames at all, many bytes of it")

    app = AppTest.from_function(_runs_page, default_timeout=30).run()
    assert not app.exception
    assert "1 spans lost \\(1 damaged spool\\)" in app.caption[0].value


def _run_page() -> None:
    import streamlit as st

    from longpole.dashboard.web.views import run

    def no_other_run(run_id: str) -> None:
        raise AssertionError(run_id)

    run.page(open_run=no_other_run, runs_page=st.Page(lambda: None, url_path="runs"))


def test_the_numbers_of_a_run_stand_on_its_page(store_url: str) -> None:
    run = stories.panel(1)
    record(store_url, run)
    app = AppTest.from_function(_run_page, default_timeout=30)

    app.query_params["run"] = run.run_id
    app.run()
    assert not app.exception
    metrics = {metric.label: metric.value for metric in app.metric}
    assert metrics["Wall"] == "2.30 s"
    assert metrics["Peak"] == "3"
    assert metrics["Tokens"] == "8.9k"


def test_a_run_is_found_by_the_beginning_of_its_id(store_url: str) -> None:
    record(store_url, stories.panel(1), stories.failing(2))
    app = AppTest.from_function(_run_page, default_timeout=30)

    app.query_params["run"] = "00000002"
    app.run()
    assert app.subheader[0].value == "triage"


def test_without_an_address_the_newest_run_is_shown(store_url: str) -> None:
    later_ns = stories.START_NS + 1_000 * stories.MS
    record(store_url, stories.panel(1), stories.failing(2, start_ns=later_ns))

    app = AppTest.from_function(_run_page, default_timeout=30).run()
    assert app.subheader[0].value == "triage"


def test_the_name_of_a_run_is_escaped_where_markdown_is_understood(store_url: str) -> None:
    record(store_url, stories.hostile(3))

    app = AppTest.from_function(_run_page, default_timeout=30).run()
    assert not app.exception
    for element in (*app.subheader, *app.markdown, *app.caption):
        assert "![x](" not in element.value


def test_a_filter_that_found_nothing_offers_what_a_star_would_find(store_url: str) -> None:
    record(store_url, stories.panel(1))
    app = AppTest.from_function(_runs_page, default_timeout=30)
    app.query_params["q"] = "model:gpt-4o-mini"

    app.run()
    assert any("model:gpt-4o-mini*" in text.value for text in app.text)
    next(button for button in app.button if button.label == "Show 1 run").click().run()
    assert not app.exception
    assert app.text_input[0].value == "model:gpt-4o-mini*"
    assert len(_tables(app)) == 1


def test_runs_to_export_are_asked_about_in_a_dialog(store_url: str) -> None:
    record(store_url, stories.panel(1), stories.failing(2))
    app = AppTest.from_function(_runs_page, default_timeout=30)

    app.session_state["runs_to_export"] = (f"{1:08x}" + "0" * 24, f"{2:08x}" + "0" * 24)
    app.run()
    assert not app.exception
    assert any("longpole export jsonl 00000001 00000002" in one.value for one in app.code)
    assert "runs_to_export" not in app.session_state


def _export_panel() -> None:
    from longpole.dashboard.web.views import exporting

    exporting.panel((f"{1:08x}" + "0" * 24, f"{2:08x}" + "0" * 24), key="export")


def test_a_file_is_made_once_for_what_was_asked(store_url: str) -> None:
    record(store_url, stories.panel(1), stories.failing(2))

    app = AppTest.from_function(_export_panel, default_timeout=30).run()
    app.button[0].click().run()
    assert not app.exception
    assert app.text[0].value.startswith("longpole-2-runs.jsonl · ")
    assert app.text[0].value.endswith("2 runs, 18 spans")
    app.button_group[0].set_value("CSV of runs").run()
    assert app.button[0].label == "Make the file"


def test_too_much_for_a_page_is_told_with_a_way_that_does_it(
    store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(store_url, stories.panel(1), stories.failing(2))
    monkeypatch.setattr("longpole.dashboard.downloads.SPANS_MOST", 10)

    app = AppTest.from_function(_export_panel, default_timeout=30).run()
    app.button[0].click().run()
    assert not app.exception
    assert app.error[0].value == "The file was not made."
    assert "18 spans, a page makes files of 10 at most" in app.code[0].value
    assert app.code[1].value.startswith("longpole export jsonl 00000001 00000002")
