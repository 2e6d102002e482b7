"""Sums over resamples: with arrays and without they are the same, and those of the rows drawn."""

from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from longpole.analysis import resampling
from longpole.analysis.resampling import plain_sums, resampled_sums

Rows = list[list[int]]


@st.composite
def rows_of_numbers(draw: st.DrawFn) -> Rows:
    columns = draw(st.integers(1, 4))
    most = draw(st.sampled_from([1, 10**9, 2**49, 2**58, 2**70]))
    numbers = st.integers(0, most)
    return draw(st.lists(st.lists(numbers, min_size=columns, max_size=columns), min_size=1))


@st.composite
def parts_of(draw: st.DrawFn, count: int) -> list[range] | None:
    if draw(st.booleans()):
        return None
    ends = st.tuples(st.integers(0, count), st.integers(0, count)).map(sorted)
    return [range(*pair) for pair in draw(st.lists(ends, min_size=1, max_size=3))]


def test_numpy_is_there_to_be_tested() -> None:
    assert resampling._numpy() is not None


@settings(max_examples=60)
@given(rows=rows_of_numbers(), seed=st.integers(), data=st.data())
def test_sums_are_the_same_with_arrays_and_without(
    rows: Rows, seed: int, data: st.DataObject
) -> None:
    parts = data.draw(parts_of(len(rows)))
    told = [
        [
            [list(sums) for sums in one]
            for one in draw(rows, parts, random=Random(seed), resamples=7)
        ]
        for draw in (plain_sums, resampled_sums)
    ]

    assert told[0] == told[1]


def test_sums_are_the_same_however_many_resamples_fit_into_one_array() -> None:
    rows = [[number, number * number] for number in range(90_000)]
    told = [
        [[list(sums) for sums in one] for one in draw(rows, random=Random(1), resamples=5)]
        for draw in (plain_sums, resampled_sums)
    ]

    assert told[0] == told[1]


@given(rows=rows_of_numbers(), seed=st.integers())
def test_a_resample_is_as_many_rows_as_there_are(rows: Rows, seed: int) -> None:
    told_apart = [[*row, 1, place] for place, row in enumerate(rows)]
    (((*_, count, _),),) = resampled_sums(told_apart, random=Random(seed), resamples=1)

    assert count == len(rows)


def test_parts_are_ranks_of_the_rows_that_were_drawn() -> None:
    rows = [[number] for number in range(20)]
    halves = (range(10), range(10, 20))
    random = Random(3)
    for ((low,), (high,)), ((whole,),) in zip(
        resampled_sums(rows, halves, random=Random(3), resamples=50),
        resampled_sums(rows, random=random, resamples=50),
        strict=True,
    ):
        assert low + high == whole
        assert low <= high


def test_every_row_is_drawn_about_as_often() -> None:
    rows = [[int(at == place) for at in range(10)] for place in range(10)]
    drawn = [sums for (sums,) in resampled_sums(rows, random=Random(7), resamples=5_000)]
    times = [sum(column) for column in zip(*drawn, strict=True)]

    # 5,000 are expected of each, and 67 more or less are one standard deviation.
    assert all(4_700 < count < 5_300 for count in times)
