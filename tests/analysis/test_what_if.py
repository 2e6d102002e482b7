"""What-if on runs that are drawn, and laws on random ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from longpole.analysis.assumptions import Assumption
from longpole.analysis.change_text import VERBS, describe, parse_change
from longpole.analysis.changes import Change, Faster, Timeout, in_order
from longpole.analysis.critical_path import critical_path
from longpole.analysis.curves import curve, curves
from longpole.analysis.edits import NO_EDITS
from longpole.analysis.learned import Learned, learn
from longpole.analysis.normalise import normalise
from longpole.analysis.predicted import predicted_run
from longpole.analysis.siblings import siblings_of
from longpole.analysis.simulate import Simulation
from longpole.analysis.what_if import WhatIf, replayable, what_if
from longpole.analysis.what_if_set import SetWhatIf, what_if_all
from longpole.model import Kind, Run, Span, Usage, assemble
from longpole.model.errors import ChangeError, NotReplayableError, TargetError
from longpole.model.pricing import PriceBook
from tests.drawings import BEGIN_NS, STEP_NS, read_drawing
from tests.strategies import any_runs, recorded_runs

BOOK = PriceBook()

PANEL = """
    panel    #..........#
      gemini  ##########         group=g kind=llm
      claude  ......             group=g kind=llm
"""


def asked(run: Run, *changes: str, learned: Learned | None = None) -> WhatIf:
    """The checked answer for one run."""
    answer = what_if(
        replayable(run, now_ns=BEGIN_NS),
        [parse_change(text) for text in changes],
        book=BOOK,
        learned=learned or Learned(),
    )
    answer.check()
    return answer


def steps(answer: WhatIf) -> float:
    """The predicted wall in columns of the drawing."""
    return answer.wall.mean_ns / STEP_NS


def drawn(text: str) -> Run:
    return read_drawing(text).run


def call(span: Span, **more: object) -> Span:
    """A model call of a hundred output tokens for two cents."""
    return replace(
        span,
        kind=Kind.LLM,
        model="gpt-4o",
        provider="openai",
        usage=Usage(input_tokens=100, output_tokens=100),
        cost_usd=Decimal("0.02"),
        **more,  # type: ignore[arg-type]
    )


def priced(run: Run) -> Run:
    return assemble(
        run.run_id, [call(span) if span.kind is Kind.LLM else span for span in run.spans]
    )


# --- lengths --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "wall"),
    [
        ("gemini:faster=1.25", 10),
        ("gemini:faster=100", 8),
        ("gemini:faster=0.5", 22),
        ("claude:faster=100", 12),
        ("gemini:time=0", 8),
        ("gemini:time=70ms", 9),
        ("gemini:time=200ms", 22),
        ("gemini:without", 8),
        ("gemini:timeout=80ms", 10),
        ("panel:faster=2", 6),
    ],
)
def test_a_branch_takes_another_time(change: str, wall: float) -> None:
    assert steps(asked(drawn(PANEL), change)) == wall


def test_several_changes_are_one_answer_whatever_their_order() -> None:
    changes = ["gemini:timeout=60ms", "gemini:faster=2", "claude:without"]
    answers = [asked(drawn(PANEL), *order) for order in (changes, changes[::-1])]

    assert steps(answers[0]) == 7
    assert answers[0].changes == answers[1].changes
    assert answers[0].wall == answers[1].wall


def test_the_new_critical_path_runs_through_what_holds_the_run_up_now() -> None:
    answer = asked(drawn(PANEL), "gemini:faster=4")

    assert [segment.span_id for segment in answer.path] == ["panel", "claude", "panel"]
    assert answer.after.span_by_id["gemini"].end_ns == BEGIN_NS + STEP_NS + 10 * STEP_NS // 4


def test_what_is_left_out_is_not_in_the_predicted_run() -> None:
    run = drawn(
        """
        agent    ............
          plan   ####             seq=1
            call  ...             kind=llm
          answer     ########     seq=2
        """
    )
    answer = asked(run, "plan:without")

    assert {span.span_id for span in answer.after.spans} == {"agent", "answer"}
    assert steps(answer) == 8
    assert Assumption.A2 in answer.assumptions


def test_a_time_limit_cuts_what_is_below() -> None:
    run = drawn(
        """
        agent    ............
          search ############     seq=1
            one  ####             seq=1
            two      ########     seq=2
            three           .     seq=3
        """
    )
    answer = asked(run, "search:timeout=60ms")

    assert steps(answer) == 6
    assert "three" not in answer.after.span_by_id
    assert answer.after.span_by_id["two"].end_ns == BEGIN_NS + 6 * STEP_NS
    assert answer.after.span_by_id["two"].status.value == "cancelled"
    assert any("asyncio" in note for note in answer.notes)


def test_a_streamed_step_is_an_estimate() -> None:
    run = drawn(
        """
        chain    ..........
          prompt ##........          seq=1 stream
          model    ########          seq=2 stream kind=llm
          parser     ......          seq=3 stream
        """
    )
    answer = asked(run, "model:faster=2")

    assert steps(answer) == 6
    assert answer.trust.label == "estimated"
    assert Assumption.A6 in answer.assumptions


# --- tries ----------------------------------------------------------------------------------------

RETRIED = """
    agent    #...................
      call   ...................
        one   ###                   seq=1 attempt=1 error
        two         ####            seq=2 attempt=2 error
        three                ##     seq=3 attempt=3
