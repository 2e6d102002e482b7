"""Where wall and money went: laws on random runs, numbers on small ones."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given

from longpole.analysis import (
    RunAnalysis,
    analyse,
    check_analysis,
    check_path,
    path_to_first_token,
)
from longpole.analysis.streamed import tokens_per_s
from longpole.model import Kind, Run, Span, Usage, assemble
from longpole.model.errors import BrokenLawError
from tests.drawings import BEGIN_NS, STEP_NS, read_drawing
from tests.strategies import any_runs, recorded_runs


def seen(text: str, costs: dict[str, str] | None = None) -> RunAnalysis:
    """Analyse a drawing whose named spans are model calls of these costs."""
    run = read_drawing(text).run
    priced = {span_id: Decimal(cost) for span_id, cost in (costs or {}).items()}
    spans = [
        replace(span, kind=Kind.LLM, cost_usd=priced[span.span_id])
        if span.span_id in priced
        else span
        for span in run.spans
    ]
    analysis = analyse(assemble(run.run_id, spans), now_ns=BEGIN_NS)
    check_analysis(analysis)
    return analysis


# --- laws ----------------------------------------------------------------------------------------


@given(recorded_runs() | any_runs())
def test_branches_lose_and_idle_no_more_than_their_fan_out_took(run: Run) -> None:
    for fan_out in analyse(run, now_ns=BEGIN_NS).fan_outs:
        lengths_ns = [branch.end_ns - branch.start_ns for branch in fan_out.branches]
        poles = [one for one in fan_out.branches if one.span_id == fan_out.long_pole]

        assert 0 <= fan_out.lost_ns <= max(lengths_ns)
        assert (fan_out.lost_ns == 0) == (max(lengths_ns) == sum(lengths_ns) // len(lengths_ns))
        assert fan_out.hidden_limit is None or fan_out.limit is None
        assert [pole.idle_at_join_ns for pole in poles if pole.attempts == 1] in ([], [0])


@given(recorded_runs() | any_runs())
def test_the_path_to_the_first_token_tiles_the_time_until_then(run: Run) -> None:
    analysis = analyse(run, now_ns=BEGIN_NS)
    path = path_to_first_token(analysis)
    after_ns = analysis.facts.time_to_first_token_ns

    assert (path is None) == (after_ns is None)
    if path is not None and after_ns is not None:
        start_ns = run.root.start_ns
        end_ns = min(start_ns + after_ns, analysis.facts.end_ns)
        check_path(run, path, start_ns=start_ns, end_ns=end_ns)


def test_parts_that_do_not_add_up_are_noticed() -> None:
    analysis = seen("agent    ####")
    parts = analysis.breakdown

    for broken in (
        replace(parts, head_ns=1),
        replace(parts, idle_ns=1),
        replace(parts, off_path_cost_usd=Decimal(1)),
        replace(parts, avoidable_ns=1),
        replace(parts, wasted_wall_ns=-1),
    ):
        with pytest.raises(BrokenLawError):
            check_analysis(replace(analysis, breakdown=broken))


# --- numbers -------------------------------------------------------------------------------------


def test_the_wall_is_split_by_what_owners_did_and_by_how_many_worked() -> None:
    parts = seen(
        """
        chain    ##....##...........#
          a        ####                seq=1
          fan            .....         seq=2
            b            ....          group=g
            c            #####         group=g
          d                   ######   seq=3
        """
    ).breakdown

    assert parts.head_ns == 2 * STEP_NS
    assert parts.between_ns == 2 * STEP_NS
    assert parts.tail_ns == 1 * STEP_NS
    assert parts.work_on_path_ns == 15 * STEP_NS
    assert (parts.idle_ns, parts.serial_ns, parts.parallel_ns) == (
        5 * STEP_NS,
        11 * STEP_NS,
        4 * STEP_NS,
    )
    assert parts.serial_ratio == pytest.approx(11 / 20)
    assert parts.idle_ratio == pytest.approx(5 / 20)


def test_a_run_of_no_length_has_no_shares() -> None:
    run = read_drawing("agent    #").run
    instant = assemble("i", [replace(run.root, end_ns=run.root.start_ns)])
    parts = analyse(instant, now_ns=0).breakdown

    assert (parts.idle_ratio, parts.serial_ratio) == (0.0, 0.0)


def test_pauses_beside_the_path_count_in_the_total_only() -> None:
    analysis = seen(
        """
        fan      ............
          slow   ############        group=g
          retry  .......             group=g
            one  ##                  seq=1 error
            two      ###             seq=2 attempt=2
        """
    )

    assert analysis.facts.backoff_ns == 0
    assert analysis.breakdown.backoff_total_ns == 2 * STEP_NS
    assert analysis.breakdown.wasted_wall_ns == 0


def test_failed_tries_and_the_pauses_after_them_waste_wall() -> None:
    parts = seen(
        """
        call     ##...##....
          one      ###               seq=1 error kind=llm
          two           ####         seq=2 attempt=2 kind=llm
        """
    ).breakdown

    assert parts.wasted_wall_ns == 5 * STEP_NS
    assert parts.wasted_unpriced_calls == 1


def test_money_is_spent_on_the_path_and_beside_it() -> None:
    parts = seen(
        """
        fan      .........
          a      #########           group=g
          b      ...                 group=g
        """,
        {"a": "0.25", "b": "0.75"},
    ).breakdown

    assert (parts.on_path_cost_usd, parts.off_path_cost_usd) == (Decimal("0.25"), Decimal("0.75"))


def test_branches_lie_idle_until_the_join() -> None:
    (fan_out,) = seen(
        """
        fan      .........
          a      #########           group=g
          b      ...                 group=g
          c      ......              group=g
        """
    ).fan_outs

    assert fan_out.lost_ns == 3 * STEP_NS
    assert {branch.key: branch.idle_at_join_ns for branch in fan_out.branches} == {
        "a": 0,
        "b": 6 * STEP_NS,
        "c": 3 * STEP_NS,
    }


def test_a_pool_that_nobody_recorded_is_seen_by_its_queue() -> None:
    text = """
        fan      .........
          a      ####                group=g
          b      ......              group=g
          c          #####           group=g
        """
    (hidden,) = seen(text).fan_outs
    (told,) = seen(text.replace("group=g", "group=g limit=2")).fan_outs

    assert (hidden.limit, hidden.hidden_limit) == (None, 2)
    assert (told.limit, told.hidden_limit) == (2, None)


FAILED = """
    fan      ..........            error
      bad    ...                   group=g error
      good   ##########            group=g
        one  ##                    seq=1
        two    ########            seq=2
      late       ..                group=g
