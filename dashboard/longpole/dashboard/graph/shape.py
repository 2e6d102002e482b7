"""An analysed run → steps in stages, nested; few enough to be looked at.

Children of a span are put into stages, one after the other: by superstep or place in a sequence
where the framework told it, else by time; what overlaps or belongs to one fan-out is one stage.
Alike branches (`score[0]`, `score[1]`, …) are one step ×N, and so are their children. Steps are
opened from the root on, those that the run waited for longest first, until enough are seen; the
others stay closed and say how much they hold. A step that only wraps one other is that one. Of very
many different steps side by side, or stages one after the other, those that count most are shown
and the rest is put together as "others". Prompts and parsers that took next to no time are left
out.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final

from longpole.analysis.positions import Position, positions_of
from longpole.analysis.result import RunAnalysis
from longpole.model.run import Kind, Role, Span, Status

STEPS_MOST: Final = 60
"""So many steps are opened at most."""
_STAGES_MOST: Final = 30
"""A loop of more turns than this is shown as one turn, ×N."""
_BESIDE_MOST: Final = 24
OTHERS: Final = "others"
_JITTER_NS: Final = 1_000_000
_NEXT_TO_NOTHING: Final = 0.005
_HELPERS: Final = frozenset({Kind.PROMPT, Kind.PARSER})
_ONE_BY_ONE: Final = frozenset({Role.ATTEMPT, Role.FALLBACK})


@dataclass(slots=True)
class Step:
    """Spans at one place of one stage; more than one where they are alike.

    Attributes:
        spans: the one that the run waited for longest first.
        wraps: labels of what it only wraps and stands for as well, from outside in.
        stages: what is seen of what is in it; empty for a leaf, and while it is closed.
        hidden: how many spans are in it and not seen.
    """

    label: str
    spans: list[Span]
    on_path_ns: int
    total_ns: int
    wraps: list[str] = field(default_factory=list)
    stages: list[Stage] = field(default_factory=list)
    hidden: int = 0

    @property
    def has_failed(self) -> bool:
        """Whether any of its spans did."""
        return any(span.status is Status.ERROR for span in self.spans)


@dataclass(slots=True)
class Stage:
    """Steps that ran side by side; `superstep` is LangGraph's number, if it is one."""

    steps: list[Step]
    superstep: int | None = None


def shape_of(found: RunAnalysis, *, most: int = STEPS_MOST) -> Step:
    """Return the run as a step, with as much in it as can be looked at."""
    shaping = _Shaping(found)
    root = shaping.step(found.run.name, [found.run.root])
    seen = 1
    waiting: list[tuple[int, int, int, Step]] = [(0, 0, 0, root)]
    number = 0
    while waiting and seen < most:
        *_, step = heapq.heappop(waiting)
        shaping.open(step)
        for inner in _inside(step):
            seen += 1
            if inner.label == OTHERS:
                continue
            number += 1
            heapq.heappush(waiting, (-inner.on_path_ns, -inner.total_ns, number, inner))
    for *_, step in waiting:
        step.hidden = shaping.below(step)
    return root


def _weight(step: Step) -> tuple[int, int]:
    """Return what sorts steps, those that count most first."""
    return -step.on_path_ns, -step.total_ns


def _inside(step: Step) -> Iterator[Step]:
    for stage in step.stages:
        yield from stage.steps


