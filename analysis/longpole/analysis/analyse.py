"""One run → everything that it tells by itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Final

from longpole.analysis.breakdown import breakdown_of
from longpole.analysis.collector import no_cycle_collection
from longpole.analysis.draft import Draft, draft_of
from longpole.analysis.facts import facts_from, lengths_of
from longpole.analysis.failures import after_failures
from longpole.analysis.fan_outs import Measures, fan_outs_of
from longpole.analysis.normalise import Timeline
from longpole.analysis.replay import Floats, Replay, floats_of
from longpole.analysis.result import RunAnalysis, SpanFacts, Waste, WasteReason
from longpole.analysis.totals import CostsBelow, totals_of
from longpole.analysis.work import self_times_ns
from longpole.model.quick import quick
from longpole.model.run import Run, Span

# By place, in the order of the fields: there is one for every span.
_make_facts: Final[Callable[..., SpanFacts]] = quick(SpanFacts)


def analyse(run: Run, *, now_ns: int) -> RunAnalysis:
    """Analyse a run; one that is still running as it stands at `now_ns`.

    Never raises on a run that `assemble` made, whatever its times.
    """
    with no_cycle_collection():
        return analysis_from(draft_of(run, now_ns=now_ns))


def analysis_from(draft: Draft) -> RunAnalysis:
    """Return the analysis of a run of which the first half is done."""
    with no_cycle_collection():
        return _analysis_from(draft)


def _analysis_from(draft: Draft) -> RunAnalysis:
    grounds, path, on_path_ns = draft.grounds, draft.path, draft.on_path_ns
    timeline, siblings = grounds.timeline, grounds.siblings
    replay = Replay(siblings)
    floats = floats_of(replay, on_path_ns)
    failures = after_failures(timeline, draft.tries, grounds.intervals, grounds.calls)
    measures = Measures(
        slack_ns=floats.slack_ns,
        drag_ns=floats.drag_ns,
        on_path_ns=on_path_ns,
        costs=CostsBelow(timeline, grounds.calls if draft.groups else ()),
        failures=failures,
    )
    return RunAnalysis(
        run=timeline.run,
        now_ns=timeline.now_ns,
        facts=facts_from(grounds, path, lengths_of(grounds, replay), peak=draft.peak),
        breakdown=breakdown_of(
            siblings,
            path,
            draft.profile,
            grounds.calls,
            on_path_ns=on_path_ns,
            wasted=grounds.wasted,
            failures=failures.values(),
        ),
        spans=_span_facts(draft, floats),
        critical_path=path,
        fan_outs=fan_outs_of(siblings, draft.groups, draft.tries, draft.waits_ns, measures),
        concurrency=draft.profile,
        wastes=_wastes(timeline, grounds.intervals, grounds.calls, grounds.waste),
    )


def _span_facts(draft: Draft, floats: Floats) -> dict[str, SpanFacts]:
    timeline, waits = draft.grounds.timeline, draft.queue_waits
    facts = map(
        _make_facts,
        self_times_ns(timeline),
        draft.on_path_ns,
        floats.slack_ns,
        floats.drag_ns,
        waits.time_ns,
        waits.is_inferred,
        map(draft.grounds.waste.get, range(len(timeline.spans))),
    )
    return dict(zip(timeline.number, facts, strict=True))


def _wastes(
    timeline: Timeline,
    intervals: Sequence[tuple[int, int, int]],
    calls: Sequence[int],
    waste: Mapping[int, WasteReason],
) -> tuple[Waste, ...]:
    """Return work and cost below each topmost wasted span."""
    if not waste:
        return ()
    top: list[int] = []  # the topmost wasted span that each is in, -1 for none
    for number, parent in enumerate(timeline.parent):
        top.append(number if number in waste else top[parent] if number else -1)
    work_ns = dict.fromkeys(waste, 0)
    for number, low, high in intervals:
        if (at := top[number]) in work_ns:
            work_ns[at] += high - low
    made: dict[int, list[Span]] = {number: [] for number in waste}
    for number in calls:
        if (at := top[number]) in made:
            made[at].append(timeline.spans[number])
    return tuple(
        _wasted(timeline.spans[number], waste[number], work_ns[number], made[number])
        for number in sorted(waste)
    )


def _wasted(span: Span, reason: WasteReason, work_ns: int, calls: Sequence[Span]) -> Waste:
    spent = totals_of(calls)
    return Waste(
        span_id=span.span_id,
        reason=reason,
        wasted_ns=work_ns,
        cost_usd=spent.cost_usd or Decimal(0),
        unpriced_calls=spent.unpriced_calls,
    )
