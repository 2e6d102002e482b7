"""The filter language for runs: text → `filters.Filter` → text again. Pure; the clock is told.

    status:error cost>0.01 wall:1s..5s model:gpt-4o* -tag:test (has:retry OR "rate limit")

Terms beside each other must all hold, `OR` needs one side, `-` or `NOT` turns a term round.
`describe` writes a tree as its one canonical text, which parses to the same tree.
"""

from __future__ import annotations

import datetime
import difflib
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from longpole.model.errors import FilterError
from longpole.storage.filters import (
    CHOICES,
    FIELD_NAMES,
    FIELDS,
    NESTING_LIMIT,
    TERM_LIMIT,
    VALUE_LIMIT,
    All,
    AnyOf,
    Between,
    ChoiceField,
    Compares,
    Field,
    Filter,
    Matches,
    Not,
    NumberField,
    OneOf,
    Operator,
    Pattern,
    Started,
    TextField,
    TimeField,
    Words,
)
from longpole.storage.moments import moment_ns

_INT64_MAX: Final = 2**63 - 1
_SECOND_NS: Final = 10**9
_COUNT_UNITS: Final = {"": 1, "k": 1_000, "m": 1_000_000}
_UNITS: Final[Mapping[NumberField, Mapping[str, int]]] = {
    NumberField.WALL: {
        "ns": 1,
        "us": 1_000,
        "µs": 1_000,
        "ms": 1_000_000,
        "s": _SECOND_NS,
        "m": 60 * _SECOND_NS,
        "h": 3_600 * _SECOND_NS,
        "d": 86_400 * _SECOND_NS,
    },
    NumberField.COST: {"": 1},
    NumberField.TOKENS: _COUNT_UNITS,
    NumberField.RETRIES: _COUNT_UNITS,
    NumberField.SPEEDUP: {"": 1, "x": 1, "×": 1},
    NumberField.SPANS: _COUNT_UNITS,
}
_EXPECTED: Final[Mapping[NumberField, str]] = {
    NumberField.WALL: "a length of time as 300ms, 2s, 1.5m or 1h",
    NumberField.COST: "US dollars as 0.01 or $0.01",
    NumberField.TOKENS: "a whole number as 800 or 12k",
    NumberField.RETRIES: "a whole number as 2",
    NumberField.SPEEDUP: "a ratio as 1.5 or 2x",
    NumberField.SPANS: "a whole number as 40",
}
_FRACTIONS: Final = frozenset({NumberField.COST, NumberField.SPEEDUP})
_NUMBER: Final = re.compile(r"([0-9]{1,19}(?:\.[0-9]{1,9})?|\.[0-9]{1,9})([^0-9.]*)")
_FIELD: Final = re.compile(r"([^\W\d]\w*)(?::?(>=|<=|>|<|=)|:)")
_EPOCH: Final = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


def parse(text: str, *, now_ns: int) -> Filter:
    """Return the filter that a text says; an empty text matches every run.

    >>> parse("status:error -tag:test", now_ns=0).parts[0].values
    ('error',)

    Args:
        text: what the user typed.
        now_ns: the moment that `since:2h` counts back from.

    Raises:
        FilterError: the text says none; `pointed()` of it shows where.
    """
    return _Parser(text, now_ns).parsed()


# --- characters → tokens ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Char:
    """One character of a word; one that is not plain was quoted and means only itself."""

    text: str
    is_plain: bool


@dataclass(frozen=True, slots=True)
class _Token:
    """A mark (`(`, `)`, `-`, `OR`, `AND`, `NOT`, empty at the end) or, without one, a word."""

    mark: str | None
    at: int
    end: int
    chars: tuple[_Char, ...] = ()


_KEYWORDS: Final = frozenset({"OR", "AND", "NOT"})
_BREAKS: Final = "\t\n\r"


