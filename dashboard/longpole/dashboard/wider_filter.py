"""A filter that found nothing → one that may: `model:gpt-4.1` → `model:gpt-4.1*`.

A field is compared with the whole of what was recorded, so that `gpt-4o` is not `gpt-4o-mini`. Who
writes a part of a name finds nothing, and is told what a star would do.
"""

from __future__ import annotations

from typing import assert_never

from longpole.storage.filters import (
    All,
    AnyOf,
    Between,
    Compares,
    Filter,
    Matches,
    Not,
    OneOf,
    Pattern,
    Started,
    Words,
)


def widened(filter_: Filter) -> Filter | None:
    """Return the filter with a star behind each value that has none; `None` if all have one.

    What is under a `NOT` stays, as a star there would leave fewer runs.

    >>> widened(Matches("model", (Pattern(("gpt-4.1",)),))).patterns
    (Pattern(pieces=('gpt-4.1', '')),)
    """
    found = _widened(filter_)
    return None if found == filter_ else found


def _widened(filter_: Filter) -> Filter:
    # As deep as a filter may be nested, which the parser bounds.
    match filter_:
        case Matches(field, patterns):
            return Matches(field, tuple(_starred(pattern) for pattern in patterns))
        case All(parts):
            return All(tuple(_widened(part) for part in parts))
        case AnyOf(parts):
            return AnyOf(tuple(_widened(part) for part in parts))
        case Words() | OneOf() | Compares() | Between() | Started() | Not():
            return filter_
    assert_never(filter_)


def _starred(pattern: Pattern) -> Pattern:
    return Pattern((*pattern.pieces, "")) if len(pattern.pieces) == 1 else pattern
