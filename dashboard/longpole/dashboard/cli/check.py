"""`longpole check FILE`: budgets as a gate."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import click
from rich.text import Text

from longpole.analysis.budget_text import parse_budgets
from longpole.analysis.budgets import Amount, Budget, Judgement, Unit, judge
from longpole.analysis.many import by_chain
from longpole.analysis.sample import RunSample
from longpole.dashboard import words
from longpole.dashboard.cli.options import (
    filter_option,
    json_option,
    newest_option,
    parsed_filter,
    store_option,
    write_json,
)
from longpole.dashboard.cli.table import Column, column, table
from longpole.dashboard.cli.terminal import console
from longpole.dashboard.prices import price_book
from longpole.dashboard.sampled import sampled
from longpole.model.errors import SettingsError
from longpole.storage import RunQuery, open_store


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@store_option
@json_option
@filter_option("Only such runs.")
@newest_option()
@click.option(
    "--junit",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="XML",
    help="Also write the outcome for CI, as JUnit has it.",
)
@click.pass_context
def check(
    context: click.Context,
    file: Path,
    store: str,
    as_json: bool,
    filter_text: str,
    limit: int,
    junit: Path | None,
) -> None:
    """Check recorded runs against the budgets in a TOML FILE.

    Exit code 1 when a budget does not hold, or could not be measured.
    """
    budgets = _read(file)
    where = parsed_filter(filter_text)
    with contextlib.closing(open_store(store, mode="read")) as opened:
        found = sampled(
            opened,
            RunQuery(where=where),
            limit=limit,
            book=price_book(),
            now_ns=time.time_ns(),
        )
    judged = _judged(budgets, found.samples)
    if junit is not None:
        _write_junit(judged, junit)
    if as_json:
        write_json(_document(judged))
    else:
        _print(judged)
    if not all(one.holds for one in judged):
        context.exit(1)


def _read(file: Path) -> tuple[Budget, ...]:
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        reason = error.strerror or error
        raise SettingsError(f"the budget file {str(file)!r} cannot be read: {reason}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"the budget file {str(file)!r} is no text: {error}") from error
    return parse_budgets(text, name=str(file))


def _judged(budgets: Sequence[Budget], samples: Sequence[RunSample]) -> list[Judgement]:
    chains = by_chain(samples)
    judged: list[Judgement] = []
    for budget in budgets:
        covered = [name for name in chains if budget.covers(name)]
        # A pattern that fits no chain is told as such: its limits were not measured.
        for name in covered or [budget.chain]:
            judged += judge(budget, name, chains.get(name, ()))
    return judged


def _print(judged: Sequence[Judgement]) -> None:
    out = console()
    broken = sum(not one.holds for one in judged)
    said = "every budget holds" if not broken else f"{words.count(broken, 'budget')} broken"
    out.print(Text(f"{said}, {words.count(len(judged), 'limit')} checked", "bold"))
    out.print()
    for line in table(_columns(judged), out.width):
        out.print(line, soft_wrap=True)


def _columns(judged: Sequence[Judgement]) -> tuple[Column, ...]:
    return (
        column("", judged, _mark, is_whole=True),
        column("chain", judged, lambda one: words.plain(one.chain)),
        column("budget", judged, lambda one: words.plain(one.what), is_whole=True),
        column("limit", judged, _limit, is_number=True),
        column("measured", judged, _measured, is_number=True),
        column("runs", judged, lambda one: f"{one.runs:,}", is_number=True, need=1),
        column("", judged, lambda one: Text(one.reason, "yellow"), need=2),
    )


def _mark(one: Judgement) -> Text:
    return Text("✓", "green") if one.holds else Text("✗", "red")


def _limit(one: Judgement) -> str:
    return f"{'≥' if one.is_floor else '≤'} {shown(one.limit, one.unit)}"


def _measured(one: Judgement) -> str:
    return "–" if one.measured is None else shown(one.measured, one.unit)


def shown(amount: Amount, unit: Unit) -> str:
    """Return an amount as people read it.

    >>> shown(1_500_000_000, Unit.TIME), shown(Fraction(1, 20), Unit.RATIO)
    ('1.50 s', '0.05')
    """
    if unit is Unit.TIME:
        return words.duration(int(amount))
    if unit is Unit.MONEY:
        return words.usd(_decimal(amount))
    return f"{float(amount):.3g}"


def _decimal(amount: Amount) -> Decimal:
    if isinstance(amount, Fraction):
        return Decimal(amount.numerator) / Decimal(amount.denominator)
    return Decimal(amount)


def _document(judged: Sequence[Judgement]) -> dict[str, Any]:
    return {
        "schema": 1,
        "holds": all(one.holds for one in judged),
        "budgets": [
            {
                "chain": one.chain,
                "budget": one.what,
                "unit": one.unit.value,
                "holds": one.holds,
                "is_floor": one.is_floor,
                "limit": _plain(one.limit, one.unit),
                "measured": None if one.measured is None else _plain(one.measured, one.unit),
                "runs": one.runs,
                "reason": one.reason or None,
            }
            for one in judged
        ],
    }


def _plain(amount: Amount, unit: Unit) -> int | float | str:
    if unit is Unit.TIME:
        return int(amount)
    return f"{_decimal(amount):f}" if unit is Unit.MONEY else float(amount)


def _write_junit(judged: Sequence[Judgement], path: Path) -> None:
    """Write the outcome as one suite; a chain is a class, a limit a case."""
    broken = sum(not one.holds for one in judged)
    suite = ElementTree.Element(
        "testsuite", name="longpole check", tests=str(len(judged)), failures=str(broken), errors="0"
    )
    for one in judged:
        case = ElementTree.SubElement(
            suite, "testcase", classname=words.plain(one.chain), name=words.plain(one.what)
        )
        if not one.holds:
            told = one.reason or f"{_measured(one)} measured over {words.count(one.runs, 'run')}"
            ElementTree.SubElement(case, "failure", message=f"{told}, allowed {_limit(one)}")
    document = ElementTree.ElementTree(suite)
    ElementTree.indent(document)
    try:
        document.write(path, encoding="utf-8", xml_declaration=True)
    except OSError as error:
        reason = error.strerror or error
        raise SettingsError(f"{str(path)!r} cannot be written: {reason}") from error
