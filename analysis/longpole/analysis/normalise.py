"""Times a run can be reasoned with: every span ended, every clock agreed, every child judged.

In: a `Run` as recorded. Out: a `Timeline` in plain sequences by span number, parents before
children, number 0 the root. What still runs ends now; what its process took along ends at the last
moment seen. For every child it is settled whether its parent waited for it, and if not, why not.

A span that was waited for also has a stay [low, high): its interval cut to its parent's stay. Stays
nest exactly, whatever was recorded, and everything about the critical path is computed on them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

from longpole.analysis.skew import hosts_of, offsets_ns
from longpole.model.run import NO_ORDER, Run, Span, Status

TOLERANCE_NS = 1_000_000
"""How much callback jitter may make siblings in one process overlap; at most 1 % of the parent."""
TOLERANCE_BETWEEN_HOSTS_NS = 50_000_000
"""The same between two hosts; at most 10 % of the parent."""

_NOBODY: tuple[int, ...] = ()


class Bond(Enum):
    """Whether a parent waited for a child, and if not, why not."""

    WAITED_FOR = auto()
    TRUNCATED = auto()
    """It went on after its parent, which gave up on it: it was waited for until then."""
    ABANDONED = auto()
    """It went on after its parent, which had ended for another reason."""
    DETACHED = auto()
    LATE = auto()
    """It started when its parent had ended."""
    EARLY = auto()
    """It ended before its parent started."""

    @property
    def holds(self) -> bool:
        """Whether the child can have held up its parent."""
        return self in HOLDING


HOLDING = (Bond.WAITED_FOR, Bond.TRUNCATED)
"""The bonds that hold: in loops `bond in HOLDING` costs a fifth of `bond.holds`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """A run in settled times; all sequences go by span number.

    Attributes:
        now_ns: what ended the running spans; not before any time of the run.
        number: of each span id.
        parent: number of the parent, -1 for the root.
        children: by start, then id.
        start_ns: on the root's clock.
        end_ns: never before the start.
        is_open: whether no end was recorded, or it lies after the moment looked at.
        status: as recorded; running where the end was cut off.
        tolerance_ns: overlap of a span with a sibling, or beyond its parent, that is jitter.
        bond: to the parent; the root counts as waited for.
        is_waited_for: whether the span and all above it are.
        low_ns: start of the stay; of a span nobody waited for its start.
        high_ns: end of the stay; of a span nobody waited for its end.
    """

    run: Run
    now_ns: int
    spans: Sequence[Span]
    number: dict[str, int]
    parent: Sequence[int]
    children: Sequence[Sequence[int]]
    start_ns: Sequence[int]
    end_ns: Sequence[int]
    is_open: Sequence[bool]
    status: Sequence[Status]
    tolerance_ns: Sequence[int]
    bond: Sequence[Bond]
    is_waited_for: Sequence[bool]
    low_ns: Sequence[int]
    high_ns: Sequence[int]

    @property
    def wall_ns(self) -> int:
        """End of the root minus its start."""
        return self.end_ns[0] - self.start_ns[0]


