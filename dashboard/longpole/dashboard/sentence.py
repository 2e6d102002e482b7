"""What one run tells, in one sentence of numbers.

Pure text: what the trace named is left as it is, the page that shows it makes it safe.
"""

from __future__ import annotations

from dataclasses import dataclass

from longpole.analysis.result import Branch, FanOut, RunAnalysis
from longpole.dashboard import words
from longpole.dashboard.labels import placed_label

_WORTH_SAYING = 0.01


@dataclass(frozen=True, slots=True)
class Phrase:
    """A piece of the sentence: plain words, and perhaps a name from the trace after them."""

    words: str
    name: str = ""


def sentence(analysis: RunAnalysis) -> tuple[Phrase, ...]:
    """Return the phrases: how long, because of whom, how parallel, queued, and for how much."""
    facts = analysis.facts
    phrases = [
        Phrase(words.duration(facts.wall_ns) + (" so far" if analysis.run.is_running else ""))
    ]
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


def long_pole(analysis: RunAnalysis) -> tuple[FanOut, Branch] | None:
    """Return the fan-out and its branch that the run waited for longest; `None` without one."""
    found: tuple[FanOut, Branch] | None = None
    for fan_out in analysis.fan_outs:
        for branch in fan_out.branches:
            if branch.on_path_ns > (found[1].on_path_ns if found else 0):
                found = (fan_out, branch)
    return found


def _culprit(analysis: RunAnalysis) -> Phrase | None:
    """Name the branch that the run waited for longest, or the span, where one took longer."""
    wall_ns = analysis.facts.wall_ns
    if wall_ns <= 0:
        return None
    owned: dict[str, int] = {}
    for segment in analysis.critical_path:
        owned[segment.span_id] = owned.get(segment.span_id, 0) + segment.length_ns
    span_id = max(owned, key=lambda owner: owned[owner])
    pole = long_pole(analysis)
    if pole is not None and pole[1].on_path_ns >= owned[span_id]:
        fan_out, branch = pole
        group = words.short_name(analysis.run.span_by_id[fan_out.span_id].name)
        return Phrase(f"{words.share(branch.on_path_ns / wall_ns)} in", f"{group}[{branch.key}]")
    if len(owned) < 2:
        return None
    label = placed_label(analysis.run, analysis.run.span_by_id[span_id])
    return Phrase(f"{words.share(owned[span_id] / wall_ns)} in", label)


def _money(analysis: RunAnalysis) -> str:
    facts = analysis.facts
    cost = words.cost(facts.cost_usd, facts.unpriced_calls)
    if facts.wasted_cost_usd > 0:
        return f"{cost}, {words.usd(facts.wasted_cost_usd)} wasted"
    return cost