"""


@pytest.mark.parametrize(
    ("change", "wall"),
    [
        ("call:no-retries", 5),
        ("call:no-backoff", 12),
        ("call:backoff=0.5", 16),
        ("call:backoff=2", 28),
    ],
)
def test_tries_and_the_waits_between_them(change: str, wall: float) -> None:
    assert steps(asked(drawn(RETRIED), change)) == wall


def test_where_nothing_was_tried_again_there_are_no_retries_to_leave_out() -> None:
    with pytest.raises(TargetError, match="second time"):
        asked(drawn(PANEL), "gemini:no-retries")


def test_failing_fast_saves_what_a_failed_fan_out_still_waited_for() -> None:
    run = drawn(
        """
        panel    ##########     error
          bad    ###            group=g error
          good   ##########     group=g
        """
    )
    answer = asked(run, "panel:fail-fast")

    assert steps(answer) == 3


# --- chance ---------------------------------------------------------------------------------------


def test_a_cache_is_a_mean_of_walls_not_the_wall_of_a_mean() -> None:
    answer = asked(drawn(PANEL), "panel:cache=50%,hit=0")

    # Both missed 12, gemini hit 8, claude hit 12, both hit 2: each in a quarter of the cases.
    assert steps(answer) == 8.5
    assert answer.wall.outcomes == ((2 * STEP_NS, 0.25), (8 * STEP_NS, 0.25), (12 * STEP_NS, 0.5))
    assert answer.wall.quantile_ns(0.95) == 12 * STEP_NS
    assert answer.wall.standard_error_ns == 0


def test_a_cache_may_hit_all_calls_or_none() -> None:
    answer = asked(drawn(PANEL), "panel:cache=50%,hit=0,together")

    assert steps(answer) == 7
    assert len(answer.wall.outcomes) == 2


def test_fewer_outcomes_are_drawn_for_whoever_asks_for_fewer() -> None:
    lines = [f"  call{at:02}  ##########   group=g kind=llm" for at in range(12)]
    run = drawn("\n".join(["panel    ############", *lines]))
    one = replayable(run, now_ns=BEGIN_NS)
    changes = [parse_change("panel:cache=0.9,hit=10ms")]

    few = what_if(one, changes, book=PriceBook(), most_draws=24)
    many = what_if(one, changes, book=PriceBook())
    few.check()
    assert few.wall.draws == 24
    assert few.wall.standard_error_ns > many.wall.standard_error_ns


def test_many_calls_are_drawn_with_a_standard_error_and_the_same_way_every_time() -> None:
    lines = [f"  call{at:02}  ##########   group=g kind=llm" for at in range(12)]
    run = drawn("\n".join(["panel    ############", *lines]))
    answer = asked(run, "panel:cache=0.9,hit=10ms")

    all_hit = 0.9**12
    assert answer.wall.draws == 2000
    assert 0 < answer.wall.standard_error_ns < STEP_NS
    expected_ns = (all_hit * 3 + (1 - all_hit) * 12) * STEP_NS
    assert abs(answer.wall.mean_ns - expected_ns) < 5 * answer.wall.standard_error_ns
    assert asked(run, "panel:cache=0.9,hit=10ms").wall == answer.wall


def test_a_cheap_model_first_is_slower_where_it_is_rejected() -> None:
    answer = asked(priced(drawn(PANEL)), "gemini:cheap-first=20ms,accept=0.75,cost=0.004")

    assert answer.wall.outcomes == ((8 * STEP_NS, 0.75), (14 * STEP_NS, 0.25))
    assert answer.cost_before.cost_usd == Decimal("0.04")
    # claude 0.02, the cheap call 0.004, and in a quarter of the cases the recorded one.
    assert answer.cost.cost_usd == Decimal("0.029")


def test_a_hedged_call_takes_as_long_as_the_first_of_two() -> None:
    history = [drawn(PANEL), drawn(PANEL.replace("##########  ", "##          "))]
    answer = asked(priced(history[0]), "gemini:hedge=30ms", learned=learn(history))

    # The second call lasts 10 or 2 columns and starts 3 after the first.
    assert answer.wall.outcomes == ((8 * STEP_NS, 0.5), (12 * STEP_NS, 0.5))
    assert answer.cost.cost_usd == Decimal("0.06")
    assert answer.after.span_by_id["gemini"].status.value == "ok"


# --- money ----------------------------------------------------------------------------------------


def test_a_cache_saves_its_share_of_the_cost() -> None:
    answer = asked(priced(drawn(PANEL)), "gemini:cache=0.5")

    assert answer.cost.cost_usd == Decimal("0.03")


def test_another_model_has_another_speed_and_price() -> None:
    slow = priced(drawn(PANEL))
    fast = assemble(
        "1", [replace(one, model="gpt-4o-mini") if one.model else one for one in slow.spans]
    )
    quick = assemble(
        "2",
        [
            replace(one, end_ns=one.start_ns + 2 * STEP_NS) if one.span_id == "gemini" else one
            for one in fast.spans
            if one.span_id != "claude"
        ],
    )
    only = assemble("3", [one for one in slow.spans if one.span_id != "claude"])
    answer = asked(slow, "gemini:model=gpt-4o-mini", learned=learn([only, quick]))

    assert steps(answer) == 8  # five times as fast: claude holds the run up
    gemini = answer.after.span_by_id["gemini"]
    assert gemini.model == "gpt-4o-mini"
    assert gemini.end_ns == gemini.start_ns + 2 * STEP_NS
    assert gemini.cost_usd is not None
    assert Decimal(0) < gemini.cost_usd < Decimal("0.001")


def test_the_speed_of_a_model_is_that_of_its_dated_version() -> None:
    run = priced(drawn(PANEL))
    dated = assemble(
        "1", [replace(one, model="gpt-4o-2024-08-06") if one.model else one for one in run.spans]
    )
    learned = learn([dated])

    assert learned.speed_of("gpt-4o") == learned.models["gpt-4o-2024-08-06"]
    assert learned.speed_of("gpt-4") is None


def test_a_model_nobody_knows_keeps_the_time_and_has_no_price() -> None:
    answer = asked(priced(drawn(PANEL)), "gemini:model=nobody-knows-this")

    assert answer.delta_ns == 0
    assert answer.cost.unpriced_calls == 1
    assert answer.cost.cost_usd == Decimal("0.02")
    assert len(answer.notes) == 2


def test_only_what_follows_the_first_token_gets_faster() -> None:
    run = priced(drawn(PANEL))
    streamed = assemble(
        run.run_id,
        [
            replace(one, first_token_ns=one.start_ns + 4 * STEP_NS) if one.model else one
            for one in run.spans
        ],
    )
    answer = asked(streamed, "gemini:model=gpt-4o,faster=3,first-token=10ms")

    gemini = answer.after.span_by_id["gemini"]
    assert (gemini.end_ns or 0) - gemini.start_ns == (4 + 1 + 2) * STEP_NS


def test_a_batch_price_halves_the_cost_and_never_guesses_the_time() -> None:
    run = priced(drawn(PANEL))
    guessed, told = asked(run, "*:batch-price"), asked(run, "gemini:batch-price=1h")

    assert guessed.cost.cost_usd == Decimal("0.02")
    assert guessed.delta_ns == 0
    assert any("turnaround" in note for note in guessed.notes)
    assert told.wall.mean_ns == 3_600_000_000_000 + 2 * STEP_NS


# --- what cannot act ------------------------------------------------------------------------------


def _recorded_by_us(run: Run, limit: int | None) -> Run:
    return assemble(
        run.run_id,
        [replace(one, langchain_run_id="x", fan_out_limit=limit) for one in run.spans],
    )


def test_a_time_limit_on_a_thread_gains_nothing_and_says_so() -> None:
    answer = asked(_recorded_by_us(drawn(PANEL), 6), "gemini:timeout=20ms")

    assert answer.delta_ns == 0
    assert any("threads" in note for note in answer.notes)


def test_a_time_limit_on_a_task_gains() -> None:
    answer = asked(_recorded_by_us(drawn(PANEL), None), "gemini:timeout=20ms")

    assert steps(answer) == 8
    assert answer.notes == ()


def test_an_asynchronous_parallel_ignores_a_limit_and_it_is_said() -> None:
    answer = asked(_recorded_by_us(drawn(PANEL), None), "panel:limit=1")

    assert answer.delta_ns == 0
    assert any("ignores" in note for note in answer.notes)


def test_a_limit_holds_for_threads() -> None:
    answer = asked(_recorded_by_us(drawn(PANEL), 6), "panel:limit=1")

    assert steps(answer) == 18
    assert {Assumption.A1, Assumption.A5, Assumption.A8} <= set(answer.assumptions)
    assert answer.after.span_by_id["gemini"].fan_out_limit == 1


def test_where_no_pool_gives_the_recorded_queue_no_other_limit_is_predicted() -> None:
    # Both ran at once although the limit was 1, and the third waited for the second.
    run = drawn(
        """
        panel    ########
          a      #####               group=g limit=1
          b      ###                 group=g limit=1
          c         ####             group=g limit=1
        """
    )

    assert asked(run, "c:time=0").delta_ns < 0
    with pytest.raises(NotReplayableError, match="does not follow from its limit"):
        asked(run, "panel:limit=2")


def test_without_a_limit_all_start_at_once_whatever_the_queue_did() -> None:
    run = drawn(
        """
        panel    ########
          a      #####               group=g limit=1
          b      ###                 group=g limit=1
          c         ####             group=g limit=1
        """
    )
    simulation = replayable(run, now_ns=BEGIN_NS).simulation
    answer = asked(run, "panel:limit=none")

    assert simulation.is_fixed
    assert steps(answer) == 6
    assert answer.after.span_by_id["c"].start_ns == run.root.start_ns
    assert answer.delta_ns == -simulation.queue_wait_ns()


def test_a_group_that_keeps_its_limit_keeps_its_waits() -> None:
    # The queues of both groups follow no rule.
    run = drawn(
        """
        panel    ##########
          a      #####                 group=g limit=1
          b      ...                   group=g limit=1
          c         ....               group=g limit=1
          e      ......                group=h limit=1
          f      .....                 group=h limit=1
          d           #####            group=h limit=1
        """
    )
    answer = asked(run, "c:limit=none")

    assert answer.after.span_by_id["c"].start_ns == run.root.start_ns
    assert answer.after.span_by_id["d"].start_ns == run.span_by_id["d"].start_ns
    assert answer.delta_ns == 0


# --- laws -----------------------------------------------------------------------------------------


@settings(max_examples=30)
@given(recorded_runs() | any_runs())
def test_an_unchanged_replay_gives_the_recorded_run_back(run: Run) -> None:
    assume(len({span.host for span in run.spans}) == 1)
    simulation = Simulation(siblings_of(normalise(run, now_ns=BEGIN_NS)))
    assume(not any(simulation.timeline.is_open))
    again = predicted_run(
        simulation, simulation.times(NO_EDITS, plays_all=True), NO_EDITS, costs={}, models={}
    )

    assert [(one.span_id, one.start_ns, one.end_ns, one.status) for one in again.spans] == [
        (one.span_id, one.start_ns, one.end_ns, one.status) for one in run.spans
    ]
    assert critical_path(again, now_ns=0) == critical_path(run, now_ns=0)


CHANGES = [
    "faster=3",
    "time=0",
    "time=5ms",
    "timeout=5ms",
    "limit=1",
    "limit=2",
    "limit=none",
    "without",
    "cache=0.5",
    "cheap-first=1ms,accept=0.5",
    "hedge=10ms",
    "fail-fast",
    "no-retries",
    "backoff=2",
]


@settings(max_examples=40)
@given(
    recorded_runs() | any_runs(),
    st.lists(
        st.tuples(
            st.sampled_from(["plan", "search", "a", "b", "0", "x"]), st.sampled_from(CHANGES)
        ),
        min_size=1,
        max_size=3,
    ),
)
def test_every_answer_adds_up_whatever_the_run_and_the_changes(
    run: Run, changes: list[tuple[str, str]]
) -> None:
    try:
        answer = asked(run, *(f"{target}:{change}" for target, change in changes))
    except (NotReplayableError, TargetError):
        return

    assert answer.wall_before_ns >= 0


@settings(max_examples=30)
@given(recorded_runs())
def test_a_curve_never_rises_without_limits_and_ends_at_the_drag(run: Run) -> None:
    one = replayable(run, now_ns=BEGIN_NS)
    assume(not any(plan.slots for plan in one.simulation.plans.values()))
    for found in curves([one]):
        found.check()
        walls = [wall_ns for _, wall_ns in found.walls_ns]
        assert walls == sorted(walls, reverse=True)
        assert walls[0] == one.wall_ns
        assert found.gain_ns > 0


def test_a_curve_is_flat_after_its_kink() -> None:
    (only,) = curves([replayable(drawn(PANEL), now_ns=BEGIN_NS)])

    assert only.position == ("panel", "gemini")
    assert only.kink_percent == 40
    assert only.gain_ns == 4 * STEP_NS


def test_a_curve_over_several_runs_is_the_mean_of_their_walls() -> None:
    ready = [
        replayable(run, now_ns=BEGIN_NS)
        for run in (drawn(PANEL), drawn(PANEL.replace("claude", "mistral")), drawn("panel   ####"))
    ]
    only = curve(ready, ("panel", "claude"))
    only.check()

    assert only.runs == 1
    assert only.gain_ns == 0
    assert only.walls_ns[0] == (0, (12 + 12 + 4) * STEP_NS // 3)


# --- several runs ---------------------------------------------------------------------------------


def asked_all(runs: Sequence[Run], *changes: str) -> SetWhatIf:
    answer = what_if_all(runs, [parse_change(text) for text in changes], book=BOOK, now_ns=BEGIN_NS)
    answer.check()
    return answer


def test_a_set_is_asked_run_by_run_and_counts_those_it_cannot_ask() -> None:
    other = drawn(PANEL.replace("gemini  ##########", "gemini  ########  "))
    without = drawn("panel   ####")
    answer = asked_all([drawn(PANEL), other, without], "gemini:time=0")

    assert [one.delta_ns // STEP_NS for one in answer.answers] == [-4, -2]
    assert len(answer.refused) == 1
    assert "no span is called 'gemini'" in answer.refused[0].reason
    assert answer.before.p95_ns == 12 * STEP_NS
    assert answer.after.p95_ns == 10 * STEP_NS
    assert answer.mean_delta_ns == -3 * STEP_NS
    interval = answer.delta_interval
    assert (interval.low, interval.high) == (-4 * STEP_NS, -2 * STEP_NS)
    assert Assumption.A7 not in answer.assumptions


def test_a_set_that_fits_nowhere_says_why() -> None:
    with pytest.raises(TargetError, match="did you mean 'gemini'"):
        asked_all([drawn(PANEL)], "gemni:time=0")


def test_the_tail_of_a_set_is_the_tail_of_all_outcomes() -> None:
    answer = asked_all([drawn(PANEL)] * 4, "panel:cache=50%,hit=0,together")

    assert answer.after.p50_ns == 2 * STEP_NS
    assert answer.after.p95_ns == 12 * STEP_NS
    assert answer.after.mean_ns == 7 * STEP_NS


# --- targets --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "touched"),
    [
        ("gemini", {"gemini"}),
        ("g*", {"gemini"}),
        ("*", {"panel"}),
        ("panel/*", {"gemini", "claude"}),
        ("panel/cl*", {"claude"}),
        ("**/claude", {"claude"}),
    ],
)
def test_a_target_is_a_name_or_the_end_of_a_path(target: str, touched: set[str]) -> None:
    assert set(asked(drawn(PANEL), f"{target}:faster=2").touched) == touched


def test_a_model_is_a_target_where_no_span_is_called_so() -> None:
    assert set(asked(priced(drawn(PANEL)), "gpt-4*:faster=2").touched) == {"gemini", "claude"}


# --- text -----------------------------------------------------------------------------------------

ratios = st.integers(1, 10**6).map(lambda one: Fraction(one, 1000))


@given(st.sampled_from(sorted(VERBS)), ratios, st.integers(1, 10**12))
def test_every_change_parses_from_its_own_text(verb: str, ratio: Fraction, length_ns: int) -> None:
    change = parse_change(VERBS[verb].example)
    assert parse_change(describe(change)) == change
    for other in (
        Faster(target="a:b", ratio=ratio),
        Timeout(target="x/y[*]", length_ns=length_ns),
    ):
        assert parse_change(describe(other)) == other


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("gemini", "gemini", "no change is said"),
        ("gemini:fastr=2", "fastr", "did you mean 'faster'"),
        ("gemini:faster=x", "x", "no number"),
        ("gemini:faster", "faster", "has no value"),
        ("gemini:time=300", "300", "no unit of time"),
        ("gemini:timeout=-2s", "-2s", "negative"),
        ("gemini:cache=140%", "140%", "out of range"),
        ("gemini:cache=0.4,hot=2ms", "2ms", "unknown 'hot'"),
        ("gemini:limit=0", "0", "no limit"),
        ("gemini:without=2", "2", "takes no value"),
        ("gemini:cheap-first=2s", "2s", "accept="),
        (":faster=2", ":", "no target"),
    ],
)
def test_what_cannot_be_understood_is_pointed_at(text: str, place: str, message: str) -> None:
    with pytest.raises(ChangeError, match=message) as caught:
        parse_change(text)

    error = caught.value
    assert text[error.at : error.at + error.length] == place
    assert error.pointed().splitlines()[1].count("^") == len(place)


def test_changes_have_one_order() -> None:
    changes: list[Change] = [parse_change(verb.example) for verb in VERBS.values()]

    assert in_order(changes[::-1]) != tuple(changes[::-1])
    assert [type(one) for one in in_order(in_order(changes))] == [
        type(one) for one in in_order(changes)
    ]
