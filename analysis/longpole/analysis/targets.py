"""Which spans a change means.

In: a timeline and a target as somebody wrote it. Out: span numbers. A target fits a span by its
name, the key of its branch, its label (`score[3]`, `search (try 2)`), or, where it holds a slash,
by the end of its position (`panel/model[gemini]/*`). `*` stands for anything but a slash, `**` for
anything. Where nothing fits so, a model's name will do. Of spans that lie below each other only the
topmost are meant, so that nothing is changed twice.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Final

from longpole.analysis.normalise import Timeline
from longpole.analysis.positions import label_of, positions_of
from longpole.model.errors import TargetError
from longpole.model.run import Span

_NAMES_TOLD: Final = 3


def spans_of(timeline: Timeline, target: str) -> tuple[int, ...]:
    """Return the topmost spans that a target fits, parents before children.

    Raises:
        TargetError: it fits none; names that are like it are told.
    """
    fits = _pattern(target)
    if "/" in target:
        positions = positions_of(timeline.run)
        found = [
            number
            for number, span in enumerate(timeline.spans)
            if fits.search("/" + "/".join(positions[span.span_id]))
        ]
    else:
        found = [
            number
            for number, span in enumerate(timeline.spans)
            if any(fits.search(f"/{name}") for name in _names(span))
        ]
        found = found or [
            number
            for number, span in enumerate(timeline.spans)
            if span.model is not None and fits.search(f"/{span.model}")
        ]
    if not found:
        raise TargetError(f"no span is called {target!r}, {_hint(timeline, target)}", target)
    return tuple(_topmost(timeline, found))


def below(timeline: Timeline, numbers: Iterable[int]) -> list[int]:
    """Return spans with all below them, parents before children."""
    found = sorted(set(numbers))
    seen = set(found)
    for number in found:  # the list grows while it is walked
        for child in timeline.children[number]:
            if child not in seen:
                seen.add(child)
                found.append(child)
    return sorted(found)


def _pattern(target: str) -> re.Pattern[str]:
    pieces = re.split(r"(\*\*|\*)", target)
    stars = {"**": ".*", "*": "[^/]*"}
    body = "".join(stars.get(piece) or re.escape(piece) for piece in pieces)
    # A bare `*` means names, so it must not stop at a slash that is part of one.
    body = body if "/" in target else body.replace("[^/]*", ".*")
    start = "^/" if "/" not in target else "/"
    return re.compile(f"{start}{body}$", re.DOTALL)


def _names(span: Span) -> tuple[str, ...]:
    label = label_of(span)
    return (span.name, label) if span.branch is None else (span.name, label, span.branch)


def _topmost(timeline: Timeline, numbers: Iterable[int]) -> list[int]:
    inside: set[int] = set()
    kept = []
    chosen = set(numbers)
    for number in range(len(timeline.spans)):
        if number and timeline.parent[number] in inside:
            inside.add(number)
        elif number in chosen:
            inside.add(number)
            kept.append(number)
    return kept


def _hint(timeline: Timeline, target: str) -> str:
    if "/" in target:
        names = ["/".join(path) for path in positions_of(timeline.run).values()]
    else:
        names = [name for span in timeline.spans for name in _names(span)]
    folded = {name.casefold(): name for name in names}
    bare = target.replace("*", "").casefold()
    near = difflib.get_close_matches(bare, list(folded), _NAMES_TOLD, 0.5)
    if near:
        return f"did you mean {' or '.join(repr(folded[name]) for name in near)}?"
    some = ", ".join(repr(name) for name in list(folded.values())[:_NAMES_TOLD])
    return f"expected a name, branch key or path as `longpole show` has them: {some}, …"