def normalise(run: Run, *, now_ns: int, as_of_ns: int | None = None) -> Timeline:
    """Settle the times of a run.

    Args:
        run: any run, its spans in a proper tree.
        now_ns: ends what is still running, unless a later time was recorded.
        as_of_ns: look at the run as it stood then: later spans are left out, longer ones cut and
            taken as running.
    """
    spans, parent, children = _parents_first(run)
    start_ns = [span.start_ns for span in spans]
    end_ns, is_open, now_ns = _ends(spans, start_ns, now_ns)
    hosts = _hosts(spans, parent)
    if hosts is not None:
        offsets = offsets_ns(spans, parent, hosts)
        for number, host in enumerate(hosts):
            moved = offsets.get(host or "", 0)
            start_ns[number] += moved
            end_ns[number] += moved
    if as_of_ns is not None:
        kept = _started_before(as_of_ns, parent, start_ns)
        spans, parent = [spans[old] for old in kept], _renumbered(parent, kept)
        hosts = None if hosts is None else [hosts[old] for old in kept]
        start_ns = [start_ns[old] for old in kept]
        is_open = [is_open[old] or end_ns[old] > as_of_ns for old in kept]
        end_ns = [max(start_ns[new], min(end_ns[old], as_of_ns)) for new, old in enumerate(kept)]
    if hosts is not None or as_of_ns is not None:
        children = _children(spans, parent, start_ns)
    status = [span.status for span in spans]
    if True in is_open:
        status = [
            Status.RUNNING if cut and span.end_ns is not None else span.status
            for span, cut in zip(spans, is_open, strict=True)
        ]
    tolerance_ns = _tolerances(children, start_ns, end_ns, hosts)
    bond = [Bond.WAITED_FOR] * len(spans)
    for above, below in enumerate(children):
        if below:
            _judge(above, below, spans, status, start_ns, end_ns, is_open, tolerance_ns, bond)
    is_waited_for, low_ns, high_ns = _stays(parent, start_ns, end_ns, bond)
    return Timeline(
        run=run,
        now_ns=now_ns,
        spans=spans,
        number={span.span_id: number for number, span in enumerate(spans)},
        parent=parent,
        children=children,
        start_ns=start_ns,
        end_ns=end_ns,
        is_open=is_open,
        status=status,
        tolerance_ns=tolerance_ns,
        bond=bond,
        is_waited_for=is_waited_for,
        low_ns=low_ns,
        high_ns=high_ns,
    )


def _parents_first(run: Run) -> tuple[list[Span], list[int], list[Sequence[int]]]:
    """Return spans, their parents and their children by number; children are by start, then id."""
    spans = [run.root]
    parent = [-1]
    children: list[Sequence[int]] = []
    spans_below = run.children_by_id
    for number, span in enumerate(spans):  # the list grows while it is walked
        below = spans_below.get(span.span_id)
        if below is None:
            children.append(_NOBODY)
            continue
        first = len(spans)
        spans.extend(below)
        parent.extend([number] * len(below))
        children.append(range(first, len(spans)))
    return spans, parent, children


def _ends(spans: list[Span], start_ns: list[int], now_ns: int) -> tuple[list[int], list[bool], int]:
    """Return when each span ends, whether it is still open, and the moment that ended those."""
    known_ns = [end for span in spans if (end := span.end_ns) is not None]
    if len(known_ns) == len(spans):
        return known_ns, [False] * len(spans), max(now_ns, max(known_ns))
    return _mended_ends(spans, start_ns, now_ns)


def _mended_ends(
    spans: list[Span], start_ns: list[int], now_ns: int
) -> tuple[list[int], list[bool], int]:
    known_ns = [span.end_ns for span in spans]
    is_open = [end is None for end in known_ns]
    # No span ends before it starts.
    last_seen_ns = max(
        [start if end is None else end for start, end in zip(start_ns, known_ns, strict=True)]
    )
    now_ns = max(now_ns, last_seen_ns)
    end_ns = [
        end if end is not None else (last_seen_ns if span.status is Status.LOST else now_ns)
        for span, end in zip(spans, known_ns, strict=True)
    ]
    return end_ns, is_open, now_ns


def _hosts(spans: list[Span], parent: list[int]) -> list[str | None] | None:
    """Return the clock of each span; `None` where all go by one."""
    named = {span.host for span in spans}
    named.discard(None)
    return hosts_of(spans, parent) if len(named) > 1 else None


def _started_before(as_of_ns: int, parent: list[int], start_ns: list[int]) -> list[int]:
    """Return the spans to keep: the root, and what started in time below what is kept."""
    kept = [0]
    is_kept = [True] + [False] * (len(parent) - 1)
    for number in range(1, len(parent)):
        if start_ns[number] < as_of_ns and is_kept[parent[number]]:
            is_kept[number] = True
            kept.append(number)
    return kept


