"""A run as durations and waits, which can be run again with something changed.

In: the judged siblings of a run. Out: a `Replay`: per parent when each child starts, given when
those it waited for end (plus a lag that is the parent's own), and how long the parent goes on after
the last of them. Run again unchanged it gives every recorded time exactly: lags and tails are
measured, not assumed. A queued child also waits for the sibling that freed its place.

Everything is a maximum of sums, so how a parent's length depends on one child's is known in closed
form (`Held`). From that slack and drag of all spans follow in one pass, without running again for
each.

Source: critical path method (total float); Devaux's drag; work-span model for the ideal length.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from longpole.analysis.family import Family, Held
from longpole.analysis.levels import Levels, levels_of
from longpole.analysis.siblings import Siblings
from longpole.analysis.woven import Woven

__all__ = ["Family", "Floats", "Held", "Replay", "floats_of"]


def _family(siblings: Siblings, parent: int) -> Family:
    levels = levels_of(siblings, parent)
    return Woven(siblings, parent) if levels is None else Levels(siblings, parent, levels)


class Replay:
    """A whole run as families."""

    def __init__(self, siblings: Siblings) -> None:
        self.siblings = siblings
        self.timeline = siblings.timeline
        self.families: list[Family | None] = [
            _family(siblings, number) if units else None
            for number, units in enumerate(siblings.units)
        ]

    def length_ns(self, *, has_limits: bool = True, is_ideal: bool = False) -> int:
        """Return how long the run takes, as recorded or with something lifted.

        Args:
            has_limits: whether queued branches wait for a place.
            is_ideal: no launch, gap, back-off or join takes any time: the span length.
        """
        timeline, units = self.timeline, self.siblings.units
        if not (has_limits or is_ideal or self.siblings.slots):
            return timeline.high_ns[0] - timeline.low_ns[0]  # nobody was queued
        lengths = [high - low for low, high in zip(timeline.low_ns, timeline.high_ns, strict=True)]
        # Without limits only families that had queued units change, and those above them.
        changes = [is_ideal or has_limits] * len(lengths)
        for number in range(len(lengths) - 1, -1, -1):
            family = self.families[number]
            if family is None or not (changes[number] or family.is_limited):
                continue
            durations = {
                unit.first: lengths[unit.first] for unit in units[number] if not unit.windows
            }
            length_ns = family.run(durations, has_limits=has_limits, is_ideal=is_ideal)
            if length_ns != lengths[number]:
                lengths[number] = length_ns
                changes[timeline.parent[number]] = True
        return lengths[0]


@dataclass(frozen=True, slots=True)
class Floats:
    """Slack and drag of every span, by number.

    Attributes:
        slack_ns: `None` where nobody waited for the span.
        drag_ns: 0 off the critical path.
    """

    slack_ns: Sequence[int | None]
    drag_ns: Sequence[int]


def floats_of(replay: Replay, on_path_ns: Sequence[int]) -> Floats:
    """Return slack and drag of every span.

    A parent gets shorter with a child until the rest holds it up: by as much as the child, but not
    by more than its length without the child leaves room for. So what a span can gain the run is
    the least room on its way to the root.

    Args:
        replay: the run.
        on_path_ns: critical-path time of each span's subtree, by number.
    """
    timeline = replay.timeline
    count = len(timeline.spans)
    slack_ns: list[int | None] = [None] * count
    room_ns = [0] * count
    gain_ns = [high - low for low, high in zip(timeline.low_ns, timeline.high_ns, strict=True)]
    slack_ns[0], room_ns[0] = 0, gain_ns[0]
    for number, family in enumerate(replay.families):
        own_slack_ns, own_room_ns = slack_ns[number], room_ns[number]
        if family is None or own_slack_ns is None:
            continue
        base_ns, length_ns = timeline.low_ns[number], family.length_ns
        units = replay.siblings.units[number]
        for unit, without_ns, to_end_ns in zip(units, *family.holds_ns(), strict=True):
            way_ns = unit.high_ns - base_ns + to_end_ns
            slack = own_slack_ns + max(0, length_ns - way_ns)
            room = min(own_room_ns, unit.high_ns - unit.low_ns, way_ns - without_ns)
            if not unit.windows:
                slack_ns[unit.first], room_ns[unit.first] = slack, room
                continue
            for stage in {window.owner for window in unit.windows} | {unit.first, unit.last}:
                slack_ns[stage], room_ns[stage] = slack, room
                gain_ns[stage] = on_path_ns[stage]  # its windows are not all of its length
    drag_ns = [
        max(0, min(gain, room, on_path)) if on_path else 0
        for gain, room, on_path in zip(gain_ns, room_ns, on_path_ns, strict=True)
    ]
    return Floats(slack_ns, drag_ns)
