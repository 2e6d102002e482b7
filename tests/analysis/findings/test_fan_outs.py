"""Findings about branches: who is waited for, what they queue for, and what they are too small for.

In every drawing a column is 10 ms unless told otherwise; gains are counted in columns.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from longpole.analysis.change_text import describe
from longpole.analysis.findings import Finding, Rule, gain
from longpole.model import FanOutKind, Role, Run
from tests.analysis.findings.making import chain, drawn, found, steps

GEMINI_IS_LATE = """
    panel    #..........#
      gemini  ##########         group=g
      claude  ......             group=g
"""
CLAUDE_IS_LATE = """
    panel    #..........#
      gemini  ......             group=g
      claude  ##########         group=g
"""


def gains(finding: Finding) -> tuple[float, float, float]:
    return (
        steps(finding.gain_mean_ns),
        steps(finding.gain_p50_ns),
        steps(finding.gain_p95_ns),
    )


# --- the long pole ------------------------------------------------------------------------------


def test_a_branch_that_most_runs_wait_for_is_a_long_pole() -> None:
    runs = chain(*[drawn(GEMINI_IS_LATE)] * 7, *[drawn(CLAUDE_IS_LATE)] * 3)
    (finding,) = found(runs, Rule.LONG_POLE)

    # Half of 10 columns is 5, then claude's 6 are waited for: 4 saved, in 7 of 10 runs.
    assert gains(finding) == (2.8, 4, 0)
    assert finding.position == ("panel", "gemini")
    assert finding.evidence["last_ratio"] == Fraction(7, 10)
    assert [describe(change) for change in finding.changes] == ["gemini:faster=2"]
    assert set(finding.run_ids) <= {run.run.run_id for run in runs[:7]}
    assert (finding.affected, finding.replayed) == (7, 7)
    assert finding.trust is not None
    assert finding.trust.label == "recorded"


def test_of_two_branches_that_take_as_long_neither_is_a_long_pole() -> None:
    even = drawn(
        """
        panel    #..........#
          gemini  ##########         group=g
          claude  ..........         group=g
        """
    )

    assert found(chain(*[even] * 5), Rule.LONG_POLE) == []


def test_a_branch_that_is_waited_for_now_and_then_is_no_long_pole() -> None:
    runs = chain(*[drawn(GEMINI_IS_LATE)] * 7, *[drawn(CLAUDE_IS_LATE)] * 3)

    assert [one.position[-1] for one in found(runs, Rule.LONG_POLE)] == ["gemini"]


def test_only_so_many_runs_are_run_again_and_each_stands_for_as_many() -> None:
    runs = chain(*[drawn(GEMINI_IS_LATE)] * 70, *[drawn(CLAUDE_IS_LATE)] * 30)
    (finding,) = found(runs, Rule.LONG_POLE)

    assert (finding.affected, finding.replayed) == (70, 30)
    assert gains(finding) == (2.8, 4, 0)


def test_of_large_runs_fewer_are_run_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gain, "SPANS_AGAIN", 12)
    runs = chain(*[drawn(GEMINI_IS_LATE)] * 10)
    (finding,) = found(runs, Rule.LONG_POLE)

    assert (finding.affected, finding.replayed) == (10, 4)  # of three spans each
    assert gains(finding) == (4, 4, 4)


# --- unequal branches ---------------------------------------------------------------------------

UNEQUAL = """
    panel    #..........#
      a       ##########         group=g
      b       .                  group=g
      c       .                  group=g
"""


def test_branches_are_too_unequal_where_one_does_nearly_all_the_work() -> None:
    (finding,) = found(chain(drawn(UNEQUAL)), Rule.UNEQUAL_BRANCHES)

    # 12 columns of work over 3 branches are 4 each: 6 columns sooner.
    assert gains(finding) == (6, 6, 6)
    assert finding.position == ("panel",)
    assert finding.names == {"longest": "a"}
    assert finding.evidence["side_by_side_ratio"] == Fraction(12, 10)


def test_branches_that_gain_by_running_side_by_side_are_not_too_unequal() -> None:
    assert found(chain(drawn(GEMINI_IS_LATE)), Rule.UNEQUAL_BRANCHES) == []


# --- tiny tasks -------------------------------------------------------------------------------

TINY = """
    agent    ............
      fan    ..........             seq=1
        a      .                    group=g
        b         .                 group=g
        c             .             group=g
      last             ..           seq=2
