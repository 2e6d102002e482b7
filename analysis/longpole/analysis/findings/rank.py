"""Findings of one or several chains → one list, what is worth most first.

Time and money have no common unit and are never added up. Each is taken as a share of what was
there: of the time that all runs of these chains took, of the money that they cost. A finding counts
by the sum of its two shares, so one that is worth a little in each is not hidden behind one that is
worth a little more in one of them. Seconds are per run times runs: what is slow in a chain that
runs often comes before what is slow in a rare one. Questions come after everything that is no
question, as nobody knows whether their gain can be had. Equal ones are in the order of their names.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction

from longpole.analysis.findings.finding import Finding


def rank(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return the findings in order; the order they are given in does not matter."""
    every = list(findings)
    chains = {one.chain: one.whole for one in every}
    wall_ns = sum(whole.wall_ns for whole in chains.values())
    costs = [whole.cost_usd or Decimal(0) for whole in chains.values()]
    cost_usd = sum(costs, Decimal(0))

    def worth(one: Finding) -> Fraction:
        time = Fraction(one.gain_total_ns, wall_ns) if wall_ns else Fraction(0)
        return time + (Fraction(one.gain_total_usd) / Fraction(cost_usd) if cost_usd else 0)

    return tuple(
        sorted(
            every,
            key=lambda one: (one.is_question, -worth(one), one.rule, one.chain, one.position),
        )
    )
