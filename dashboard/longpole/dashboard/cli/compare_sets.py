"""Two sets of runs side by side in the terminal: what differs, and whether it can be chance."""

from __future__ import annotations

import time
from collections.abc import Sequence
from fractions import Fraction

from rich.console import Console
from rich.text import Text

from longpole.analysis.compare_sets import PlaceDelta, SetComparison, compare_sets
from longpole.dashboard import words
from longpole.dashboard.cli.options import write_json
from longpole.dashboard.cli.table import column, table
from longpole.dashboard.cli.terminal import console
from longpole.dashboard.difference import signed_duration
from longpole.dashboard.many_documents import set_document
from longpole.dashboard.places import below_label
from longpole.dashboard.prices import price_book
from longpole.dashboard.sampled import Sampled, left_out, sampled
from longpole.dashboard.set_difference import (
    differences,
    excludes_zero,
    interval_words,
    set_verdict,
    what_differs,
    what_is_missing,
)
from longpole.model.errors import EmptySetError
from longpole.storage import RunQuery, open_store
from longpole.storage.filters import Filter


def compare_two_sets(
    url: str,
    before: Filter | None,
    after: Filter | None,
    *,
    limit: int,
    as_json: bool,
    most: int | None,
) -> None:
    """Compare the runs of a store that two filters choose, and write what differs.

    Raises:
        EmptySetError: a filter chooses no run that has ended.
    """
    store = open_store(url, mode="read")
    try:
        book, now_ns = price_book(), time.time_ns()
        one, other = (
            sampled(store, RunQuery(where=where), limit=limit, book=book, now_ns=now_ns)
            for where in (before, after)
        )
    finally:
        store.close()
    for word, side in (("--before", one), ("--after", other)):
        if not side.samples:
            raise EmptySetError(
                f"{word} chooses no run that has ended; look at it with: longpole runs FILTER"
            )
    comparison = compare_sets(one.samples, other.samples)
    if as_json:
        write_json(set_document(comparison))
    else:
        _print(comparison, one, other, console(), most)


def _print(
    comparison: SetComparison, before: Sampled, after: Sampled, out: Console, most: int | None
) -> None:
    for word, found in (("before", before), ("after ", after)):
        names = list(dict.fromkeys(sample.chain for sample in found.samples))
        named = words.plain(names[0]) if len(names) == 1 else f"{len(names)} chains"
        line = Text(f"{word}  ", style="dim")
        line.append(words.count(len(found.samples), "run"), style="bold")
        line.append(f"  {named}", style="dim")
        for told in left_out(found):
            line.append(f"  {told}", style="dim")
        out.print(line)
    out.print(Text(set_verdict(comparison)))
    missing = what_is_missing(comparison)
    if missing:
        out.print(Text(missing, style="yellow"))
    out.print()
    _print_walls(comparison, out)
    told_places = what_differs(comparison)
    if told_places:
        out.print()
        _print_places(told_places[:most], out)
    if most is not None and len(told_places) > most:
        left_ns = sum(place.delta_ns for place in told_places[most:])
        counted = words.count(len(told_places) - most, "place")
        rest = f"{counted} left out, {signed_duration(round(left_ns))} a run in all"
        out.print(Text(f"{rest}; --all shows them", style="dim"))


def _print_walls(comparison: SetComparison, out: Console) -> None:
    rows = differences(comparison)
    columns = (
        column("", rows, lambda row: row.what, is_whole=True),
        column("before", rows, lambda row: row.before, is_number=True),
        column("after", rows, lambda row: row.after, is_number=True),
        column("difference", rows, lambda row: row.delta, is_number=True),
        column("95 % between", rows, lambda row: row.between, is_number=True, need=1),
    )
    for line in table(columns, out.width):
        out.print(line, soft_wrap=True)


def _print_places(places: Sequence[PlaceDelta], out: Console) -> None:
    def delta(place: PlaceDelta) -> Text:
        is_sure = excludes_zero(place.between_ns)
        style = ("red" if place.delta_ns > 0 else "green") if is_sure else ""
        return Text(signed_duration(round(place.delta_ns)), style=style)

    def remark(place: PlaceDelta) -> str:
        return "new" if not place.runs_before else "gone" if not place.runs_after else ""

    columns = (
        column("a run waits for", places, lambda one: words.plain(below_label(one.position))),
        column("before", places, lambda one: _some(one.before_ns), is_number=True, need=2),
        column("after", places, lambda one: _some(one.after_ns), is_number=True, need=3),
        column("difference", places, delta, is_number=True),
        column(
            "95 % between",
            places,
            lambda one: interval_words(one.between_ns),
            is_number=True,
            need=4,
        ),
        column("", places, remark, need=1),
    )
    for line in table(columns, out.width):
        out.print(line, soft_wrap=True)


def _some(length_ns: Fraction) -> str:
    return words.duration(float(length_ns)) if length_ns else "–"
