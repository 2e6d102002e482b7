"""What is known of a run in, the bytes that the browser draws out.

Rows are the spans in the order they are shown: depth first, children by start time; from the depths
the browser knows who is whose parent. Times are nanoseconds from the start of the root; a span may
lie before 0 when clocks disagree. `packing` tells the layout. Of an outline own times, slack and
drag are left out, columns and all; everything else is as in the analysis that follows it.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from operator import attrgetter
from typing import Any, Final, NamedTuple

import numpy as np

from longpole.analysis.result import RunAnalysis, RunOutline, Segment, SegmentKind, WasteReason
from longpole.dashboard import words
from longpole.dashboard.palette import (
    ERROR_COLOURS,
    FAMILY_COLOURS,
    FAMILY_NAMES,
    Family,
    family,
    plain_family,
)
from longpole.dashboard.web.waterfall.groups import groups_of
from longpole.dashboard.web.waterfall.packing import (
    Column,
    hexadecimal,
    integers,
    moments,
    packed,
    reals,
    small,
)
from longpole.model import Kind, Role, Run, Span, Status, Usage

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

_STATUS_FLAGS = {
    Status.OK: 0,
    Status.ERROR: ERROR,
    Status.RUNNING: RUNNING,
    Status.CANCELLED: STOPPED,
    Status.INTERRUPTED: STOPPED,
    Status.LOST: LOST,
}
_THIN_KINDS = frozenset({Kind.CHAIN, Kind.NODE, Kind.PROMPT, Kind.PARSER, Kind.OTHER})
_KINDS, _STATUSES = tuple(Kind), tuple(Status)
_FLAGS_OF_STATUS: Final = np.array([_STATUS_FLAGS[status] for status in _STATUSES], np.int32)
_IS_THIN: Final = np.array([kind in _THIN_KINDS for kind in _KINDS])
_PLAIN_FAMILIES: Final = np.array([plain_family(kind) for kind in _KINDS], np.uint8)
_ID_DIGITS: Final = 16
_SLICES: Final = 2_000

_ROW_PX, _CHROME_PX = 22, 112
_MIN_HEIGHT_PX, _MAX_HEIGHT_PX = 260, 640


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
    told: RunAnalysis | RunOutline,
    *,
    focus: str | None = None,
    zoom: tuple[float, float] | None = None,
) -> bytes:
    """Pack what is known of a run for the browser.

    Args:
        told: the run to draw.
        focus: the span to select and scroll to when the drawing appears or this id changes.
        zoom: the part to look at when the drawing appears, in nanoseconds since the start.
    """
    rows = rows_in_order(told.run)
    spans = [span for span, _ in rows]
    read = _Read(*_columns(spans, _Read._fields))
    facts = list(map(told.spans.__getitem__, read.span_id))
    found = _Found(*_columns(facts, _Found._fields))
    depth = np.array([depth for _, depth in rows], np.int32)
    names = _Texts(map(words.short_name, dict.fromkeys(read.name)), dict.fromkeys(read.name))
    branches, models = _Texts.named(read.branch), _Texts.named(read.model)
    ids = hexadecimal(read.span_id, _ID_DIGITS)
    columns = {
        **_span_columns(told, spans, read, found, depth),
        "name": names.column(read.name),
        "branch": branches.column(read.branch),
        "model": models.column(read.model),
        "onPath": reals(found.on_path_ns),
        "wait": reals(found.queue_wait_ns),
        **(_replayed_columns(facts) if isinstance(told, RunAnalysis) else {}),
        **_path_columns(told.critical_path, read.span_id, told.run.root.start_ns),
        **_step_columns(told),
    }
    if ids is not None:
        columns["idBytes"] = ids
    return packed(
        {
            "focus": focus,
            "zoom": zoom,
            "height": height_px(told.run),
            "live": told.run.status is Status.RUNNING,
            "peak": told.facts.peak_concurrency,
            "limits": sorted({one.limit for one in told.fan_outs if one.limit is not None}),
            "ids": read.span_id if ids is None else None,
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


class _Read(NamedTuple):
    """Fields of all spans, each as a column."""

    span_id: list[str]
    parent_span_id: list[str | None]
    name: list[str]
    kind: list[Kind]
    status: list[Status]
    role: list[Role | None]
    branch: list[str | None]
    model: list[str | None]
    attempt: list[int]
    start_ns: list[int]
    end_ns: list[int | None]
    first_token_ns: list[int | None]
    cache_hit: list[bool]
    result_swapped: list[bool]
    limit_ignored: list[int | None]
    usage: list[Usage | None]
    cost_usd: list[Decimal | None]


class _Found(NamedTuple):
    """What was found of all spans, each as a column."""

    on_path_ns: list[int]
    queue_wait_ns: list[int | None]
    queue_wait_inferred: list[bool]
    wasted: list[WasteReason | None]


class _Replayed(NamedTuple):
    """What only running the run again tells of all spans, each as a column."""

    self_ns: list[int]
    slack_ns: list[int | None]
    drag_ns: list[int]


def _columns(values: Sequence[object], names: Sequence[str]) -> Iterator[list[Any]]:
    for name in names:
        yield list(map(attrgetter(name), values))


class _Texts:
    """Texts numbered as they come, each kept once, and the number of each key that has one."""

    def __init__(self, texts: Iterable[str], keys: Iterable[str | None]) -> None:
        numbers: dict[str, int] = {}
        self._number = {
            key: numbers.setdefault(text, len(numbers))
            for text, key in zip(texts, keys, strict=True)
        }
        self.texts = list(numbers)

    @classmethod
    def named(cls, column: Sequence[str | None]) -> _Texts:
        keys = dict.fromkeys(column)
        return cls([key or "" for key in keys], keys)

    def column(self, keys: Sequence[str | None]) -> Column:
        return integers(np.fromiter(map(self._number.__getitem__, keys), np.int32, len(keys)))


def _numbers(members: Sequence[Hashable], column: Sequence[Hashable]) -> Column:
    """Return the places of enumeration members; looked up by identity, their hashes are slow."""
    places = {id(member): place for place, member in enumerate(members)}
    return np.fromiter(map(places.__getitem__, map(id, column)), np.uint8, len(column))


def _span_columns(
    told: RunAnalysis | RunOutline,
    spans: Sequence[Span],
    read: _Read,
    found: _Found,
    depth: Column,
) -> dict[str, Column]:
    start_ns, groups = told.run.root.start_ns, groups_of(told)
    kinds, statuses = _numbers(_KINDS, read.kind), _numbers(_STATUSES, read.status)
    families = _families(spans, read, kinds)
    has_children = np.append(depth[1:] > depth[:-1], False)
    is_thick = ~_IS_THIN[kinds] | ((families != Family.STRUCTURE) & ~has_children)
    flags = _flags(told, read, found) | _FLAGS_OF_STATUS[statuses] | is_thick * THICK
    ended_ns = [end for end in read.end_ns if end is not None]
    if len(ended_ns) < len(spans):
        ended_ns = [told.ended_ns(span) for span in spans]
    return {
        "start": moments(read.start_ns, start_ns),
        "end": moments(ended_ns, start_ns),
        "depth": integers(depth),
        "flags": integers(flags),
        "group": integers([groups.get(span_id, -1) for span_id in read.span_id]),
        "attempt": integers(read.attempt),
        "tokens": reals([0 if usage is None else usage.total_tokens for usage in read.usage]),
        "cost": reals(read.cost_usd),
        "firstToken": _first_tokens(spans, read),
        "kind": kinds,
        "family": families,
        "status": statuses,
    }


def _families(spans: Sequence[Span], read: _Read, kinds: Column) -> Column:
    families = _PLAIN_FAMILIES[kinds]
    odd = np.array(read.cache_hit) | (np.array(read.attempt) > 1) | _is_fallback(read)
    for row in np.flatnonzero(odd).tolist():
        families[row] = family(spans[row])
    return families


def _is_fallback(read: _Read) -> Column:
    fallback = Role.FALLBACK
    return np.array([role is fallback for role in read.role])


def _first_tokens(spans: Sequence[Span], read: _Read) -> Column:
    if read.first_token_ns.count(None) == len(spans):
        return np.full(len(spans), np.nan, np.float32)
    return reals([span.time_to_first_token_ns for span in spans])


def _flags(told: RunAnalysis | RunOutline, read: _Read, found: _Found) -> Column:
    """Return what spans are marked with, but for their status and how thick they are."""
    tied = {other for segment in told.critical_path for other in segment.tied_with}
    ignoring: set[str | None] = set()
    if read.limit_ignored.count(None) < len(read.limit_ignored):
        limits = zip(read.parent_span_id, read.limit_ignored, strict=True)
        ignoring = {parent for parent, limit in limits if limit is not None}
    marks: tuple[tuple[int, Sequence[bool] | Column], ...] = (
        (TIED, [span_id in tied for span_id in read.span_id] if tied else ()),
        (CACHE_HIT, read.cache_hit),
        (FALLBACK, _is_fallback(read)),
        (RESULT_SWAPPED, read.result_swapped),
        (LIMIT_IGNORED, [span_id in ignoring for span_id in read.span_id] if ignoring else ()),
        (ON_PATH, [time_ns > 0 for time_ns in found.on_path_ns]),
        (WASTED, [reason is not None for reason in found.wasted]),
        (WAIT_INFERRED, found.queue_wait_inferred),
    )
    flags = np.zeros(len(read.span_id), np.int32)
    for flag, is_marked in marks:
        if True in is_marked:
            flags[np.asarray(is_marked)] |= flag
    return flags


def _replayed_columns(facts: Sequence[object]) -> dict[str, Column]:
    replayed = _Replayed(*_columns(facts, _Replayed._fields))
    return {
        "self": reals(replayed.self_ns),
        "slack": reals(replayed.slack_ns),
        "drag": reals(replayed.drag_ns),
    }


def _path_columns(
    path: Sequence[Segment], ids: Sequence[str], start_ns: int
) -> Mapping[str, Column]:
    row_of = dict(zip(ids, range(len(ids)), strict=True))
    return {
        "pathRow": integers([row_of[segment.span_id] for segment in path]),
        "pathStart": moments([segment.start_ns for segment in path], start_ns),
        "pathEnd": moments([segment.end_ns for segment in path], start_ns),
        "pathInferred": small([segment.inferred for segment in path]),
        "pathBackoff": small([segment.kind is SegmentKind.BACKOFF for segment in path]),
    }


def _step_columns(told: RunAnalysis | RunOutline) -> Mapping[str, Column]:
    """Return concurrency over time; of more steps than a screen is wide the means of its slices."""
    start_ns = told.run.root.start_ns
    at_ns = moments([step.at_ns for step in told.concurrency], start_ns)
    running = np.array([step.running for step in told.concurrency], np.int32)
    if len(at_ns) <= _SLICES:
        return {"stepAt": at_ns, "stepRunning": integers(running)}
    area = np.concatenate(([0.0], np.cumsum(running[:-1] * np.diff(at_ns))))
    edges_ns = np.linspace(at_ns[0], at_ns[-1], _SLICES + 1)
    means = np.diff(np.interp(edges_ns, at_ns, area)) / np.diff(edges_ns)
    return {"stepAt": edges_ns, "stepRunning": np.append(means, 0).astype(np.float32)}
