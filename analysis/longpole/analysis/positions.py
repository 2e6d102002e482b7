"""Where a span stands, said so that it means the same in every run of a chain.

A label tells a span from its siblings: its name, the key of its branch, which try it is. A position
is the labels from the root down. Branches that only a number tells apart (rows of a batch, items of
a map, `Send` tasks) are one position, `score[*]`: their number is theirs in one run and no other,
and so are siblings that look alike (turns of an agent).

Deeper than `LABELS_MOST` all spans of a subtree share one position: a recursion is no new place at
every turn, and positions of a run 50,000 deep would fill the memory.

Source: calling-context paths of CRISP (Zhang et al., USENIX ATC '22), with the keys that the
framework recorded in the place of ids.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from longpole.model.run import FanOutKind, Role, Run, Span

Position = tuple[str, ...]
"""Labels from the root, which is the first, down to the span."""

LABELS_MOST: Final = 200
"""How many labels a position has at most; the last of so many is `…`."""

_NUMBERED: Final = frozenset(
    {FanOutKind.MAP, FanOutKind.BATCH, FanOutKind.SEND, FanOutKind.TOOLS, FanOutKind.RECORD}
)


def label_of(span: Span) -> str:
    """Return what tells a span from its siblings in its own run: `summarise[3] (try 2)`."""
    return _tried(span, _keyed(span, span.branch))


def positions_of(run: Run) -> Mapping[str, Position]:
    """Return the position of each span by its id, parents before children."""
    root = run.root
    found: dict[str, Position] = {root.span_id: (_merged(root),)}
    for span_id in (order := [root.span_id]):  # the list grows while it is walked
        above = found[span_id]
        is_bottom = len(above) == LABELS_MOST
        for child in run.children(span_id):
            label = _merged(child) if len(above) < LABELS_MOST - 1 else "…"
            found[child.span_id] = above if is_bottom else (*above, label)
            order.append(child.span_id)
    return found


def _merged(span: Span) -> str:
    """Return the label with a mere number, and any later try, taken for all of them."""
    numbered = span.branch is not None and span.branch.isdecimal() and span.fan_out in _NUMBERED
    label = _keyed(span, "*" if numbered else span.branch)
    if span.attempt > 1:
        return f"{label} (retry)"
    return f"{label} (fallback)" if span.role is Role.FALLBACK else label


def _keyed(span: Span, key: str | None) -> str:
    return span.name if key is None or key == span.name else f"{span.name}[{key}]"


def _tried(span: Span, label: str) -> str:
    if span.attempt > 1:
        return f"{label} (try {span.attempt})"
    return f"{label} (fallback)" if span.role is Role.FALLBACK else label
