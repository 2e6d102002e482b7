"""The waterfall of the terminal, on runs made by hand."""

from __future__ import annotations

import pytest
from rich.cells import cell_len

from longpole.analysis import analyse
from longpole.dashboard.cli.waterfall import Row, draw, rows_of
from longpole.model import FanOutKind, Kind, Role, Run, Span, SpanError, Status, assemble
from longpole.model.run import Order

MS = 1_000_000


def span(span_id: str, parent: str | None, start_ms: int, end_ms: int, **values: object) -> Span:
    given = {"name": span_id, "kind": Kind.LLM, "status": Status.OK, **values}
    return Span(
        span_id=span_id,
        parent_span_id=parent,
        start_ns=start_ms * MS,
        end_ns=end_ms * MS,
        **given,  # type: ignore[arg-type]
    )


def fan_out(count: int, *, failing: int | None = None) -> Run:
    """Branches of 10 ms that all start at 0; the last takes 100 ms."""
    branches = [
        span(
            f"b{place}",
            "root",
            0,
            100 if place == count - 1 else 10,
            name="read",
            branch=str(place),
            role=Role.BRANCH,
            fan_out=FanOutKind.MAP,
            order=Order(group="g"),
            **(
                {"status": Status.ERROR, "error": SpanError(type="E", message="m")}
                if place == failing
                else {}
            ),
        )
        for place in range(count)
    ]
    return assemble("r", [span("root", None, 0, 100, kind=Kind.CHAIN), *branches])


def lines_of(run: Run, width: int = 80, *, limit: int | None = 60) -> list[str]:
    analysis = analyse(run, now_ns=0)
    return [line.plain for line in draw(analysis, rows_of(analysis, limit=limit), width)]


def test_the_path_is_marked_in_the_gutter_and_in_the_bars() -> None:
    (axis, *lines) = lines_of(fan_out(3), 100)

    assert axis.split() == ["0", "25.0", "ms", "50.0", "ms", "75.0", "ms", "100", "ms"]
    assert [line[0] for line in lines] == ["▎", " ", " ", "▎"]
    assert [line.split()[0] for line in lines] == ["▎root", "read[0]", "read[1]", "▎"]
    assert "█" in lines[3]
    assert "█" not in lines[1]
    assert len(lines[3].rstrip()) == 100
    assert lines[1].count("▒") == pytest.approx(lines[3].count("█") / 10, abs=1)


def test_a_small_run_is_not_folded() -> None:
    assert len(lines_of(fan_out(50))) == 1 + 51


def test_a_wide_run_keeps_the_long_pole_and_the_failures() -> None:
    run = fan_out(5_000, failing=2_500)
    rows = rows_of(analyse(run, now_ns=0))
    shown = [row.span.span_id for row in rows if not row.folded]
    (fold,) = [row for row in rows if row.folded]

    assert {"root", "b4999", "b2500"} <= set(shown)
    assert len(shown) <= 20
    assert len(fold.folded) + len(shown) == 5_001


def test_a_fold_tells_how_many_and_how_many_of_them_failed() -> None:
    spans = [
        span(f"f{place}", "root", 0, 10, name="read", status=Status.ERROR) for place in range(100)
    ]
    run = assemble("r", [span("root", None, 0, 100, kind=Kind.CHAIN), *spans])
    (fold,) = [line for line in lines_of(run, 100) if "×" in line]

    assert "×92 read ✗92" in fold


def test_nothing_is_folded_when_the_whole_is_asked_for() -> None:
    assert len(lines_of(fan_out(200), limit=None)) == 1 + 201


def test_marks_stay_when_names_are_cut() -> None:
    name = "a-retried-call-with-a-very-long-name-that-fits-nowhere"
    run = assemble(
        "r",
        [
            span("root", None, 0, 100, kind=Kind.CHAIN),
            span("one", "root", 0, 40, name=name, status=Status.ERROR),
            span("two", "root", 50, 100, name=name, attempt=2, role=Role.ATTEMPT),
        ],
    )
    (_, _, one, two) = lines_of(run, 60)

    assert "… ✗" in one
    assert "… ↻2" in two


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_lines_fit_whatever_the_names_and_the_depth_are(width: int) -> None:
    chain = [
        span(f"s{depth}", f"s{depth - 1}" if depth else None, depth, 1_000, name="日本語の名前")
        for depth in range(300)
    ]
    lines = lines_of(assemble("r", chain), width, limit=None)

    assert len(lines) == 301
    assert max(cell_len(line) for line in lines) <= width
    assert f"+{299 - min(12, width // 10)} " in lines[-1]


def test_a_run_that_took_no_time_is_drawn() -> None:
    run = assemble("r", [span("root", None, 5, 5)])
    analysis = analyse(run, now_ns=0)

    assert len(draw(analysis, [Row(run.root, 0)], 80)) == 2
