"""Calls without a price → an entry of the price file for each model, ready to be filled in."""

from __future__ import annotations

import json
from collections.abc import Iterable


def price_entries(models: Iterable[tuple[str | None, str | None]]) -> str:
    """Return entries for (provider, model) pairs; prices are zeros to be replaced.

    >>> print(price_entries([(None, "house-7b")]))
    [[price]]
    model = "house-7b"
    input_usd_per_million = 0.00
    output_usd_per_million = 0.00
    """
    return "\n\n".join(_entry(provider, model) for provider, model in models)


def _entry(provider: str | None, model: str | None) -> str:
    # A JSON string in ASCII is a TOML basic string as well.
    named = (("provider", provider), ("model", model))
    lines = [f"{field} = {json.dumps(value)}" for field, value in named if value is not None]
    prices = ("input_usd_per_million = 0.00", "output_usd_per_million = 0.00")
    return "\n".join(("[[price]]", *lines, *prices))
