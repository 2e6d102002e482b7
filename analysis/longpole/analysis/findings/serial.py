"""Calls of one kind that code makes one after the other, where nothing says that it must.

Steps of a sequence and of a graph are ordered by the framework and need each other. Calls in a row
that a function or a node makes by itself (a loop over documents, two searches) may not: whether one
needs the answer of the one before is not recorded, so this is a question.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Final

from longpole.analysis.edits import AtMost, Edit, Edits
from longpole.analysis.findings.claim import Case, Claim, Detector, Seen, Suppose, Supposed
from longpole.analysis.findings.finding import Rule
from longpole.analysis.findings.view import View
from longpole.analysis.positions import Position
from longpole.analysis.what_if import Replayable
from longpole.model.run import Kind, Role, Span

SERIAL_GAIN_LEAST_RATIO: Final = Fraction(10, 100)
"""What doing them side by side must gain: a question should be worth asking."""
_TRIES: Final = frozenset({Role.ATTEMPT, Role.FALLBACK})
_NAMES_TOLD: Final = 3

Series = list[Span]
"""Calls in a row, in order: two or more."""


def _series(view: View) -> Iterator[Series]:
    for children in view.analysis.run.children_by_id.values():
        row: Series = []
        kind: Kind | None = None
        for child in children:
            is_free = not child.order.is_recorded and child.role not in _TRIES
            is_asked = is_free and not child.order.detached
            now = view.called.get(child.span_id) if is_asked else None
            if now is None and is_free:
                continue  # what calls nothing stands between two calls and changes nothing
            follows = row and child.start_ns >= row[-1].start_ns + view.length_ns(row[-1])
            if now is not None and now is kind and follows:
                row.append(child)
                continue
            if len(row) > 1:
                yield row
            row, kind = ([] if now is None else [child]), now
        if len(row) > 1:
            yield row


def _see(view: View) -> Iterable[Seen]:
    for row in _series(view):
        lengths = [view.length_ns(one) for one in row]
        on_path_ns = sum(view.analysis.spans[one.span_id].on_path_ns for one in row)
        names = list(dict.fromkeys(view.position[one.span_id][-1] for one in row))
        yield Seen(
            position=view.position[row[0].span_id][:-1],
            counts={"rows": 1, "calls": len(row), "calls_ns": sum(lengths)},
            names={
                "calls": ", ".join(names[:_NAMES_TOLD]) + ", …" * (len(names) > _NAMES_TOLD),
                "kind": view.called[row[0].span_id].value,
            },
            weight=min(sum(lengths) - max(lengths), on_path_ns),
            is_affected=on_path_ns > 0,
        )


def _judge(case: Case) -> Iterable[Claim]:
    for position, tally in case.tallies.items():
        rows = tally.count("rows")
        yield Claim(
            rule=Rule.SERIAL_STEPS,
            position=position,
            tally=tally,
            evidence={
                "rows": rows,
                "calls_mean": Fraction(tally.count("calls"), rows),
                "calls_mean_ns": tally.count("calls_ns") // rows,
            },
            names=tally.told,
            suppose=_side_by_side(position),
            least_ratio=SERIAL_GAIN_LEAST_RATIO,
            is_question=True,
        )


def _side_by_side(position: Position) -> Suppose:
    """Return the supposition that only the longest of the calls takes time."""

    def suppose(view: View, replayable: Replayable) -> Supposed:
        number = replayable.simulation.timeline.number
        edits: dict[int, tuple[Edit, ...]] = {}
        for row in _series(view):
            if view.position[row[0].span_id][:-1] == position:
                longest = max(row, key=lambda one: (view.length_ns(one), one.span_id))
                shorter = (one for one in row if one is not longest)
                edits |= {number[one.span_id]: (AtMost(0, False),) for one in shorter}
        return Supposed(edits=Edits(lengths=edits))

    return suppose


SERIAL_STEPS: Final = Detector(rule=Rule.SERIAL_STEPS, see=_see, judge=_judge)
