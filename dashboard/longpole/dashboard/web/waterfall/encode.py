"""An analysis in, the bytes that the browser draws out.

Layout: `u32` length of the head, the head as JSON (names, ids, colours, where each column lies),
then one column after the other, each starting at a multiple of eight so that the browser can lay a
typed array over it without copying. Rows are the spans in the order they are shown: depth first,
children by start time. Times are nanoseconds from the start of the root; a span may lie before 0
when clocks disagree.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt

from longpole.analysis.result import RunAnalysis, SegmentKind, SpanFacts
from longpole.dashboard import words
from longpole.dashboard.palette import (
    ERROR_COLOURS,
    FAMILY_COLOURS,
    FAMILY_NAMES,
    Family,
    family,
)
from longpole.dashboard.web.waterfall.groups import groups_of
from longpole.model import Kind, Role, Run, Span, Status

ON_PATH = 1
ERROR = 2
RUNNING = 4
TIED = 8
CACHE_HIT = 16
FALLBACK = 32
WASTED = 64
WAIT_INFERRED = 128
STOPPED = 256
LOST = 512
THICK = 1024
RESULT_SWAPPED = 2048
LIMIT_IGNORED = 4096

_THIN_KINDS = frozenset({Kind.CHAIN, Kind.NODE, Kind.PROMPT, Kind.PARSER, Kind.OTHER})
_TYPE_CODES = {"float64": "f8", "float32": "f4", "int32": "i4", "uint8": "u1"}

_ROW_PX, _CHROME_PX = 22, 112
_MIN_HEIGHT_PX, _MAX_HEIGHT_PX = 260, 640

Column = npt.NDArray[Any]


def rows_in_order(run: Run) -> list[tuple[Span, int]]:
    """Return every span with its depth, as the waterfall lists them from top to bottom."""
    rows: list[tuple[Span, int]] = []
    waiting, children = [(run.root, 0)], run.children_by_id
    while waiting:
        span, depth = waiting.pop()
        rows.append((span, depth))
        if below := children.get(span.span_id):
            waiting.extend([(child, depth + 1) for child in reversed(below)])
    return rows


def height_px(run: Run) -> int:
    """Return how tall the drawing of this run is: as tall as its rows need, within bounds."""
    return min(_MAX_HEIGHT_PX, max(_MIN_HEIGHT_PX, len(run.spans) * _ROW_PX + _CHROME_PX))


def encode(
    analysis: RunAnalysis, *, focus: str | None = None, zoom: tuple[float, float] | None = None
) -> bytes:
    """Pack an analysis for the browser.

    Args:
        analysis: the run to draw.
        focus: the span to select and scroll to when the drawing appears or this id changes.
        zoom: the part to look at when the drawing appears, in nanoseconds since the start.
    """
    rows = rows_in_order(analysis.run)
    spans = [span for span, _ in rows]
    row_of = {span.span_id: row for row, span in enumerate(spans)}
    start_ns = analysis.run.root.start_ns
    names, branches, models = _Texts(), _Texts(), _Texts()
    groups = groups_of(analysis)
    steps = analysis.concurrency
    columns = {
        "start": _offsets([span.start_ns for span in spans], start_ns),
        "end": _offsets([analysis.ended_ns(span) for span in spans], start_ns),
        "parent": _integers([row_of.get(span.parent_span_id or "", -1) for span in spans]),
        "depth": _integers([depth for _, depth in rows]),
        "name": _integers([names.index(words.short_name(span.name)) for span in spans]),
        "branch": _integers([branches.index(span.branch or "") for span in spans]),
        "model": _integers([models.index(span.model or "") for span in spans]),
        "flags": _integers(_flags(analysis, spans)),
        "group": _integers([groups.get(span.span_id, -1) for span in spans]),
        "attempt": _integers([span.attempt for span in spans]),
        "tokens": _reals([span.usage.total_tokens if span.usage else 0 for span in spans]),
        "cost": _reals([span.cost_usd for span in spans]),
        "firstToken": _reals([span.time_to_first_token_ns for span in spans]),
        "kind": _bytes([_KIND_NUMBERS[span.kind] for span in spans]),
        "family": _bytes([family(span) for span in spans]),
        "status": _bytes([_STATUS_NUMBERS[span.status] for span in spans]),
        **_fact_columns([analysis.spans[span.span_id] for span in spans]),
        **_path_columns(analysis, row_of),
        "stepAt": _offsets([step.at_ns for step in steps], start_ns),
        "stepRunning": _integers([step.running for step in steps]),
    }
    return _packed(
        {
            "focus": focus,
            "zoom": zoom,
            "height": height_px(analysis.run),
            "live": analysis.run.status is Status.RUNNING,
            "limits": sorted({one.limit for one in analysis.fan_outs if one.limit is not None}),
            "ids": [span.span_id for span in spans],
            "names": names.texts,
            "branches": branches.texts,
            "models": models.texts,
            "kinds": [kind.value for kind in Kind],
            "statuses": [status.value for status in Status],
            "families": FAMILY_NAMES,
            "colours": FAMILY_COLOURS,
            "errorColours": ERROR_COLOURS,
        },
        columns,
    )


_KIND_NUMBERS = {kind: number for number, kind in enumerate(Kind)}
_STATUS_NUMBERS = {status: number for number, status in enumerate(Status)}


class _Texts:
    """Texts numbered as they come, each kept once."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def index(self, text: str) -> int:
        return self._numbers.setdefault(text, len(self._numbers))

    @property
    def texts(self) -> list[str]:
        return list(self._numbers)


