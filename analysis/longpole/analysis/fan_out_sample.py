"""The fan-outs of one run → who ended last, by position.

Ended last: the branch whose end the join waited for, and all that ended within tolerance of it;
they share the win equally. A branch that went on when its parent had ended for another reason was
not waited for; one that the parent gave up on was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from longpole.analysis.normalise import TOLERANCE_NS
from longpole.analysis.positions import Position
from longpole.analysis.result import Branch, FanOut, RunAnalysis
from longpole.model.run import FanOutKind


@dataclass(frozen=True, slots=True, kw_only=True)
class FanOutSample:
    """The executions of one fan-out in one run that had the same branches.

    Attributes:
        above: position of the span whose children ran side by side.
        branches: positions of the branches; rows told apart by number are one.
        won: by position, in how many executions it ended last; adds up to `executions`.
        imbalance_ratio: the sum over the executions of longest over mean branch.
    """

    above: Position
    kind: FanOutKind
    branches: tuple[Position, ...]
    executions: int
    won: Mapping[Position, Fraction]
    imbalance_ratio: float


def fan_out_samples(
    analysis: RunAnalysis, position: Mapping[str, Position]
) -> tuple[FanOutSample, ...]:
    """Return the fan-outs of a run; `position` is `positions_of` it."""
    executed: dict[tuple[Position, FanOutKind, tuple[Position, ...]], list[FanOut]] = {}
    for fan_out in analysis.fan_outs:
        branches = dict.fromkeys(sorted(position[branch.span_id] for branch in fan_out.branches))
        key = (position[fan_out.span_id], fan_out.kind, tuple(branches))
        executed.setdefault(key, []).append(fan_out)
    found: list[FanOutSample] = []
    for (above, kind, places), fan_outs in executed.items():
        won: dict[Position, Fraction] = {}
        for fan_out in fan_outs:
            last = _last(analysis, fan_out)
            for branch in last:
                at = position[branch.span_id]
                won[at] = won.get(at, Fraction(0)) + Fraction(1, len(last))
        found.append(
            FanOutSample(
                above=above,
                kind=kind,
                branches=places,
                executions=len(fan_outs),
                won=won,
                imbalance_ratio=sum(fan_out.imbalance_ratio for fan_out in fan_outs),
            )
        )
    return tuple(found)


def _last(analysis: RunAnalysis, fan_out: FanOut) -> list[Branch]:
    """Return the branches that the join waited for as long as for the long pole, itself too."""
    parent = analysis.run.span_by_id[fan_out.span_id]
    parent_end_ns = analysis.ended_ns(parent)
    tolerance_ns = min(TOLERANCE_NS, (parent_end_ns - parent.start_ns) // 100)
    pole = next(one for one in fan_out.branches if one.span_id == fan_out.long_pole)
    was_given_up = pole.end_ns > fan_out.joined_ns
    latest_ns = fan_out.joined_ns + tolerance_ns
    return [
        branch
        for branch in fan_out.branches
        if branch is pole
        or (
            branch.start_ns < fan_out.joined_ns
            and branch.end_ns >= fan_out.joined_ns - tolerance_ns
            and (was_given_up or branch.end_ns <= latest_ns)
        )
    ]
