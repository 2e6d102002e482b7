"""What a filter for runs asks: a frozen tree of conditions, and the fields they are about. Pure.

How people write one is `filter_text`'s affair, what it means for a store `filter_sql`'s; the words
are explained in docs/filters.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final

from longpole.model.run import Kind, Status


class TextField(StrEnum):
    """Fields whose values are texts; the last five are those of spans."""

    NAME = "name"
    SESSION = "session"
    USER = "user"
    TAG = "tag"
    ID = "id"
    MODEL = "model"
    PROVIDER = "provider"
    BRANCH = "branch"
    ERROR = "error"
    SPAN = "span"


class ChoiceField(StrEnum):
    """Fields that have a fixed list of values."""

    STATUS = "status"
    KIND = "kind"
    HAS = "has"


class NumberField(StrEnum):
    """Fields that are compared."""

    WALL = "wall"
    COST = "cost"
    TOKENS = "tokens"
    RETRIES = "retries"
    SPEEDUP = "speedup"
    SPANS = "spans"


class TimeField(StrEnum):
    """Bounds on the start of a run, half open."""

    SINCE = "since"
    UNTIL = "until"


class Trait(StrEnum):
    """What `has:` asks for."""

    RETRY = "retry"
    ERROR = "error"
    FALLBACK = "fallback"
    CACHE_HIT = "cache_hit"
    COST = "cost"
    QUEUE = "queue"
    LOST = "lost"
    UNPRICED = "unpriced"


class Operator(StrEnum):
    """How a number is compared."""

    OVER = ">"
    AT_LEAST = ">="
    UNDER = "<"
    AT_MOST = "<="
    EQUAL = "="


@dataclass(frozen=True, slots=True)
class Pattern:
    """A text with wildcards, case ignored: `gpt-4o*` has the pieces `("gpt-4o", "")`."""

    pieces: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Words:
    """Free text: occurs in the run's name or error, or as words in an input or output."""

    pattern: Pattern


@dataclass(frozen=True, slots=True)
class Matches:
    """The whole value of a field is like one of these."""

    field: TextField
    patterns: tuple[Pattern, ...]


@dataclass(frozen=True, slots=True)
class OneOf:
    """A field has one of these values."""

    field: ChoiceField
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Compares:
    """A number (nanoseconds, USD, a count, a ratio) compares like this."""

    field: NumberField
    operator: Operator
    value: int | Decimal


@dataclass(frozen=True, slots=True)
class Between:
    """A number lies between these, both included."""

    field: NumberField
    low: int | Decimal
    high: int | Decimal


@dataclass(frozen=True, slots=True)
class Started:
    """The run started at or after (since), or before (until), this moment."""

    field: TimeField
    at_ns: int


@dataclass(frozen=True, slots=True)
class All:
    """Every part holds; without parts, every run matches."""

    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one part holds."""

    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold; what is unknown does not hold, so its opposite does."""

    part: Filter


Filter = Words | Matches | OneOf | Compares | Between | Started | All | AnyOf | Not

Field = TextField | ChoiceField | NumberField | TimeField
"""What a condition can be about."""

FIELDS: Final[Mapping[str, Field]] = {
    field.value: field
    for fields in (TextField, ChoiceField, NumberField, TimeField)
    for field in fields
}
"""Every field under its name."""
FIELD_NAMES: Final = tuple(FIELDS)
"""Every field that can stand before `:`, in the order of the documents."""

CHOICES: Final[Mapping[ChoiceField, tuple[str, ...]]] = {
    ChoiceField.STATUS: tuple(Status),
    ChoiceField.KIND: tuple(Kind),
    ChoiceField.HAS: tuple(Trait),
}
"""The values of the fields that have a fixed list of them."""

# SQLite bounds the nesting of a statement (its parser stacks 100 symbols, about three of them for
# each level), the depth of a condition and the length of a pattern; these stay well below.
NESTING_LIMIT: Final = 15
TERM_LIMIT: Final = 100
VALUE_LIMIT: Final = 500