class _Shaping:
    """The run, and what is looked up again and again."""

    def __init__(self, found: RunAnalysis) -> None:
        self._found = found
        self._run = found.run
        self._positions: Mapping[str, Position] = positions_of(found.run)
        self._least_ns = found.facts.wall_ns * _NEXT_TO_NOTHING

    def step(self, label: str, spans: Sequence[Span]) -> Step:
        """Return a closed step; what it only wraps is gone through."""
        first = max(spans, key=lambda span: (self._on_path_ns(span), self._length_ns(span)))
        rest = [span for span in spans if span is not first]
        step = Step(
            label=label,
            spans=[first, *rest],
            on_path_ns=sum(self._on_path_ns(span) for span in spans),
            total_ns=sum(self._length_ns(span) for span in spans),
        )
        self._unwrap(step)
        return step

    def _unwrap(self, step: Step) -> None:
        inner = [self._children(span) for span in step.spans]
        while all(len(children) == 1 for children in inner):
            below = [children[0] for children in inner]
            labels = {self._label(span) for span in below}
            if len(labels) > 1:
                return
            step.wraps.append(labels.pop())
            step.spans = below
            inner = [self._children(span) for span in below]

    def open(self, step: Step) -> None:
        """Put what is right below the spans of a step into its stages."""
        columns: list[dict[str, list[Span]]] = []
        supersteps: list[int | None] = []
        for span in step.spans:
            for at, (superstep, children) in enumerate(self._stages(span)):
                if at == len(columns):
                    columns.append({})
                    supersteps.append(superstep)
                for child in children:
                    columns[at].setdefault(self._label(child), []).append(child)
        if len(columns) > _STAGES_MOST:
            columns, supersteps = _looped(columns), []
        stages = [
            Stage(
                steps=self._fewer([self.step(label, spans) for label, spans in column.items()]),
                superstep=supersteps[at] if at < len(supersteps) else None,
            )
            for at, column in enumerate(columns)
        ]
        step.stages = self._shorter(stages)

    def _fewer(self, steps: list[Step]) -> list[Step]:
        """Return steps side by side, those that count least as one."""
        if len(steps) <= _BESIDE_MOST:
            return steps
        kept = {id(step) for step in sorted(steps, key=_weight)[: _BESIDE_MOST - 1]}
        rest = [step for step in steps if id(step) not in kept]
        return [*(step for step in steps if id(step) in kept), self._others(rest)]

    def _shorter(self, stages: list[Stage]) -> list[Stage]:
        """Return stages, every stretch of those that count least as one."""
        if len(stages) <= _STAGES_MOST:
            return stages
        heaviest = sorted(stages, key=lambda stage: min(_weight(step) for step in stage.steps))
        kept = {id(stage) for stage in heaviest[: _STAGES_MOST // 2]}
        shorter: list[Stage] = []
        for is_kept, some in groupby(stages, key=lambda stage: id(stage) in kept):
            if is_kept:
                shorter.extend(some)
            else:
                rest = [step for stage in some for step in stage.steps]
                shorter.append(Stage(steps=[self._others(rest) if len(rest) > 1 else rest[0]]))
        return shorter

    def _others(self, steps: Sequence[Step]) -> Step:
        """Return different steps as one; it is not opened, what is in it is counted."""
        others = Step(
            label=OTHERS,
            spans=[span for step in steps for span in step.spans],
            on_path_ns=sum(step.on_path_ns for step in steps),
            total_ns=sum(step.total_ns for step in steps),
        )
        others.hidden = self.below(others) + sum(
            len(step.spans) * len(step.wraps) for step in steps
        )
        return others

    def below(self, step: Step) -> int:
        """Return how many spans lie below those of a step."""
        work = [span.span_id for span in step.spans]
        for span_id in work:  # the list grows while it is walked
            work.extend(child.span_id for child in self._run.children(span_id))
        return len(work) - len(step.spans)

    def _stages(self, parent: Span) -> list[tuple[int | None, list[Span]]]:
        stages: list[tuple[int | None, list[Span]]] = []
        end_ns = 0
        for child in self._children(parent):
            if stages and _belongs(child, stages[-1][1], end_ns):
                stages[-1][1].append(child)
                end_ns = max(end_ns, self._end_ns(child))
            else:
                stages.append((child.order.superstep, [child]))
                end_ns = self._end_ns(child)
        return stages

    def _children(self, span: Span) -> list[Span]:
        below = self._run.children(span.span_id)
        return [
            child
            for child in below
            if child.kind not in _HELPERS
            or child.status is not Status.OK
            or self._length_ns(child) > self._least_ns
        ]

    def _label(self, span: Span) -> str:
        return self._positions[span.span_id][-1]

    def _on_path_ns(self, span: Span) -> int:
        return self._found.spans[span.span_id].on_path_ns

    def _end_ns(self, span: Span) -> int:
        return self._found.ended_ns(span)

    def _length_ns(self, span: Span) -> int:
        return max(0, self._end_ns(span) - span.start_ns)


def _belongs(child: Span, stage: Sequence[Span], end_ns: int) -> bool:
    """Tell whether a span ran beside the stage so far, and not after it."""
    last, order = stage[-1], child.order
    if child.role in _ONE_BY_ONE or child.attempt > 1:
        return False
    if order.superstep is not None or last.order.superstep is not None:
        return order.superstep == last.order.superstep
    if order.group is not None and order.group == last.order.group:
        return True
    if order.seq is not None and last.order.seq is not None:
        return order.seq == last.order.seq
    return child.start_ns < end_ns - _JITTER_NS


def _looped(columns: Sequence[Mapping[str, list[Span]]]) -> list[dict[str, list[Span]]]:
    """Return one turn of a loop: each label once, in the order in which they first came."""
    found: dict[str, list[Span]] = {}
    for column in columns:
        for label, spans in column.items():
            found.setdefault(label, []).extend(spans)
    return [{label: spans} for label, spans in found.items()]
