"""A run that can be played again → what is worth changing about it, and the text that means it.

A lever is the branches at one position, or a step outside of any branch, with the shortest target
(see `longpole.analysis.targets`) that fits exactly them, so that what is set on a page can be asked
again on the command line. What no target fits alone is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from longpole.analysis.change_text import describe, parse_change
from longpole.analysis.changes import NoRetries
from longpole.analysis.curves import branches_of
from longpole.analysis.positions import Position, positions_of
from longpole.analysis.result import FanOut
from longpole.analysis.targets import spans_of
from longpole.analysis.what_if import Replayable
from longpole.dashboard.places import fan_out_label, place_label
from longpole.model.errors import ChangeError, TargetError

MOST: Final = 8
_WORTH_TURNING: Final = 0.005
"""A step that is less than this of the run is none that anybody would make faster."""
_TRIED: Final = 3
"""Of so many times as many candidates it is found out what they would gain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lever:
    """Something that a change can be about.

    Attributes:
        label: what people call it.
        target: the text that means it in a change.
        gain_ns: how much sooner the run would end did it take no time.
        spans: how many spans it is.
    """

    label: str
    target: str
    gain_ns: int
    spans: int


def levers_of(replayable: Replayable, *, most: int = MOST) -> tuple[Lever, ...]:
    """Return what is worth making faster: what the run would gain most from first.

    Branches that gain nothing are among them where there is room: slower, they may cost something.
    """
    branches = branches_of(replayable)
    found = {**branches, **_steps(replayable)}
    owned = replayable.on_path_ns()
    on_path_ns = {place: sum(owned[number] for number in found[place]) for place in found}
    least_ns = replayable.wall_ns * _WORTH_TURNING
    found = {
        place: found[place] for place in found if place in branches or on_path_ns[place] > least_ns
    }
    nearest = sorted(found, key=lambda place: (-on_path_ns[place], place))[: most * _TRIED]
    gains = {
        place: replayable.simulation.drag_ns(found[place]) if on_path_ns[place] else 0
        for place in nearest
    }
    best = sorted(nearest, key=lambda place: (-gains[place], -on_path_ns[place], place))
    levers = (
        _lever(replayable, place, found[place], place_label(place), gains[place]) for place in best
    )
    return tuple([lever for lever in levers if lever is not None][:most])


def fan_out_levers(
    replayable: Replayable, fan_outs: Sequence[FanOut], *, most: int = MOST
) -> tuple[Lever, ...]:
    """Return the fan-outs whose limit can be asked about, those of most branches first."""
    timeline = replayable.simulation.timeline
    positions = positions_of(timeline.run)
    branches: dict[Position, int] = {}
    numbers: dict[Position, list[int]] = {}
    for fan_out in fan_outs:
        place = positions[fan_out.span_id]
        branches[place] = branches.get(place, 0) + len(fan_out.branches)
        # Supersteps of one graph are fan-outs of the same span.
        number = timeline.number[fan_out.span_id]
        if number not in numbers.setdefault(place, []):
            numbers[place].append(number)
    widest = sorted(numbers, key=lambda place: (-branches[place], place))
    levers = (
        _lever(replayable, place, numbers[place], fan_out_label(place), 0)
        for place in widest[: most * _TRIED]
    )
    return tuple([lever for lever in levers if lever is not None][:most])


def _steps(replayable: Replayable) -> Mapping[Position, Sequence[int]]:
    """Return the spans that are neither in a branch nor hold others, as far as they take time."""
    timeline = replayable.simulation.timeline
    positions = positions_of(timeline.run)
    branches = {number for numbers in branches_of(replayable).values() for number in numbers}
    inside = [False] * len(timeline.spans)
    found: dict[Position, list[int]] = {}
    for number, span in enumerate(timeline.spans):
        inside[number] = number in branches or (number > 0 and inside[timeline.parent[number]])
        if inside[number] or timeline.children[number] or not timeline.is_waited_for[number]:
            continue
        found.setdefault(positions[span.span_id], []).append(number)
    return found


def _lever(
    replayable: Replayable, place: Position, numbers: Sequence[int], label: str, gain_ns: int
) -> Lever | None:
    target = _target(replayable, place, numbers)
    if target is None:
        return None
    return Lever(label=label, target=target, gain_ns=gain_ns, spans=len(numbers))


def _target(replayable: Replayable, place: Position, numbers: Sequence[int]) -> str | None:
    timeline = replayable.simulation.timeline
    wanted = set(numbers)
    span = timeline.spans[numbers[0]]
    for text in _texts(place, span.name, span.branch if len(numbers) == 1 else None):
        try:
            change = parse_change(describe(NoRetries(target=text)))
            if change.target == text and set(spans_of(timeline, text)) == wanted:
                return text
        except (ChangeError, TargetError):
            continue
    return None


def _texts(place: Position, name: str, key: str | None) -> Iterator[str]:
    """Yield targets, the shortest first; only a path tells one place from another for sure."""
    if key is not None and not key.isdecimal():
        yield key
    yield name
    if "/" not in place[-1]:
        yield place[-1]
    for labels in range(2, len(place) + 1):
        yield "/".join(place[-labels:])
