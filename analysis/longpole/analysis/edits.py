"""What is different when a run is run again: lengths, lags, places and what is left out.

Values only, by span number; `longpole.analysis.effects` makes them out of changes and
`longpole.analysis.simulate` runs them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import NamedTuple

from longpole.analysis.plan import GroupKey


class Stretch(NamedTuple):
    """A span takes `ratio` times as long, and `more_ns` on top; everything below it alike."""

    ratio: Fraction = Fraction(1)
    more_ns: int = 0


class Exactly(NamedTuple):
    """A span takes this long."""

    length_ns: int


class AtMost(NamedTuple):
    """A span ends after this long at the latest.

    Where it is stopped then, what is below it is cut; else all of it is shortened alike.
    """

    length_ns: int
    is_stopped: bool = True


Edit = Stretch | Exactly | AtMost


class Length(NamedTuple):
    """A length before and after it is cut."""

    stretched_ns: int
    cut_ns: int


def edited(length_ns: int, edits: Iterable[Edit]) -> Length:
    """Return a length after edits in their order.

    >>> edited(100, [Stretch(Fraction(1, 2)), AtMost(30)])
    Length(stretched_ns=50, cut_ns=30)
    """
    stretched = cut = length_ns
    for edit in edits:
        match edit:
            case Stretch(ratio, more_ns):
                stretched = max(0, round(stretched * ratio) + more_ns)
                cut = max(0, round(cut * ratio) + more_ns)
            case Exactly(exact_ns):
                stretched = cut = exact_ns
            case AtMost(most_ns, is_stopped):
                cut = min(cut, most_ns)
                stretched = stretched if is_stopped else cut
    return Length(stretched, cut)


@dataclass(frozen=True, slots=True, kw_only=True)
class Edits:
    """Everything that is different, by span number.

    Attributes:
        lengths: of spans, in the order in which they apply.
        gone: spans that are left out with all below them.
        lags_ns: between what a span waited for and its start, where it differs.
        places: of groups of a parent, `None`: no limit. Others keep theirs.
        has_limits: whether groups that are not named keep theirs at all.
        fail_fast: parents whose groups stop at the first failure.
    """

    lengths: Mapping[int, tuple[Edit, ...]] = field(default_factory=dict)
    gone: frozenset[int] = frozenset()
    lags_ns: Mapping[int, int] = field(default_factory=dict)
    places: Mapping[tuple[int, GroupKey], int | None] = field(default_factory=dict)
    has_limits: bool = True
    fail_fast: frozenset[int] = frozenset()

    def with_lengths(self, more: Mapping[int, Edit]) -> Edits:
        """Return these edits with one more edit of some spans; time limits still come last."""
        lengths = dict(self.lengths)
        for number, edit in more.items():
            every = (*lengths.get(number, ()), edit)
            lengths[number] = tuple(sorted(every, key=lambda one: isinstance(one, AtMost)))
        return replace(self, lengths=lengths)


NO_EDITS = Edits()
