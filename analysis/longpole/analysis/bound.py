"""Many runs → the one place that bounds their wall most.

It is the branch that the runs waited for longest, as long as no single position owns more of the
critical path: the same rule that names the long pole of one run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from longpole.analysis.criticality import FanOutCriticality
from longpole.analysis.many import Aggregate
from longpole.analysis.positions import Position


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """Where the time goes.

    Attributes:
        is_branch: whether it is a branch of a fan-out, with all below it.
        share: of the wall of all runs that they waited for it.
    """

    position: Position
    is_branch: bool
    share: Fraction


def bound_of(whole: Aggregate, fan_outs: Sequence[FanOutCriticality]) -> Bound | None:
    """Return what bounds the wall; `None` where it is the runs themselves and nothing in them."""
    branches = {branch.position for fan_out in fan_outs for branch in fan_out.branches}
    below = [place for place in whole.places if len(place.position) > 1]
    if not below or not whole.wall_ns:
        return None
    owner = max(below, key=lambda place: place.own_path_ns)
    poles = [place for place in below if place.position in branches]
    pole = max(poles, key=lambda place: place.on_path_ns, default=None)
    if pole is not None and pole.on_path_ns >= owner.own_path_ns:
        share = Fraction(pole.on_path_ns, whole.wall_ns)
        return Bound(position=pole.position, is_branch=True, share=share)
    if not owner.own_path_ns:
        return None
    share = Fraction(owner.own_path_ns, whole.wall_ns)
    return Bound(position=owner.position, is_branch=False, share=share)
