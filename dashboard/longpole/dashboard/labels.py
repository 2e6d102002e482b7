"""Names for spans in lists, where many have the same one and no tree shows where they belong."""

from __future__ import annotations

from longpole.dashboard import words
from longpole.model import Run, Span


def branch_label(branch: Span) -> str:
    """Return the key of a branch; a number alone says nothing, so the name stands before it."""
    name = words.short_name(branch.name)
    if branch.branch is None:
        return name
    return f"{name}[{branch.branch}]" if branch.branch.isdecimal() else branch.branch


def placed_label(run: Run, span: Span) -> str:
    """Return a span's label, after that of the nearest branch that it is a part of."""
    label = words.short_name(words.span_label(span))
    if span.branch is not None:
        return label
    above = run.span_by_id.get(span.parent_span_id or "")
    while above is not None and above.branch is None:
        above = run.span_by_id.get(above.parent_span_id or "")
    if above is None or above.branch is None:
        return label
    return f"{branch_label(above)} › {label}"
