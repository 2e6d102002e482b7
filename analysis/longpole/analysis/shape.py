"""What a run is made of: the set of its positions, whatever was retried in it.

A retry or a fallback is no other structure: later tries count as the first one, fallback candidates
and what is below them do not count, and positions may be missing below a span that failed while its
parent went on: its second try or its stand-in made up for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from longpole.analysis.positions import Position
from longpole.model.run import Role, Run, Span, Status

_RETRY: Final = " (retry)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What a run is made of.

    Attributes:
        positions: later tries as the first one, without fallback candidates.
        cut: those below which something may be missing, because a failure there was made up for.
    """

    positions: frozenset[Position]
    cut: frozenset[Position]

    def is_part_of(self, whole: frozenset[Position]) -> bool:
        """Tell whether such a run is made of these positions but for what a failure cut off."""
        return self.positions <= whole and all(
            any(missing[:length] in self.cut for length in range(1, len(missing)))
            for missing in whole - self.positions
        )


def folded(span: Span, label: str) -> str:
    """Return the label of a span's first try."""
    return label.removesuffix(_RETRY) if span.attempt > 1 else label


def shape_of(run: Run, position: Mapping[str, Position]) -> Shape:
    """Return what a run is made of; `position` is `positions_of` it, parents before children."""
    at: dict[str, Position] = {}
    cut: set[Position] = set()
    for span_id, place in position.items():
        span = run.span_by_id[span_id]
        parent_id = span.parent_span_id
        if span.role is Role.FALLBACK or (parent_id is not None and parent_id not in at):
            continue
        above = () if parent_id is None else at[parent_id]
        at[span_id] = (*above, folded(span, place[-1]))
        is_made_up_for = parent_id is not None and run.span_by_id[parent_id].status is Status.OK
        if is_made_up_for and span.status is not Status.OK:
            cut.add(at[span_id])
    return Shape(positions=frozenset(at.values()), cut=frozenset(cut))
