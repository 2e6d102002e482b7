"""Messages of errors → what they have in common: numbers, ids and addresses are taken out.

Two failures are of one kind when type and message agree but for what differs each time: request
ids, counts, times, addresses in memory, long quotations.
"""

from __future__ import annotations

import re
from typing import Final

_LONGEST: Final = 200

_DIFFERS: Final = (
    (re.compile(r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b"), "<id>"),
    (re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s'\"<>]+", re.IGNORECASE), "<url>"),
    (re.compile(r"\b0x[0-9a-fA-F]+\b"), "<hex>"),
    (re.compile(r"(?<!\w)(['\"])[^'\"]{40,}\1"), "<text>"),
    (re.compile(r"\b(?:[a-zA-Z]+_)?(?=[a-zA-Z]*\d)[a-zA-Z0-9]{16,}\b"), "<id>"),
)
_NUMBER: Final = re.compile(
    # The status of an HTTP answer says what happened.
    r"(?P<status>(?:^|\b(?:code|status|error|http)\W{1,3})[45]\d\d\b)"
    r"|(?<![\w.])(?<!\w-)\d+(?:[.,:]\d+)*(?=(?:ns|µs|us|ms|s|m|h|k|M|G|%)?\b)",
    re.IGNORECASE,
)
_RATE_LIMIT: Final = re.compile(
    r"\b429\b|rate.?limit|too.?many.?requests|resource.?exhausted|throttl", re.IGNORECASE
)


def normalised(message: str) -> str:
    r"""Return a message without what differs each time, on one line, its end left out.

    >>> normalised("request 3f9a0c11-0000-4000-8000-2b1d5e6f7a8b failed after 3 tries (1.5s)")
    'request <id> failed after <n> tries (<n>s)'
    >>> normalised("gpt-4 is overloaded"), normalised("<A object at 0x7f1c>\nline 2")
    ('gpt-4 is overloaded', '<A object at <hex>> line <n>')
    >>> normalised("Error code: 429 - limit 60, used 61")
    'Error code: 429 - limit <n>, used <n>'
    """
    # Whatever comes later is left out anyway; patterns see no endless text.
    told = message[: 10 * _LONGEST]
    for pattern, name in _DIFFERS:
        told = pattern.sub(name, told)
    told = _NUMBER.sub(lambda found: found["status"] or "<n>", told)
    told = " ".join(told.split())
    return told if len(told) <= _LONGEST else f"{told[: _LONGEST - 1]}…"


def is_rate_limit(error_type: str, message: str) -> bool:
    """Tell whether a failure says that too much was asked for at once (HTTP 429).

    >>> is_rate_limit("RateLimitError", ""), is_rate_limit("HTTPError", "429 Too Many Requests")
    (True, True)
    """
    return _RATE_LIMIT.search(f"{error_type} {message[: 10 * _LONGEST]}") is not None
