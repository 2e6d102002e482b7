"""What `longpole what-if` does and writes; a file of its own, as only that command needs it."""

from __future__ import annotations

import contextlib
import textwrap
import time
from collections.abc import Sequence
from typing import Final

from rich.console import Console
from rich.text import Text

from longpole.analysis import analyse, compare
from longpole.analysis.curves import Curve
from longpole.analysis.what_if import WhatIf
from longpole.analysis.what_if_set import SetWhatIf
from longpole.dashboard import words
from longpole.dashboard.cli.options import write_json
from longpole.dashboard.cli.table import Column, column, table
from longpole.dashboard.cli.terminal import console
from longpole.dashboard.difference import place_of, signed_duration, signed_usd, what_counts
from longpole.dashboard.prices import price_book
from longpole.dashboard.supposing import Question, suppose
from longpole.dashboard.supposition import (
    curved,
    spark,
    trusted,
    verdict,
    verdict_of_all,
)
from longpole.dashboard.what_if_document import what_if_document
from longpole.storage import open_store

_ROWS_SHOWN: Final = 8
_REASONS_SHOWN: Final = 3


def answer_question(question: Question, store_url: str, *, as_json: bool) -> None:
    """Answer on standard output.

    Raises:
        ChangeError, TargetError: the question cannot be understood.
        NotReplayableError: there is no run, or none that can be run again.
    """
    with contextlib.closing(open_store(store_url, mode="read")) as store:
        found = suppose(store, question, book=price_book(), now_ns=time.time_ns())
    if as_json:
        write_json(what_if_document(found.answer, found.curves))
        return
    out = console()
    if found.answer is not None:
        print_answer(found.answer, out)
    if question.with_curves:
        print_curves(found.curves, out)


# --- the answer -------------------------------------------------------------------------------


def print_answer(answer: SetWhatIf, out: Console) -> None:
    """Write the answer for one run or several to a console."""
    if len(answer.answers) == 1 and not answer.refused:
        _print_one(answer.answers[0], out)
    else:
        _print_several(answer, out)
    for note in answer.notes:
        _print_item("note: ", words.plain(note), out, style="yellow")
    out.print(Text(trusted(answer.trust), style="dim"))
    if answer.assumptions:
        out.print(Text("takes for granted:", style="dim"))
    for one in answer.assumptions:
        _print_item(f"  {one.name} ", one.value, out, style="dim")


def _print_one(answer: WhatIf, out: Console) -> None:
    run = answer.run
    head = Text(words.plain(run.name), style="bold")
    head.append(f"  {run.run_id[:8]}  {words.moment(run.root.start_ns)}", style="dim")
    out.print(head)
    out.print(Text(words.plain(verdict(answer))))
    out.print()
    _print_table(_totals(answer), out)
    out.print()
    _print_path(answer, out)


def _totals(answer: WhatIf) -> tuple[Column, ...]:
    wall, before_ns = answer.wall, answer.wall_before_ns
    name = "wall" if wall.is_certain else "wall, mean"
    rows = [_times(name, before_ns, wall.mean_ns)]
    if not wall.is_certain:
        for label, ratio in (("wall, p50", 0.5), ("wall, p95", 0.95)):
            rows.append(_times(label, before_ns, wall.quantile_ns(ratio)))
        if wall.draws:
            error = words.duration(wall.standard_error_ns)
            rows[0] = (*rows[0][:3], f"{rows[0][3]} ± {error}")
    before, after = answer.cost_before, answer.cost
    if before.cost_usd or after.cost_usd or before.unpriced_calls:
        delta = (
            None
            if before.cost_usd is None or after.cost_usd is None
            else after.cost_usd - before.cost_usd
        )
        rows.append(
            (
                "cost",
                words.cost(before.cost_usd, before.unpriced_calls),
                words.cost(after.cost_usd, after.unpriced_calls),
                signed_usd(delta),
            )
        )
    return _columns(rows)


def _times(label: str, before_ns: int, after_ns: int) -> tuple[str, str, str, str]:
    delta_ns = after_ns - before_ns
    share = f" ({words.signed_share(delta_ns / before_ns)})" if before_ns and delta_ns else ""
    return (
        label,
        words.duration(before_ns),
        words.duration(after_ns),
        f"{signed_duration(delta_ns)}{share}",
    )


def _columns(rows: Sequence[tuple[str, str, str, str]]) -> tuple[Column, ...]:
    return (
        column("", rows, lambda row: row[0], is_whole=True),
        column("before", rows, lambda row: row[1], is_number=True),
        column("after", rows, lambda row: row[2], is_number=True),
        column("change", rows, lambda row: row[3], is_whole=True),
    )


