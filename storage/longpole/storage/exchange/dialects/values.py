"""Values of attributes → the types they stand for: other tools write text in many places."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import orjson

_INT64: Final = range(-(2**63), 2**63)


def text_in(told: Mapping[str, Any], keys: Iterable[str]) -> str | None:
    """Return the first of these attributes that is a text with something in it."""
    for key in keys:
        value = told.get(key)
        if type(value) is str and value:
            return value
    return None


def count_in(told: Mapping[str, Any], keys: Iterable[str]) -> int | None:
    """Return the first of these attributes that is a count."""
    for key in keys:
        value = told.get(key)
        count = None if value is None else as_count(value)
        if count is not None:
            return count
    return None


def integer(value: object) -> int | None:
    """Return the integer of 64 bits that a number or a text of digits says, else `None`."""
    if type(value) is int:
        return _within_64_bits(value)
    if type(value) is float and value.is_integer():
        return _within_64_bits(int(value))
    # Twenty digits are more than 64 bits hold; longer text would cost time for nothing.
    if type(value) is str and len(value) <= 20 and re.fullmatch(r"-?\d+", value, re.ASCII):
        return _within_64_bits(int(value))
    return None


def _within_64_bits(number: int) -> int | None:
    return number if number in _INT64 else None


def as_count(value: object) -> int | None:
    """Return a whole number of 0 or more, also of a float or a text of digits."""
    count = integer(value)
    return count if count is not None and count >= 0 else None


def decoded(value: object) -> Any:
    """Return what a text of JSON holds; a value that is none is returned as it is."""
    if type(value) is not str or not value:
        return value
    try:
        return orjson.loads(value)
    except ValueError:
        return value


def object_in(value: object) -> Mapping[str, Any]:
    """Return an object, also one in a text of JSON; empty when it is none."""
    found = decoded(value) if type(value) is str and value[:1] == "{" else value
    return found if isinstance(found, dict) else {}


def indexed(told: Mapping[str, Any], prefix: str, middle: str = "") -> list[dict[str, Any]]:
    """Return objects that were flattened into attributes, `PREFIX.0.MIDDLE.FIELD` and so on.

    >>> indexed({"llm.prompts.0.role": "user", "llm.prompts.0.content": "Hi"}, "llm.prompts.")
    [{'role': 'user', 'content': 'Hi'}]
    """
    found: dict[int, dict[str, Any]] = {}
    for key, value in told.items():
        if not key.startswith(prefix):
            continue
        number, _, field = key[len(prefix) :].partition(".")
        if number.isdecimal() and len(number) < 6 and field.startswith(middle):
            found.setdefault(int(number), {})[field[len(middle) :]] = value
    return [found[number] for number in sorted(found)]
