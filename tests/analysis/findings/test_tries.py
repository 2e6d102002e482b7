"""Findings about tries: after rate limits, for nothing, before a fallback."""

from __future__ import annotations

from fractions import Fraction

from longpole.analysis.change_text import describe
from longpole.analysis.findings import Rule
from longpole.model import Role, Run, SpanError, Status
from tests.analysis.findings.making import BROKEN, LIMITED, chain, drawn, found, steps

TRIED_TWICE = """
    answer   ##########
      one    ###                 attempt=1 error
      two         ####           attempt=2
"""


def tried(error: SpanError) -> Run:
    """A call that failed once, 20 ms before it was tried again."""
    return drawn(
        TRIED_TWICE,
        one={"name": "call", "error": error},
        two={"name": "call"},
    )


FINE = drawn(
    """
    answer   #####
      one    ####                attempt=1
    """,
    one={"name": "call"},
)


def test_rate_limits_on_the_path_are_told_with_the_wait_after_them() -> None:
    (finding,) = found(chain(tried(LIMITED), tried(LIMITED), FINE), Rule.RATE_LIMIT)

    # Without the first try and the wait the second one begins at once: 5 of 10 columns.
    assert steps(finding.gain_p50_ns) == 5
    assert steps(finding.gain_p95_ns) == 5
    assert round(steps(finding.gain_mean_ns), 3) == 3.333
    assert finding.evidence["rate_limited"] == 2
    assert finding.evidence["between_mean_ns"] == 20_000_000
    assert finding.affected == 2


def test_other_errors_are_no_rate_limits() -> None:
    assert found(chain(tried(BROKEN)), Rule.RATE_LIMIT) == []


def test_a_rate_limit_beside_the_critical_path_costs_no_time() -> None:
    beside = drawn(
        """
        panel     ##########
          long    ##########         group=g
          tried   .........          group=g
            one   ...                attempt=1 error
            two        ....          attempt=2
        """,
        one={"name": "call", "error": LIMITED},
        two={"name": "call"},
    )

    assert found(chain(beside), Rule.RATE_LIMIT) == []


# --- retries ----------------------------------------------------------------------------------


def tried_thrice(last: str) -> Run:
    return drawn(
        f"""
        answer   ###########
          one    ##                  attempt=1 error
          two        ##              attempt=2 error
          three          ##          attempt=3 {last}
        """,
        one={"name": "call", "error": BROKEN},
        two={"name": "call", "error": BROKEN},
        three={"name": "call", "error": BROKEN if last else None},
    )


def test_retries_that_never_succeed_are_told_with_what_giving_up_would_save() -> None:
    (finding,) = found(chain(tried_thrice("error"), FINE), Rule.HOPELESS_RETRIES)

    # The first try ends after 2 columns, and one more follows the last: 3 of 11.
    assert round(steps(finding.gain_p95_ns)) == 6  # 11 before, of the fine run 5 remain
    assert steps(finding.gain_mean_ns) == 8 / 2
    assert finding.evidence["retries"] == 2
    assert finding.names == {"error": "ValueError"}


def test_retries_of_which_one_succeeded_are_no_finding() -> None:
    runs = chain(tried_thrice("error"), tried_thrice(""))

    assert found(runs, Rule.HOPELESS_RETRIES) == []


def test_one_retry_in_vain_is_no_finding() -> None:
    once = drawn(
        TRIED_TWICE.replace("attempt=2", "attempt=2 error"),
        one={"name": "call", "error": BROKEN},
        two={"name": "call", "error": BROKEN},
    )

    assert found(chain(once), Rule.HOPELESS_RETRIES) == []


# --- fallbacks --------------------------------------------------------------------------------

FELL_BACK = drawn(
    """
    answer      .........
      wrapper   .........              seq=1
        first   .....                  attempt=1 error
        spare        ...
    """,
    first={"error": BROKEN},
    spare={"role": Role.FALLBACK},
)
DID_NOT = drawn(
    """
    answer      ......
      wrapper   ......                 seq=1
        first   .....                  attempt=1
    """
)


def test_a_fallback_that_is_asked_too_often_is_told() -> None:
    runs = chain(FELL_BACK, DID_NOT, DID_NOT, DID_NOT)
    (finding,) = found(runs, Rule.FREQUENT_FALLBACK)

    # Asked at once it ends 5 columns sooner; walls of 6, 6, 6, 9 become 4, 6, 6, 6.
    assert steps(finding.gain_mean_ns) == 5 / 4
    assert steps(finding.gain_p50_ns) == 0
    assert steps(finding.gain_p95_ns) == 3
    assert finding.evidence["fell_back_ratio"] == Fraction(1, 4)
    assert finding.run_ids == (runs[0].run.run_id,)
    assert [describe(change) for change in finding.changes] == ["first:without"]


def test_a_fallback_for_exceptions_is_no_finding() -> None:
    assert found(chain(FELL_BACK, *[DID_NOT] * 5), Rule.FREQUENT_FALLBACK) == []


def test_a_call_that_succeeds_is_no_finding_of_any_of_them() -> None:
    for rule in (Rule.RATE_LIMIT, Rule.HOPELESS_RETRIES, Rule.FREQUENT_FALLBACK):
        assert found(chain(FINE, DID_NOT), rule) == []
    assert Status.OK is FINE.status