class _Lexer:
    """Reads one text from left to right."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def tokens(self) -> list[_Token]:
        """Return all tokens; the last one is the end."""
        text = self._text
        for at, char in enumerate(text):
            if unicodedata.category(char) in ("Cc", "Cs") and char not in _BREAKS:
                raise FilterError(
                    f"the filter holds the character U+{ord(char):04X}, expected text; remove it",
                    text,
                    at,
                    1,
                )
        found: list[_Token] = []
        while self._at < len(text):
            char, at = text[self._at], self._at
            if char.isspace():
                self._at += 1
            elif char in "()-":
                self._at += 1
                found.append(_Token(char, at, self._at))
            else:
                found.append(self._word())
        return [*found, _Token("", len(text), len(text))]

    def _word(self) -> _Token:
        start = self._at
        chars: list[_Char] = []
        while self._at < len(self._text):
            char = self._text[self._at]
            if char.isspace() or char in "()":
                break
            if char == '"':
                chars += self._quoted()
            else:
                chars.append(_Char(char, is_plain=True))
                self._at += 1
        said = self._text[start : self._at]
        return _Token(said if said in _KEYWORDS else None, start, self._at, tuple(chars))

    def _quoted(self) -> list[_Char]:
        opened = self._at
        chars: list[_Char] = []
        self._at += 1
        while self._at < len(self._text):
            char = self._text[self._at]
            self._at += 1
            if char == '"':
                return chars
            is_escaped = char == "\\" and self._at < len(self._text)
            if is_escaped:
                char = self._text[self._at]
                self._at += 1
            chars.append(_Char(char, is_plain=char == "*" and not is_escaped))
        raise FilterError(
            'a quote is not closed, expected another " behind it; a quote inside quotes is \\"',
            self._text,
            opened,
            len(self._text) - opened,
        )


# --- tokens → Filter --------------------------------------------------------------------------


class _Parser:
    """Descends through one text's tokens; every parenthesis is one level."""

    def __init__(self, text: str, now_ns: int) -> None:
        self._text = text
        self._now_ns = now_ns
        self._tokens = _Lexer(text).tokens()
        self._next = 0
        self._terms = 0

    def parsed(self) -> Filter:
        if self._peek.mark == "":
            return All(())
        found = self._any(0)
        if self._peek.mark == ")":
            raise self._refused("')' closes nothing, expected '(' before it; quote text with ')'")
        return found

    @property
    def _peek(self) -> _Token:
        return self._tokens[self._next]

    def _take(self) -> _Token:
        token = self._tokens[self._next]
        self._next += 1
        return token

    def _any(self, depth: int) -> Filter:
        parts = [self._all(depth)]
        while self._peek.mark == "OR":
            self._take()
            parts.append(self._all(depth))
        return _joined(AnyOf, parts)

    def _all(self, depth: int) -> Filter:
        parts = [self._part(depth)]
        while self._peek.mark not in ("", ")", "OR"):
            if self._peek.mark == "AND":
                self._take()
            parts.append(self._part(depth))
        return _joined(All, parts)

    def _part(self, depth: int) -> Filter:
        is_negated = False
        while self._peek.mark in ("-", "NOT"):
            self._take()
            is_negated = not is_negated
        part = self._group(depth) if self._peek.mark == "(" else self._term()
        return _negated(part) if is_negated else part

    def _group(self, depth: int) -> Filter:
        if depth >= NESTING_LIMIT:
            raise self._refused(f"parentheses are nested deeper than {NESTING_LIMIT}; use fewer")
        opened = self._take()
        part = self._any(depth + 1)
        if self._peek.mark != ")":
            raise self._refused("'(' is not closed, expected ')'; quote text with '('", opened)
        self._take()
        return part

    def _term(self) -> Filter:
        token = self._peek
        if token.mark is not None:
            told = "the filter ends" if token.mark == "" else f"{token.mark!r} stands"
            raise self._refused(
                f"{told} where a term was expected; quote a word that is meant as text"
            )
        self._take()
        beginning = "".join(_plain_beginning(token.chars))
        named = _FIELD.match(beginning)
        if named is None:
            return Words(self._pattern(token.chars, token))
        field = FIELDS.get(named[1].lower())
        if field is None:
            raise self._unknown_field(named[1], token.at)
        value = _Token(None, token.at + named.end(), token.end, token.chars[named.end() :])
        if not value.chars:
            raise self._refused(f"field '{field}' has no value; write one right behind it", token)
        return self._about(field, named[2], value)

    def _about(self, field: Field, operator: str | None, value: _Token) -> Filter:
        if isinstance(field, NumberField):
            self._count(1, value)
            return self._number(field, Operator(operator or "="), value)
        if operator not in (None, "="):
            raise self._refused(
                f"field '{field}' cannot be compared with '{operator}'; write {field}:VALUE", value
            )
        if isinstance(field, TimeField):
            self._count(1, value)
            return Started(field, self._moment_ns(value))
        values = _split(value.chars, ",")
        if isinstance(field, TextField):
            return Matches(field, tuple(self._pattern(one, value) for one in values))
        return OneOf(field, tuple(self._choice(field, one, value) for one in values))

    def _pattern(self, chars: tuple[_Char, ...], token: _Token) -> Pattern:
        self._count(1, token)
        if not chars:
            raise self._refused(
                "a value is empty, expected text; remove the comma or the quotes", token
            )
        if len(chars) > VALUE_LIMIT:
            raise self._refused(
                f"a value has {len(chars)} characters, expected at most {VALUE_LIMIT}", token
            )
        first, *others = [_said(piece) for piece in _split(chars, "*")]
        # Several stars in a row say what one does.
        inner = [piece for piece in others[:-1] if piece]
        return Pattern((first, *inner, *others[-1:]))

    def _choice(self, field: ChoiceField, chars: tuple[_Char, ...], token: _Token) -> str:
        self._count(1, token)
        said = _said(chars)
        if said.lower() in CHOICES[field]:
            return said.lower()
        near = difflib.get_close_matches(said.lower(), CHOICES[field], 1)
        hint = f"did you mean '{near[0]}'" if near else f"expected {', '.join(CHOICES[field])}"
        raise self._refused(f"unknown value {_shown(said)} of '{field}', {hint}", token)

    def _number(self, field: NumberField, operator: Operator, token: _Token) -> Filter:
        said = _said(token.chars)
        low, dots, high = said.partition("..")
        if operator is not Operator.EQUAL or not dots or not (low or high):
            return Compares(field, operator, self._quantity(field, said, token))
        if not high:
            return Compares(field, Operator.AT_LEAST, self._quantity(field, low, token))
        if not low:
            return Compares(field, Operator.AT_MOST, self._quantity(field, high, token))
        bounds = self._quantity(field, low, token), self._quantity(field, high, token)
        if bounds[0] > bounds[1]:
            raise self._refused(
                f"the range {_shown(said)} ends before it begins; swap its ends", token
            )
        return Between(field, *bounds)

    def _quantity(self, field: NumberField, said: str, token: _Token) -> int | Decimal:
        bare = said.removeprefix("$") if field is NumberField.COST else said
        found = _NUMBER.fullmatch(bare)
        unit = None if found is None else _UNITS[field].get(found[2].lower())
        if found is not None and unit is not None:
            value = Decimal(found[1]) * unit
            is_whole = field is NumberField.WALL or value == int(value)
            if value <= _INT64_MAX and (field in _FRACTIONS or is_whole):
                return value if field in _FRACTIONS else int(value)
        raise self._refused(
            f"{_shown(said)} is no value of '{field}', expected {_EXPECTED[field]}", token
        )

    def _moment_ns(self, token: _Token) -> int:
        said = _said(token.chars)
        try:
            # Whole microseconds, which is what a written time can hold.
            at_us = moment_ns(said, self._now_ns) // 1000
            _written(at_us * 1000)
        except (ValueError, OverflowError):
            raise self._refused(
                f"{_shown(said)} is no moment, expected a length of time as 30m, 2h or 7d, or a "
                "date as 2026-11-24 or 2026-11-24T09:30",
                token,
            ) from None
        return at_us * 1000

    def _count(self, terms: int, token: _Token) -> None:
        self._terms += terms
        if self._terms > TERM_LIMIT:
            raise self._refused(f"the filter has more than {TERM_LIMIT} terms; use fewer", token)

    def _unknown_field(self, name: str, at: int) -> FilterError:
        near = difflib.get_close_matches(name.lower(), FIELD_NAMES, 1)
        hint = (
            f"did you mean '{near[0]}'"
            if near
            else f"expected {', '.join(FIELD_NAMES)}; quote it if it is meant as text"
        )
        field = _Token(None, at, at + len(name))
        return self._refused(f"unknown field {_shown(name)}, {hint}", field)

    def _refused(self, message: str, token: _Token | None = None) -> FilterError:
        place = self._peek if token is None else token
        return FilterError(message, self._text, place.at, place.end - place.at)


