"""The values that the Overview shows, of runs built as values."""

from __future__ import annotations

from collections.abc import Iterable

from longpole.analysis import analyse, samples_of
from longpole.dashboard.overview import Overview, Tile, overview
from longpole.model import Run
from tests.browser import stories

MINUTE_NS = 60_000 * stories.MS
DAY_NS = 1_440 * MINUTE_NS


def _seen(shown: Iterable[Run]) -> Overview:
    return overview(samples_of([analyse(run, now_ns=0) for run in shown]))


def _tiles(seen: Overview) -> dict[str, Tile]:
    return {tile.label: tile for tile in seen.tiles}


def test_tiles_hold_what_all_runs_come_to() -> None:
    tiles = _tiles(_seen([stories.panel(1), stories.panel(2), stories.failing(3)]))

    assert tiles["Runs"].value == "3"
    assert tiles["Failed"].value == "33 %"
    assert tiles["p50 wall"].value == "2.30 s"
    assert tiles["p95 wall"].value == "2.30 s"
    assert tiles["Cost"].value == "≥ $0.094"
    assert tiles["Retries"].value == "1"


def test_a_course_has_a_point_for_every_slice_with_or_without_runs() -> None:
    runs = [stories.panel(1), stories.failing(2, start_ns=stories.START_NS + 5 * MINUTE_NS)]
    seen = _seen(runs)
    tiles = _tiles(seen)

    assert seen.slice_s == 15
    assert [point.height for point in tiles["Runs"].points] == [1, *[0] * 19, 1]
    assert [point.height for point in tiles["Failed"].points] == [0, *[None] * 19, 1]
    assert tiles["Failed"].last == "100 %"
    assert tiles["Retries"].points[-1].told == "Retries 1: 1 run from 2026-09-21 14:18:15 UTC"
    assert tiles["Runs"].points[1].told == "no runs from 2026-09-21 14:13:30 UTC"


def test_however_far_apart_the_runs_are_the_slices_are_few() -> None:
    for days in (0, 0.01, 1, 30, 365, 4_000, 20_000):
        first_ns = stories.START_NS - int(days * DAY_NS)
        seen = _seen([stories.panel(1, start_ns=first_ns), stories.panel(2)])
        points = seen.tiles[0].points

        assert len(points) <= 41
        assert sum(point.height or 0 for point in points) == 2


def test_what_no_call_has_a_price_for_is_unknown_and_not_nothing() -> None:
    tiles = _tiles(_seen([stories.hostile(1)]))

    assert tiles["Cost"].value == "unpriced"
    assert tiles["Cost"].points[0].height is None
    assert tiles["Wasted"].value == "unpriced"


def test_chains_are_ranked_by_their_walls_and_by_their_costs() -> None:
    seen = _seen([stories.wide(1, branches=30), *stories.history(30), stories.failing(2)])

    assert [one.name for one in seen.slowest(2)] == ["panel", "triage"]
    assert [one.name for one in seen.dearest(5)] == ["panel", "summarise_documents"]
