"""An analysed run → which rows of its waterfall are alike enough to be shown as one, ×N.

Siblings of one name are a group. Left out of it, and shown by themselves, are those that tell more
than the others: the long pole, stragglers, what failed or was tried again (the first few), and the
branches that the run waited for longest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from functools import cache
from typing import Final

from longpole.analysis.result import RunAnalysis, RunOutline
from longpole.dashboard import words
from longpole.model.run import Span, Status

FEWEST: Final = 8
"""A group of fewer rows would save little room."""
_FAILED_SHOWN: Final = 4
_SLOW_SHOWN: Final = 4
_STRAGGLERS_SHOWN: Final = 8


def groups_of(found: RunAnalysis | RunOutline) -> Mapping[str, int]:
    """Return the number of the group of each span that is in one."""
    branches = [branch for fan_out in found.fan_outs for branch in fan_out.branches]
    poles = {fan_out.long_pole for fan_out in found.fan_outs}
    odd = {branch.span_id for branch in branches if branch.straggler or branch.attempts > 1}
    groups: dict[str, int] = {}
    number = 0
    short_name = cache(words.short_name)
    for children in found.run.children_by_id.values():
        if len(children) < FEWEST:
            continue
        alike: dict[tuple[str, str], list[Span]] = {}
        for child in children:
            alike.setdefault((short_name(child.name), child.kind.value), []).append(child)
        for spans in alike.values():
            hidden = _hidden(found, spans, poles, odd) if len(spans) >= FEWEST else []
            if len(hidden) >= FEWEST:
                groups |= dict.fromkeys((span.span_id for span in hidden), number)
                number += 1
    return groups


def _hidden(
    found: RunAnalysis | RunOutline, spans: Iterable[Span], poles: Set[str], odd: Set[str]
) -> list[Span]:
    spans = list(spans)
    waited = [span for span in spans if found.spans[span.span_id].on_path_ns > 0]
    slowest = sorted(waited, key=lambda span: -found.spans[span.span_id].on_path_ns)
    failed = [span.span_id for span in spans if span.status not in (Status.OK, Status.RUNNING)]
    strange = [span.span_id for span in spans if span.span_id in odd or span.attempt > 1]
    shown = {
        *poles,
        *failed[:_FAILED_SHOWN],
        *strange[:_STRAGGLERS_SHOWN],
        *(span.span_id for span in slowest[:_SLOW_SHOWN]),
    }
    return [span for span in spans if span.span_id not in shown and not span.is_running]
