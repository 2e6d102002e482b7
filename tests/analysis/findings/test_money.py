"""Findings about money: results nobody used, calls made twice, dear calls beside cheap ones."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from longpole.analysis import RunAnalysis
from longpole.analysis.changes import CACHE_HIT_NS
from longpole.analysis.findings import Digests, Rule, needs_digests
from longpole.model import Run
from tests.analysis.findings.making import BROKEN, call, chain, drawn, found, steps
from tests.drawings import STEP_NS

LEAD = """
    lead      ##########{}
      fine    .....                 group=g
      other   ......                group=g
      last    ##########            group=g {}
"""


def lead(status: str = "error", cost: str = "0.01") -> Run:
    return drawn(
        LEAD.format(f"   {status}" if status else "", status),
        fine=call(cost),
        other=call(cost),
        last={"error": BROKEN if status else None},
    )


def test_what_was_paid_for_branches_that_were_fine_while_another_failed_is_told() -> None:
    (finding,) = found(chain(lead(), lead(), lead(status="")), Rule.UNUSED_RESULTS)

    # Two calls of a cent, unused in 2 of 3 runs.
    assert round(finding.gain_usd_per_1000_runs, 6) == round(Decimal(40) / 3, 6)
    assert finding.gain_p50_ns == 0
    assert finding.position == ("lead",)
    assert finding.names["reason"] == "sibling failed"
    assert finding.evidence["spent_usd"] == Decimal("0.04")
    assert finding.evidence["spent_ratio"] == Fraction(4, 6)


def test_a_failure_that_is_tolerated_costs_money_and_time() -> None:
    tolerated = drawn(
        """
        answer    ##########
          guess   ########              seq=1 error
        """,
        guess=call(error=BROKEN),
    )
    (finding,) = found(chain(tolerated), Rule.UNUSED_RESULTS)

    assert steps(finding.gain_p50_ns) == 8
    assert finding.gain_usd_per_1000_runs == 10


def test_what_was_cancelled_is_counted_where_its_cost_is_unknown() -> None:
    cancelled = drawn(
        """
        race      ####
          quick   ####                  group=g
          slow    ....                  group=g cancelled
        """,
        quick=call(),
        slow=call(cost_usd=None, usage=None, unpriced="no usage"),
    )
    (finding,) = found(chain(cancelled), Rule.UNUSED_RESULTS)

    assert finding.gain_usd_per_1000_runs == 0
    assert finding.evidence["unpriced_calls"] == 1
    assert finding.names["reason"] == "cancelled"


def test_results_that_are_used_are_no_finding() -> None:
    assert found(chain(lead(status="")), Rule.UNUSED_RESULTS) == []


def test_a_little_that_is_not_used_is_no_finding() -> None:
    runs = chain(lead(), *[lead(status="", cost="1")] * 2)

    assert found(runs, Rule.UNUSED_RESULTS) == []


# --- repeated calls -----------------------------------------------------------------------------

ASKED = drawn(
    """
    answer   ##########
      look   ########           seq=1
    """,
    look=call(),
)


def asked(runs: list[RunAnalysis], *digests: str) -> Digests:
    return Digests(
        inputs={f"look.{number}": digest for number, digest in enumerate(digests)},
        answers={"look.0": "x"},
    )


def test_calls_that_ask_the_same_again_are_told() -> None:
    runs = chain(*[ASKED] * 4)
    digests = asked(runs, "a", "b", "a", "a")
    (finding,) = found(runs, Rule.REPEATED_CALLS, digests=digests)

    # Two of four calls repeat the first: a cache answers them in 5 ms instead of 80.
    assert finding.evidence["repeats"] == 2
    assert finding.evidence["spent_usd"] == Decimal("0.02")
    assert finding.gain_usd_per_1000_runs == 5
    saved_ns = 8 * STEP_NS - CACHE_HIT_NS
    assert finding.gain_mean_ns == saved_ns * 2 // 4
    assert finding.gain_p95_ns == 0
    assert set(finding.run_ids) == {f"{2:032x}", f"{3:032x}"}


def test_calls_that_ask_something_else_each_time_are_no_finding() -> None:
    runs = chain(*[ASKED] * 4)

    assert found(runs, Rule.REPEATED_CALLS, digests=asked(runs, *"abcd")) == []


def test_a_call_beside_the_same_one_could_not_have_been_answered_by_a_cache() -> None:
    twice = drawn(
        """
        fan       ######
          one     ######             group=g
          other   ######             group=g
          third   ######             group=g
        """,
        one=call(),
        other=call(),
        third=call(),
    )
    digests = Digests(inputs=dict.fromkeys(("one.0", "other.0", "third.0"), "a"))

    assert found(chain(twice), Rule.REPEATED_CALLS, digests=digests) == []


def test_without_inputs_repeated_calls_are_not_looked_for_and_that_is_said() -> None:
    assert found(chain(*[ASKED] * 4), Rule.REPEATED_CALLS) == []
    assert set(needs_digests(Digests())) == {Rule.REPEATED_CALLS, Rule.CHEAP_ANSWER_KEPT}
    assert needs_digests(asked([], "a")) == {}


# --- a cheap answer that is kept ----------------------------------------------------------------


def cascade(dear: str = "0.03") -> Run:
    return drawn(
        """
        answer    ##########
          mini    ###                  seq=1
          large      ######            seq=2
        """,
        mini=call("0.001", model="mini"),
        large=call(dear, model="large"),
    )


def answers(number: int, said: str) -> dict[str, str]:
    """The run's answer is that of one of its two calls."""
    both = {"mini": "m", "large": "l"}
    return {
        f"answer.{number}": both[said],
        **{f"{name}.{number}": digest for name, digest in both.items()},
    }


