"""The HTML report as a text: what it says, and what it must never contain."""

from __future__ import annotations

import base64
import hashlib
import html
import importlib.util
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings

from longpole.analysis import analyse
from longpole.dashboard import words
from longpole.dashboard.documents import show_document
from longpole.dashboard.palette import ERROR_COLOURS, FAMILY_COLOURS
from longpole.dashboard.report import html_report, theme
from longpole.dashboard.report.markup import preformatted
from longpole.dashboard.report.page import analysis_of
from longpole.dashboard.report.rows import MAX_ROWS, shown_rows
from longpole.dashboard.sentence import sentence
from longpole.model import Run
from longpole.model.errors import MissingExtraError
from longpole.storage import Content
from longpole.storage.exchange.parcel import NO_CONTENT, Parcel
from tests.browser import stories
from tests.strategies import any_runs

NOW_NS = stories.START_NS + 3_600_000 * stories.MS
VERSION = "9.8.7"
SCRIPT = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"


def packed(run: Run, contents: Mapping[str, Content] | None = None) -> Parcel:
    document = show_document(analyse(run, now_ns=NOW_NS))
    return Parcel(run=run, document=document, contents=contents or {}, now_ns=NOW_NS)


def said(run: Run, input_value: str, output_value: str) -> dict[str, Content]:
    content = replace(NO_CONTENT, input_value=input_value, output_value=output_value)
    return {span.span_id: content for span in run.spans}


def report(*parcels: Parcel, with_content: bool = False) -> Page:
    return Page(html_report(parcels, with_content=with_content, version=VERSION, made_ns=NOW_NS))


class Page(HTMLParser):
    """A report as a browser takes it: its elements, and its text outside of scripts."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.source = source
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.figures: list[dict[str, Any]] = []
        self.text = ""
        self._inside: list[str] = []
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self._inside and self._inside.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if self._inside and self._inside[-1] == "script":
            attributes = self.tags[-1][1]
            if attributes.get("type") != "application/json":
                self.scripts.append(data)
            elif attributes.get("class") == "figure":
                self.figures.append(json.loads(data))
        elif "style" not in self._inside:
            self.text += data if data.strip() else " "

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for found, attributes in self.tags if found == tag]

    @property
    def waterfall(self) -> dict[str, Any]:
        return next(figure for figure in self.figures if "names" in figure)

    def traces(self, name: str) -> list[dict[str, Any]]:
        return [trace for trace in self.waterfall["data"] if trace["name"] == name]


def bars(page: Page) -> list[tuple[int, float, float]]:
    """Return row, start and end of every bar but the waits, in the axis' unit."""
    return [
        (row, base, base + length)
        for trace in page.waterfall["data"]
        if trace["type"] == "bar" and trace["name"] != "queue wait"
        for row, base, length in zip(trace["y"], trace["base"], trace["x"], strict=True)
    ]


def test_the_numbers_are_those_of_the_document() -> None:
    parcel = packed(stories.panel(1))
    page = report(parcel)

    shown = parcel.document["run"]
    for text in (
        words.duration(shown["wall_ns"]),
        words.times(shown["speedup_ratio"]),
        f"of a possible {words.times(shown['parallelism_ratio'])}",
        "$0.047",
        f"run {shown['run_id']}",
        *(
            words.duration(one["end_ns"] - one["start_ns"])
            for one in parcel.document["critical_path"]
        ),
        *(branch["key"] for branch in parcel.document["fan_outs"][0]["branches"]),
    ):
        assert text in page.text
    assert f"{VERSION} · made {words.moment(NOW_NS)}" in page.text


def test_the_sentence_is_that_of_the_dashboard() -> None:
    run = stories.panel(1)
    page = report(packed(run))

    for phrase in sentence(analyse(run, now_ns=NOW_NS)):
        assert f"{phrase.words} {phrase.name}".strip() in page.text


