"""`Filter` → the SQL condition on `runs` that means it, and the values to bind. Pure.

Columns come from fixed lists; whatever the user wrote is bound. A condition on something unknown
is NULL, which counts as false; only a negation has to take care of that. Case is ignored letter by
letter, in every script, by GLOB with both forms of each letter: LIKE ignores that of ASCII only.
What spans and contents say is looked up in the `index`, which names the runs at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from longpole.model.run import Role, Status
from longpole.storage.columns import search_text
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
from longpole.storage.index import FACETS, RUN_OF_DOCUMENT, text_query

Value = str | int | float
Condition = tuple[str, list[Value]]

_RUN_COLUMN: Final[Mapping[TextField, str]] = {
    TextField.NAME: "name",
    TextField.SESSION: "session_id",
    TextField.USER: "user_id",
    TextField.ID: "run_id",
}
_FACET: Final[Mapping[TextField, str]] = {
    TextField.MODEL: "model",
    TextField.PROVIDER: "provider",
    TextField.BRANCH: "branch",
    TextField.SPAN: "name",
}
"""The facet of `index.FACETS` that a field asks for."""
_ERROR_CONDITION: Final = (
    "error_type IS NOT NULL AND (error_type GLOB ? OR error_type GLOB ? OR error_message GLOB ?)"
)
_NUMBER_COLUMN: Final[Mapping[NumberField, str]] = {
    NumberField.WALL: "wall_ns",
    NumberField.COST: "cost_usd",
    NumberField.TOKENS: "tokens",
    NumberField.RETRIES: "retries",
    NumberField.SPEEDUP: "speedup_ratio",
    NumberField.SPANS: "spans",
}
_TIME_CONDITION: Final[Mapping[TimeField, str]] = {
    TimeField.SINCE: "start_ns >= ?",
    TimeField.UNTIL: "start_ns < ?",
}


QUEUED_NS: Final = 1_000_000
"""A span that waited for less was not queued: handing work over always takes a while."""


def _some_span(facet: str, told: str, values: list[Value]) -> Condition:
    """Some span has a facet of which this is true; `told` calls it `value`.

    Facets are few even where spans are many. Runs that are not indexed yet are looked into.
    """
    return (
        "run IN (SELECT run FROM facets WHERE word IN "
        f"(SELECT word FROM words WHERE field = '{facet}' AND value {told}) "
        "UNION ALL SELECT run FROM runs AS unindexed WHERE is_indexed = 0 AND EXISTS "
        "(SELECT 1 FROM spans WHERE spans.run = unindexed.run "
        f"AND {FACETS[facet]} {told}))",
        [*values, *values],
    )


def _odd_span(told: str) -> str:
    # What few spans have is found by its own small index, whatever the number of runs.
    return f"run IN (SELECT run FROM spans WHERE {told})"


_TRAIT_CONDITION: Final[Mapping[Trait, str]] = {
    Trait.RETRY: _odd_span("attempt > 1"),
    Trait.ERROR: _odd_span(f"status = '{Status.ERROR}'"),
    Trait.FALLBACK: _odd_span(f"role = '{Role.FALLBACK}'"),
    Trait.CACHE_HIT: _odd_span("cache_hit = 1"),
    Trait.COST: "cost_usd IS NOT NULL",
    # The first condition is the index's.
    Trait.QUEUE: _odd_span(f"ready_ns < start_ns AND start_ns - ready_ns >= {QUEUED_NS}"),
    Trait.LOST: _odd_span(
        "end_ns IS NULL AND recorder IN (SELECT recorder FROM recorders WHERE is_dead = 1)"
    ),
    Trait.UNPRICED: "run IN (SELECT run FROM costs WHERE unpriced IS NOT NULL)",
}


def condition(filter_: Filter, *, status: str) -> Condition:
    """Return the condition for `SELECT … FROM runs WHERE`, and the values of its `?`.

    Args:
        filter_: from `filter_text.parse`, which bounds its size.
        status: SQL for a run's status as of now, from `lists.status_now`.
    """
    match filter_:
        case All(parts):
            # SQLite goes through the first list of runs that it meets; the shortest is best.
            ordered = sorted(parts, key=_is_common)
            return _joined(" AND ", [condition(part, status=status) for part in ordered])
        case AnyOf(parts):
            return _joined(" OR ", [condition(part, status=status) for part in parts])
        case Not(part):
            sql, values = condition(part, status=status)
            # What is joined has parentheses already, and SQLite's parser can stack only so many.
            bare = sql if isinstance(part, All | AnyOf) else f"({sql})"
            return f"{bare} IS NOT TRUE", values
        case Words(pattern):
            return _words(pattern)
        case Matches(field, patterns):
            return _joined(" OR ", [_matches(field, pattern) for pattern in patterns])
        case OneOf(field, choices):
            return _one_of(field, choices, status)
        # The plus keeps indexes from being used: a comparison often holds for most runs, and each
        # of them would be looked up on its own.
        case Compares(field, operator, value):
            return f"+{_NUMBER_COLUMN[field]} {operator.value} ?", [_number(value)]
        case Between(field, low, high):
            return f"+{_NUMBER_COLUMN[field]} BETWEEN ? AND ?", [_number(low), _number(high)]
        case Started(field, at_ns):
            return _TIME_CONDITION[field], [at_ns]


def _is_common(part: Filter) -> bool:
    """Whether many runs may match, as far as its kind tells."""
    match part:
        case OneOf(ChoiceField.HAS, choices):
            return Trait.COST in choices
        case Matches(TextField.ERROR):
            return False
    return True


def _joined(link: str, parts: list[Condition]) -> Condition:
    if not parts:
        return "1", []
    values = [value for _, more in parts for value in more]
    return "(" + link.join(sql for sql, _ in parts) + ")", values


def _words(pattern: Pattern) -> Condition:
    pieces = [search_text([piece]) for piece in pattern.pieces]
    told, value = "instr(search, ?) > 0", pieces[0]
    if len(pieces) > 1:
        told = "search GLOB ?"
        value = "*" + "*".join(_literal(piece) for piece in pieces) + "*"
    return (
        f"({told} OR run IN (SELECT {RUN_OF_DOCUMENT} FROM texts WHERE texts MATCH ?))",
        [value, text_query(pattern.pieces)],
    )


def _matches(field: TextField, pattern: Pattern) -> Condition:
    glob = "*".join(_either_case(piece) for piece in pattern.pieces)
    if field is TextField.ID:
        return "run_id GLOB ?", [glob + "*"]
    if field is TextField.TAG:
        return "run IN (SELECT run FROM run_tags WHERE tag GLOB ?)", [glob]
    if field in _RUN_COLUMN:
        return f"{_RUN_COLUMN[field]} GLOB ?", [glob]
    if field is TextField.ERROR:
        # A type is recorded with its module, and meant with or without.
        return _odd_span(_ERROR_CONDITION), [glob, "*." + glob, glob]
    return _some_span(_FACET[field], "GLOB ?", [glob])


def _one_of(field: ChoiceField, choices: tuple[str, ...], status: str) -> Condition:
    if field is ChoiceField.HAS:
        return _joined(" OR ", [_trait(Trait(choice), status) for choice in choices])
    marks = ", ".join("?" * len(choices))
    if field is ChoiceField.STATUS:
        return f"{status} IN ({marks})", list(choices)
    return _some_span("kind", f"IN ({marks})", list(choices))


def _trait(trait: Trait, status: str) -> Condition:
    if trait is Trait.LOST:
        return f"({status} = '{Status.LOST}' OR {_TRAIT_CONDITION[trait]})", []
    return _TRAIT_CONDITION[trait], []


def _number(value: int | Decimal) -> int | float:
    return value if isinstance(value, int) else float(value)


_SPECIAL: Final = frozenset("*?[")


def _literal(text: str) -> str:
    return "".join(f"[{char}]" if char in _SPECIAL else char for char in text)


def _either_case(text: str) -> str:
    """Return a GLOB pattern for the text in capitals or not, letter by letter."""
    return "".join(_letter(char) for char in text)


def _letter(char: str) -> str:
    forms = {char, char.lower(), char.upper()}
    single = sorted(form for form in forms if len(form) == 1)
    return f"[{''.join(single)}]" if len(single) > 1 else _literal(char)
