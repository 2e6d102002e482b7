"""JSON text, or a value of it → a tree of bounded size that a page can show branch by branch.

Numbers keep the digits they were written with: a browser would round those beyond 2^53. Keys that
occur twice are both there. What is left out is counted, so that a page can say so.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

NODES_MOST: Final = 5_000
ITEMS_MOST: Final = 200
DEPTH_MOST: Final = 40
TEXT_MOST: Final = 20_000

Node = list[Any]
"""What travels to the browser, by its first item:

`["s", text, characters]` a text, of which the first ones are there; `["n", digits]` a number;
`["k", word]` true, false or null; `["a", count, nodes]` a list and `["o", count, [[key, node], …]]`
an object, of whose items the first ones are there.
"""


@dataclass(frozen=True, slots=True)
class _Number:
    digits: str


class _Pairs(list[tuple[str, Any]]):
    """An object as it was written."""


def tree_of(text: str) -> Node | None:
    """Return the tree of a JSON text; `None` if it is none, or is one value without items.

    >>> tree_of('{"id": 12345678901234567890, "of": [true]}')
    ['o', 2, [['id', ['n', '12345678901234567890']], ['of', ['a', 1, [['k', 'true']]]]]]
    >>> tree_of("no JSON"), tree_of('"a text"')
    (None, None)
    """
    try:
        value = json.loads(
            text,
            parse_int=_Number,
            parse_float=_Number,
            parse_constant=_Number,
            object_pairs_hook=_Pairs,
        )
    except (ValueError, RecursionError):
        return None
    return _Growing().node(value, 0) if isinstance(value, list) else None


def tree_of_value(value: Any) -> Node:
    """Return the tree of values as `json.dumps` takes them."""
    return _Growing().node(value, 0)


class _Growing:
    """Makes nodes until there are enough of them."""

    def __init__(self) -> None:
        self._left = NODES_MOST

    def node(self, value: Any, depth: int) -> Node:
        """Return the node of a value; at most `DEPTH_MOST` of them are inside each other."""
        self._left -= 1
        if isinstance(value, dict):
            value = _Pairs(value.items())
        if isinstance(value, _Pairs):
            shown = [
                [_cut(key)[0], self.node(item, depth + 1)] for key, item in self._few(value, depth)
            ]
            return ["o", len(value), shown]
        if isinstance(value, list | tuple):
            return [
                "a",
                len(value),
                [self.node(item, depth + 1) for item in self._few(value, depth)],
            ]
        return _leaf(value)

    def _few(self, items: Sequence[Any], depth: int) -> Iterable[Any]:
        for item in items[: ITEMS_MOST if depth < DEPTH_MOST else 0]:
            if self._left <= 0:
                return
            yield item


def _leaf(value: Any) -> Node:
    if isinstance(value, str):
        return ["s", *_cut(value)]
    if isinstance(value, _Number):
        return ["n", value.digits]
    if value is None or isinstance(value, bool):
        return ["k", json.dumps(value)]
    return ["n", str(value)]


def _cut(text: str) -> tuple[str, int]:
    return text[:TEXT_MOST], len(text)
