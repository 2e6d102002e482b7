"""How long to wait before the next try. Pure.

Source: exponential back-off with full jitter; RFC 9110 §10.2.3 for `Retry-After`.
"""

from __future__ import annotations

import datetime
import email.utils
from collections.abc import Callable
from typing import Final

_FIRST_S: Final = 0.5
_LONGEST_S: Final = 30.0
_LONGEST_ASKED_S: Final = 120.0
_DIGITS: Final = 9


def wait_s(
    failures: int,
    retry_after: str | None,
    *,
    random: Callable[[], float],
    now: datetime.datetime,
) -> float:
    """Return the seconds to wait after so many failures in a row.

    Args:
        failures: how many tries have failed, from 1.
        retry_after: the header's value, if the server sent one.
        random: a number from 0 to 1.
        now: for a `Retry-After` that names a moment.
    """
    asked = None if retry_after is None else asked_s(retry_after, now)
    backoff = min(_LONGEST_S, _FIRST_S * 2 ** min(failures - 1, 10)) * (0.5 + random() / 2)
    return backoff if asked is None else min(asked, _LONGEST_ASKED_S)


def asked_s(retry_after: str, now: datetime.datetime | None) -> float | None:
    """Return how many seconds a `Retry-After` asks to wait; `None` when it says nothing usable.

    >>> asked_s("7", None), asked_s("nan", None), asked_s("-1", None)
    (7.0, None, None)

    Args:
        retry_after: seconds or a date, as the server sent it.
        now: what a date counts from; without it a date says nothing.
    """
    told = retry_after.strip()
    if told.isascii() and told.isdecimal() and len(told) <= _DIGITS:
        return float(told)
    moment = moment_of(told)
    return None if moment is None or now is None else max(0.0, (moment - now).total_seconds())


def moment_of(date: str) -> datetime.datetime | None:
    """Return the moment that a header's date names; one without a zone is UTC."""
    try:
        moment = email.utils.parsedate_to_datetime(date)
    except (TypeError, ValueError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)
