"""The prices in force: the user's file, as the settings name it, before the public ones."""

from __future__ import annotations

from longpole.model.price_file import read_prices
from longpole.model.pricing import PriceBook
from longpole.model.settings import default_prices_path, read_settings


def price_book() -> PriceBook:
    """Return a new book with the user's rules as they are now.

    Raises:
        SettingsError: the price file cannot be read or understood.
    """
    named = read_settings().prices
    path = named or default_prices_path()
    return PriceBook(read_prices(path) if named or path.is_file() else ())
