"""What somebody asks to be different, as values; `longpole.analysis.change_text` writes them.

Every change is about a target: a name, branch key, label or path of spans, with `*` for anything
(see `longpole.analysis.targets`). Several changes at once apply in one order, whatever order they
were given in, so that the answer does not depend on it: `ORDER` says which.

Source: critical-path.md, questions of the replay.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

CACHE_HIT_NS = 5_000_000
"""How long a cache takes to answer, unless told otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Something that is different about the spans that `target` fits."""

    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Without(Change):
    """They do not happen: no time, no cost; what followed them follows what went before them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoRetries(Change):
    """Their first try succeeds: failed tries and what was waited between them are left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff(Change):
    """The waits between their tries are `ratio` times as long; 0: there are none."""

    ratio: Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class Faster(Change):
    """They and all below them are `ratio` times as fast; below 1 slower."""

    ratio: Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class Time(Change):
    """Each of them takes this long."""

    length_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherModel(Change):
    """Their model calls go to another model.

    Attributes:
        faster: its tokens per second over those of the old one; `None`: learned from history.
        first_token_ns: how much later its first token comes; `None`: learned, else no later.
    """

    model: str
    faster: Fraction | None = None
    first_token_ns: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchPrice(Change):
    """Their calls go through a batch API at half the price.

    Attributes:
        turnaround_ns: how long an answer takes then; it cannot be told from a trace.
    """

    turnaround_ns: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cache(Change):
    """A cache answers their calls at this rate, for nothing.

    Attributes:
        is_together: either it answers all of them or none, as when all ask the same.
    """

    hit_ratio: Fraction
    is_together: bool = False
    hit_ns: int = CACHE_HIT_NS


@dataclass(frozen=True, slots=True, kw_only=True)
class CheapFirst(Change):
    """A cheap model is asked first; the recorded call is made only if its answer is rejected.

    Attributes:
        cheap_ns: how long a cheap call takes.
        accepted_ratio: how often its answer will do.
        model: what the cheap call is priced as; `cost_usd` wins.
    """

    cheap_ns: int
    accepted_ratio: Fraction
    model: str | None = None
    cost_usd: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hedge(Change):
    """A call that takes longer than this is made again beside itself; the first answer counts."""

    after_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeout(Change):
    """They are given up after this long."""

    length_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit(Change):
    """So many branches run at once in every fan-out in them; `None`: all of them.

    It is handed down as `max_concurrency` is; a branch without fan-outs means the one it is in.
    """

    places: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FailFast(Change):
    """The first failure in their fan-outs ends the other branches."""


ORDER: tuple[tuple[type[Change], ...], ...] = (
    (Without,),
    (NoRetries,),
    (Backoff,),
    (Faster, Time, OtherModel, BatchPrice),
    (Cache, CheapFirst, Hedge),
    (Timeout,),
    (Limit,),
    (FailFast,),
)
"""What applies first; changes of one row apply in the order in which they were given."""


def in_order(changes: Iterable[Change]) -> tuple[Change, ...]:
    """Return changes in the order in which they apply.

    >>> [type(one).__name__ for one in in_order([Timeout(target="a", length_ns=1),
    ...                                          Without(target="b")])]
    ['Without', 'Timeout']
    """
    rank = {kind: row for row, kinds in enumerate(ORDER) for kind in kinds}
    return tuple(sorted(changes, key=lambda change: rank[type(change)]))
