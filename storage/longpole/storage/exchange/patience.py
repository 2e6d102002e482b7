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
    asked = None if retry_after is None else _asked_s(retry_after, now)
    backoff = min(_LONGEST_S, _FIRST_S * 2 ** min(failures - 1, 10)) * (0.5 + random() / 2)
    return backoff if asked is None else max(min(asked, _LONGEST_ASKED_S), 0.0)


def _asked_s(text: str, now: datetime.datetime) -> float | None:
    try:
        return float(text)
    except ValueError:
        pass
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.UTC)
    return (moment - now).total_seconds()
