"""The laws of many runs are code, and code that notices."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest

from longpole.analysis import (
    CostBy,
    aggregate,
    compare_sets,
    cost_shares,
    criticality,
    flame_of,
    heat_map,
    tail_of,
)
from longpole.model.errors import BrokenLawError
from tests.analysis.panels import Panel, samples

FOUND = samples([Panel(web=100 + 9 * at) for at in range(24)])


def broken_sample() -> Callable[[], None]:
    return replace(FOUND[0], wall_ns=FOUND[0].wall_ns + 1).check


def broken_calls() -> Callable[[], None]:
    return replace(FOUND[0], costs=FOUND[0].costs[1:]).check


def broken_aggregate() -> Callable[[], None]:
    whole = aggregate(FOUND)
    return replace(whole, wall_ns=whole.wall_ns + 1).check


def broken_cost() -> Callable[[], None]:
    return replace(aggregate(FOUND), cost_usd=Decimal("0.01")).check


def broken_drag() -> Callable[[], None]:
    whole = aggregate(FOUND)
    first = whole.places[0]
    return replace(
        whole, places=(replace(first, drag_ns=first.on_path_ns + 1), *whole.places[1:])
    ).check


def broken_criticality() -> Callable[[], None]:
    (fan_out,) = criticality(FOUND)
    return replace(fan_out, branches=fan_out.branches[:1] * 2).check


def broken_tail() -> Callable[[], None]:
    tail = tail_of(FOUND, resamples=1)
    assert tail is not None
    return replace(tail, slow_wall_ns=tail.slow_wall_ns + Fraction(1, 7)).check


def broken_flame() -> Callable[[], None]:
    flame = flame_of(FOUND)
    return replace(flame, frames=flame.frames[:-1]).check


def broken_heat_map() -> Callable[[], None]:
    found = heat_map(FOUND)
    return replace(found, own_path_ns=found.own_path_ns[1:]).check


def broken_shares() -> Callable[[], None]:
    found = cost_shares(FOUND, CostBy.BRANCH)
    return replace(found, rows=found.rows[1:]).check


def broken_comparison() -> Callable[[], None]:
    found = compare_sets(FOUND[:3], FOUND[3:], resamples=1)
    return replace(found, places=found.places[1:]).check


@pytest.mark.parametrize(
    "broken",
    [
        broken_sample,
        broken_calls,
        broken_aggregate,
        broken_cost,
        broken_drag,
        broken_criticality,
        broken_tail,
        broken_flame,
        broken_heat_map,
        broken_shares,
        broken_comparison,
    ],
)
def test_what_does_not_add_up_is_told(broken: Callable[[], Callable[[], None]]) -> None:
    with pytest.raises(BrokenLawError):
        broken()()
