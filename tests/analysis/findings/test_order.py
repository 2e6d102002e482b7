"""Findings about what comes after what: barriers, calls in a row, answers that are not streamed."""

from __future__ import annotations

from typing import Any

from longpole.analysis.findings import GainOf, Rule
from longpole.analysis.learned import Learned, ModelSpeed
from longpole.model import Run
from tests.analysis.findings.making import call, chain, drawn, found, steps
from tests.drawings import BEGIN_NS

SECOND_NS = 1_000_000_000

GRAPH = """
    graph    ################
      a      ..                     superstep=1
      b      ########               superstep=1
      c              ######         superstep=2
      d              ..             superstep=2
"""


def test_a_task_that_waits_at_a_barrier_is_a_question() -> None:
    (finding,) = found(chain(drawn(GRAPH)), Rule.BARRIER_WAIT)

    # Right after a, c ends with column 8; then d, after b, ends last with column 10 instead of 14.
    assert finding.is_question
    assert finding.position == ("graph", "c")
    assert steps(finding.gain_p50_ns) == 4
    assert finding.names == {"first": "a", "last": "b"}
    assert steps(int(finding.evidence["wait_mean_ns"])) == 6


def test_a_task_that_joins_a_superstep_needs_all_of_it() -> None:
    joined = drawn("\n".join(GRAPH.splitlines()[:-2]))

    assert found(chain(joined), Rule.BARRIER_WAIT) == []


def test_a_barrier_that_holds_nobody_up_is_no_finding() -> None:
    even = drawn(GRAPH.replace("      a      ..  ", "      a      ########"))

    assert found(chain(even), Rule.BARRIER_WAIT) == []


def test_the_failed_try_of_a_task_lets_nobody_pass_the_barrier() -> None:
    tried = drawn(
        """
        graph    ################
          a      ..                     superstep=1 error
          again    ......               superstep=1 attempt=2
          b      ......                 superstep=1
          c              ......         superstep=2
          d              ..             superstep=2
        """,
        again={"name": "a"},
    )
    (finding,) = found(chain(tried), Rule.BARRIER_WAIT)

    assert finding.names == {"first": "b", "last": "a"}
    assert steps(finding.gain_p50_ns) == 2


# --- calls in a row -----------------------------------------------------------------------------

IN_A_ROW = """
    node     ###########
      one    ###                  kind=llm
      two       #####             kind=llm
      three          ##           kind=llm
"""


def test_calls_in_a_row_that_no_framework_ordered_are_a_question() -> None:
    (finding,) = found(chain(drawn(IN_A_ROW)), Rule.SERIAL_STEPS)

    # Side by side they take as long as the longest: 5 of 10 columns.
    assert finding.is_question
    assert finding.position == ("node",)
    assert steps(finding.gain_p50_ns) == 5
    assert finding.evidence["calls_mean"] == 3
    assert finding.names == {"calls": "one, two, three", "kind": "llm"}
    assert finding.trust is not None
    assert finding.trust.label == "inferred"


def test_steps_of_a_sequence_are_no_question() -> None:
    ordered = IN_A_ROW
    for number, name in enumerate(("one", "two", "three"), start=1):
        line = next(line for line in IN_A_ROW.splitlines() if line.split()[:1] == [name])
        ordered = ordered.replace(line, f"{line} seq={number}")

    assert found(chain(drawn(ordered)), Rule.SERIAL_STEPS) == []


def test_a_model_that_reads_what_was_retrieved_is_no_question() -> None:
    dependent = IN_A_ROW.replace("#####             kind=llm", "#####             kind=retriever")

    assert found(chain(drawn(dependent)), Rule.SERIAL_STEPS) == []


def test_calls_that_overlap_are_not_in_a_row() -> None:
    together = drawn(
        """
        node     ######
          one    ###                  kind=llm
          two      ####               kind=llm
        """
    )

    assert found(chain(together), Rule.SERIAL_STEPS) == []


# --- answers that are not streamed --------------------------------------------------------------


def answering(**more: Any) -> Run:
    """Three seconds of which the answer takes two."""
    return drawn(
        """
        agent    ###
          look   #                seq=1
          say     ##              seq=2
        """,
        column_ns=SECOND_NS,
        say=call(model="gpt-4o", **more),
    )


LEARNED = Learned(
    models={
        "gpt-4o": ModelSpeed(
            tokens_per_s=100, first_token_ns=300_000_000, provider="openai", calls=9
        )
    }
)


def test_an_answer_that_is_not_streamed_is_told_with_when_its_first_word_would_come() -> None:
    (finding,) = found(chain(answering()), Rule.NOT_STREAMED, learned=LEARNED)

    assert finding.gain_of is GainOf.FIRST_TOKEN
    assert finding.gain_p50_ns == 2 * SECOND_NS - 300_000_000
    assert finding.evidence["answer_mean_ns"] == 2 * SECOND_NS


def test_of_a_model_that_never_streamed_no_gain_is_claimed() -> None:
    (finding,) = found(chain(answering()), Rule.NOT_STREAMED)

    assert finding.gain_p50_ns == finding.gain_mean_ns == 0
    assert finding.evidence["first_token_known"] == 0


def test_a_streamed_answer_is_no_finding() -> None:
    streamed = answering(first_token_ns=BEGIN_NS + SECOND_NS + 300_000_000)

    assert found(chain(streamed), Rule.NOT_STREAMED, learned=LEARNED) == []


def test_a_chain_that_seldom_ends_with_such_an_answer_needs_no_streaming() -> None:
    other = drawn(
        """
        agent    ###
          look   ##              seq=1
        """,
        column_ns=SECOND_NS,
    )

    assert found(chain(answering(), other, other), Rule.NOT_STREAMED, learned=LEARNED) == []


def test_a_short_answer_is_no_finding() -> None:
    short = drawn(
        """
        agent    ###
          say     ##              seq=1
        """,
        say=call(),
    )

    assert found(chain(short), Rule.NOT_STREAMED, learned=LEARNED) == []


def test_what_is_said_in_a_branch_is_not_the_answer() -> None:
    branches = drawn(
        """
        agent    ###
          say    ###              group=g
          see    ..               group=g
        """,
        column_ns=SECOND_NS,
        say=call(),
    )

    assert found(chain(branches), Rule.NOT_STREAMED, learned=LEARNED) == []
