"""A what-if in words: the sentence that says what would be, and if what.

Pure text: names from the trace are left as they are, whoever shows them makes them safe.
"""

from __future__ import annotations

from collections.abc import Sequence

from longpole.analysis import analyse
from longpole.analysis.assumptions import Trust
from longpole.analysis.changes import (
    Backoff,
    BatchPrice,
    Cache,
    Change,
    CheapFirst,
    FailFast,
    Faster,
    Hedge,
    Limit,
    NoRetries,
    OtherModel,
    Time,
    Timeout,
    Without,
)
from longpole.analysis.curves import Curve
from longpole.analysis.result import RunAnalysis
from longpole.analysis.what_if import WhatIf
from longpole.analysis.what_if_set import SetWhatIf
from longpole.dashboard import words
from longpole.dashboard.sentence import long_pole

_NOTHING_NS = 500
_BARS = "▁▂▃▄▅▆▇█"


def supposed(changes: Sequence[Change]) -> str:
    """Return what is supposed: `gemini were 2.0× as fast and panel had no limit`."""
    return " and ".join(_supposed(change) for change in changes)


def _name(change: Change) -> str:
    return "everything" if set(change.target) == {"*"} else change.target


def _supposed(change: Change) -> str:
    name = _name(change)
    match change:
        case Faster(ratio=ratio) if ratio >= 1:
            return f"{name} were {words.times(float(ratio))} as fast"
        case Faster(ratio=ratio):
            return f"{name} were {words.times(float(1 / ratio))} as slow"
        case Time(length_ns=length_ns):
            return f"{name} took {words.duration(length_ns) if length_ns else 'no time'}"
        case Without():
            return f"there were no {name}"
        case Timeout(length_ns=length_ns):
            return f"{name} were given up after {words.duration(length_ns)}"
        case Limit(places=places):
            return f"{name} ran " + ("all at once" if places is None else f"{places:,} at once")
        case NoRetries():
            return f"{name} worked at the first try"
        case Backoff(ratio=ratio):
            often = f"{words.times(float(ratio))} as long" if ratio else "not at all"
            return f"{name} waited {often} between tries"
        case FailFast():
            return f"{name} stopped at the first failure"
        case _:
            return _supposed_of_calls(change)


def _supposed_of_calls(change: Change) -> str:
    name = _name(change)
    match change:
        case OtherModel(model=model):
            return f"{name} asked {model}"
        case BatchPrice(turnaround_ns=None):
            return f"{name} went through a batch API"
        case BatchPrice(turnaround_ns=turnaround_ns):
            return f"{name} went through a batch API for {words.duration(turnaround_ns or 0)}"
        case Cache(hit_ratio=ratio):
            return f"{words.share(float(ratio))} of {name} came from a cache"
        case CheapFirst(accepted_ratio=ratio):
            return f"a cheap model did for {words.share(float(ratio))} of {name}"
        case Hedge(after_ns=after_ns):
            return f"{name} were asked twice after {words.duration(after_ns)}"
        case _:
            return f"{name} were different"


def verdict(answer: WhatIf) -> str:
    """Return the sentence: by how much, if what, and who holds the run up then."""
    before = analyse(answer.run, now_ns=answer.run.root.end_ns or 0)
    after = analyse(answer.after, now_ns=answer.after.root.end_ns or 0)
    return verdict_between(answer, before, after)


def verdict_between(answer: WhatIf, before: RunAnalysis, after: RunAnalysis) -> str:
    """Return the same sentence where the run as it was and as it would be are analysed already."""
    walls = changed(answer.wall_before_ns, answer.wall.mean_ns)
    on_average = "" if answer.wall.is_certain else " on average"
    return f"{walls}{on_average} if {supposed(answer.changes)}{_then(before, after)}"


def verdict_of_all(answer: SetWhatIf) -> str:
    """Return the sentence over several runs."""
    walls = changed(answer.before.p50_ns, answer.after.p50_ns)
    counted = words.count(answer.before.n, "run")
    return f"{walls} in the middle of {counted} if {supposed(answer.changes)}"


def changed(before_ns: int, after_ns: int) -> str:
    """Return two lengths and by how much they differ.

    >>> changed(12_400_000_000, 7_900_000_000), changed(5_000_000, 5_000_000)
    ('12.4 s → 7.90 s (−36 %)', '5.0 ms as before')
    """
    if abs(after_ns - before_ns) <= _NOTHING_NS or not before_ns:
        if after_ns == before_ns or before_ns:
            return f"{words.duration(before_ns)} as before"
        return f"{words.duration(before_ns)} → {words.duration(after_ns)}"
    return (
        f"{words.duration(before_ns)} → {words.duration(after_ns)} "
        f"({words.signed_share((after_ns - before_ns) / before_ns)})"
    )


def _then(analysed: RunAnalysis, after: RunAnalysis) -> str:
    pole = long_pole(after)
    if pole is None:
        return ""
    where = words.short_name(after.run.span_by_id[pole.fan_out.span_id].name)
    before = long_pole(analysed)
    is_same = before is not None and before.label == pole.label
    verb = "hold" if len(pole.branches) > 1 else "holds"
    return f"; {'still' if is_same else 'then'} {pole.label} {verb} up {where}"


def trusted(trust: Trust) -> str:
    """Return how far the order is known that a prediction stands on."""
    total = trust.recorded + trust.inferred + trust.estimated
    if not total:
        return "order: nothing ran beside or after anything else"
    if trust.label == "recorded":
        return "order: recorded by the framework"
    parts = [
        f"{words.share(trust.recorded_ratio)} recorded",
        f"{words.share(trust.inferred / total)} inferred from times (~)" * bool(trust.inferred),
        f"{words.share(trust.estimated / total)} streams, an estimate" * bool(trust.estimated),
    ]
    return f"order: {', '.join(part for part in parts if part)}"


def spark(curve: Curve) -> str:
    """Return a curve as one line of bars, the recorded wall the highest."""
    walls = [wall_ns for _, wall_ns in curve.walls_ns]
    least, most = min(walls), max(walls)
    height = max(1, most - least)
    return "".join(_BARS[(wall - least) * (len(_BARS) - 1) // height] for wall in walls)


def curved(curve: Curve) -> str:
    """Return which branches a curve is about, after what they are branches of.

    A branch is told by its key, one that only a number would tell from others by its name; the run
    itself is not named.
    """
    label = curve.position[-1]
    name, bracket, rest = label.partition("[")
    if bracket and rest != "*]":
        label = rest.removesuffix("]")
    else:
        label = f"{words.short_name(name)}{bracket}{rest}"
    above = curve.position[1:-1][-1:]
    return " › ".join([*(words.short_name(one) for one in above), label])