def test_every_span_is_a_bar_where_it_ran() -> None:
    run = stories.panel(1)
    page = report(packed(run))

    expected = [
        (
            place,
            (row.span.start_ns - stories.START_NS) / 1e9,
            (row.span.end_ns or 0) / 1e9 - stories.START_NS / 1e9,
        )
        for place, row in enumerate(shown_rows(analyse(run, now_ns=NOW_NS)))
    ]
    assert [row for row, _, _ in sorted(bars(page))] == list(range(len(run.spans)))
    for (_, start, end), (_, expected_start, expected_end) in zip(
        sorted(bars(page)), expected, strict=True
    ):
        assert start == pytest.approx(expected_start)
        assert end == pytest.approx(expected_end, abs=1e-5)
    assert page.waterfall["names"][:3] == ["panel", "experts", "claude · RunnableSequence"]


def test_the_path_runs_along_the_bars_that_own_it() -> None:
    parcel = packed(stories.panel(1))
    page = report(parcel)

    (line,) = page.traces("critical path")
    drawn = [(x, y) for x, y in zip(line["x"], line["y"], strict=True) if x is not None]
    rows = {
        row.span.span_id: place
        for place, row in enumerate(shown_rows(analyse(parcel.run, now_ns=NOW_NS)))
    }
    longest = max(parcel.document["critical_path"], key=lambda one: one["end_ns"] - one["start_ns"])
    start = (longest["start_ns"] - stories.START_NS) / 1e9
    assert (pytest.approx(start), pytest.approx(rows[longest["span_id"]] + 0.4)) in drawn


def test_the_long_pole_stands_out_and_failures_are_marked() -> None:
    page = report(packed(stories.failing(1)))

    assert "long pole" in page.text
    assert "RateLimitError: 429: slow down, retry after 0.4 s" in page.text
    (marks,) = page.traces("failed")
    assert len(marks["x"]) == 5
    assert page.traces("critical path, backing off")


def test_of_very_many_spans_the_most_telling_are_shown_and_that_is_said() -> None:
    run = stories.wide(1, branches=500)
    parcel = packed(run)
    page = report(parcel)

    assert f"{MAX_ROWS} of 1,502 spans" in page.text
    assert len(bars(page)) == len(page.waterfall["names"]) == MAX_ROWS
    shown = {row.span.span_id for row in shown_rows(analyse(run, now_ns=NOW_NS))}
    assert {one["span_id"] for one in parcel.document["critical_path"]} <= shown
    assert "50 of 500 branches, those that ended last." in page.text


def test_costs_are_summed_by_model() -> None:
    page = report(packed(stories.panel(1)))

    table = page.text[page.text.index("Cost by model") :]
    for text in ("gpt-4o-mini-2024-07-18", "claude-sonnet-4-5-20250929", "all models", "$0.035"):
        assert text in table


def test_several_runs_have_a_section_each_and_a_table_that_leads_there() -> None:
    runs = [stories.panel(1), stories.failing(2), stories.running(3, start_ns=stories.START_NS)]
    page = report(*map(packed, runs))

    anchors = [attributes["href"] for attributes in page.named("a")]
    assert anchors == [f"#{attributes['id']}" for attributes in page.named("section")]
    assert "3 runs" in page.text
    assert all(run.name in page.text for run in runs)


def test_one_run_needs_no_table_of_contents() -> None:
    assert report(packed(stories.panel(1))).named("a") == []


def test_a_running_run_is_told_as_it_stood_when_it_was_packed() -> None:
    run = stories.running(1, start_ns=stories.START_NS)
    parcel = packed(run)
    page = html_report([parcel], with_content=False, version=VERSION, made_ns=NOW_NS + 10**15)

    assert f"{words.duration(parcel.document['run']['wall_ns'])} so far" in page


