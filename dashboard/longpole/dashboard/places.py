"""How positions are written: as short as they are still told apart by people who know the chain."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from longpole.analysis.positions import Position
from longpole.dashboard import words
from longpole.dashboard.difference import KEYED, short_label

ITSELF: Final = "(the run itself)"
_OUTSIDE: Final = "(no branch)"


def place_label(position: Position) -> str:
    """Return the last label of a position, after that of the nearest branch it is in.

    >>> place_label(("panel", "experts<web,notes>", "model[web]", "call (retry)"))
    'web › call (retry)'
    >>> place_label(("panel", "score[*]")), place_label(("panel",))
    ('score[*]', '(the run itself)')
    """
    return below_label(position[1:])


def below_label(below: Position) -> str:
    """Return the same for what is below a root, without the root's own label."""
    if not below:
        return ITSELF
    *above, last = below
    if KEYED.fullmatch(last):
        return _short(last)
    branch = next((label for label in reversed(above) if KEYED.fullmatch(label)), None)
    return _short(last) if branch is None else f"{_short(branch)} › {_short(last)}"


def below_labels(positions: Sequence[Position]) -> tuple[str, ...]:
    """Return such labels of several positions; what they begin with tells equal ones apart.

    >>> below_labels([("mail", "judge"), ("chat", "judge"), ("chat", "answer")])
    ('mail › judge', 'chat › judge', 'answer')
    """
    labels = [below_label(below) for below in positions]
    counts = Counter(labels)
    return tuple(
        f"{_short(below[0])} › {label}" if counts[label] > 1 and len(below) > 1 else label
        for label, below in zip(labels, positions, strict=True)
    )


def label_alone(position: Position) -> str:
    """Return the last label of a position, for where it is seen what it is below.

    >>> label_alone(("panel<a,b>",)), label_alone(("panel", "model[web]"))
    ('panel', 'web')
    """
    return _short(position[-1])


def branch_label(position: Position) -> str:
    """Return the label of a branch that calls are in; of none, that there is none."""
    return place_label(position) if position else _OUTSIDE


def fan_out_label(position: Position) -> str:
    """Return the label of a span whose children run side by side."""
    return words.short_name(position[0]) if len(position) == 1 else place_label(position)


def _short(label: str) -> str:
    """Return a label without LangChain's list of parts; of a branch its key, if it has one."""
    found = KEYED.fullmatch(label)
    if found is not None and found[2] == "*":
        return f"{words.short_name(found[1])}[*]{found[3]}"
    return short_label(label)
