"""The fields of a JSON object from elsewhere → values of the types that were expected.

A field that is missing or of another type raises `MisfitError`, whose text names the field, shows
its value and says what was expected. Where `null` is allowed, a missing field is `None` too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypeVar

import orjson

_Member = TypeVar("_Member", bound=StrEnum)

_INT64: Final = range(-(2**63), 2**63)
_SHOWN_CHARACTERS: Final = 60


class MisfitError(ValueError):
    """A part of a file is not what was expected; its text says which, and what was."""


@dataclass(frozen=True, slots=True)
class Fields:
    """One JSON object; `prefix` stands before its fields' names in messages."""

    values: Mapping[str, Any]
    prefix: str = ""

    def text(self, field: str) -> str:
        """Return a text.

        Raises:
            MisfitError: it is none.
        """
        value = self.text_or_none(field)
        if value is None:
            raise self._misfit(field, "a text")
        return value

    def name(self, field: str) -> str:
        """Return a text that is not empty.

        Raises:
            MisfitError: it is none, or empty.
        """
        value = self.name_or_none(field)
        if value is None:
            raise self._misfit(field, "a text that is not empty")
        return value

    def name_or_none(self, field: str) -> str | None:
        """Return a text that is not empty, or `None`.

        Raises:
            MisfitError: it is neither.
        """
        value = self.text_or_none(field)
        if value == "":
            raise self._misfit(field, "a text that is not empty")
        return value

    def check_stated(self, *fields: str) -> None:
        """Make sure of fields that may be null but must be there.

        Raises:
            MisfitError: one is missing.
        """
        for field in fields:
            if field not in self.values:
                raise self._misfit(field, "a value or null")

    def text_or_none(self, field: str) -> str | None:
        """Return a text, or `None`.

        Raises:
            MisfitError: it is neither.
        """
        value = self.values.get(field)
        if value is None or type(value) is str:
            return value
        raise self._misfit(field, "a text")

    def texts_or_none(self, field: str) -> tuple[str, ...] | None:
        """Return a list of texts, or `None`.

        Raises:
            MisfitError: it is neither.
        """
        value = self.values.get(field)
        if value is None:
            return None
        if type(value) is not list or any(type(item) is not str for item in value):
            raise self._misfit(field, "a list of texts")
        return tuple(value)

    def integer(self, field: str) -> int:
        """Return an integer of 64 bits.

        Raises:
            MisfitError: it is none.
        """
        value = self.integer_or_none(field)
        if value is None:
            raise self._misfit(field, "an integer of 64 bits")
        return value

    def integer_or_none(self, field: str) -> int | None:
        """Return an integer of 64 bits, or `None`.

        Raises:
            MisfitError: it is neither.
        """
        value = self.values.get(field)
        if value is None:
            return None
        if type(value) is int and value in _INT64:
            return value
        raise self._misfit(field, "an integer of 64 bits")

    def count(self, field: str) -> int:
        """Return an integer of 0 or more; 0 when it is missing.

        Raises:
            MisfitError: it is negative or no integer.
        """
        value = self.integer_or_none(field) or 0
        if value < 0:
            raise self._misfit(field, "0 or more")
        return value

    def flag(self, field: str) -> bool:
        """Return true or false; false when it is missing.

        Raises:
            MisfitError: it is neither.
        """
        value = self.values.get(field)
        if value is None or type(value) is bool:
            return bool(value)
        raise self._misfit(field, "true or false")

    def member(self, field: str, members: type[_Member]) -> _Member:
        """Return one of several words.

        Raises:
            MisfitError: it is none of them.
        """
        value = self.member_or_none(field, members)
        if value is None:
            raise self._misfit(field, _words(members))
        return value

    def member_or_none(self, field: str, members: type[_Member]) -> _Member | None:
        """Return one of several words, or `None`.

        Raises:
            MisfitError: it is none of them.
        """
        value = self.values.get(field)
        if value is None:
            return None
        try:
            return members(value)
        except (ValueError, TypeError):
            raise self._misfit(field, _words(members)) from None

    def object_or_none(self, field: str) -> Mapping[str, Any] | None:
        """Return an object, or `None`.

        Raises:
            MisfitError: it is neither.
        """
        value = self.values.get(field)
        if value is None or type(value) is dict:
            return value
        raise self._misfit(field, "an object")

    def part_or_none(self, field: str) -> Fields | None:
        """Return the fields of an object, or `None`.

        Raises:
            MisfitError: it is neither.
        """
        value = self.object_or_none(field)
        return None if value is None else Fields(value, f"{self.prefix}{field}.")

    def _misfit(self, field: str, expected: str) -> MisfitError:
        path = f"{self.prefix}{field}"
        if field not in self.values:
            return MisfitError(f"{path} is missing, expected {expected}")
        shown = orjson.dumps(self.values[field]).decode()
        if len(shown) > _SHOWN_CHARACTERS:
            shown = shown[:_SHOWN_CHARACTERS] + "…"
        return MisfitError(f"{path} is {shown}, expected {expected}")


def _words(members: type[StrEnum]) -> str:
    return "one of " + ", ".join(members)
