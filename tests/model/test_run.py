"""A run is a proper tree, whatever it was made of."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longpole.model import Kind, Span, Status, Usage, assemble
from longpole.model.errors import BrokenLawError

IDS = st.sampled_from(["a", "b", "c", "d", "e", "f"])


def span(span_id: str, parent: str | None = None, start: int = 0, end: int | None = 10) -> Span:
    return Span(
        span_id=span_id,
        parent_span_id=parent,
        name=span_id,
        kind=Kind.CHAIN,
        start_ns=start,
        end_ns=end,
        status=Status.RUNNING if end is None else Status.OK,
    )


@st.composite
def any_spans(draw: st.DrawFn) -> list[Span]:
    """Spans with repeated ids, unknown parents, cycles and ends before starts."""
    return draw(
        st.lists(
            st.builds(
                span,
                IDS,
                st.none() | IDS | st.just("nobody"),
                st.integers(0, 50),
                st.none() | st.integers(0, 50),
            ),
            min_size=1,
            max_size=8,
        )
    )


@given(any_spans())
def test_whatever_goes_in_a_lawful_tree_comes_out(spans: list[Span]) -> None:
    run = assemble("r", spans)

    run.check()
    assert len(run.spans) - len(spans) in (0, 1)


@given(any_spans(), st.randoms())
def test_the_order_of_the_input_does_not_matter(spans: list[Span], random: object) -> None:
    unique = list({one.span_id: one for one in spans}.values())
    shuffled = list(unique)
    random.shuffle(shuffled)  # type: ignore[attr-defined]

    assert assemble("r", shuffled).spans == assemble("r", unique).spans


def test_a_proper_tree_stays_as_it_is() -> None:
    spans = (span("a"), span("b", "a", 1), span("c", "a", 2))
    run = assemble("r", reversed(spans))

    assert run.spans == spans
    assert run.root == spans[0]
    assert run.children("a") == spans[1:]
    assert run.repairs == ()


def test_orphans_hang_under_the_one_root() -> None:
    run = assemble("r", [span("a"), span("b", "gone", 1)])

    assert run.children("a")[0].span_id == "b"
    assert run.repairs == ("span b had an unknown parent gone",)


def test_a_root_with_a_parent_elsewhere_is_the_root() -> None:
    run = assemble("r", [span("a", "of another service"), span("b", "a", 1)])

    assert run.root.span_id == "a"
    assert run.root.parent_span_id is None
    assert run.repairs == ()


def test_several_roots_get_a_common_one() -> None:
    run = assemble("r", [span("a", None, 5, 9), span("b", None, 2, 7)])

    assert (run.root.start_ns, run.root.end_ns) == (2, 9)
    assert [one.span_id for one in run.children(run.root_span_id)] == ["b", "a"]


def test_a_common_root_runs_as_long_as_anything_below_it() -> None:
    run = assemble("r", [span("a"), span("b", None, 3, None)])

    assert run.status is Status.RUNNING
    assert run.root.end_ns is None


def test_a_cycle_is_cut_at_its_earliest_span() -> None:
    run = assemble("r", [span("a", "c", 1), span("b", "a", 2), span("c", "b", 3)])

    assert run.root.span_id == "a"
    assert run.repairs == ("span a was its own ancestor",)


def test_no_spans_make_no_run() -> None:
    with pytest.raises(BrokenLawError, match="no spans"):
        assemble("r", [])


@pytest.mark.parametrize(
    ("broken", "law"),
    [
        (replace(span("a"), end_ns=-1), "ends before it starts"),
        (replace(span("a"), attempt=0), "attempt 0"),
        (replace(span("a"), usage=Usage(input_tokens=1, cache_read_tokens=2)), "exceed"),
        (replace(span("a"), cost_usd=Decimal(-1)), "costs -1"),
        (replace(span("a"), cost_usd=Decimal(1), unpriced="local"), "reason for having none"),
    ],
)
def test_check_names_the_law_that_is_broken(broken: Span, law: str) -> None:
    run = replace(assemble("r", [span("a")]), spans=(broken,))

    with pytest.raises(BrokenLawError, match=law):
        run.check()


def test_check_finds_spans_that_hang_nowhere() -> None:
    run = assemble("r", [span("a"), span("b", "a", 1), span("c", "b", 2)])
    torn = replace(run, spans=(run.spans[0], run.spans[2]))

    with pytest.raises(BrokenLawError, match="hang under no root"):
        torn.check()


def test_waits_are_measured_only_where_observed() -> None:
    assert span("a", start=5).queue_wait_ns is None
    assert replace(span("a", start=5), ready_ns=2).queue_wait_ns == 3
    assert replace(span("a", start=5), first_token_ns=9).time_to_first_token_ns == 4


COUNTS = st.builds(
    lambda read, write, fresh, reasoning, spoken: Usage(
        input_tokens=read + write + fresh,
        output_tokens=reasoning + spoken,
        cache_read_tokens=read,
        cache_write_tokens=write,
        reasoning_tokens=reasoning,
    ),
    *[st.integers(0, 1000)] * 5,
)


@given(COUNTS, COUNTS)
def test_usages_add_up_and_stay_lawful(one: Usage, other: Usage) -> None:
    both = one + other

    both.check()
    assert both.total_tokens == one.total_tokens + other.total_tokens