def _joined(kind: type[All] | type[AnyOf], parts: Iterable[Filter]) -> Filter:
    """Join parts without nesting one kind in itself, so that one meaning has one tree."""
    flat: list[Filter] = []
    for part in parts:
        flat += part.parts if isinstance(part, kind) else (part,)
    return flat[0] if len(flat) == 1 else kind(tuple(flat))


def _negated(part: Filter) -> Filter:
    return part.part if isinstance(part, Not) else Not(part)


def _plain_beginning(chars: Iterable[_Char]) -> Iterable[str]:
    for char in chars:
        if not char.is_plain:
            return
        yield char.text


def _split(chars: tuple[_Char, ...], mark: str) -> list[tuple[_Char, ...]]:
    found: list[list[_Char]] = [[]]
    for char in chars:
        if char.is_plain and char.text == mark:
            found.append([])
        else:
            found[-1].append(char)
    return [tuple(piece) for piece in found]


def _said(chars: Iterable[_Char]) -> str:
    return "".join(char.text for char in chars)


def _shown(value: str) -> str:
    return repr(value if len(value) <= 40 else value[:39] + "…")


# --- Filter → text ----------------------------------------------------------------------------


def describe(filter_: Filter) -> str:
    """Return the canonical text of a filter; `parse` makes the same filter of it.

    >>> describe(parse('NOT (status:LOST) AND "cost" since:2h', now_ns=7_200_000_000_000))
    '-status:lost cost since:1970-01-01T00:00:00+00:00'
    """
    match filter_:
        case All(parts):
            return " ".join(_inside(part, AnyOf) for part in parts)
        case AnyOf(parts):
            return " OR ".join(describe(part) for part in parts)
        case Not(part):
            return "-" + _inside(part, All, AnyOf)
        case Words(pattern):
            return _pattern_text(pattern)
        case Matches(field, patterns):
            return f"{field}:{','.join(_pattern_text(pattern) for pattern in patterns)}"
        case OneOf(field, values):
            return f"{field}:{','.join(values)}"
        case Compares(field, operator, value):
            return f"{field}{operator}{_quantity_text(field, value)}"
        case Between(field, low, high):
            return f"{field}:{_quantity_text(field, low)}..{_quantity_text(field, high)}"
        case Started(field, at_ns):
            return f"{field}:{_written(at_ns)}"


