"""Steps in stages → boxes, frames and lines with places, in pixels from the top left.

Stages stand side by side, the steps of one below each other. A step with stages is a frame around
them. Between two stages lines run from every step to every step; where there are many of both they
meet in a point between. A box is the taller the longer the run waited for it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from longpole.dashboard.graph.shape import Stage, Step

WIDTH: Final = 172
_LOW, _GROWS = 46, 30
_ACROSS, _DOWN = 44, 12
_PAD, _TITLE, _HEAD = 14, 24, 18


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A step that is drawn as one thing."""

    step: Step
    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A step that is drawn around what is in it."""

    step: Step
    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Edge:
    """A line from left to right."""

    x0: int
    y0: int
    x1: int
    y1: int
    is_on_path: bool


@dataclass(frozen=True, slots=True)
class Head:
    """What stands above a stage."""

    x: int
    y: int
    superstep: int


@dataclass(slots=True)
class Layout:
    """The whole drawing."""

    width: int
    height: int
    boxes: list[Box]
    frames: list[Frame]
    edges: list[Edge]
    heads: list[Head]


@dataclass(frozen=True, slots=True)
class _Size:
    width: int
    height: int


def layout_of(root: Step, wall_ns: int) -> Layout:
    """Return where everything of a run is drawn; a shape is as deep as it has steps, no deeper."""
    placing = _Placing(max(1, wall_ns))
    size = placing.size(root)
    placing.place(root, 0, 0)
    drawn = placing.drawn
    drawn.width, drawn.height = size.width, size.height
    return drawn


class _Placing:
    def __init__(self, wall_ns: int) -> None:
        self._wall_ns = wall_ns
        self._sizes: dict[int, _Size] = {}
        self.drawn = Layout(width=0, height=0, boxes=[], frames=[], edges=[], heads=[])

    def size(self, step: Step) -> _Size:
        """Return how much room a step takes; asked again, it is known."""
        known = self._sizes.get(id(step))
        if known is None:
            known = self._sizes[id(step)] = (
                self._frame_size(step)
                if step.stages
                else _Size(
                    WIDTH,
                    _LOW + round(_GROWS * math.sqrt(min(1.0, step.on_path_ns / self._wall_ns))),
                )
            )
        return known

    def _frame_size(self, step: Step) -> _Size:
        columns = [self._stage_size(stage) for stage in step.stages]
        width = sum(column.width for column in columns) + _ACROSS * (len(columns) + 1)
        height = max(column.height for column in columns) + _top_of(step) + _PAD
        return _Size(width, height)

    def _stage_size(self, stage: Stage) -> _Size:
        sizes = [self.size(step) for step in stage.steps]
        height = sum(size.height for size in sizes) + _DOWN * (len(sizes) - 1)
        return _Size(max(size.width for size in sizes), height)

    def place(self, step: Step, x: int, y: int) -> None:
        """Draw a step with its top left corner here."""
        size = self.size(step)
        if not step.stages:
            self.drawn.boxes.append(Box(step=step, x=x, y=y, width=size.width, height=size.height))
            return
        self.drawn.frames.append(Frame(step=step, x=x, y=y, width=size.width, height=size.height))
        middle = y + _top_of(step) + (size.height - _top_of(step) - _PAD) // 2
        before = [_Port(x, middle, step.on_path_ns > 0)]
        at = x + _ACROSS
        for stage in step.stages:
            column = self._stage_size(stage)
            if stage.superstep is not None:
                self.drawn.heads.append(Head(at, y + _TITLE, stage.superstep))
            after = self._place_stage(stage, at, middle - column.height // 2, column.width)
            self._join(before, [one.entry for one in after])
            before = [one.exit for one in after]
            at += column.width + _ACROSS
        self._join(before, [_Port(x + size.width, middle, step.on_path_ns > 0)])

    def _place_stage(self, stage: Stage, x: int, y: int, width: int) -> list[_Ports]:
        found = []
        for step in stage.steps:
            size = self.size(step)
            left = x + (width - size.width) // 2
            self.place(step, left, y)
            middle = self._middle(step, y)
            on_path = step.on_path_ns > 0
            # Lines bend only between columns, so that none runs through a wider neighbour.
            entry, exit_ = _Port(x, middle, on_path), _Port(x + width, middle, on_path)
            if left > x:
                self._lines([entry], [_Port(left, middle, on_path)])
                self._lines([_Port(left + size.width, middle, on_path)], [exit_])
            found.append(_Ports(entry, exit_))
            y += size.height + _DOWN
        return found

    def _middle(self, step: Step, y: int) -> int:
        """Return the height at which lines meet a step: where its own lines begin."""
        height = self.size(step).height
        if not step.stages:
            return y + height // 2
        return y + _top_of(step) + (height - _top_of(step) - _PAD) // 2

    def _join(self, before: list[_Port], after: list[_Port]) -> None:
        if len(before) == 1 or len(after) == 1:
            self._lines(before, after)
            return
        x = (max(port.x for port in before) + min(port.x for port in after)) // 2
        y = sum(port.y for port in (*before, *after)) // (len(before) + len(after))
        on_path = any(port.is_on_path for port in before) and any(p.is_on_path for p in after)
        point = [_Port(x, y, on_path)]
        self._lines(before, point)
        self._lines(point, after)

    def _lines(self, before: Iterable[_Port], after: Iterable[_Port]) -> None:
        after = list(after)
        self.drawn.edges.extend(
            Edge(one.x, one.y, other.x, other.y, one.is_on_path and other.is_on_path)
            for one in before
            for other in after
        )


@dataclass(frozen=True, slots=True)
class _Port:
    x: int
    y: int
    is_on_path: bool


@dataclass(frozen=True, slots=True)
class _Ports:
    entry: _Port
    exit: _Port


def _top_of(step: Step) -> int:
    has_heads = any(stage.superstep is not None for stage in step.stages)
    return _TITLE + (_HEAD if has_heads else 0) + 4
