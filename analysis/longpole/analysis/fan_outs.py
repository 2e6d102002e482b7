"""Fan-outs: siblings that ran side by side, their branches, and who the join waited for.

Branches are the children that the framework named as such, by parent, group and superstep. Tries of
one LangGraph task share a key and are one branch. Where nothing says that branches run side by side
(calls under `record`, `@task`s), they make a fan-out only if some really did.

Source of the straggler rule: modified z-score (Iglewicz and Hoaglin) with 3.5 as the threshold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from longpole.analysis.failures import NOTHING_FAILED, AfterFailure
from longpole.analysis.normalise import HOLDING, Timeline
from longpole.analysis.result import Branch, BranchOutline, FanOut, FanOutOutline
from longpole.analysis.siblings import Siblings
from longpole.analysis.slots import peak_of
from longpole.analysis.totals import CostsBelow
from longpole.model.quick import quick
from longpole.model.run import FanOutKind, Role

_STRAGGLER_NS = 100_000_000
_STRAGGLER_RATIO = 1.5
_STRAGGLER_OF_TWO_RATIO = 2
_STRAGGLER_SCORE = 3.5
# Looking a member up in its enumeration costs more than the rest of a step in a tight loop.
_ATTEMPT, _FALLBACK = Role.ATTEMPT, Role.FALLBACK
# By place, in the order of the fields.
_make_outline: Final[Callable[..., BranchOutline]] = quick(BranchOutline)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """What is known of each span by number, for the branches; of failures by fan-out."""

    slack_ns: Sequence[int | None]
    drag_ns: Sequence[int]
    on_path_ns: Sequence[int]
    costs: CostsBelow
    failures: Mapping[int, AfterFailure]


def groups_of(timeline: Timeline) -> list[list[int]]:
    """Return the members of each fan-out, by start; tries of one task are all members."""
    found: list[list[int]] = []
    for below in timeline.children:
        if len(below) < 2:
            continue
        groups: dict[tuple[str | None, int | None], list[int]] = {}
        for child in below:
            span = timeline.spans[child]
            if span.fan_out is not None and span.role is not _FALLBACK:
                key = (span.order.group, span.order.superstep)
                groups.setdefault(key, []).append(child)
        for (group, _), members in groups.items():
            if len({_key(timeline, at, one) for at, one in enumerate(members)}) < 2:
                continue
            if group is not None or _peak(timeline, members) > 1:
                found.append(members)
    found.sort(key=lambda members: (timeline.start_ns[members[0]], members[0]))
    return found


def queue_waits_ns(siblings: Siblings, groups: Sequence[Sequence[int]]) -> dict[int, int]:
    """Return the inferred queue wait of branches for which none was recorded.

    A branch could have started when the siblings before the fan-out had ended, plus the launch lag
    of the first wave: of the branches that got a place at once.
    """
    timeline = siblings.timeline
    waits: dict[int, int] = {}
    for members in groups:
        if timeline.spans[members[0]].order.group is None:
            continue
        queued = {member for member in members if member in siblings.slots}
        first_wave = [member for member in members if member not in queued]
        ready_ns = max((timeline.start_ns[member] for member in first_wave), default=None)
        for member in members:
            if timeline.spans[member].ready_ns is not None or timeline.spans[member].attempt > 1:
                continue
            late = member in queued and ready_ns is not None
            waits[member] = max(0, timeline.start_ns[member] - ready_ns) if late and ready_ns else 0
    return waits


def fan_outs_of(
    siblings: Siblings,
    groups: Sequence[Sequence[int]],
    tries: Sequence[Mapping[str, Sequence[int]]],
    waits_ns: Mapping[int, int],
    measures: Measures,
) -> tuple[FanOut, ...]:
    """Return the fan-outs of a run, by first start; `tries` are those of each group."""
    return tuple(
        _fan_out(siblings, members, tries[at], at, waits_ns, measures)
        for at, members in enumerate(groups)
    )


def outlines_of(
    timeline: Timeline,
    groups: Sequence[Sequence[int]],
    tries: Sequence[Mapping[str, Sequence[int]]],
    on_path_ns: Sequence[int],
) -> tuple[FanOutOutline, ...]:
    """Return the outlines of the same fan-outs in the same order."""
    return tuple(
        _outline(timeline, members, tries[at], on_path_ns) for at, members in enumerate(groups)
    )


def _outline(
    timeline: Timeline,
    members: Sequence[int],
    tries: Mapping[str, Sequence[int]],
    on_path_ns: Sequence[int],
) -> FanOutOutline:
    spans, late = timeline.spans, stragglers(_lengths_ns(timeline, tries))
    return FanOutOutline(
        span_id=spans[timeline.parent[members[0]]].span_id,
        limit=_least(spans[member].fan_out_limit for member in members),
        long_pole=spans[_first_of(tries, _long_pole(timeline, tries))].span_id,
        branches=tuple(
            [
                _make_outline(
                    key,
                    spans[numbers[0]].span_id,
                    sum([on_path_ns[number] for number in numbers]),
                    _attempts(timeline, numbers),
                    is_late,
                )
                for (key, numbers), is_late in zip(tries.items(), late, strict=True)
            ]
        ),
    )


def _fan_out(
    siblings: Siblings,
    members: Sequence[int],
    tries: Mapping[str, Sequence[int]],
    place: int,
    waits_ns: Mapping[int, int],
    measures: Measures,
) -> FanOut:
    timeline = siblings.timeline
    failure = measures.failures.get(place, NOTHING_FAILED)
    lengths_ns = _lengths_ns(timeline, tries)
    late = stragglers(lengths_ns)
    pole = _long_pole(timeline, tries)
    joined_ns = _stay_end(timeline, pole)
    branches = tuple(
        _branch(timeline, key, numbers, waits_ns, measures, joined_ns, straggler=is_late)
        for (key, numbers), is_late in zip(tries.items(), late, strict=True)
    )
    return FanOut(
        span_id=timeline.spans[timeline.parent[members[0]]].span_id,
        kind=_kind(timeline, members),
        limit=_least(timeline.spans[member].fan_out_limit for member in members),
        limit_ignored=_least(timeline.spans[member].limit_ignored for member in members),
        hidden_limit=_hidden_limit(siblings, members),
        peak=_peak(timeline, members),
        joined_ns=joined_ns,
        imbalance_ratio=_imbalance(lengths_ns),
        lost_ns=max(lengths_ns) - sum(lengths_ns) // len(lengths_ns),
        long_pole=timeline.spans[_first_of(tries, pole)].span_id,
        branches=branches,
        waited_after_failure_ns=failure.waited_ns,
        avoidable_ns=failure.work_ns,
        avoidable_cost_usd=failure.cost_usd,
    )


def _lengths_ns(timeline: Timeline, tries: Mapping[str, Sequence[int]]) -> list[int]:
    """Return how long each branch took, with all its tries."""
    return [
        timeline.end_ns[numbers[-1]] - timeline.start_ns[numbers[0]] for numbers in tries.values()
    ]


def _least(limits: Iterable[int | None]) -> int | None:
    return min((limit for limit in limits if limit is not None), default=None)


def _hidden_limit(siblings: Siblings, members: Sequence[int]) -> int | None:
    """Return how many places branches queued for, where that was inferred from their times."""
    slots = [siblings.slots[member] for member in members if member in siblings.slots]
    return min([slot.places for slot in slots if slot.is_inferred], default=None)


def tries_of(timeline: Timeline, members: Sequence[int]) -> dict[str, list[int]]:
    """Return the tries of each branch of a fan-out, by key."""
    tries: dict[str, list[int]] = {}
    for at, member in enumerate(members):
        tries.setdefault(_key(timeline, at, member), []).append(member)
    return tries


def _key(timeline: Timeline, at: int, member: int) -> str:
    """Return the key of a branch: as recorded, else its place in the order of starts."""
    return timeline.spans[member].branch or str(at)


def _first_of(tries: Mapping[str, Sequence[int]], pole: int) -> int:
    return next(numbers[0] for numbers in tries.values() if pole in numbers)


def _long_pole(timeline: Timeline, tries: Mapping[str, Sequence[int]]) -> int:
    """Return who the join waited for: of those that ended last the one that started first."""
    numbers = [number for group in tries.values() for number in group]
    joined = [number for number in numbers if timeline.bond[number] in HOLDING] or numbers
    return max(joined, key=lambda number: (_stay_end(timeline, number), -timeline.start_ns[number]))


def _stay_end(timeline: Timeline, number: int) -> int:
    parent = timeline.parent[number]
    return min(timeline.end_ns[number], max(timeline.end_ns[parent], timeline.start_ns[number]))


def _kind(timeline: Timeline, members: Sequence[int]) -> FanOutKind:
    kinds = {timeline.spans[member].fan_out for member in members}
    # A superstep of static nodes and Sends alike is a superstep.
    if len(kinds) > 1 and FanOutKind.SUPERSTEP in kinds:
        return FanOutKind.SUPERSTEP
    return timeline.spans[members[0]].fan_out or FanOutKind.PARALLEL


def _peak(timeline: Timeline, members: Sequence[int]) -> int:
    return peak_of([(timeline.start_ns[one], timeline.end_ns[one]) for one in members])


def _imbalance(lengths_ns: Sequence[int]) -> float:
    total = sum(lengths_ns)
    return max(lengths_ns) * len(lengths_ns) / total if total else 1.0


def _branch(
    timeline: Timeline,
    key: str,
    numbers: Sequence[int],
    waits_ns: Mapping[int, int],
    measures: Measures,
    joined_ns: int,
    *,
    straggler: bool,
) -> Branch:
    first, last = numbers[0], numbers[-1]
    span = timeline.spans[first]
    recorded = span.queue_wait_ns
    return Branch(
        key=key,
        span_id=span.span_id,
        start_ns=timeline.start_ns[first],
        end_ns=timeline.end_ns[last],
        queue_wait_ns=waits_ns.get(first) if recorded is None else recorded,
        slack_ns=measures.slack_ns[last],
        drag_ns=max(map(measures.drag_ns.__getitem__, numbers)),
        on_path_ns=sum(map(measures.on_path_ns.__getitem__, numbers)),
        cost_usd=measures.costs.of(numbers),
        attempts=_attempts(timeline, numbers),
        status=timeline.status[last],
        straggler=straggler,
        idle_at_join_ns=max(0, joined_ns - timeline.end_ns[last]),
    )


def _attempts(timeline: Timeline, numbers: Sequence[int]) -> int:
    """Return how often a branch was tried: its own tries, its own number, or the tries it wraps."""
    spans, last = timeline.spans, numbers[-1]
    attempts = max(len(numbers), spans[last].attempt)
    for child in timeline.children[last]:
        if spans[child].role is _ATTEMPT and spans[child].attempt > attempts:
            attempts = spans[child].attempt
    return attempts


def stragglers(lengths_ns: Sequence[int]) -> list[bool]:
    """Tell for each branch whether it is a straggler among its siblings.

    With three branches or more: at least 100 ms and half as long again as the median, and a
    modified z-score above 3.5 (any, where half of the branches take equally long). Of two: twice
    the other and 100 ms more.
    """
    if len(lengths_ns) < 2 or max(lengths_ns) < _STRAGGLER_NS:
        return [False] * len(lengths_ns)
    if len(lengths_ns) == 2:
        one, other = lengths_ns
        return [_is_much_longer(one, other), _is_much_longer(other, one)]
    middle = median(lengths_ns)
    spread = median(abs(length - middle) for length in lengths_ns)
    return [
        length - middle >= _STRAGGLER_NS
        and length >= _STRAGGLER_RATIO * middle
        and (spread == 0 or 0.6745 * (length - middle) / spread > _STRAGGLER_SCORE)
        for length in lengths_ns
    ]


def _is_much_longer(one: int, other: int) -> bool:
    return one >= _STRAGGLER_OF_TWO_RATIO * other and one - other >= _STRAGGLER_NS