def _inside(part: Filter, *grouped: type[All] | type[AnyOf]) -> str:
    return f"({describe(part)})" if isinstance(part, grouped) else describe(part)


_NEEDS_NO_QUOTES: Final = re.compile(r"[\w*][\w*.@/+-]*")


def _pattern_text(pattern: Pattern) -> str:
    bare = "*".join(pattern.pieces)
    is_literal = bare.count("*") == len(pattern.pieces) - 1
    if is_literal and _NEEDS_NO_QUOTES.fullmatch(bare) and bare not in _KEYWORDS:
        return bare
    return '"' + "*".join(re.sub(r'(["\\*])', r"\\\1", piece) for piece in pattern.pieces) + '"'


_WRITTEN_UNITS: Final = ("h", "m", "s")


def _quantity_text(field: NumberField, value: int | Decimal) -> str:
    if field is not NumberField.WALL:
        return _plain(Decimal(value))
    units = _UNITS[field]
    if value < _SECOND_NS:
        return _plain(Decimal(value) / units["ms"]) + "ms"
    unit = next((unit for unit in _WRITTEN_UNITS if value % units[unit] == 0), "s")
    return _plain(Decimal(value) / units[unit]) + unit


def _plain(value: Decimal) -> str:
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _written(at_ns: int) -> str:
    return (_EPOCH + datetime.timedelta(microseconds=at_ns // 1000)).isoformat()
