"""Words for a moment → nanoseconds since the epoch: `2h`, `7d`, `2026-11-24`, an ISO time.

Pure; the clock is a parameter. A date or time without a zone is meant in the local zone, as the
pages and tables show it.
"""

from __future__ import annotations

import datetime
import re
from typing import Final

_UNIT_S: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_AGO: Final = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)\s*([smhdw])")
_EPOCH: Final = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_MICROSECOND: Final = datetime.timedelta(microseconds=1)


def moment_ns(text: str, now_ns: int) -> int:
    """Return the moment that a text names; a length of time means so long before `now_ns`.

    >>> moment_ns("2h", 10_000_000_000_000)
    2800000000000
    >>> moment_ns("1970-01-02T00:00:00Z", 0)
    86400000000000

    Raises:
        ValueError: it names none; the message says what was expected.
    """
    said = text.strip()
    ago = _AGO.fullmatch(said.lower())
    if ago is not None:
        return now_ns - int(float(ago[1]) * _UNIT_S[ago[2]] * 1e9)
    try:
        moment = datetime.datetime.fromisoformat(said)
        # Whole microseconds: seconds as a float would be off by some hundred nanoseconds.
        return (moment.astimezone(datetime.UTC) - _EPOCH) // _MICROSECOND * 1000
    except (ValueError, OverflowError, OSError):
        raise ValueError(
            f"{text!r} is no moment, expected a length of time as 30m, 2h or 7d, or a date as "
            "2026-11-24 or 2026-11-24T09:30"
        ) from None
