"""Tokens that a provider had cached × prices → what they would have cost without.

Prices of tokens are linear for calls that are not extraordinarily long, so the sum over all calls
of a model is priced as one; at today's prices, which is said where it is shown.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from longpole.analysis.losses import CacheUse
from longpole.model.pricing import PriceBook
from longpole.model.usage import Usage

_PORTION: int = 1_000


def saved_by_provider(use: CacheUse, book: PriceBook, *, at_ns: int) -> Decimal | None:
    """Return what the cached tokens of one model saved; `None` where its price is not known."""
    if not use.read_tokens:
        return Decimal(0)
    full, cached = (
        book.price(provider=use.provider, model=use.model, usage=usage, at_ns=at_ns).cost_usd
        for usage in (
            Usage(input_tokens=_PORTION),
            Usage(input_tokens=_PORTION, cache_read_tokens=_PORTION),
        )
    )
    if full is None or cached is None:
        return None
    return (full - cached) * use.read_tokens / _PORTION


def saved_by_caches(uses: Iterable[CacheUse], book: PriceBook, *, at_ns: int) -> Decimal:
    """Return what all caches saved, as far as it can be told."""
    nothing = Decimal(0)
    return sum(
        (use.saved_usd + (saved_by_provider(use, book, at_ns=at_ns) or nothing) for use in uses),
        nothing,
    )