def test_no_text_of_a_trace_becomes_markup() -> None:
    run = stories.hostile(1)
    hostile = replace(
        run,
        spans=tuple(replace(span, name=SCRIPT, branch=SCRIPT, model=SCRIPT) for span in run.spans),
        session_id=SCRIPT,
        tags=(SCRIPT,),
        metadata={SCRIPT: SCRIPT},
    )
    page = report(packed(hostile, said(run, SCRIPT, SCRIPT)), with_content=True)

    assert SCRIPT in page.text
    assert page.named("img") == []
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    assert len(page.scripts) == 2
    assert page.waterfall["names"][0].startswith("</script>")
    # Plotly takes tags in the texts that it is given.
    told = [text for trace in page.waterfall["data"] for text in trace.get("customdata", [])]
    assert any("&lt;/script&gt;" in text for text in told)
    assert not any("<script" in text or "<img" in text for text in told)


def test_what_was_said_is_in_it_only_when_asked_for() -> None:
    run = stories.panel(1)
    parcel = packed(run, said(run, "the secret question", "the secret answer"))

    assert "the secret" not in report(parcel).source
    asked = report(parcel, with_content=True).text
    assert "the secret question" in asked
    assert "the secret answer" in asked


def test_json_is_shown_indented_and_long_texts_are_cut_and_that_is_said() -> None:
    run = stories.panel(1)
    content = replace(
        NO_CONTENT,
        input_value='{"a": [1]}',
        input_mime_type="application/json",
        output_value="x" * 30_000,
    )
    page = report(packed(run, {run.root_span_id: content}), with_content=True)

    assert '{\n  "a": [\n    1\n  ]\n}' in page.text
    assert "x" * 20_001 not in page.source
    assert "20,000 of 30,000 characters." in page.text


def test_lines_of_a_text_stay_lines() -> None:
    assert preformatted("one\ntwo\x1b[31m").text == "<pre>one\ntwo\\x1b[31m</pre>"


def test_it_asks_no_server_for_anything() -> None:
    page = report(packed(stories.hostile(1)), packed(stories.panel(2)))

    addresses = [
        value or ""
        for _, attributes in page.tags
        for name, value in attributes.items()
        if name in ("src", "href", "srcset", "action", "data", "poster")
    ]
    assert all(address.startswith(("#", "data:")) for address in addresses)
    without_scripts = re.sub(r"(?s)<script.*?</script>", "", page.source)
    assert not re.search(r"url\(|@import", without_scripts)


def test_its_policy_allows_its_own_two_scripts_and_nothing_else() -> None:
    page = report(packed(stories.panel(1)))

    (policy,) = [
        html.unescape(attributes["content"] or "")
        for attributes in page.named("meta")
        if attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    digests = [
        f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
        for script in page.scripts
    ]
    assert rules["default-src"] == "'none'"
    assert rules["script-src"].split() == digests
    assert "unsafe-eval" not in policy
    assert {"connect-src", "frame-src"}.isdisjoint(rules)


def test_every_colour_of_a_drawing_has_a_dark_one() -> None:
    swaps = theme.swaps()
    drawn = {
        colour
        for page in (report(packed(stories.panel(1))), report(packed(stories.failing(1))))
        for figure in page.figures
        for colour in re.findall(r"#[0-9A-Fa-f]{6}\b", json.dumps(figure))
    }

    assert {*FAMILY_COLOURS["light"], ERROR_COLOURS["light"]} <= set(swaps)
    assert len(set(swaps)) == len(theme.COLOURS["light"]) + len(FAMILY_COLOURS["light"]) + 1
    assert drawn - set(swaps) == set()


def test_without_plotly_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)

    with pytest.raises(MissingExtraError, match=r"pip install 'longpole\[dashboard\]'"):
        report(packed(stories.panel(1)))


@given(any_runs())
@settings(max_examples=25)
def test_whatever_was_recorded_can_be_reported(run: Run) -> None:
    parcel = packed(run)
    told = show_document(analysis_of(parcel))

    assert len(bars(report(parcel))) == len(run.spans)
    for part in ("run", "critical_path", "fan_outs"):
        assert told[part] == parcel.document[part]