_STATUS_FLAGS = {
    Status.OK: 0,
    Status.ERROR: ERROR,
    Status.RUNNING: RUNNING,
    Status.CANCELLED: STOPPED,
    Status.INTERRUPTED: STOPPED,
    Status.LOST: LOST,
}


def _flags(analysis: RunAnalysis, spans: Sequence[Span]) -> list[int]:
    tied = {other for segment in analysis.critical_path for other in segment.tied_with}
    ignoring = {span.parent_span_id for span in spans if span.limit_ignored is not None}
    return [
        _STATUS_FLAGS[span.status]
        | (TIED if span.span_id in tied else 0)
        | (CACHE_HIT if span.cache_hit else 0)
        | (FALLBACK if span.role is Role.FALLBACK else 0)
        | (THICK if _is_thick(span, analysis.run) else 0)
        | (RESULT_SWAPPED if span.result_swapped else 0)
        | (LIMIT_IGNORED if span.span_id in ignoring else 0)
        | _fact_flags(analysis.spans[span.span_id])
        for span in spans
    ]


def _fact_flags(facts: SpanFacts) -> int:
    return (
        (ON_PATH if facts.on_path_ns > 0 else 0)
        | (WASTED if facts.wasted is not None else 0)
        | (WAIT_INFERRED if facts.queue_wait_inferred else 0)
    )


def _is_thick(span: Span, run: Run) -> bool:
    if span.kind not in _THIN_KINDS:
        return True
    return family(span) is not Family.STRUCTURE and not run.children(span.span_id)


def _fact_columns(facts: Sequence[SpanFacts]) -> dict[str, Column]:
    return {
        "self": _reals([fact.self_ns for fact in facts]),
        "onPath": _reals([fact.on_path_ns for fact in facts]),
        "slack": _reals([fact.slack_ns for fact in facts]),
        "drag": _reals([fact.drag_ns for fact in facts]),
        "wait": _reals([fact.queue_wait_ns for fact in facts]),
    }


def _path_columns(analysis: RunAnalysis, row_of: Mapping[str, int]) -> dict[str, Column]:
    path = analysis.critical_path
    start_ns = analysis.run.root.start_ns
    return {
        "pathRow": _integers([row_of[segment.span_id] for segment in path]),
        "pathStart": _offsets([segment.start_ns for segment in path], start_ns),
        "pathEnd": _offsets([segment.end_ns for segment in path], start_ns),
        "pathInferred": _bytes([segment.inferred for segment in path]),
        "pathBackoff": _bytes([segment.kind is SegmentKind.BACKOFF for segment in path]),
    }


def _offsets(moments_ns: list[int], start_ns: int) -> Column:
    """Doubles hold nanoseconds exactly up to 104 days, but not those since the epoch."""
    return (np.array(moments_ns, np.int64) - start_ns).astype(np.float64)


def _reals(values: Sequence[float | Decimal | None]) -> Column:
    """Numbers that are only read; what is not known becomes NaN."""
    return np.array(values, np.float32)


def _integers(values: list[int]) -> Column:
    return np.array(values, np.int32)


def _bytes(values: Sequence[int]) -> Column:
    return np.array(values, np.uint8)


def _packed(head: dict[str, Any], columns: dict[str, Column]) -> bytes:
    places: list[tuple[str, str, int, int]] = []
    chunks: list[bytes] = []
    offset = 0
    for name, column in columns.items():
        padding = -offset % 8
        chunks.append(b"\0" * padding)
        offset += padding
        places.append((name, _TYPE_CODES[column.dtype.name], offset, len(column)))
        chunks.append(column.tobytes())
        offset += column.nbytes
    text = json.dumps({**head, "columns": places}).encode()
    text += b" " * (-(len(text) + 4) % 8)
    return len(text).to_bytes(4, "little") + text + b"".join(chunks)