"""


def test_tasks_are_too_small_where_starting_them_takes_longer_than_they_do() -> None:
    (finding,) = found(chain(drawn(TINY, column_ns=1_000_000)), Rule.TINY_TASKS)

    # 10 ms until the join, of which the tasks are 3.
    assert finding.gain_p50_ns == 7_000_000
    assert finding.position == ("agent", "fan")
    assert finding.evidence["task_mean_ns"] == 1_000_000
    assert finding.evidence["overhead_mean_ns"] == 7_000_000


def test_tasks_of_ten_milliseconds_are_not_too_small() -> None:
    assert found(chain(drawn(TINY)), Rule.TINY_TASKS) == []


def test_tasks_that_gain_by_running_side_by_side_are_not_too_small() -> None:
    side_by_side = drawn(
        """
        fan      ....
          a       ..                group=g
          b       ..                group=g
          c       ...               group=g
        """,
        column_ns=100_000,
    )

    assert found(chain(side_by_side), Rule.TINY_TASKS) == []


# --- queueing ---------------------------------------------------------------------------------

QUEUED = """
    fan      .........
      a      ####                group=g limit=2
      b      ......              group=g limit=2
      c          #####           group=g limit=2
"""


def test_branches_that_queue_under_a_limit_are_told_with_what_it_costs() -> None:
    (finding,) = found(chain(*[drawn(QUEUED)] * 3), Rule.QUEUEING)

    # All at once the longest, b, ends after 6 of 9 columns.
    assert gains(finding) == (3, 3, 3)
    assert [describe(change) for change in finding.changes] == ["fan:limit=none"]
    assert finding.evidence["limit_mean"] == 2
    assert finding.evidence["queued_ratio"] == Fraction(1, 3)


def test_a_limit_that_nobody_waits_for_is_no_finding() -> None:
    wide = drawn(QUEUED.replace("limit=2", "limit=3"))

    assert found(chain(wide), Rule.QUEUEING) == []


def test_queueing_that_costs_little_is_no_finding() -> None:
    little = drawn(
        """
        fan      ..............................
          a      ..............................     group=g limit=2
          b      ..                                 group=g limit=2
          c        ...                              group=g limit=2
        """
    )

    assert found(chain(little), Rule.QUEUEING) == []


def test_a_queue_that_followed_no_rule_is_told_for_no_limit_at_all() -> None:
    # Both ran at once although the limit was 1, and the third waited for the second.
    odd = drawn(
        """
        panel    ########
          a      #####               group=g limit=1
          b      ###                 group=g limit=1
          c         ####             group=g limit=1
        """
    )
    (finding,) = found(chain(odd), Rule.QUEUEING)

    # Without a limit a is the last, after 5 columns instead of 7.
    assert gains(finding) == (2, 2, 2)
    assert [describe(change) for change in finding.changes] == ["panel:limit=none"]


# --- limits that are not kept -----------------------------------------------------------------

NODE = """
    graph     ....
      node    ....
        fan   ....
          a   ....       group=g
          b   ....       group=g
          c   ....       group=g
"""


def graph_with_limit(limit: int) -> Run:
    """An asynchronous graph whose node asks a RunnableParallel of three."""
    run = drawn(
        NODE,
        node={
            "role": Role.BRANCH,
            "fan_out": FanOutKind.SUPERSTEP,
            "fan_out_limit": limit,
            "branch": "node",
        },
    )
    spans = [replace(span, langchain_run_id=span.span_id) for span in run.spans]
    return replace(run, spans=tuple(spans))


def test_a_parallel_that_runs_more_at_once_than_was_asked_for_is_told() -> None:
    (finding,) = found(chain(graph_with_limit(2)), Rule.IGNORED_LIMIT)

    assert finding.position == ("graph", "node", "fan")
    assert finding.evidence["peak_mean"] == 3
    assert finding.evidence["limit_mean"] == 2
    assert gains(finding) == (0, 0, 0)
    assert finding.replayed == 0


def test_a_limit_that_is_kept_is_no_finding() -> None:
    assert found(chain(graph_with_limit(3)), Rule.IGNORED_LIMIT) == []
    assert found(chain(drawn(QUEUED)), Rule.IGNORED_LIMIT) == []


def test_the_pool_of_threads_is_no_limit_that_was_asked_for() -> None:
    pooled = drawn(NODE.replace("group=g", "group=g limit=2"))
    outer = [
        replace(span, langchain_run_id=span.span_id, fan_out=FanOutKind.PARALLEL, fan_out_limit=2)
        if span.name == "node"
        else span
        for span in drawn(NODE).spans
    ]

    assert len(found(chain(pooled), Rule.IGNORED_LIMIT)) == 1  # its own limit of 2 is not kept
    assert found(chain(replace(pooled, spans=tuple(outer))), Rule.IGNORED_LIMIT) == []
