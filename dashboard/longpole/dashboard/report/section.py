"""One run → its section of a report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from longpole.analysis.result import RunAnalysis, RunFacts
from longpole.dashboard import words
from longpole.dashboard.palette import FAMILY_NAMES, Family, family
from longpole.dashboard.report import drawings, tables
from longpole.dashboard.report.grid import status_mark
from longpole.dashboard.report.markup import Html, data_block, element, together
from longpole.dashboard.report.rows import Row, shown_rows
from longpole.dashboard.sentence import sentence
from longpole.model import Run
from longpole.storage import Content

_NAME_CHARACTERS: Final = 120
_VALUE_CHARACTERS: Final = 200


def anchor(analysis: RunAnalysis) -> str:
    """Return the id that a run's section has in the page."""
    return f"run-{analysis.run.run_id}"


def run_name(run: Run) -> str:
    """Return a run's name, short enough for a heading."""
    return words.shortened(words.short_name(run.name), _NAME_CHARACTERS)


def section(analysis: RunAnalysis, contents: Mapping[str, Content] | None) -> Html:
    """Return everything of a run; its inputs and outputs only where there are contents."""
    rows = shown_rows(analysis)
    return element(
        "section",
        _heading(analysis),
        _tiles(analysis.facts),
        _waterfall(analysis, rows),
        _card("Fan-outs and their branches", tables.fan_out_tables(analysis)),
        _card("Critical path", tables.path_table(analysis)),
        _pair(
            _card("Cost by model", tables.cost_table(analysis)),
            _card("Concurrency", _figure("concurrency", drawings.concurrency(analysis), 260)),
        ),
        _card("Errors", tables.failure_table(analysis)),
        _card("Inputs and outputs", _contents(analysis, rows, contents)),
        id=anchor(analysis),
    )


def _contents(
    analysis: RunAnalysis, rows: tuple[Row, ...], contents: Mapping[str, Content] | None
) -> Html | None:
    if contents is None:
        return None
    return tables.contents_list(analysis, [row.span for row in rows], contents)


def _pair(*cards: Html | None) -> Html:
    there = [card for card in cards if card is not None]
    return element("div", *there, class_="pair" if len(there) == 2 else None)


def _card(title: str, body: Html | None) -> Html | None:
    return None if body is None else element("div", element("h3", title), body, class_="card")


def _heading(analysis: RunAnalysis) -> Html:
    run = analysis.run
    phrases = [
        element(
            "span",
            element("b", phrase.words),
            f" {words.shortened(phrase.name, _NAME_CHARACTERS)}" if phrase.name else None,
        )
        for phrase in sentence(analysis)
    ]
    facts = [f"run {run.run_id}", words.moment(run.root.start_ns), *_said_about(run)]
    return element(
        "header",
        element("h2", run_name(run), status_mark(run.status)),
        # A space between them, so that a line breaks after the dot that the style sheet adds.
        element("p", *(part for phrase in phrases for part in (phrase, " ")), class_="sentence"),
        element("p", " · ".join(facts), class_="note"),
    )


def _said_about(run: Run) -> list[str]:
    found = [("session", run.session_id), ("user", run.user_id), ("tags", ", ".join(run.tags))]
    # LangChain apps name session and user in the metadata, where they were found.
    known = {run.session_id, run.user_id}
    metadata = [(key, str(value)) for key, value in run.metadata.items() if str(value) not in known]
    return [
        words.shortened(f"{name} {value}", _VALUE_CHARACTERS)
        for name, value in found + metadata
        if value
    ]


def _tiles(facts: RunFacts) -> Html:
    tiles = [
        element("div", element("dt", label), element("dd", value), element("dd", about, class_="s"))
        for label, value, about in _tile_values(facts)
    ]
    return element("dl", *tiles, class_="tiles")


def _tile_values(facts: RunFacts) -> tuple[tuple[str, str, str], ...]:
    usage = facts.usage
    fallbacks = f"{words.count(facts.fallbacks, 'fallback')} tried"
    unpriced = f"{words.count(facts.unpriced_calls, 'call')} without a known price"
    return (
        ("Wall", words.duration(facts.wall_ns), f"{words.duration(facts.work_ns)} of work"),
        (
            "Speed-up",
            words.times(facts.speedup_ratio),
            f"of a possible {words.times(facts.parallelism_ratio)}, "
            f"peak {facts.peak_concurrency:,}",
        ),
        ("Queued", words.duration(facts.queue_wait_ns), "what limits cost the run"),
        (
            "Cost",
            words.cost(facts.cost_usd, facts.unpriced_calls),
            unpriced
            if facts.unpriced_calls
            else f"{words.count(facts.llm_calls, 'model call')}, "
            f"{words.tokens(usage.total_tokens)} tokens",
        ),
        (
            "Wasted",
            words.usd(facts.wasted_cost_usd),
            f"{words.duration(facts.wasted_ns)} of work nobody used",
        ),
        (
            "Retries",
            f"{facts.retries:,}",
            fallbacks if facts.fallbacks else f"{words.duration(facts.backoff_ns)} backing off",
        ),
    )


def _waterfall(analysis: RunAnalysis, rows: tuple[Row, ...]) -> Html:
    total = len(analysis.run.spans)
    count = words.count(total, "span")
    if len(rows) < total:
        count = (
            f"{len(rows)} of {total:,} spans: the critical path, fan-outs, errors, branches "
            "and the longest"
        )
    figure = drawings.waterfall(analysis, rows)
    drawing = _figure("waterfall", figure, figure["layout"]["height"])
    return element(
        "div",
        element("h3", "Waterfall", element("small", count)),
        _legend(rows),
        element("div", drawing, class_="rows", tabindex="0"),
        class_="card",
    )


def _legend(rows: tuple[Row, ...]) -> Html:
    used = {family(row.span) for row in rows}
    keys: list[Html] = [
        element("span", element("i", class_=f"f{kind.value}"), FAMILY_NAMES[kind])
        for kind in Family
        if kind in used
    ]
    keys += [
        element("span", element("i", class_=sign), name)
        for sign, name in (("wait", "queue wait"), ("path", "critical path"))
    ]
    keys.append(element("span", element("b", "✕", class_="error"), " failed"))
    return element("div", *keys, class_="legend")


def _figure(name: str, figure: drawings.Json, height_px: int) -> Html:
    return together(
        [
            data_block(figure, class_="figure"),
            element("div", class_=f"plot {name}", style=f"height:{height_px}px"),
        ]
    )
