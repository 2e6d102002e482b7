"""Runs of any chains → what all their walls together were spent waiting for, by branch or step.

Every stretch of a critical path belongs to the innermost branch of a fan-out around it; outside of
all branches to the step itself, the position that owns it. As every path tiles its run, the shares
add up to 1 exactly (`BranchShares.check`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

from longpole.analysis.positions import Position
from longpole.analysis.sample import RunSample
from longpole.model.errors import BrokenLawError


@dataclass(frozen=True, slots=True, kw_only=True)
class BranchShare:
    """What runs waited for in one branch of one chain, or in one step outside of its branches.

    Attributes:
        branch: the position of either.
        own_path_ns: on the critical paths, without the branches inside it; the sum over all runs.
        share: of the walls of all runs of all chains.
        runs: how many runs waited for it.
    """

    chain: str
    branch: Position
    own_path_ns: int
    share: Fraction
    runs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BranchShares:
    """All branches that some run waited for, by share, the greatest first."""

    wall_ns: int
    rows: tuple[BranchShare, ...]

    def check(self) -> None:
        """Raise `BrokenLawError` unless the branches add up to the walls."""
        total_ns = sum(row.own_path_ns for row in self.rows)
        if total_ns != self.wall_ns:
            raise BrokenLawError(f"branches add up to {total_ns} ns, the walls to {self.wall_ns}")


def branch_shares(samples: Iterable[RunSample]) -> BranchShares:
    """Return what bounds the walls of runs, of which there may be none."""
    spent_ns: Counter[tuple[str, Position]] = Counter()
    runs: Counter[tuple[str, Position]] = Counter()
    wall_ns = 0
    for sample in samples:
        wall_ns += sample.wall_ns
        own_ns: Counter[Position] = Counter()
        for branch, time_ns in _owned(sample):
            own_ns[branch] += time_ns
        for branch, time_ns in own_ns.items():
            spent_ns[sample.chain, branch] += time_ns
            runs[sample.chain, branch] += 1
    rows = [
        BranchShare(
            chain=chain,
            branch=branch,
            own_path_ns=time_ns,
            share=Fraction(time_ns, wall_ns),
            runs=runs[chain, branch],
        )
        for (chain, branch), time_ns in spent_ns.items()
    ]
    rows.sort(key=lambda row: (-row.own_path_ns, row.chain, row.branch))
    found = BranchShares(wall_ns=wall_ns, rows=tuple(rows))
    found.check()
    return found


def _owned(sample: RunSample) -> Iterator[tuple[Position, int]]:
    """Yield what each position on the path counts for, and the position's own time there."""
    branches = {branch for fan_out in sample.fan_outs for branch in fan_out.branches}
    for position, place in sample.places.items():
        if place.own_path_ns:
            around = (position[:length] for length in range(len(position), 0, -1))
            owner = next((one for one in around if one in branches), position)
            yield owner, place.own_path_ns