"""


def test_failing_fast_would_have_saved_what_came_after_the_failure() -> None:
    analysis = seen(FAILED, {"bad": "1", "one": "2", "two": "4", "late": "8"})
    (fan_out,) = analysis.fan_outs

    assert fan_out.waited_after_failure_ns == 7 * STEP_NS
    assert fan_out.avoidable_ns == analysis.breakdown.avoidable_ns == (7 + 2) * STEP_NS
    assert fan_out.avoidable_cost_usd == analysis.breakdown.avoidable_cost_usd == Decimal(8)


def test_a_failure_that_was_tolerated_could_not_have_ended_anything() -> None:
    (fan_out,) = seen(FAILED.replace("            error", "            ", 1)).fan_outs

    assert (fan_out.waited_after_failure_ns, fan_out.avoidable_ns) == (0, 0)


def test_failures_in_failures_count_once() -> None:
    analysis = seen(
        """
        fan      ...........             error
          bad    ##                      group=g error
          inner  ###########             group=g error
            x    ....                    group=h error
            y    ###########             group=h
        """
    )

    assert [one.avoidable_ns for one in analysis.fan_outs] == [(9 + 2) * STEP_NS, 0]
    assert analysis.breakdown.avoidable_ns == (9 + 2) * STEP_NS


def test_the_rest_of_a_stream_comes_at_a_speed() -> None:
    call = replace(
        read_drawing("call    ####   kind=llm").run.root,
        first_token_ns=BEGIN_NS + 2 * STEP_NS,
        usage=Usage(input_tokens=7, output_tokens=10),
    )
    unstreamed = replace(call, first_token_ns=None)
    too_short = replace(call, usage=Usage(output_tokens=1))

    assert tokens_per_s([call, unstreamed, too_short]) == pytest.approx(10 / (2 * STEP_NS / 1e9))
    assert tokens_per_s([unstreamed, too_short]) is None
    assert _analysed(call).breakdown.tokens_per_s == tokens_per_s([call])


def test_the_first_token_waited_for_the_steps_before_it() -> None:
    drawing = read_drawing(
        """
        chain    ..........
          fetch  ###                 seq=1
          model     #######          seq=2 kind=llm stream
        """
    )
    spans = [
        replace(span, first_token_ns=span.start_ns + STEP_NS) if span.kind is Kind.LLM else span
        for span in drawing.run.spans
    ]
    path = path_to_first_token(analyse(assemble("r", spans), now_ns=0))

    assert path is not None
    assert [(one.span_id, one.length_ns // STEP_NS) for one in path] == [("fetch", 3), ("model", 1)]
    assert path_to_first_token(_analysed(drawing.run.root)) is None


def _analysed(root: Span) -> RunAnalysis:
    return analyse(assemble("r", [root]), now_ns=0)
