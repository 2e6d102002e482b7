"""Changes for what-if: text → `changes.Change` → text again. Pure.

    gemini:faster=2        panel/model[*]:limit=none       retrieve:cache=40%,together

A change is `TARGET:VERB` or `TARGET:VERB=VALUE[,NAME=VALUE]…`. `describe` writes a change as its
one canonical text, which parses to the same change.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Final

from longpole.analysis.changes import (
    CACHE_HIT_NS,
    Backoff,
    BatchPrice,
    Cache,
    Change,
    CheapFirst,
    FailFast,
    Faster,
    Hedge,
    Limit,
    NoRetries,
    OtherModel,
    Time,
    Timeout,
    Without,
)
from longpole.analysis.time_units import UNITS_NS
from longpole.model.errors import ChangeError

_NUMBER: Final = re.compile(r"(-?)([0-9]{1,12}(?:\.[0-9]{1,9})?)(.*)", re.DOTALL)
_LONGEST_NS: Final = 30 * 24 * 3_600_000_000_000


@dataclass(frozen=True, slots=True)
class _Piece:
    """A part of the text and where it stands; errors point at it."""

    text: str
    at: int
    whole: str

    def refused(self, message: str) -> ChangeError:
        return ChangeError(message, self.whole, self.at, len(self.text))


@dataclass(frozen=True, slots=True)
class Verb:
    """One kind of change.

    Attributes:
        example: a text that parses.
        means: what it says, for people.
        more: names that may follow the value.
        make: target, value, what follows → the change.
    """

    example: str
    means: str
    make: Callable[[str, _Piece, Mapping[str, _Piece]], Change]
    takes_value: bool | None = True
    more: tuple[str, ...] = ()


def parse_change(text: str) -> Change:
    """Return the change that a text says.

    >>> parse_change("gemini:faster=2")
    Faster(target='gemini', ratio=Fraction(2, 1))

    Raises:
        ChangeError: the text says none; `pointed()` of it shows where.
    """
    target, verb, value = _split(text)
    told = VERBS.get(verb.text)
    if told is None:
        raise verb.refused(_unknown(verb.text))
    first, more = _values(value, told)
    if told.takes_value is True and not first.text:
        raise verb.refused(f"'{verb.text}' has no value, expected for example {told.example!r}")
    if told.takes_value is False and value is not None:
        raise first.refused(f"'{verb.text}' takes no value; write {told.example!r}")
    for name, piece in more.items():
        if name not in told.more:
            names = ", ".join(told.more) or "nothing"
            raise piece.refused(f"unknown {name!r} of '{verb.text}', expected {names}")
    return told.make(target, first, more)


def _split(text: str) -> tuple[str, _Piece, _Piece | None]:
    """Return target, verb and what stands behind it; a target may hold colons of its own."""
    known = "|".join(sorted(VERBS, key=len, reverse=True))
    found = re.search(rf":({known})(?:=|$)", text) or re.search(r":([^:=]*)(?:=|$)", text)
    if found is None:
        raise ChangeError(
            "no change is said, expected TARGET:VERB=VALUE, for example 'gemini:faster=2'",
            text,
            0,
            len(text),
        )
    target = text[: found.start()].strip()
    if not target:
        raise ChangeError(
            "no target is named, expected a span or branch before the colon; '*' means all of them",
            text,
            0,
            1,
        )
    verb = _Piece(found[1], found.start(1), text)
    return (
        target,
        verb,
        _Piece(text[found.end() :], found.end(), text) if (found[0].endswith("=")) else None,
    )


def _values(value: _Piece | None, verb: Verb) -> tuple[_Piece, Mapping[str, _Piece]]:
    """Return the first value and those that have a name."""
    if value is None:
        return _Piece("", 0, ""), {}
    first, *others = re.split(",", value.text)
    more: dict[str, _Piece] = {}
    at = value.at + len(first) + 1
    for other in others:
        name, equals, said = other.partition("=")
        piece = (
            _Piece(said, at + len(name) + 1, value.whole)
            if equals
            else (_Piece(name, at, value.whole))
        )
        more[name.strip()] = piece
        at += len(other) + 1
    return _Piece(first, value.at, value.whole), more


def _unknown(verb: str) -> str:
    near = difflib.get_close_matches(verb, VERBS, 1)
    hint = f"did you mean '{near[0]}'" if near else f"expected {', '.join(VERBS)}"
    return f"unknown change {verb!r}, {hint}"


# --- values -----------------------------------------------------------------------------------


def _length_ns(piece: _Piece, *, is_signed: bool = False) -> int:
    found = _NUMBER.fullmatch(piece.text.strip())
    expected = "expected a length of time as 300ms, 2s, 1.5m or 1h"
    if found is None:
        raise piece.refused(f"{piece.text!r} is no length of time, {expected}")
    sign, number, unit = found.groups()
    if unit not in UNITS_NS and not (unit == "" and Decimal(number) == 0):
        raise piece.refused(f"{piece.text!r} has no unit of time, {expected}")
    if sign and not is_signed:
        raise piece.refused(f"{piece.text!r} is negative, {expected}")
    length = int(Decimal(number) * UNITS_NS.get(unit, 1))
    if length > _LONGEST_NS:
        raise piece.refused(f"{piece.text!r} is longer than 30 days, expected less")
    return -length if sign else length


def _ratio(piece: _Piece, *, expected: str, least: Fraction, most: Fraction) -> Fraction:
    text = piece.text.strip()
    percent = text.endswith("%")
    found = _NUMBER.fullmatch(text.removesuffix("%").removesuffix("x").removesuffix("×").strip())
    if found is None or found[3] or found[1]:
        raise piece.refused(f"{piece.text!r} is no number, {expected}")
    ratio = Fraction(Decimal(found[2])) / (100 if percent else 1)
    if not least <= ratio <= most:
        raise piece.refused(f"{piece.text!r} is out of range, {expected}")
    return ratio


def _faster(piece: _Piece) -> Fraction:
    expected = "expected how many times as fast, as 2 or 1.5x, from 0.001 to 1000000"
    return _ratio(piece, expected=expected, least=Fraction(1, 1000), most=Fraction(10**6))


def _share(piece: _Piece) -> Fraction:
    expected = "expected a share as 0.4 or 40%, from 0 to 1"
    return _ratio(piece, expected=expected, least=Fraction(0), most=Fraction(1))


def _usd(piece: _Piece) -> Decimal:
    found = _NUMBER.fullmatch(piece.text.strip().removeprefix("$"))
    if found is None or found[3] or found[1]:
        raise piece.refused(f"{piece.text!r} is no cost, expected US dollars as 0.001")
    return Decimal(found[2])


def _name(piece: _Piece) -> str:
    if not piece.text.strip():
        raise piece.refused("no model is named, expected one as 'gpt-4o-mini'")
    return piece.text.strip()


# --- one maker a verb -------------------------------------------------------------------------

_More = Mapping[str, _Piece]


def _make_limit(target: str, value: _Piece, more: _More) -> Change:
    text = value.text.strip()
    if text == "none":
        return Limit(target=target, places=None)
    if not re.fullmatch(r"[1-9][0-9]{0,8}", text):
        raise value.refused(f"{text!r} is no limit, expected a whole number from 1, or none")
    return Limit(target=target, places=int(text))


def _make_model(target: str, value: _Piece, more: _More) -> Change:
    return OtherModel(
        target=target,
        model=_name(value),
        faster=_faster(more["faster"]) if "faster" in more else None,
        first_token_ns=(
            _length_ns(more["first-token"], is_signed=True) if "first-token" in more else None
        ),
    )


def _make_cache(target: str, value: _Piece, more: _More) -> Change:
    return Cache(
        target=target,
        hit_ratio=_share(value),
        is_together="together" in more,
        hit_ns=_length_ns(more["hit"]) if "hit" in more else CACHE_HIT_NS,
    )


def _make_cheap_first(target: str, value: _Piece, more: _More) -> Change:
    cheap_ns = _length_ns(value)
    if "accept" not in more:
        raise value.refused(
            "it is not said how often the cheap answer will do, expected accept=, "
            f"for example {VERBS['cheap-first'].example!r}"
        )
    return CheapFirst(
        target=target,
        cheap_ns=cheap_ns,
        accepted_ratio=_share(more["accept"]),
        model=_name(more["model"]) if "model" in more else None,
        cost_usd=_usd(more["cost"]) if "cost" in more else None,
    )


def _make_backoff(target: str, value: _Piece, more: _More) -> Change:
    expected = "expected how many times as long, as 0.5 or 2, up to 1000"
    ratio = _ratio(value, expected=expected, least=Fraction(0), most=Fraction(1000))
    return Backoff(target=target, ratio=ratio)


def _make_batch_price(target: str, value: _Piece, more: _More) -> Change:
    return BatchPrice(target=target, turnaround_ns=_length_ns(value) if value.text else None)


VERBS: Final[Mapping[str, Verb]] = {
    "faster": Verb(
        "gemini:faster=2",
        "it and all below it is so many times as fast; below 1 slower",
        lambda target, value, _: Faster(target=target, ratio=_faster(value)),
    ),
    "time": Verb(
        "gemini:time=300ms",
        "it takes this long; 0: no time at all",
        lambda target, value, _: Time(target=target, length_ns=_length_ns(value)),
    ),
    "without": Verb(
        "rerank:without",
        "it does not happen: no time, no cost",
        lambda target, *_: Without(target=target),
        takes_value=False,
    ),
    "timeout": Verb(
        "search:timeout=2s",
        "it is given up after this long; threads cannot be, so they gain nothing",
        lambda target, value, _: Timeout(target=target, length_ns=_length_ns(value)),
    ),
    "model": Verb(
        "summarise:model=gpt-4o-mini,faster=1.5,first-token=-200ms",
        "its calls go to another model; speed and first token as told, else learned from "
        "other runs, the price from the price list",
        _make_model,
        more=("faster", "first-token"),
    ),
    "limit": Verb(
        "panel:limit=4",
        "so many branches run at once in each fan-out in it, or in the one it is a branch of "
        "(`max_concurrency`); none: all",
        _make_limit,
    ),
    "cache": Verb(
        "retrieve:cache=40%,hit=5ms,together",
        "a cache answers this share of its calls; together: all of them or none",
        _make_cache,
        more=("hit", "together"),
    ),
    "cheap-first": Verb(
        "judge:cheap-first=300ms,accept=0.7,cost=0.0002",
        "a cheap call comes first, the recorded one only if that is rejected; its price is "
        "`cost`, or that of `model`",
        _make_cheap_first,
        more=("accept", "cost", "model"),
    ),
    "no-retries": Verb(
        "search:no-retries",
        "its first try succeeds",
        lambda target, *_: NoRetries(target=target),
        takes_value=False,
    ),
    "no-backoff": Verb(
        "search:no-backoff",
        "nothing is waited between its tries",
        lambda target, *_: Backoff(target=target, ratio=Fraction(0)),
        takes_value=False,
    ),
    "backoff": Verb(
        "search:backoff=0.5", "the waits between its tries are so many times as long", _make_backoff
    ),
    "hedge": Verb(
        "gemini:hedge=2s",
        "a call that takes longer is made a second time beside itself; the first answer counts",
        lambda target, value, _: Hedge(target=target, after_ns=_length_ns(value)),
    ),
    "fail-fast": Verb(
        "panel:fail-fast",
        "the first failure of its fan-out ends the other branches",
        lambda target, *_: FailFast(target=target),
        takes_value=False,
    ),
    "batch-price": Verb(
        "judge:batch-price=24h",
        "its calls go through a batch API: half the price, and this long",
        _make_batch_price,
        takes_value=None,
    ),
}
"""All kinds of change, by the word that says them."""


# --- Change → text ----------------------------------------------------------------------------


def describe(change: Change) -> str:
    """Return the one text of a change.

    >>> describe(Limit(target="panel", places=None))
    'panel:limit=none'
    """
    verb, value, *more = _said(change)
    named = "".join(f",{one}" for one in more)
    return f"{change.target}:{verb}" + (f"={value}{named}" if value else "")


def _said(change: Change) -> tuple[str, ...]:
    match change:
        case Faster(ratio=ratio):
            return "faster", number(ratio)
        case Time(length_ns=length_ns):
            return "time", length(length_ns)
        case Without():
            return "without", ""
        case Timeout(length_ns=length_ns):
            return "timeout", length(length_ns)
        case Limit(places=places):
            return "limit", "none" if places is None else str(places)
        case NoRetries():
            return "no-retries", ""
        case Backoff(ratio=ratio):
            return ("backoff", number(ratio)) if ratio else ("no-backoff", "")
        case Hedge(after_ns=after_ns):
            return "hedge", length(after_ns)
        case FailFast():
            return "fail-fast", ""
        case BatchPrice(turnaround_ns=turnaround_ns):
            return "batch-price", "" if turnaround_ns is None else length(turnaround_ns)
        case _:
            return _said_at_length(change)


def _said_at_length(change: Change) -> tuple[str, ...]:
    match change:
        case OtherModel(model=model, faster=faster, first_token_ns=first_ns):
            speed = () if faster is None else (f"faster={number(faster)}",)
            first = () if first_ns is None else (f"first-token={length(first_ns)}",)
            return ("model", model, *speed, *first)
        case Cache(hit_ratio=ratio, is_together=is_together, hit_ns=hit_ns):
            hit = () if hit_ns == CACHE_HIT_NS else (f"hit={length(hit_ns)}",)
            return ("cache", number(ratio), *hit, *(("together",) if is_together else ()))
        case CheapFirst(cheap_ns=cheap_ns, accepted_ratio=ratio, model=cheap, cost_usd=cost):
            named = () if cheap is None else (f"model={cheap}",)
            priced = () if cost is None else (f"cost={cost:f}",)
            return ("cheap-first", length(cheap_ns), f"accept={number(ratio)}", *priced, *named)
        case _:
            raise TypeError(f"no text for {type(change).__name__}")


def number(ratio: Fraction) -> str:
    """Return a number that was written as a decimal as that decimal."""
    return f"{(Decimal(ratio.numerator) / Decimal(ratio.denominator)).normalize():f}"


def length(length_ns: int) -> str:
    """Return a length of time in the largest unit that it is a whole number of.

    >>> length(1_500_000_000), length(2_000_000_000), length(0)
    ('1500ms', '2s', '0')
    """
    if not length_ns:
        return "0"
    for unit in ("h", "m", "s", "ms", "us"):
        if length_ns % UNITS_NS[unit] == 0:
            return f"{length_ns // UNITS_NS[unit]}{unit}"
    return f"{length_ns}ns"
