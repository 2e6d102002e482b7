"""Predicted times → a `Run` that could have been recorded, for the path, tables and drawings.

What never happens is left out, what is ended from outside is marked as cancelled, and limits, costs
and models are those of the change. An unchanged replay gives the recorded run back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

from longpole.analysis.edits import Edits
from longpole.analysis.simulate import Simulation, Times
from longpole.model.run import Run, Span, Status, assemble

_ENDED_BY_THEMSELVES = frozenset({Status.OK, Status.ERROR, Status.INTERRUPTED})


def predicted_run(
    simulation: Simulation,
    times: Times,
    edits: Edits,
    *,
    costs: Mapping[int, Decimal | None],
    models: Mapping[int, str],
) -> Run:
    """Return the run as it would have been recorded, on the root's clock.

    Args:
        simulation: the recorded run.
        times: of all its spans.
        edits: what led to them.
        costs: of calls, by number, where a change is about them.
        models: what calls go to instead.
    """
    limits = _limits(simulation, edits)
    spans = [
        _moved(simulation, times, number, limits, costs, models)
        for number in range(len(simulation.timeline.spans))
        if not times.is_gone[number]
    ]
    run = simulation.timeline.run
    return assemble(
        run.run_id,
        spans,
        trace_id=run.trace_id,
        session_id=run.session_id,
        user_id=run.user_id,
        tags=run.tags,
        metadata=run.metadata,
    )


def _limits(simulation: Simulation, edits: Edits) -> Mapping[int, int | None]:
    """Return the new limit of each branch that gets one."""
    return {
        simulation.plans[parent].units[at].first: places
        for (parent, key), places in edits.places.items()
        for at in simulation.plans[parent].groups[key].members
    }


def _moved(
    simulation: Simulation,
    times: Times,
    number: int,
    limits: Mapping[int, int | None],
    costs: Mapping[int, Decimal | None],
    models: Mapping[int, str],
) -> Span:
    span = simulation.timeline.spans[number]
    start_ns, end_ns = times.start_ns[number], times.end_ns[number]
    is_open = simulation.timeline.is_open[number]
    is_cut = times.is_cut[number] and span.status in _ENDED_BY_THEMSELVES
    wait_ns = times.waits_ns.get(number, span.queue_wait_ns)
    moved = replace(
        span,
        start_ns=start_ns,
        end_ns=None if is_open else end_ns,
        status=Status.CANCELLED if is_cut else span.status,
        ready_ns=None if span.ready_ns is None or wait_ns is None else start_ns - wait_ns,
        first_token_ns=_first_token_ns(span, times, number, end_ns),
    )
    if number in limits:
        moved = replace(moved, fan_out_limit=limits[number])
    if number in costs:
        cost = costs[number]
        reason = None if cost is not None else (span.unpriced or "unknown in this what-if")
        moved = replace(moved, cost_usd=cost, unpriced=reason)
    return replace(moved, model=models[number]) if number in models else moved


def _first_token_ns(span: Span, times: Times, number: int, end_ns: int) -> int | None:
    if span.time_to_first_token_ns is None:
        return None
    scale = times.scale[number]
    passed_ns = span.time_to_first_token_ns
    moved = passed_ns if scale == 1 else round(passed_ns * scale)
    return min(times.start_ns[number] + moved, end_ns)
