"""Two runs compared → their section of a report."""

from __future__ import annotations

from typing import Final

from longpole.analysis.compare import Pair, RunComparison
from longpole.dashboard import words
from longpole.dashboard.difference import (
    place_of,
    side_by_side,
    signed_duration,
    signed_usd,
    verdict,
    what_counts,
)
from longpole.dashboard.report.grid import Line, number_column, table, text_column
from longpole.dashboard.report.markup import Html, element

MAX_PAIRS: Final = 50
_PLACE_CHARACTERS: Final = 60


def comparison_section(compared: RunComparison) -> Html:
    """Return what has changed from the first run to the second, and through what."""
    return element(
        "section",
        element("h2", "Compared"),
        element(
            "p",
            # A space between them, so that a line breaks after the dot that the style sheet adds.
            *(
                part
                for phrase in verdict(compared)
                for part in (element("span", element("b", phrase)), " ")
            ),
            class_="sentence",
        ),
        element(
            "p",
            "Times on the critical path; their differences add up to that of the walls.",
            class_="note",
        ),
        element("div", _table(compared), class_="card"),
    )


def _table(comparison: RunComparison) -> Html | None:
    """Return what made the difference between two runs; `None` when nothing did."""
    told = what_counts(comparison)[:MAX_PAIRS]
    if not told:
        return None
    columns = (
        text_column("Span"),
        number_column("Before"),
        number_column("After"),
        number_column("On the path"),
        number_column("Cost"),
        text_column("Remark"),
    )
    return table(
        "What made the difference",
        columns,
        [_compared(comparison, pair, is_strong=at == 0) for at, pair in enumerate(told)],
    )


def _compared(comparison: RunComparison, pair: Pair, *, is_strong: bool) -> Line:
    before, after, remark = side_by_side(pair)
    return Line(
        parts=(
            words.shortened(place_of(comparison, pair), _PLACE_CHARACTERS),
            before,
            after,
            signed_duration(pair.path_delta_ns),
            signed_usd(pair.cost_delta_usd),
            remark,
        ),
        is_strong=is_strong,
    )
