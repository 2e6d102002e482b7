"""Steps that pass chunks on while they run, and whose they are at each moment.

In: siblings. Out: streams, each a chain of steps that overlap because of that, cut into windows
with one owner each. The starts tell how long each stage took to its first chunk; after the last
start one stage, the primary, is taken to set the pace, then those that end later. This is an
estimate: chunk times would be needed to know.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from longpole.analysis.normalise import Timeline
from longpole.model.run import Kind


class Window(NamedTuple):
    """A stretch of a stream that one stage owns; never empty."""

    owner: int
    low_ns: int
    high_ns: int


class Stream(NamedTuple):
    """Stages in order, and the windows that tile the whole, earliest first."""

    stages: tuple[int, ...]
    windows: tuple[Window, ...]


def streams_of(timeline: Timeline, joined: Sequence[int]) -> list[Stream]:
    """Return the streams among the children of one span that it waited for."""
    spans = timeline.spans
    streamed = [child for child in joined if spans[child].order.streamed]
    streamed = [child for child in streamed if spans[child].order.seq is not None]
    if len(streamed) < 2:
        return []
    streamed.sort(key=lambda child: (_position(timeline, child), timeline.low_ns[child], child))
    chains = [[streamed[0]]]
    for child in streamed[1:]:
        if _goes_on(timeline, chains[-1][-1], child):
            chains[-1].append(child)
        else:
            chains.append([child])
    return [Stream(tuple(chain), _windows(timeline, chain)) for chain in chains if len(chain) > 1]


def _position(timeline: Timeline, child: int) -> int:
    return timeline.spans[child].order.seq or 0


def _goes_on(timeline: Timeline, stage: int, after: int) -> bool:
    if _position(timeline, after) != _position(timeline, stage) + 1:
        return False
    if timeline.low_ns[after] < timeline.low_ns[stage]:
        return False
    overlap_ns = min(timeline.high_ns[stage], timeline.high_ns[after]) - timeline.low_ns[after]
    return overlap_ns > timeline.tolerance_ns[after]


def _windows(timeline: Timeline, stages: list[int]) -> tuple[Window, ...]:
    low_ns, high_ns = timeline.low_ns, timeline.high_ns
    windows = [
        Window(stage, low_ns[stage], low_ns[following]) for stage, following in pairwise(stages)
    ]
    cursor_ns = low_ns[stages[-1]]
    primary = _primary(timeline, stages)
    others = sorted((stage for stage in stages if stage != primary), key=lambda s: (high_ns[s], s))
    for owner in (primary, *others):
        if high_ns[owner] > cursor_ns:
            windows.append(Window(owner, cursor_ns, high_ns[owner]))
            cursor_ns = high_ns[owner]
    return tuple(window for window in windows if window.low_ns < window.high_ns)


def _primary(timeline: Timeline, stages: list[int]) -> int:
    """Return the model call if there is one, else what took longest to its first chunk."""
    for stage in stages:
        if timeline.spans[stage].kind is Kind.LLM:
            return stage
    to_first_ns = [
        timeline.low_ns[following] - timeline.low_ns[stage] for stage, following in pairwise(stages)
    ]
    return stages[to_first_ns.index(max(to_first_ns))]
