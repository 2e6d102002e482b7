"""Budgets as people write them: TOML text in, `Budget`s out. Pure.

    [chain."*"]
    error_rate = "1%"

    [chain.panel]
    runs_needed = 20
    p95_wall = "4s"
    cost_per_run = "$0.05"
    efficiency = 0.5

    [chain.panel.on_path]
    gemini = "70%"

Every table `[chain.NAME]` is a budget; NAME is a pattern. Times have a unit, shares may be written
in per cent. Source: TOML 1.0.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any, Final

from longpole.analysis.budgets import METRICS, Amount, Budget, Unit
from longpole.analysis.time_units import UNITS_NS
from longpole.model.errors import SettingsError

_TIME: Final = re.compile(r"(\d{1,12}(?:\.\d{1,9})?)\s*([a-zµ]{1,3})")
_RUNS_NEEDED: Final = "runs_needed"
_ON_PATH: Final = "on_path"


def parse_budgets(text: str, *, name: str) -> tuple[Budget, ...]:
    """Return the budgets of a file, in its order; `name` is what messages call it.

    Raises:
        SettingsError: it is no TOML, or says something that means nothing.
    """
    try:
        document = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{name}: no TOML: {error}") from error
    chains = document.get("chain")
    unknown = sorted(document.keys() - {"chain"})
    if unknown or not isinstance(chains, Mapping) or not chains:
        found = f", found {', '.join(unknown)}" if unknown else ""
        raise SettingsError(f'{name}: expected tables such as [chain.NAME] or [chain."*"]{found}')
    return tuple(
        _budget(chain, table, f"{name}: chain {chain!r}") for chain, table in chains.items()
    )


def _budget(chain: str, table: Any, place: str) -> Budget:
    if not isinstance(table, Mapping):
        raise SettingsError(f"{place}: expected a table of limits")
    limits: dict[str, Amount] = {}
    for name, value in table.items():
        if name in (_RUNS_NEEDED, _ON_PATH):
            continue
        metric = METRICS.get(name)
        if metric is None:
            raise SettingsError(f"{place}: {_unknown(name)}")
        limits[name] = _amount(value, metric.unit, f"{place}: {name}")
    on_path = table.get(_ON_PATH, {})
    if not isinstance(on_path, Mapping):
        raise SettingsError(
            f'{place}: {_ON_PATH} is {on_path!r}, expected branches, gemini = "70%"'
        )
    budget = Budget(
        chain=chain,
        runs_needed=_runs_needed(table.get(_RUNS_NEEDED, 1), place),
        limits=limits,
        on_path={
            branch: Fraction(_amount(share, Unit.RATIO, f"{place}: {_ON_PATH} {branch}"))
            for branch, share in on_path.items()
        },
    )
    if not budget.limits and not budget.on_path:
        raise SettingsError(f"{place}: limits nothing, expected one of {', '.join(METRICS)}")
    return budget


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(name, list(METRICS), 1)
    hint = f"did you mean {near[0]}?" if near else f"expected one of {', '.join(METRICS)}"
    return f"there is no {name!r}, {hint}"


def _runs_needed(value: Any, place: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise SettingsError(f"{place}: {_RUNS_NEEDED} is {value!r}, expected a number from 1")
    return value


def _amount(value: Any, unit: Unit, place: str) -> Amount:
    amount = _read(value, unit)
    if amount is None or amount < 0:
        raise SettingsError(f"{place} is {_shown(value)}, expected {_EXPECTED[unit]}")
    return amount


_EXPECTED: Final = {
    Unit.TIME: 'a length of time such as "900ms" or "4s"',
    Unit.RATIO: 'a share such as 0.05 or "5%"',
    Unit.MONEY: 'an amount of USD such as 0.05 or "$0.05"',
    Unit.COUNT: "a number, 0 or more",
}


def _read(value: Any, unit: Unit) -> Amount | None:
    if unit is Unit.TIME:
        found = _TIME.fullmatch(value.strip()) if isinstance(value, str) else None
        step_ns = None if found is None else UNITS_NS.get(found[2])
        return None if found is None or step_ns is None else int(Fraction(found[1]) * step_ns)
    number = _number(value, unit)
    return number if number is None or unit is Unit.MONEY else Fraction(number)


def _number(value: Any, unit: Unit) -> Decimal | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | Decimal):
        number = Decimal(value)
        return number if number.is_finite() else None
    if not isinstance(value, str):
        return None
    text, scale = value.strip(), Decimal(1)
    if unit is Unit.MONEY:
        text = text.removeprefix("$")
    if unit is Unit.RATIO and text.endswith("%"):
        text, scale = text[:-1], Decimal("0.01")
    try:
        number = Decimal(text.strip()) * scale
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _shown(value: Any) -> str:
    return repr(value) if isinstance(value, str) else str(value)