def test_an_expensive_call_whose_cheap_sibling_was_believed_is_told() -> None:
    runs = chain(cascade(), cascade(), cascade())
    digests = Digests(answers=answers(0, "mini") | answers(1, "mini") | answers(2, "large"))
    (finding,) = found(runs, Rule.CHEAP_ANSWER_KEPT, digests=digests)

    # Not asked in 2 of 3 runs: 6 columns and 3 cents each.
    assert finding.position == ("answer", "large")
    assert steps(finding.gain_mean_ns) == 4
    assert steps(finding.gain_p50_ns) == 6
    assert finding.gain_usd_per_1000_runs == 20
    assert finding.names == {"model": "large", "cheap": "mini"}
    assert finding.evidence["dearer_ratio"] == 30


def test_an_expensive_answer_that_is_kept_is_no_finding() -> None:
    runs = chain(cascade(), cascade())
    digests = Digests(answers=answers(0, "large") | answers(1, "large"))

    assert found(runs, Rule.CHEAP_ANSWER_KEPT, digests=digests) == []


def test_a_model_that_costs_hardly_more_is_no_finding() -> None:
    runs = chain(cascade(dear="0.002"))

    assert found(runs, Rule.CHEAP_ANSWER_KEPT, digests=Digests(answers=answers(0, "mini"))) == []


def test_a_cheap_call_that_was_given_the_expensive_answer_is_no_finding() -> None:
    planned = drawn(
        """
        answer    ##########
          large   ######               seq=1
          mini          ###            seq=2
        """,
        mini=call("0.001", model="mini"),
        large=call("0.03", model="large"),
    )
    digests = Digests(answers=answers(0, "mini"))

    assert found(chain(planned), Rule.CHEAP_ANSWER_KEPT, digests=digests) == []


def test_an_expensive_branch_that_was_given_up_needs_no_digests() -> None:
    race = drawn(
        """
        answer    ##########
          race    #####                seq=1
            quick ####                 group=g
            slow  ........             group=g
          after        #####           seq=2
        """,
        quick=call("0.001", model="mini"),
        slow=call("0.03", model="large"),
    )
    (finding,) = found(chain(race), Rule.CHEAP_ANSWER_KEPT)

    assert finding.position == ("answer", "race", "slow")
    assert finding.gain_usd_per_1000_runs == 30
    assert finding.gain_p50_ns == 0
