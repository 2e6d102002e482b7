"""The prices in force: the user's file, as the settings name it, before the public ones."""

from __future__ import annotations

from pathlib import Path

from longpole.model.price_file import PriceRule, read_prices
from longpole.model.pricing import PriceBook
from longpole.model.settings import default_prices_path, read_settings


def price_book() -> PriceBook:
    """Return a new book with the user's rules as they are now.

    Raises:
        SettingsError: the price file cannot be read or understood.
    """
    return PriceBook(own_rules())


def own_rules() -> tuple[PriceRule, ...]:
    """Return the user's rules as they are now, in their order.

    Raises:
        SettingsError: the price file cannot be read or understood.
    """
    path = prices_path()
    is_there = read_settings().prices is not None or path.is_file()
    return read_prices(path) if is_there else ()


def prices_path() -> Path:
    """Return where prices of the user's own are, or would be looked for."""
    return read_settings().prices or default_prices_path()
