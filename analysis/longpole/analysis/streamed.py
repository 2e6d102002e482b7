"""What streams tell of a run: when the first token came, what it waited for, how fast the rest was.

In: a run. Out: the time and the critical path to its first token, and output tokens a second. The
first token of a run is that of its last streamed step on the way out.
"""

from __future__ import annotations

from collections.abc import Iterable

from longpole.analysis.critical_path import critical_path
from longpole.analysis.normalise import Timeline
from longpole.analysis.result import RunAnalysis, Segment
from longpole.model.run import Span


def first_token_ns(timeline: Timeline) -> int | None:
    """Return when the stream of the root began, counted from its start; `None` without one."""
    number = 0
    while True:
        span = timeline.spans[number]
        if span.first_token_ns is not None:
            return max(0, span.first_token_ns - timeline.spans[0].start_ns)
        streamed = [c for c in timeline.children[number] if timeline.spans[c].order.streamed]
        if not streamed:
            return None
        tokens = [c for c in streamed if timeline.spans[c].first_token_ns is not None]
        number = tokens[-1] if tokens else streamed[-1]


def path_to_first_token(analysis: RunAnalysis) -> tuple[Segment, ...] | None:
    """Return what the first token waited for, earliest first; `None` when nothing was streamed."""
    after_ns = analysis.facts.time_to_first_token_ns
    if after_ns is None:
        return None
    run = analysis.run
    as_of_ns = run.root.start_ns + after_ns
    return critical_path(run, now_ns=analysis.now_ns, as_of_ns=as_of_ns)


def tokens_per_s(calls: Iterable[Span]) -> float | None:
    """Return output tokens a second from the first token to the end; `None` when none streamed.

    Calls with fewer than two tokens say nothing about it.
    """
    tokens = streamed_ns = 0
    for call in calls:
        if call.first_token_ns is None or call.end_ns is None or call.usage is None:
            continue
        if call.usage.output_tokens >= 2 and call.end_ns > call.first_token_ns:
            tokens += call.usage.output_tokens
            streamed_ns += call.end_ns - call.first_token_ns
    return tokens * 1e9 / streamed_ns if streamed_ns else None
