"""Runs drawn as text: the drawing is the run and the answer.

One line a span: indentation is parenthood, then a bar with one column a step of 10 ms, then hints.
`#` is where the span itself is on the critical path, `.` where it runs beside it or holds what is.
Every column has exactly one `#`.

    agent    #..........#
      plan    ###                seq=1
      search     ########        seq=2
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

from longpole.analysis.result import Segment
from longpole.model import FanOutKind, Kind, Role, Run, Span, Status, assemble

STEP_NS = 10_000_000
BEGIN_NS = 1_790_000_000_000_000_000

_LINE = re.compile(r"^(?P<indent> *)(?P<name>\S+)(?P<gap> +)(?P<bar>[#.]+)(?P<hints>.*)$")


@dataclass(frozen=True)
class Drawing:
    """A run and the columns that each of its spans owns on the critical path."""

    run: Run
    owned: dict[str, list[int]]


def read_drawing(text: str) -> Drawing:
    """Read a drawing; raises `ValueError` where it is not one."""
    lines = [line for line in text.splitlines() if line.strip()]
    margin = min(len(line) - len(line.lstrip()) for line in lines)
    parsed = [_LINE.match(line[margin:].rstrip()) for line in lines]
    spans: list[Span] = []
    owned: dict[str, list[int]] = {}
    above: list[tuple[int, str]] = []
    origin: int | None = None
    for line, found in zip(lines, parsed, strict=True):
        if found is None:
            raise ValueError(f"not a line of a drawing: {line!r}")
        first = found.start("bar")
        origin = first if origin is None else origin
        depth = len(found["indent"])
        while above and above[-1][0] >= depth:
            above.pop()
        name = found["name"]
        begin = first - origin
        spans.append(
            _span(name, above[-1][1] if above else None, begin, len(found["bar"]), found["hints"])
        )
        owned[name] = [begin + at for at, mark in enumerate(found["bar"]) if mark == "#"]
        above.append((depth, name))
    return Drawing(assemble("d" * 32, spans), owned)


def _span(name: str, parent: str | None, begin: int, length: int, hints: str) -> Span:
    start_ns = BEGIN_NS + begin * STEP_NS
    span = Span(
        span_id=name,
        parent_span_id=parent,
        name=name,
        kind=Kind.CHAIN,
        start_ns=start_ns,
        end_ns=start_ns + length * STEP_NS,
        status=Status.OK,
    )
    for hint in hints.split():
        span = _hinted(span, *hint.partition("=")[::2])
    return span


def _hinted(span: Span, hint: str, value: str) -> Span:
    order: dict[str, dict[str, Any]] = {
        "seq": {"seq": int(value) if hint == "seq" else None},
        "group": {"group": value},
        "superstep": {"superstep": int(value) if hint == "superstep" else None},
        "after": {"after": tuple(part for part in value.split(",") if part)},
        "stream": {"streamed": True},
        "detached": {"detached": True},
    }
    if hint in order:
        span = replace(span, order=replace(span.order, **order[hint]))
        if hint == "group":
            return replace(span, branch=span.name, role=Role.BRANCH, fan_out=FanOutKind.PARALLEL)
        return span
    if hint == "attempt":
        return replace(span, attempt=int(value), role=Role.ATTEMPT)
    if hint == "limit":
        return replace(span, fan_out_limit=int(value))
    if hint == "ready":
        # So many columns before it started; a fraction of one is some milliseconds.
        return replace(span, ready_ns=round(span.start_ns - float(value) * STEP_NS))
    if hint == "kind":
        return replace(span, kind=Kind(value))
    if hint == "open":
        return replace(span, end_ns=None, status=Status.RUNNING)
    return replace(span, status=Status(hint))


def owned_columns(run: Run, path: tuple[Segment, ...]) -> dict[str, list[int]]:
    """Return the columns that each span owns on a path."""
    owned: dict[str, list[int]] = {span.span_id: [] for span in run.spans}
    for segment in path:
        first, last = (
            (at_ns - BEGIN_NS) // STEP_NS for at_ns in (segment.start_ns, segment.end_ns)
        )
        owned[segment.span_id].extend(range(first, last))
    return {span_id: sorted(columns) for span_id, columns in owned.items()}
