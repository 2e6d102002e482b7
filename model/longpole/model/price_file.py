"""The user's own prices: a TOML file in, price rules out.

    [[price]]
    provider = "openai"
    model = "gpt-4o*"
    input_usd_per_million = 2.50
    output_usd_per_million = 10
    cache_read_usd_per_million = 1.25
    from = 2026-01-01

    [[price]]
    provider = "ollama"
    usd_per_second = 0.0004

    [[price]]
    provider = "anthropic"
    factor = 0.5

`provider` and `model` are globs, ignoring case; left out they fit everything, also calls whose
provider or model is not known. The first rule in the file that fits a call decides. A rule has
prices of its own (for tokens, for seconds, or both, which are added up), or it has only a `factor`
on the public price: a contract's discount, a batch or flex tier. `from` is the first day it holds,
`until` the first day it no longer does. Pure apart from reading the file.

Source: TOML 1.0; cached tokens cost what input costs where no price of their own is given.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

from longpole.model.errors import SettingsError
from longpole.model.usage import Usage

_MILLION: Final = 1_000_000
_NS_PER_S: Final = 1_000_000_000
_DAY_S: Final = 86_400

_PER_MILLION: Final = (
    "input_usd_per_million",
    "output_usd_per_million",
    "cache_read_usd_per_million",
    "cache_write_usd_per_million",
)
_FIELDS: Final = frozenset(
    {"provider", "model", "from", "until", "usd_per_second", "factor", *_PER_MILLION}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenPrices:
    """USD for one token of each sort."""

    input_usd: Decimal
    output_usd: Decimal
    cache_read_usd: Decimal
    cache_write_usd: Decimal

    def cost_usd(self, usage: Usage) -> Decimal:
        """Return what these tokens cost; cached ones are a part of the input."""
        fresh_tokens = usage.input_tokens - usage.cache_read_tokens - usage.cache_write_tokens
        return (
            self.input_usd * fresh_tokens
            + self.cache_read_usd * usage.cache_read_tokens
            + self.cache_write_usd * usage.cache_write_tokens
            + self.output_usd * usage.output_tokens
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceRule:
    """One entry of the file.

    Attributes:
        number: its place in the file, from 1.
        provider, model: globs in lower case.
        from_day, until_day: days since the epoch, half open; `None` leaves that side open.
        tokens: `None` where tokens cost nothing by this rule.
        usd_per_second: `None` where time costs nothing by this rule.
        factor: on these prices, or on the public one where the rule has none of its own.
    """

    number: int
    provider: str = "*"
    model: str = "*"
    from_day: int | None = None
    until_day: int | None = None
    tokens: TokenPrices | None = None
    usd_per_second: Decimal | None = None
    factor: Decimal = Decimal(1)

    @property
    def is_discount(self) -> bool:
        """Whether it only changes the public price."""
        return self.tokens is None and self.usd_per_second is None

    def fits(self, provider: str | None, model: str | None, day: int) -> bool:
        """Tell whether a call of that day falls under this rule."""
        return (
            (self.from_day is None or self.from_day <= day)
            and (self.until_day is None or day < self.until_day)
            and fnmatchcase((provider or "").lower(), self.provider)
            and fnmatchcase((model or "").lower(), self.model)
        )

    def cost_usd(self, usage: Usage | None, duration_ns: int | None) -> Decimal | None:
        """Return what a call costs by these prices; `None` where its tokens are unknown."""
        cost_usd = Decimal(0)
        if self.tokens is not None:
            if usage is None:
                return None
            cost_usd += self.tokens.cost_usd(usage)
        if self.usd_per_second is not None:
            if duration_ns is None:
                return None
            cost_usd += self.usd_per_second * duration_ns / _NS_PER_S
        return cost_usd * self.factor


def read_prices(path: Path) -> tuple[PriceRule, ...]:
    """Return the rules of a price file, in its order.

    Raises:
        SettingsError: it cannot be read, or an entry means nothing; the message names the entry.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        reason = error.strerror or error
        raise SettingsError(f"the price file {str(path)!r} cannot be read: {reason}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"the price file {str(path)!r} is no text: {error}") from error
    return parse_prices(text, name=str(path))


def parse_prices(text: str, *, name: str) -> tuple[PriceRule, ...]:
    """Return the rules in the text of a price file; `name` is what messages call it.

    Raises:
        SettingsError: it is no TOML, or an entry means nothing.
    """
    try:
        document = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{name}: no TOML: {error}") from error
    unknown = sorted(document.keys() - {"price"})
    entries = document.get("price", [])
    if unknown or not isinstance(entries, list):
        raise SettingsError(f"{name}: expected [[price]] entries and nothing else, found {unknown}")
    return tuple(_rule(entry, at, name) for at, entry in enumerate(entries, start=1))


def _rule(entry: Any, number: int, name: str) -> PriceRule:
    place = f"{name}: price {number}"
    if not isinstance(entry, Mapping):
        raise SettingsError(f"{place}: expected a [[price]] table")
    unknown = sorted(entry.keys() - _FIELDS)
    if unknown:
        raise SettingsError(
            f"{place}: unknown {unknown[0]!r}, expected {', '.join(sorted(_FIELDS))}"
        )
    rule = PriceRule(
        number=number,
        provider=_glob(entry, "provider", place),
        model=_glob(entry, "model", place),
        from_day=_day(entry, "from", place),
        until_day=_day(entry, "until", place),
        tokens=_tokens(entry, place),
        usd_per_second=_amount(entry, "usd_per_second", place),
        factor=_factor(entry, place),
    )
    if rule.is_discount and "factor" not in entry:
        raise SettingsError(
            f"{place}: no price; give input_usd_per_million, usd_per_second or factor"
        )
    return rule


def _tokens(entry: Mapping[str, Any], place: str) -> TokenPrices | None:
    given = [_amount(entry, field, place) for field in _PER_MILLION]
    if all(amount is None for amount in given):
        return None
    input_usd, output_usd, read_usd, write_usd = given
    if input_usd is None or output_usd is None:
        raise SettingsError(
            f"{place}: prices for tokens need input_usd_per_million and output_usd_per_million"
        )
    return TokenPrices(
        input_usd=input_usd / _MILLION,
        output_usd=output_usd / _MILLION,
        cache_read_usd=(input_usd if read_usd is None else read_usd) / _MILLION,
        cache_write_usd=(input_usd if write_usd is None else write_usd) / _MILLION,
    )


def _glob(entry: Mapping[str, Any], field: str, place: str) -> str:
    value = entry.get(field, "*")
    if not isinstance(value, str) or not value:
        raise SettingsError(f"{place}: {field} is {value!r}, expected a name, * fits anything")
    return value.lower()


def _amount(entry: Mapping[str, Any], field: str, place: str) -> Decimal | None:
    value = entry.get(field)
    if value is None:
        return None
    amount = _number(value)
    if amount is None or amount < 0:
        raise SettingsError(f"{place}: {field} is {value}, expected USD, 0 or more")
    return amount


def _factor(entry: Mapping[str, Any], place: str) -> Decimal:
    value = entry.get("factor", 1)
    factor = _number(value)
    if factor is None or factor < 0:
        raise SettingsError(f"{place}: factor is {value}, expected a number, 0 or more")
    return factor


def _number(value: object) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return None
    number = Decimal(value)
    return number if number.is_finite() else None


def _day(entry: Mapping[str, Any], field: str, place: str) -> int | None:
    value = entry.get(field)
    if value is None:
        return None
    if isinstance(value, datetime) or not isinstance(value, date):
        raise SettingsError(f"{place}: {field} is {value!r}, expected a day such as 2026-01-31")
    midnight = datetime(value.year, value.month, value.day, tzinfo=UTC)
    return int(midnight.timestamp()) // _DAY_S
