"""The critical path of runs that are drawn: every hard case, and its answer in the picture."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longpole.analysis import check_path, critical_path
from longpole.analysis.result import SegmentKind, Via
from longpole.model import Kind, Order, Run, Span, Status, assemble
from tests.drawings import BEGIN_NS, STEP_NS, owned_columns, read_drawing
from tests.strategies import any_runs, recorded_runs

DRAWINGS = {
    "a fan-out waits for its slowest branch": """
        agent    #...........#
          plan    ###                seq=1
          fan        #.....          seq=2
            search    #####          group=g
            lookup    ...            group=g
          join             ##        seq=3
    """,
    "without hints the span that ended last before is the one that was waited for": """
        agent    #..........#
          plan    ###
          search     #####
          lookup     ...
          join            ##
    """,
    "back-to-back steps follow one another": """
        agent    .........
          a      ###
          b         ###
          c            ###
    """,
    "a step that ends just when two branches do waits for the one that started first": """
        agent    .........
          a      ######              group=g
          b       .....              group=g
          c            ###
    """,
    "staggered branches without a limit are no causes of each other": """
        agent    ####......
          a      ...                 group=g
          b           .              group=g
          c          ######          group=g
    """,
    "a queued branch waits for the one that freed its place": """
        agent    .........
          a      ####                group=g limit=2
          b      ......              group=g limit=2
          c          #####           group=g limit=2
    """,
    "a place is taken over however late, where it was recorded that the branch was waiting": """
        agent    ....##.....
          a      ####                group=g limit=2 ready=0
          b      ......              group=g limit=2 ready=0
          c            #####         group=g limit=2 ready=6
    """,
    "what nobody waits for is never on the path": """
        agent    #####
          log     ...                detached
    """,
    "a child that goes on after its parent returned was abandoned": """
        agent    #...#
          a       ###
          late     .......
    """,
    "a branch cancelled by a failure owns only what follows the failure": """
        agent    #.....#             error
          bad     ####               group=g error
          other   ....#              group=g cancelled
    """,
    "a thread that outlives its failed parent is why the parent ended then": """
        agent    #.....              error
          slow    #####.....
    """,
    "a superstep is a barrier": """
        graph    ..........
          a      ###                 superstep=1 group=s
          b      ..                  superstep=1 group=s
          c         ..               superstep=2 group=s
          d         ####             superstep=2 group=s
          e             ###          superstep=3 group=s
    """,
    "named predecessors win over everything else": """
        agent    ...###....
          a      ###
          b      ......
          c            ####          after=a
    """,
    "a streaming pipeline belongs to its model once it streams": """
        chain    ..........
          prompt ##........          seq=1 stream
          model    ########          seq=2 stream kind=llm
          parser     ......          seq=3 stream
    """,
    "an open branch owns the path of a run that is under way": """
        agent    #.......            open
          a       ...                group=g
          b       #######            group=g open
    """,
}


@pytest.mark.parametrize("text", DRAWINGS.values(), ids=DRAWINGS.keys())
def test_the_path_runs_where_it_is_drawn(text: str) -> None:
    drawing = read_drawing(text)
    columns = sorted(column for owned in drawing.owned.values() for column in owned)
    path = critical_path(drawing.run, now_ns=BEGIN_NS + 8 * STEP_NS)

    assert columns == list(range(len(columns))), "the drawing itself must have one # a column"
    assert owned_columns(drawing.run, path) == drawing.owned


@pytest.mark.parametrize(("ready_ms", "waited"), [(None, True), (39, True), (42, False)])
def test_a_branch_that_was_not_ready_when_a_place_became_free_did_not_wait_for_it(
    ready_ms: int | None, waited: bool
) -> None:
    drawing = read_drawing(
        """
        agent    ..........
          a      ####                group=g limit=2
          b      .....               group=g limit=2
          c          ######          group=g limit=2
        """
    )
    late = {"c": replace(drawing.run.span_by_id["c"], start_ns=BEGIN_NS + 43_000_000)}
    if ready_ms is not None:
        late["c"] = replace(late["c"], ready_ns=BEGIN_NS + ready_ms * 1_000_000)
    run = assemble("d" * 32, [late.get(span.span_id, span) for span in drawing.run.spans])

    path = critical_path(run, now_ns=BEGIN_NS)
    assert any(segment.span_id == "a" for segment in path) is waited


def test_a_back_off_between_two_tries_is_named() -> None:
    drawing = read_drawing(
        """
        call     ##...##....
          one      ###               seq=1 error
          two           ####         seq=2 attempt=2
        """
    )
    path = critical_path(drawing.run, now_ns=0)

    assert [(one.span_id, one.kind) for one in path] == [
        ("call", SegmentKind.HEAD),
        ("one", SegmentKind.WORK),
        ("call", SegmentKind.BACKOFF),
        ("two", SegmentKind.WORK),
    ]


def test_segments_tell_why_and_whether_it_was_inferred() -> None:
    drawing = read_drawing(
        """
        agent    ......
          a      ###
          b         ###
        """
    )
    a, b = critical_path(drawing.run, now_ns=0)

    assert (b.via, b.inferred) == (Via.JOIN, False)
    assert (a.via, a.inferred) == (Via.SEQ, True)


def test_who_ended_as_late_is_named() -> None:
    drawing = read_drawing(
        """
        agent    .....
          a      #####               group=g
          b       ....               group=g
        """
    )
    (only,) = critical_path(drawing.run, now_ns=0)

    assert only.tied_with == ("b",)


def test_the_path_up_to_a_moment_ends_there() -> None:
    drawing = read_drawing(
        """
        agent    #..........#
          plan    ###                seq=1
          answer     ########        seq=2
        """
    )
    path = critical_path(drawing.run, now_ns=0, as_of_ns=BEGIN_NS + 6 * STEP_NS)

    assert path[-1].span_id == "answer"
    check_path(drawing.run, path, start_ns=BEGIN_NS, end_ns=BEGIN_NS + 6 * STEP_NS)


def test_jitter_within_the_tolerance_is_no_concurrency() -> None:
    run = read_drawing(
        """
        agent    ......
          a      ###
          b         ###
        """
    ).run
    overlapping = replace(
        run,
        spans=tuple(
            replace(span, start_ns=span.start_ns - 400_000) if span.span_id == "b" else span
            for span in run.spans
        ),
    )
    path = critical_path(overlapping, now_ns=0)

    assert [one.span_id for one in path] == ["a", "b"]


def _end_ns(run: Run, now_ns: int) -> int:
    seen = max(span.start_ns if span.end_ns is None else span.end_ns for span in run.spans)
    if run.root.end_ns is not None:
        return run.root.end_ns
    return seen if run.status is Status.LOST else max(now_ns, seen)


@given(recorded_runs() | any_runs())
def test_the_path_tiles_the_run(run: Run) -> None:
    if len({span.host for span in run.spans if span.host}) > 1:
        return  # the clock of the root decides; see the test below
    path = critical_path(run, now_ns=BEGIN_NS)

    check_path(run, path, start_ns=run.root.start_ns, end_ns=_end_ns(run, BEGIN_NS))


@given(any_runs())
def test_the_path_has_no_gap_whatever_the_clocks(run: Run) -> None:
    path = critical_path(run, now_ns=BEGIN_NS)

    if path:
        check_path(run, path, start_ns=path[0].start_ns, end_ns=path[-1].end_ns)


@given(recorded_runs() | any_runs(), st.integers(0, 2**32))
def test_the_order_of_the_input_does_not_matter(run: Run, seed: int) -> None:
    shuffled = list(run.spans)
    random.Random(seed).shuffle(shuffled)

    assert critical_path(assemble("x", shuffled), now_ns=0) == critical_path(run, now_ns=0)


@given(recorded_runs(), st.integers(-(10**15), 10**15))
def test_moving_a_run_in_time_moves_its_path(run: Run, by_ns: int) -> None:
    moved = assemble(
        "x",
        [
            replace(span, start_ns=span.start_ns + by_ns, end_ns=(span.end_ns or 0) + by_ns)
            for span in run.spans
        ],
    )
    path = critical_path(run, now_ns=0)

    assert critical_path(moved, now_ns=0) == tuple(
        replace(one, start_ns=one.start_ns + by_ns, end_ns=one.end_ns + by_ns) for one in path
    )


@given(recorded_runs(), st.data())
def test_spans_that_take_no_time_or_are_detached_change_nothing(
    run: Run, data: st.DataObject
) -> None:
    parent = data.draw(st.sampled_from(run.spans))
    at_ns = data.draw(st.integers(parent.start_ns, parent.end_ns or parent.start_ns))
    detached = data.draw(st.booleans())
    extra = Span(
        span_id="f" * 16,
        parent_span_id=parent.span_id,
        name="extra",
        kind=Kind.OTHER,
        start_ns=at_ns,
        end_ns=at_ns + (5 * STEP_NS if detached else 0),
        status=Status.OK,
        order=Order(detached=detached),
    )

    assert critical_path(assemble("x", [*run.spans, extra]), now_ns=0) == critical_path(
        run, now_ns=0
    )


@given(recorded_runs())
def test_a_run_is_not_changed_by_looking_at_it(run: Run) -> None:
    before = tuple(run.spans)
    critical_path(run, now_ns=0)

    assert run.spans == before


def test_deep_and_wide_runs_are_walked_without_recursion() -> None:
    deep = [_plain(number, number - 1, number, 200_000 - number) for number in range(50_000)]
    wide = [_plain(0, -1, 0, 300_001)]
    wide += [_plain(number, 0, number * 3, number * 3 + 3) for number in range(1, 100_000)]

    assert len(critical_path(assemble("deep", deep), now_ns=0)) > 50_000
    assert len(critical_path(assemble("wide", wide), now_ns=0)) >= 99_999


def _plain(number: int, parent: int, start: int, end: int) -> Span:
    return Span(
        span_id=f"{number:016x}",
        parent_span_id=None if parent < 0 else f"{parent:016x}",
        name="span",
        kind=Kind.CHAIN,
        start_ns=start * 1000,
        end_ns=end * 1000,
        status=Status.OK,
    )


def _naive_owners(run: Run) -> list[tuple[str, int, int]]:
    """Walk back as the rule says, looking at every child anew at every step."""
    owned: list[tuple[str, int, int]] = []

    def visit(span: Span, low: int, high: int) -> None:
        tolerance = min(1_000_000, ((span.end_ns or 0) - span.start_ns) // 100)
        cursor = high
        while cursor > low:
            waited_for = [
                child
                for child in run.children(span.span_id)
                if child.start_ns < cursor
                and min(child.end_ns or 0, high) <= cursor + tolerance
                and min(child.end_ns or 0, cursor) > max(child.start_ns, low)
            ]
            if not waited_for:
                break
            last = min(
                waited_for,
                key=lambda child: (
                    -min(child.end_ns or 0, high),
                    child.start_ns,
                    child.name,
                    child.span_id,
                ),
            )
            end = min(last.end_ns or 0, cursor)
            if end < cursor:
                owned.append((span.span_id, end, cursor))
            visit(last, max(last.start_ns, low), end)
            cursor = max(last.start_ns, low)
        if cursor > low:
            owned.append((span.span_id, low, cursor))

    visit(run.root, run.root.start_ns, run.root.end_ns or 0)
    return owned[::-1]


@given(recorded_runs())
def test_without_hints_the_path_is_that_of_the_plain_rule(run: Run) -> None:
    bare = assemble("x", [replace(span, order=Order(), fan_out=None) for span in run.spans])
    path = critical_path(bare, now_ns=0)

    assert [(one.span_id, one.start_ns, one.end_ns) for one in path] == _naive_owners(bare)
