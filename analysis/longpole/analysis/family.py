"""One parent and the units it waited for, as something that can be run again.

Two kinds answer the same questions: `Levels` in closed form, where every unit waits for all that
went before or for nothing; `Woven` event by event, for everything else. `Replay` picks one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from longpole.analysis.siblings import Siblings


class Held(NamedTuple):
    """How the length of a parent depends on one child.

    Attributes:
        without_ns: the parent's length however short the child is.
        start_ns: when the child starts, from the parent's start.
        to_end_ns: from the child's end to the parent's, along the longest way.
    """

    without_ns: int
    start_ns: int
    to_end_ns: int

    def length_ns(self, duration_ns: int) -> int:
        """Return the parent's length were the child this long."""
        return max(self.without_ns, self.start_ns + duration_ns + self.to_end_ns)


class Family(ABC):
    """One parent and the units it waited for, at least one.

    Attributes:
        length_ns: of the parent, as recorded.
        tail_ns: how long the parent goes on after the last unit has ended.
        is_limited: whether a unit waits for another's place, so that lifting limits changes times.
    """

    __slots__ = ("_base_ns", "_units", "is_limited", "length_ns", "tail_ns")

    def __init__(self, siblings: Siblings, parent: int) -> None:
        timeline = siblings.timeline
        self._units = siblings.units[parent]
        self._base_ns = timeline.low_ns[parent]
        end_ns = timeline.high_ns[parent]
        self.length_ns = end_ns - self._base_ns
        self.tail_ns = end_ns - max([unit.high_ns for unit in self._units])
        self.is_limited = False

    @abstractmethod
    def run(
        self, duration_of: Mapping[int, int], *, has_limits: bool = True, is_ideal: bool = False
    ) -> int:
        """Return the parent's length when its units take these times (by their first number).

        Args:
            duration_of: what is not named takes as long as recorded.
            has_limits: whether queued units wait for a place.
            is_ideal: no launch, gap, back-off or join takes any time; what overlapped a little
                still does, so that this is never longer than recorded.
        """

    @abstractmethod
    def holds_ns(self) -> tuple[Sequence[int], Sequence[int]]:
        """Return `without_ns` and `to_end_ns` of `Held` for each unit, by start.

        In two plain lists: one object a span would cost more than the numbers in it.
        """

    def held(self) -> dict[int, Held]:
        """Return for each unit, by its first number, how the parent's length depends on it."""
        return {
            unit.first: Held(without_ns, unit.low_ns - self._base_ns, to_end_ns)
            for unit, without_ns, to_end_ns in zip(self._units, *self.holds_ns(), strict=True)
        }
