"""Parcels → one HTML file that needs no server, no network and nothing beside it.

The file carries plotly.js and forbids itself everything else: its policy allows the two scripts in
it by their hashes and no other, no request, no frame, no form. Its drawings follow the reader's
light or dark theme, and are drawn when they come into view.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from longpole.analysis import analyse
from longpole.analysis.compare import RunComparison, compare
from longpole.analysis.result import RunAnalysis
from longpole.dashboard import words
from longpole.dashboard.report import theme
from longpole.dashboard.report.compared import comparison_section
from longpole.dashboard.report.markup import Html, data_block, element, together
from longpole.model.errors import MissingExtraError
from longpole.storage import Content
from longpole.storage.exchange.parcel import Parcel

_HERE: Final = Path(__file__).parent


def html_report(
    parcels: Sequence[Parcel],
    *,
    with_content: bool,
    version: str,
    made_ns: int,
    is_comparison: bool = False,
) -> str:
    """Return the report on these runs.

    Args:
        parcels: one section each, in this order.
        with_content: whether inputs and outputs are in it, as far as the parcels hold them.
        version: of Longpole, for the head of the page.
        is_comparison: whether two runs are also compared, the first one with the second.
        made_ns: when, for the head of the page; the numbers are those of the parcels' documents.

    Raises:
        MissingExtraError: Plotly is not installed.
    """
    if importlib.util.find_spec("plotly") is None:
        raise MissingExtraError("the HTML report", "plotly", "dashboard")
    analyses = [analysis_of(parcel) for parcel in parcels]
    contents = [parcel.contents if with_content else None for parcel in parcels]
    compared = compare(analyses[0], analyses[1]) if is_comparison else None
    return f"<!doctype html>\n{_page(analyses, contents, version, made_ns, compared).text}\n"


def analysis_of(parcel: Parcel) -> RunAnalysis:
    """Return what the document was made of: what was running, as it stood when it was packed."""
    return analyse(parcel.run, now_ns=parcel.now_ns)


def _page(
    analyses: Sequence[RunAnalysis],
    contents: Sequence[Mapping[str, Content] | None],
    version: str,
    made_ns: int,
    compared: RunComparison | None,
) -> Html:
    # Plotly is not there in every installation.
    from plotly.offline import get_plotlyjs

    from longpole.dashboard.report.section import run_name, section

    title = run_name(analyses[0].run) if len(analyses) == 1 else words.count(len(analyses), "run")
    scripts = (get_plotlyjs(), _file("report.js"))
    body = element(
        "body",
        _masthead(version, made_ns),
        element(
            "main",
            _table_of_contents(analyses),
            None if compared is None else comparison_section(compared),
            *map(section, analyses, contents),
        ),
        element("noscript", element("p", "The drawings need JavaScript.", class_="note")),
        data_block({"dark": theme.swaps()}, id="theme"),
        *(Html(f"<script>{script}</script>") for script in scripts),
    )
    return element("html", _head(title, scripts), body, lang="en")


def _file(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


def _policy(scripts: Sequence[str]) -> str:
    digests = (hashlib.sha256(script.encode()).digest() for script in scripts)
    allowed = " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _head(title: str, scripts: Sequence[str]) -> Html:
    style = (
        f":root{{{theme.variables('light')}}}"
        f"@media screen and (prefers-color-scheme:dark){{:root{{{theme.variables('dark')}}}}}"
        f"{_file('report.css')}"
    )
    icon = base64.b64encode(_file("mark.svg").encode()).decode()
    return element(
        "head",
        element("meta", charset="utf-8"),
        Html(f'<meta http-equiv="Content-Security-Policy" content="{_policy(scripts)}">'),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="referrer", content="no-referrer"),
        element("meta", name="color-scheme", content="light dark"),
        element("link", rel="icon", href=f"data:image/svg+xml;base64,{icon}"),
        element("title", f"{title} · Longpole"),
        Html(f"<style>{style}</style>"),
    )


def _masthead(version: str, made_ns: int) -> Html:
    return element(
        "div",
        Html(_file("mark.svg")),
        element("b", "Longpole"),
        element("span", f"{version} · made {words.moment(made_ns)}"),
        class_="masthead",
    )


def _table_of_contents(analyses: Sequence[RunAnalysis]) -> Html | None:
    from longpole.dashboard.report.section import anchor, run_name
    from longpole.dashboard.report.tables import runs_table

    if len(analyses) == 1:
        return None
    names = [
        element("a", run_name(analysis.run), href=f"#{anchor(analysis)}") for analysis in analyses
    ]
    return together(
        [
            element("h1", words.count(len(analyses), "run")),
            element("nav", runs_table(analyses, names), class_="card", aria_label="Runs"),
        ]
    )
