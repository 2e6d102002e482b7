"""Branches that hold up their fan-out, and fan-outs whose branches are too unequal to gain much.

Both are about who the join waits for. A long pole is worth shortening; of unequal branches the
work could be split more evenly. They often fit the same fan-out: then gaining by one leaves less
to gain by the other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Final

from longpole.analysis.changes import Change, Faster
from longpole.analysis.edits import Edit, Edits, Stretch
from longpole.analysis.fan_out_sample import fan_out_samples
from longpole.analysis.findings.claim import Case, Claim, Detector, Seen, Suppose, Supposed
from longpole.analysis.findings.finding import Rule
from longpole.analysis.findings.view import View
from longpole.analysis.intervals import wilson
from longpole.analysis.positions import Position
from longpole.analysis.result import FanOut
from longpole.analysis.what_if import Replayable

POLE_LEAST_RATIO: Final = Fraction(1, 2)
"""It ends last in half of the executions: with less, others are waited for more often."""
POLE_GAIN_LEAST_RATIO: Final = Fraction(5, 100)
"""What twice as fast must gain: a branch can always be made a little faster, for a little."""
_TWICE: Final = Fraction(2)

UNEQUAL_MOST_RATIO: Final = Fraction(5, 4)
"""All branches take together at most this many times the longest: side by side saves a fifth."""
UNEQUAL_LEAST_RATIO: Final = Fraction(1, 2)
"""So in half of the executions: else the branches are unequal by chance."""


def _twice_as_fast(target: str) -> Change:
    return Faster(target=target, ratio=_TWICE)


def _see_poles(view: View) -> Iterable[Seen]:
    drag: Counter[Position] = Counter()
    on_path: Counter[Position] = Counter()
    for span_id, facts in view.analysis.spans.items():
        drag[view.position[span_id]] += facts.drag_ns
        on_path[view.position[span_id]] += facts.on_path_ns
    for fan_out in fan_out_samples(view.analysis, view.position):
        if len(fan_out.branches) < 2:
            continue
        for position in fan_out.branches:
            won = fan_out.won.get(position, Fraction(0))
            yield Seen(
                position=position,
                counts={
                    "executions": fan_out.executions,
                    "won": won,
                    "on_path_ns": on_path[position],
                },
                weight=drag[position],
                is_affected=on_path[position] > 0,
            )


def _judge_poles(case: Case) -> Iterable[Claim]:
    for position, tally in case.tallies.items():
        share = tally.ratio("won", "executions")
        if share < POLE_LEAST_RATIO:
            continue
        between = wilson(Fraction(tally.counts["won"]), tally.count("executions"))
        yield Claim(
            rule=Rule.LONG_POLE,
            position=position,
            tally=tally,
            evidence={
                "executions": tally.count("executions"),
                "last_ratio": share,
                "last_low_ratio": Fraction(between.low),
                "last_high_ratio": Fraction(between.high),
                "on_path_mean_ns": tally.count("on_path_ns") // case.whole.runs,
            },
            change=_twice_as_fast,
            least_ratio=POLE_GAIN_LEAST_RATIO,
        )


LONG_POLE: Final = Detector(rule=Rule.LONG_POLE, see=_see_poles, judge=_judge_poles)


# --- unequal branches ---------------------------------------------------------------------------


def _lengths_ns(fan_out: FanOut) -> Mapping[str, int]:
    return {branch.span_id: branch.end_ns - branch.start_ns for branch in fan_out.branches}


def _is_unequal(lengths_ns: Sequence[int]) -> bool:
    return sum(lengths_ns) <= UNEQUAL_MOST_RATIO * max(lengths_ns)


def _see_unequal(view: View) -> Iterable[Seen]:
    for fan_out in view.analysis.fan_outs:
        lengths = _lengths_ns(fan_out)
        total_ns, longest = sum(lengths.values()), max(lengths, key=lambda one: lengths[one])
        is_unequal = _is_unequal(list(lengths.values()))
        on_path_ns = view.analysis.spans[fan_out.long_pole].on_path_ns
        spare_ns = min(lengths[longest] - total_ns // len(lengths), on_path_ns)
        yield Seen(
            position=view.position[fan_out.span_id],
            counts={
                "executions": 1,
                "unequal": int(is_unequal),
                "branches": len(lengths),
                "work_ns": total_ns,
                "longest_ns": lengths[longest],
            },
            names={"longest": view.position[longest][-1]},
            weight=spare_ns,
            is_affected=is_unequal and spare_ns > 0,
        )


def _judge_unequal(case: Case) -> Iterable[Claim]:
    for position, tally in case.tallies.items():
        if tally.ratio("unequal", "executions") < UNEQUAL_LEAST_RATIO:
            continue
        executions = tally.count("executions")
        yield Claim(
            rule=Rule.UNEQUAL_BRANCHES,
            position=position,
            tally=tally,
            evidence={
                "executions": executions,
                "unequal_executions": tally.count("unequal"),
                "branches_mean": Fraction(tally.count("branches"), executions),
                "work_mean_ns": tally.count("work_ns") // executions,
                "longest_mean_ns": tally.count("longest_ns") // executions,
                "side_by_side_ratio": tally.ratio("work_ns", "longest_ns"),
            },
            names=tally.told,
            suppose=_evened_out(position),
        )


def _evened_out(position: Position) -> Suppose:
    """Return the supposition that all branches there take as long as they do in the mean."""

    def suppose(view: View, replayable: Replayable) -> Supposed:
        number = replayable.simulation.timeline.number
        edits: dict[int, tuple[Edit, ...]] = {}
        for fan_out in view.analysis.fan_outs:
            lengths = _lengths_ns(fan_out)
            if view.position[fan_out.span_id] != position or not _is_unequal(
                list(lengths.values())
            ):
                continue
            mean_ns = Fraction(sum(lengths.values()), len(lengths))
            for span_id, length_ns in lengths.items():
                if length_ns:
                    edits[number[span_id]] = (Stretch(mean_ns / length_ns),)
        return Supposed(edits=Edits(lengths=edits))

    return suppose


UNEQUAL: Final = Detector(rule=Rule.UNEQUAL_BRANCHES, see=_see_unequal, judge=_judge_unequal)
