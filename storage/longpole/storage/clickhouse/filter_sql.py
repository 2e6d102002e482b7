"""`Filter` → the SQL condition on runs that means it, and the values to bind. Pure.

The conditions are about the columns of `run_sql.runs_sql`, where a run is one row with the sets of
what its spans have. Columns come from fixed lists; whatever the user wrote is bound. A condition on
something unknown is false, and its opposite true, as in `longpole.storage.filter_sql`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from longpole.model.run import Kind
from longpole.storage.filters import (
    All,
    AnyOf,
    Between,
    ChoiceField,
    Compares,
    Filter,
    Matches,
    Not,
    NumberField,
    OneOf,
    Pattern,
    Started,
    TextField,
    TimeField,
    Trait,
    Words,
)
from longpole.storage.texts import phrases, words_of

_RUN_COLUMN: Final[Mapping[TextField, str]] = {
    TextField.NAME: "name",
    TextField.SESSION: "session_id",
    TextField.USER: "user_id",
    TextField.ID: "run_id",
}
_SET_COLUMN: Final[Mapping[TextField, str]] = {
    TextField.TAG: "tags",
    TextField.MODEL: "all_models",
    TextField.PROVIDER: "all_providers",
    TextField.BRANCH: "all_branches",
    TextField.SPAN: "all_names",
}
NUMBER_COLUMN: Final[Mapping[NumberField, str]] = {
    NumberField.WALL: "wall_ns",
    NumberField.COST: "cost_usd",
    NumberField.TOKENS: "tokens",
    NumberField.RETRIES: "retries",
    NumberField.SPEEDUP: "speedup_ratio",
    NumberField.SPANS: "span_count",
}
_TRAIT_CONDITION: Final[Mapping[Trait, str]] = {
    Trait.RETRY: "any_retry",
    Trait.ERROR: "any_failed",
    Trait.FALLBACK: "any_fallback",
    Trait.CACHE_HIT: "any_cache_hit",
    Trait.COST: "cost_usd IS NOT NULL",
    Trait.QUEUE: "any_queue",
    Trait.LOST: "any_lost",
    Trait.UNPRICED: "is_unpriced",
}


class Bound:
    """Values to bind, each under a name of its own."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def add(self, value: object, type_name: str) -> str:
        """Return what stands for the value in SQL."""
        name = f"v{len(self.values)}"
        self.values[name] = value
        return f"{{{name}:{type_name}}}"

    def number(self, value: int | Decimal | float) -> str:
        """Return what stands for a number."""
        if isinstance(value, int):
            return self.add(value, "Int64")
        return self.add(float(value), "Float64")


def condition(filter_: Filter, bound: Bound, texts: str) -> str:
    """Return the condition; its values are added to `bound`.

    Args:
        filter_: from `filter_text.parse`, which bounds its size.
        bound: of the whole statement.
        texts: what `longpole_texts` is called.
    """
    match filter_:
        case All(parts):
            return _joined(" AND ", [condition(part, bound, texts) for part in parts])
        case AnyOf(parts):
            return _joined(" OR ", [condition(part, bound, texts) for part in parts])
        case Not(part):
            return f"NOT ({condition(part, bound, texts)})"
        case Words(pattern):
            return f"({_named(pattern, bound)} OR {_said(pattern, bound, texts)})"
        case Matches(field, patterns):
            return _joined(" OR ", [_matches(field, pattern, bound) for pattern in patterns])
        case OneOf(field, choices):
            return _one_of(field, choices, bound)
        case Compares(field, operator, value):
            return _known(f"{NUMBER_COLUMN[field]} {operator.value} {bound.number(value)}")
        case Between(field, low, high):
            ends = f"{bound.number(low)} AND {bound.number(high)}"
            return _known(f"{NUMBER_COLUMN[field]} BETWEEN {ends}")
        case Started(field, at_ns):
            sign = ">=" if field is TimeField.SINCE else "<"
            return f"start_ns {sign} {bound.number(at_ns)}"


def _known(sql: str) -> str:
    return f"ifNull({sql}, 0)"


def _joined(link: str, parts: list[str]) -> str:
    return f"({link.join(parts)})" if parts else "1"


def _named(pattern: Pattern, bound: Bound) -> str:
    """The pieces occur in this order in the name or error; case is ignored as in `search_text`."""
    folded = [_folded(bound.add(piece, "String")) for piece in pattern.pieces]
    like = ", '.*', ".join(f"regexpQuoteMeta({piece})" for piece in folded)
    return f"match({_folded('search')}, concat('(?s)', {like}))"


def _folded(sql: str) -> str:
    return f"replaceAll(translateUTF8(lowerUTF8({sql}), 'ςſ', 'σs'), 'ß', 'ss')"


def _said(pattern: Pattern, bound: Bound, texts: str) -> str:
    """The pieces occur in one of the texts, as whole words or the beginnings of words."""
    asked = [(words_of(piece), is_beginning) for piece, is_beginning in phrases(pattern.pieces)]
    if not asked or not all(words for words, _ in asked):
        return "0"
    likes = [
        f"% {' '.join(words)}%" if is_beginning else f"% {' '.join(words)} %"
        for words, is_beginning in asked
    ]
    conditions = " AND ".join(f"words LIKE {bound.add(like, 'String')}" for like in likes)
    return f"run_id GLOBAL IN (SELECT run_id FROM {texts} WHERE {conditions})"


def _matches(field: TextField, pattern: Pattern, bound: Bound) -> str:
    if field is TextField.ERROR:
        # A type is recorded with its module, and meant with or without.
        typed = bound.add(_whole(pattern, before=r"(.*\.)?"), "String")
        worded = bound.add(_whole(pattern), "String")
        return f"({_any('all_error_types', typed)} OR {_any('all_error_messages', worded)})"
    after = ".*" if field is TextField.ID else ""
    value = bound.add(_whole(pattern, after=after), "String")
    if field in _SET_COLUMN:
        return _any(_SET_COLUMN[field], value)
    return _known(f"match({_RUN_COLUMN[field]}, {value})")


def _any(column: str, pattern: str) -> str:
    return f"arrayExists(one -> match(one, {pattern}), {column})"


def _one_of(field: ChoiceField, choices: tuple[str, ...], bound: Bound) -> str:
    if field is ChoiceField.HAS:
        return _joined(" OR ", [f"({_TRAIT_CONDITION[Trait(choice)]})" for choice in choices])
    if field is ChoiceField.STATUS:
        return f"status_now IN {bound.add(list(choices), 'Array(String)')}"
    # A span whose kind nobody told is of the kind `other`, as `rows.span_from` has it.
    told = [*choices, ""] if Kind.OTHER in choices else list(choices)
    return f"hasAny(all_kinds, {bound.add(told, 'Array(String)')})"


def _whole(pattern: Pattern, *, before: str = "", after: str = "") -> str:
    """Return the regular expression that a whole value fits, ignoring case."""
    return f"(?is)^{before}{_pieces(pattern)}{after}$"


def _pieces(pattern: Pattern) -> str:
    return ".*".join(re.escape(piece) for piece in pattern.pieces)
