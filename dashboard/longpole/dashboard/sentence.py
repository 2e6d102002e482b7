"""What one run tells, in one sentence of numbers.

Pure text: what the trace named is left as it is, the page that shows it makes it safe.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from longpole.analysis.result import (
    Branch,
    BranchOutline,
    FanOut,
    FanOutOutline,
    RunAnalysis,
    RunOutline,
)
from longpole.dashboard import words
from longpole.dashboard.labels import branch_label, placed_label
from longpole.model import Run, Span, Status

_WORTH_SAYING = 0.01
_UNENDED = {Status.RUNNING: " so far", Status.LOST: ", then lost"}


@dataclass(frozen=True, slots=True)
class Phrase:
    """A piece of the sentence: plain words, and perhaps a name from the trace after them."""

    words: str
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LongPole:
    """What a run waited for longest of what ran side by side.

    Most often one branch. Under a limit alike branches take turns on the critical path, and none of
    them is long: then it is all of them together.

    Attributes:
        branches: those on the critical path, the longest on it first.
        alike: how many branches of the fan-out have the same name, those on the path with them.
    """

    fan_out: FanOut | FanOutOutline
    branches: tuple[Branch | BranchOutline, ...]
    alike: int
    on_path_ns: int
    label: str


def sentence(analysis: RunAnalysis | RunOutline) -> tuple[Phrase, ...]:
    """Return the phrases: how long, because of whom, how parallel, queued, and for how much."""
    facts = analysis.facts
    phrases = [Phrase(words.duration(facts.wall_ns) + _UNENDED.get(analysis.run.status, ""))]
    failure = _failure(analysis.run)
    if failure is not None:
        phrases.append(failure)
    culprit = _culprit(analysis)
    if culprit is not None:
        phrases.append(culprit)
    if facts.peak_concurrency > 1:
        phrases.append(
            Phrase(
                f"{words.times(facts.speedup_ratio)} of a possible "
                f"{words.times(facts.parallelism_ratio)}"
            )
        )
    if facts.queue_wait_ns > facts.wall_ns * _WORTH_SAYING:
        phrases.append(Phrase(f"{words.duration(facts.queue_wait_ns)} queued"))
    if facts.backoff_ns > facts.wall_ns * _WORTH_SAYING:
        phrases.append(Phrase(f"{words.duration(facts.backoff_ns)} backing off"))
    if facts.llm_calls:
        phrases.append(Phrase(_money(analysis)))
    return tuple(phrases)


def long_pole(analysis: RunAnalysis | RunOutline) -> LongPole | None:
    """Return what the run waited for longest of what ran side by side; `None` without any."""
    longest: LongPole | None = None
    for fan_out in analysis.fan_outs:
        for found in _poles(analysis.run, fan_out):
            if found.on_path_ns > (longest.on_path_ns if longest else 0):
                longest = found
    return longest


def _poles(run: Run, fan_out: FanOut | FanOutOutline) -> Iterator[LongPole]:
    """Yield branches by themselves, and those that only a number tells apart together."""
    alike: defaultdict[str, list[Branch | BranchOutline]] = defaultdict(list)
    for branch in fan_out.branches:
        name = run.span_by_id[branch.span_id].name
        alike[name if branch.key.isdecimal() else f"{name}\x1f{branch.key}"].append(branch)
    for branches in alike.values():
        waited = sorted(
            (one for one in branches if one.on_path_ns), key=lambda one: -one.on_path_ns
        )
        if not waited:
            continue
        first = run.span_by_id[waited[0].span_id]
        many = f"{words.short_name(first.name)}[*]"
        yield LongPole(
            fan_out=fan_out,
            branches=tuple(waited),
            alike=len(branches),
            on_path_ns=sum(one.on_path_ns for one in waited),
            label=branch_label(first) if len(waited) == 1 else many,
        )


def _failure(run: Run) -> Phrase | None:
    """Say what made a run fail, and where that began."""
    if run.root.error is None:
        return None
    span = run.root
    while (cause := _cause(run, span)) is not None:
        span = cause
    kind = (span.error or run.root.error).type.rpartition(".")[2]
    if span is run.root:
        return Phrase("failed:", kind)
    where = placed_label(run, span) if span.branch is None else branch_label(span)
    return Phrase("failed:", f"{kind} in {where}")


def _cause(run: Run, span: Span) -> Span | None:
    """Return the child whose error a span passed on, else the one that failed first."""
    failed = [child for child in run.children(span.span_id) if child.error is not None]
    passed_on = [child for child in failed if child.error == span.error]
    return min(passed_on or failed, key=lambda child: child.end_ns or 0, default=None)


def _culprit(analysis: RunAnalysis | RunOutline) -> Phrase | None:
    """Name what the run waited for longest: branches, or the span, where one took longer."""
    wall_ns = analysis.facts.wall_ns
    if wall_ns <= 0:
        return None
    owned: dict[str, int] = {}
    for segment in analysis.critical_path:
        owned[segment.span_id] = owned.get(segment.span_id, 0) + segment.length_ns
    span_id = max(owned, key=lambda owner: owned[owner])
    pole = long_pole(analysis)
    if pole is not None and pole.on_path_ns >= owned[span_id]:
        share = words.share(pole.on_path_ns / wall_ns)
        turns = len(pole.branches)
        some = f" {turns:,} of {pole.alike:,}" if turns > 1 else ""
        return Phrase(f"{share} in{some}", pole.label)
    if len(owned) < 2:
        return None
    label = placed_label(analysis.run, analysis.run.span_by_id[span_id])
    return Phrase(f"{words.share(owned[span_id] / wall_ns)} in", label)


def _money(analysis: RunAnalysis | RunOutline) -> str:
    facts = analysis.facts
    cost = words.cost(facts.cost_usd, facts.unpriced_calls)
    if facts.wasted_cost_usd > 0:
        return f"{cost}, {words.usd(facts.wasted_cost_usd)} wasted"
    return cost
