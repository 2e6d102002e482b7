"""JSON as a tree: nothing is lost silently, and no text is too much for it."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from longpole.dashboard.json_tree import (
    DEPTH_MOST,
    ITEMS_MOST,
    NODES_MOST,
    TEXT_MOST,
    Node,
    tree_of,
    tree_of_value,
)

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=20,
)


def _value_of(node: Node) -> Any:
    kind, value = node[0], node[1]
    if kind == "o":
        return {key: _value_of(item) for key, item in node[2]}
    if kind == "a":
        return [_value_of(item) for item in node[2]]
    return value if kind == "s" else json.loads(value)


def _nodes(node: Node) -> int:
    if node[0] == "o":
        return 1 + sum(_nodes(item) for _, item in node[2])
    return 1 + sum(_nodes(item) for item in node[2]) if node[0] == "a" else 1


@settings(max_examples=60)
@given(JSON.filter(lambda value: isinstance(value, dict | list)))
def test_a_tree_holds_the_value(value: Any) -> None:
    from_text = tree_of(json.dumps(value))

    assert from_text is not None
    assert _value_of(from_text) == value
    assert _value_of(tree_of_value(value)) == value


@settings(max_examples=60)
@given(st.text(max_size=30))
def test_any_text_has_a_tree_or_none(text: str) -> None:
    tree = tree_of(text)

    assert tree is None or tree[0] in "ao"


def test_a_number_keeps_its_digits() -> None:
    assert tree_of("[12345678901234567890, 1.50, NaN]") == [
        "a",
        3,
        [["n", "12345678901234567890"], ["n", "1.50"], ["n", "NaN"]],
    ]


def test_a_key_that_comes_twice_is_there_twice() -> None:
    assert tree_of('{"a": 1, "a": 2}') == ["o", 2, [["a", ["n", "1"]], ["a", ["n", "2"]]]]


def test_what_is_left_out_is_counted() -> None:
    many = tree_of(json.dumps(list(range(ITEMS_MOST + 7))))
    long = tree_of(json.dumps(["x" * (TEXT_MOST + 5)]))

    assert many is not None
    assert (many[1], len(many[2])) == (ITEMS_MOST + 7, ITEMS_MOST)
    assert long is not None
    assert len(long[2][0][1]) == TEXT_MOST
    assert long[2][0][2] == TEXT_MOST + 5


def test_a_tree_has_a_bounded_size_however_much_there_is() -> None:
    wide = tree_of(json.dumps([list(range(100))] * 150))
    deep = tree_of("[" * (DEPTH_MOST + 20) + "]" * (DEPTH_MOST + 20))
    bottomless = tree_of("[" * 200_000)

    assert wide is not None
    assert _nodes(wide) <= NODES_MOST
    assert deep is not None
    assert _nodes(deep) == DEPTH_MOST + 1
    assert bottomless is None