def _renumbered(parent: list[int], kept: list[int]) -> list[int]:
    new = {old: number for number, old in enumerate(kept)}
    return [new.get(parent[old], -1) for old in kept]


def _children(spans: list[Span], parent: list[int], start_ns: list[int]) -> list[Sequence[int]]:
    children: list[list[int]] = [[] for _ in spans]
    for number in range(1, len(spans)):
        children[parent[number]].append(number)
    for below in children:
        if len(below) > 1:
            below.sort(key=lambda number: (start_ns[number], spans[number].span_id))
    return list(children)


def _tolerances(
    children: list[Sequence[int]],
    start_ns: list[int],
    end_ns: list[int],
    hosts: list[str | None] | None,
) -> list[int]:
    tolerance_ns = [0] * len(children)
    for above, below in enumerate(children):
        if not below:
            continue
        length_ns = end_ns[above] - start_ns[above]
        inside_ns = min(TOLERANCE_NS, length_ns // 100)
        for child in below:
            tolerance_ns[child] = inside_ns
            if hosts is not None and hosts[child] != hosts[above]:
                tolerance_ns[child] = min(TOLERANCE_BETWEEN_HOSTS_NS, length_ns // 10)
    return tolerance_ns


def _judge(
    above: int,
    below: Sequence[int],
    spans: list[Span],
    status: list[Status],
    start_ns: list[int],
    end_ns: list[int],
    is_open: list[bool],
    tolerance_ns: list[int],
    bond: list[Bond],
) -> None:
    """Settle which children of one parent it waited for."""
    starts_ns, ends_ns, runs = start_ns[above], end_ns[above], is_open[above]
    overran: list[int] = []
    for child in below:
        order = spans[child].order
        if order is not NO_ORDER and order.detached:
            bond[child] = Bond.DETACHED
        elif start_ns[child] >= ends_ns:
            bond[child] = Bond.LATE
        elif end_ns[child] <= starts_ns:
            bond[child] = Bond.EARLY
        elif end_ns[child] > ends_ns + tolerance_ns[child] or (is_open[child] and not runs):
            overran.append(child)
    if not overran:
        return
    inside = [
        child
        for child in below
        if bond[child] is Bond.WAITED_FOR and end_ns[child] > start_ns[child]
    ]
    late = set(overran)
    finished = [child for child in inside if child not in late and not is_open[child]]
    is_explained = not runs and (
        status[above] is Status.OK
        or _is_ended_by_failure(above, inside, finished, status, start_ns, end_ns)
        or any(abs(end_ns[child] - ends_ns) <= tolerance_ns[child] for child in finished)
    )
    for child in overran:
        bond[child] = Bond.ABANDONED if is_explained else Bond.TRUNCATED


def _is_ended_by_failure(
    above: int,
    inside: list[int],
    finished: list[int],
    status: list[Status],
    start_ns: list[int],
    end_ns: list[int],
) -> bool:
    """Tell whether a child failed and nothing was started after that."""
    if status[above] is not Status.ERROR:
        return False
    last_start_ns = max((start_ns[child] for child in inside), default=0)
    return any(
        status[child] is Status.ERROR and last_start_ns <= end_ns[child] for child in finished
    )


def _stays(
    parent: list[int], start_ns: list[int], end_ns: list[int], bond: list[Bond]
) -> tuple[list[bool], list[int], list[int]]:
    is_waited_for, low_ns, high_ns = [True], [start_ns[0]], [end_ns[0]]
    for number in range(1, len(parent)):
        above = parent[number]
        low, high = start_ns[number], end_ns[number]
        waited = is_waited_for[above] and bond[number] in HOLDING
        if waited:
            first, last = low_ns[above], high_ns[above]
            if low < first or high > last:
                low = min(max(low, first), last)
                high = max(low, min(high, last))
        is_waited_for.append(waited)
        low_ns.append(low)
        high_ns.append(high)
    return is_waited_for, low_ns, high_ns
