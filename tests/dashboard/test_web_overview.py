"""The Overview without a browser: Streamlit runs it in this process and tells what it emits."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from longpole.analysis.findings import Rule
from longpole.dashboard.findings_text import finding_text
from longpole.dashboard.web.glance import workshop
from longpole.dashboard.web.serve import APP
from longpole.dashboard.web.views.finding_cards import gains_of, named
from longpole.model.settings import LONGPOLE_STORE
from longpole.storage import Recorder, open_store
from longpole.storage.run_events import events_from_run
from longpole.storage.spool import spool_folder
from tests.browser import stories
from tests.browser.recording import new_store_url, record
from tests.dashboard.findings_shown import finding_of

_LIMIT_S = 60


@pytest.fixture
def store_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    url = new_store_url(tmp_path)
    monkeypatch.setenv(LONGPOLE_STORE, url)
    yield url
    workshop(url).wait(_LIMIT_S)
    st.cache_resource.clear()


def _app(**address: str) -> AppTest:
    app = AppTest.from_file(str(APP), default_timeout=_LIMIT_S)
    for key, value in address.items():
        app.query_params[key] = value
    return app


def _seen(store_url: str, **address: str) -> AppTest:
    """The page after the findings have been made."""
    app = _app(**address).run()
    assert workshop(store_url).wait(_LIMIT_S)
    app.run()
    assert not app.exception
    return app


def _holding(app: AppTest, part: str) -> list[dict[str, Any]]:
    """What was sent to the components that show parts of this name."""
    sent = [json.loads(element.proto.json)[0] for element in app.get("bidi_component")]
    return [one for one in sent if part in one]


def _texts(app: AppTest) -> str:
    return "\n".join(one.value for one in (*app.markdown, *app.caption, *app.warning))


def test_it_is_the_first_page_and_an_empty_store_shows_how_to_begin(store_url: str) -> None:
    app = _app().run()

    assert not app.exception
    assert app.subheader[0].value == "No runs yet"
    assert "longpole demo --record-only" in app.code[1].value


def test_numbers_come_before_the_findings_are_made(store_url: str) -> None:
    record(store_url, *stories.history(3))

    app = _app().run()
    (tiles,), tables = _holding(app, "tiles"), _holding(app, "rows")
    assert [tile["value"] for tile in tiles["tiles"]][:3] == ["3", "0 %", "2.30 s"]
    assert [table["caption"] for table in tables] == [
        "Branches and steps by share of the wall",
        "Slowest chains",
        "Dearest chains",
    ]
    assert tables[0]["rows"][0]["cells"][0][0] == "claude"


def test_a_finding_says_what_it_gains_and_how_to_look(store_url: str) -> None:
    record(store_url, *stories.history(3))

    app = _seen(store_url)
    assert "in 3 runs of 1 chain" in _texts(app)
    assert "**claude** holds up 100 % of panel's runs" in _texts(app)
    assert "**−700 ms** at p50" in _texts(app)
    assert any("--change claude:faster=2" in code.value for code in app.code)
    (chain, run, *_) = _holding(app, "links")[0]["links"]
    assert chain == ["Chain", "panel", "chains?chain=panel"]
    assert run[2].startswith("run?run=000003")


def test_the_filter_chooses_the_runs(store_url: str) -> None:
    record(store_url, *stories.history(3), stories.failing(2))

    app = _seen(store_url, q="status:error")
    (tiles,), (bounds, *_) = _holding(app, "tiles"), _holding(app, "rows")
    assert tiles["tiles"][0]["value"] == "1"
    assert tiles["tiles"][0]["href"] == "runs?q=status%3Aerror"
    assert {row["cells"][2][0] for row in bounds["rows"]} == {"triage"}
    assert "claude" not in _texts(app)


def test_a_filter_that_fits_nothing_says_so(store_url: str) -> None:
    record(store_url, stories.panel(1))

    app = _app(q="nothing-of-that-name").run()
    assert "No run that has ended matches" in app.markdown[0].value
    assert app.button[0].label == "Clear filters"


def test_what_was_lost_is_told_on_top(store_url: str, tmp_path: Path) -> None:
    record(store_url, stories.panel(1))
    folder = spool_folder(tmp_path / "longpole.db")
    folder.mkdir(exist_ok=True)
    (folder / f"{'c' * 16}-000001.spool").write_bytes(b"no frames at all, many bytes of it")

    app = _app().run()
    assert len(app.warning) == 1
    assert "damaged" in app.warning[0].value or "not readable" in app.warning[0].value


def test_runs_that_died_with_their_process_are_told_on_top(store_url: str) -> None:
    record(store_url, stories.panel(1))
    store = open_store(store_url, mode="write")
    start, *_ = events_from_run(stories.running(9, start_ns=time.time_ns()))
    store.write(Recorder(recorder_id="d" * 16, pid=1, host="elsewhere"), [start])
    store.close()

    app = _app().run()
    assert "died with their process in the last 24 hours" in app.warning[0].value


def test_names_are_escaped_where_markdown_is_understood(store_url: str) -> None:
    record(store_url, *(stories.hostile(number) for number in (3, 4)))

    app = _seen(store_url)
    assert "finding" in _texts(app)
    assert "![x](" not in _texts(app)
    assert "](http" not in _texts(app)


@pytest.mark.parametrize("rule", list(Rule))
def test_every_finding_has_words_that_a_card_can_show(rule: Rule) -> None:
    finding = finding_of(rule)
    text = finding_text(finding)

    assert "`" not in named(text.sentence).replace("\\`", "")
    assert bool(gains_of(finding)) == (" save" in text.sentence)