def _print_path(answer: WhatIf, out: Console) -> None:
    """Write where on the critical path the time is gained and what takes its place."""
    before = analyse(answer.run, now_ns=answer.run.root.end_ns or 0)
    after = analyse(answer.after, now_ns=answer.after.root.end_ns or 0)
    comparison = compare(before, after)
    told = [pair for pair in what_counts(comparison) if pair.path_delta_ns][:_ROWS_SHOWN]
    if not told:
        return
    middle = "" if answer.wall.is_certain else ", in an outcome in the middle"
    out.print(Text(f"on the critical path{middle}", style="bold"))
    columns = (
        column("span", told, lambda pair: words.plain(place_of(comparison, pair))),
        column(
            "before",
            told,
            lambda pair: _path_time(None if pair.before is None else pair.before.own_path_ns),
            is_number=True,
        ),
        column(
            "after",
            told,
            lambda pair: _path_time(None if pair.after is None else pair.after.own_path_ns),
            is_number=True,
        ),
        column("change", told, lambda pair: _delta(pair.path_delta_ns), is_number=True),
    )
    _print_table(columns, out)
    out.print()


def _path_time(length_ns: int | None) -> str:
    return words.duration(length_ns) if length_ns else "–"


def _delta(delta_ns: int) -> Text:
    return Text(signed_duration(delta_ns), style="red" if delta_ns > 0 else "green")


def _print_several(answer: SetWhatIf, out: Console) -> None:
    out.print(Text(words.plain(verdict_of_all(answer))))
    out.print()
    before, after = answer.before, answer.after
    rows = [
        _times("wall, p50", before.p50_ns, after.p50_ns),
        _times("wall, p95", before.p95_ns, after.p95_ns),
        _times("wall, mean", before.mean_ns, after.mean_ns),
    ]
    if answer.cost_usd is not None and answer.cost_before_usd is not None and answer.cost_usd != 0:
        delta = answer.cost_usd - answer.cost_before_usd
        rows.append(
            (
                "cost, mean",
                words.usd(answer.cost_before_usd),
                words.usd(answer.cost_usd),
                signed_usd(delta),
            )
        )
    _print_table(_columns(rows), out)
    low, high = answer.delta_interval.low, answer.delta_interval.high
    out.print()
    out.print(
        Text(
            f"mean change {_signed(answer.mean_delta_ns)}, in 95 of 100 such samples between "
            f"{_signed(round(low))} and {_signed(round(high))}"
        )
    )
    if answer.costed < before.n:
        out.print(Text(f"cost: the {answer.costed} of {before.n} runs that are priced", "dim"))
    _print_refused(answer, out)


def _signed(delta_ns: int) -> str:
    return signed_duration(delta_ns) if delta_ns else "0"


def _print_refused(answer: SetWhatIf, out: Console) -> None:
    if not answer.refused:
        return
    counted = words.count(len(answer.refused), "run")
    out.print(Text(f"not asked: {counted}", style="yellow"))
    for reason in list(dict.fromkeys(one.reason for one in answer.refused))[:_REASONS_SHOWN]:
        _print_item("  ", words.plain(reason), out, style="yellow")


# --- curves -----------------------------------------------------------------------------------


def print_curves(drawn: Sequence[Curve], out: Console) -> None:
    """Write what making each branch faster is worth to a console."""
    out.print()
    if not drawn:
        out.print(Text("no branch alone would make a difference", style="dim"))
        return
    out.print(Text("gained when a branch takes 10 %, 50 %, 100 % less time", style="bold"))
    columns = (
        column("branch", drawn, lambda one: words.plain(curved(one))),
        column("wall", drawn, spark, is_whole=True, need=1),
        column("10 %", drawn, lambda one: _gained(one, 10), is_number=True, need=2),
        column("50 %", drawn, lambda one: _gained(one, 50), is_number=True),
        column("100 %", drawn, lambda one: _gained(one, 100), is_number=True),
        column("pays up to", drawn, lambda one: f"{one.kink_percent} %", is_number=True),
    )
    _print_table(columns, out)


def _gained(curve: Curve, percent: int) -> str:
    wall_ns = dict(curve.walls_ns)[percent]
    return signed_duration(wall_ns - curve.walls_ns[0][1])


def _print_item(head: str, text: str, out: Console, *, style: str) -> None:
    """Write a text that stays to the right of its head on every line."""
    margin = " " * len(head)
    lines = textwrap.wrap(text, out.width, initial_indent=head, subsequent_indent=margin)
    for line in lines:
        out.print(Text(line, style=style))


def _print_table(columns: Sequence[Column], out: Console) -> None:
    for line in table(columns, out.width):
        out.print(line, soft_wrap=True)
