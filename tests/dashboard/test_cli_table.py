"""Tables that fit the terminal."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.text import Text

from longpole.dashboard.cli.table import Column, column, shortened, table

NAMES = ["a-chain-with-quite-a-long-name", "短い名前のチェーン", "panel"]


def written(columns: list[Column], width: int) -> list[str]:
    return [line.plain for line in table(columns, width)]


def test_text_stands_left_and_numbers_right() -> None:
    columns = [
        column("chain", ["panel", "x"], str),
        column("calls", [7, 1200], str, is_number=True),
    ]

    assert written(columns, 40) == ["chain  calls", "panel      7", "x       1200"]


def test_long_text_is_cut_before_a_column_goes() -> None:
    columns = [column("chain", NAMES, str), column("wall", [1, 2, 3], str, is_number=True, need=1)]

    assert written(columns, 24) == [
        "chain               wall",
        "a-chain-with-quit…     1",
        "短い名前のチェーン     2",
        "panel                  3",
    ]


def test_the_least_needed_column_goes_where_there_is_no_room() -> None:
    columns = [
        column("chain", NAMES, str),
        column("kept", ["1234567"] * 3, str, is_number=True, need=2),
        column("dropped", ["1234567"] * 3, str, is_number=True, need=1),
    ]
    (heading, *_) = written(columns, 28)

    assert heading.split() == ["chain", "kept"]


def test_a_column_in_which_nothing_is_written_is_left_out() -> None:
    assert written([column("chain", ["x"], str), column("note", [""], str)], 40) == ["chain", "x"]


def test_a_table_of_nothing_is_empty() -> None:
    assert table([], 80) == [Text()]


@given(
    st.lists(st.tuples(st.text(max_size=60), st.integers(0, 10**9)), min_size=1, max_size=5),
    st.integers(40, 200),
)
def test_lines_fit_and_numbers_are_whole(rows: list[tuple[str, int]], width: int) -> None:
    names = [name.encode("unicode_escape").decode() or "-" for name, _ in rows]
    columns = [
        column("name", names, str),
        column("number", rows, lambda row: str(row[1]), is_number=True),
        column("other", rows, lambda row: str(row[1]), is_number=True, need=1),
    ]
    lines = written(columns, width)

    assert max(cell_len(line) for line in lines) <= width
    for line, (_, number) in zip(lines[1:], rows, strict=True):
        assert line.endswith(f" {number}")


@given(st.text(max_size=40), st.integers(1, 40))
def test_shortened_text_fits(text: str, width: int) -> None:
    assert cell_len(shortened(Text(text), width).plain) <= width
