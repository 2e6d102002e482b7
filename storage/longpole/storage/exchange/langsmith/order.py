"""Ids, times and places of a run's spans as LangSmith names them. Pure.

LangSmith orders a trace by `dotted_order`: for every ancestor and the run itself its start
(`%Y%m%dT%H%M%S%fZ`, UTC, six digits) and its id, joined by dots. A start must not lie before the
parent's; where clocks or threads made it so, the segment takes the parent's start, the run keeps
its own.

Source: LangSmith API reference, "Trace with the API"; measured against langsmith 0.15.
"""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from longpole.model.run import Run, Span

_NAMESPACE: Final = uuid.UUID("7c3f7d52-5d0b-4f0e-9d3c-6f1f0b1a9f7e")
_EPOCH: Final = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)

DAY_NS: Final = 86_400 * 10**9
# A little less than a day: sending takes time too.
_FRESH_NS: Final = DAY_NS - 600 * 10**9


@dataclass(frozen=True, slots=True)
class Place:
    """Where a span stands in LangSmith's tree."""

    id: str
    trace_id: str
    parent_run_id: str | None
    dotted_order: str


def places(run: Run, *, shift_ns: int, salt: str | None = None) -> Mapping[str, Place]:
    """Return the place of every span, by span id, parents before children.

    Ids are LangChain's own, so that what was traced to LangSmith live is not doubled there.

    Args:
        run: the run.
        shift_ns: added to every time.
        salt: makes ids of their own that depend on it; the same salt gives the same ids.
    """
    ids = _ids(run, salt)
    trace_id = ids[run.root_span_id]
    found: dict[str, Place] = {}
    clamped_ns: dict[str, int] = {}
    waiting = [run.root]
    while waiting:
        span = waiting.pop()
        start_ns = span.start_ns + shift_ns
        above = None if span.parent_span_id is None else found[span.parent_span_id]
        if span.parent_span_id is not None:
            start_ns = max(start_ns, clamped_ns[span.parent_span_id])
        clamped_ns[span.span_id] = start_ns
        segment = f"{moment(start_ns):%Y%m%dT%H%M%S%fZ}{ids[span.span_id]}"
        found[span.span_id] = Place(
            id=ids[span.span_id],
            trace_id=trace_id,
            parent_run_id=None if above is None else above.id,
            dotted_order=f"{above.dotted_order}.{segment}" if above is not None else segment,
        )
        waiting.extend(reversed(run.children(span.span_id)))
    return found


def moment(time_ns: int) -> datetime.datetime:
    """Return a time in UTC, to the microsecond below."""
    return _EPOCH + datetime.timedelta(microseconds=time_ns // 1000)


def days_shift_ns(run: Run, now_ns: int) -> int:
    """Return the whole days to add so that a run started within the last day.

    LangSmith's cloud takes runs of the last 24 hours only. Whole days keep the time of day.
    """
    age_ns = now_ns - run.root.start_ns
    return 0 if age_ns <= _FRESH_NS else -((_FRESH_NS - age_ns) // DAY_NS) * DAY_NS


def is_old(run: Run, now_ns: int) -> bool:
    """Whether LangSmith's cloud would refuse the run for its start."""
    return days_shift_ns(run, now_ns) > 0


def _ids(run: Run, salt: str | None) -> dict[str, str]:
    taken: set[str] = set()
    ids: dict[str, str] = {}
    for span in run.spans:
        told = _uuid(span) if salt is None else None
        if told is None or told in taken:
            told = str(uuid.uuid5(_NAMESPACE, f"{salt or ''}/{run.run_id}/{span.span_id}"))
        taken.add(told)
        ids[span.span_id] = told
    return ids


def _uuid(span: Span) -> str | None:
    try:
        return str(uuid.UUID(span.langchain_run_id)) if span.langchain_run_id else None
    except ValueError:
        return None
