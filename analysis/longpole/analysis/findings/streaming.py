"""Answers that are shown when they are whole, although they could be read as they come.

The answer of a run is the model call that ends with it, outside of any fan-out. Streaming makes no
run shorter: gained is time until the first word, as far as other streamed calls of the same model
tell when it would come.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import Final

from longpole.analysis.edits import Edits
from longpole.analysis.findings.claim import Case, Claim, Detector, Seen, Suppose, Supposed
from longpole.analysis.findings.finding import GainOf, Rule
from longpole.analysis.findings.view import View
from longpole.analysis.positions import Position
from longpole.analysis.what_if import Replayable
from longpole.model.run import Kind, Span, Status

ANSWER_LEAST_NS: Final = 1_000_000_000
"""An answer that takes a second is waited for (Nielsen, Response times: one second keeps the flow
of thought)."""
ANSWER_LAST_RATIO: Final = Fraction(5, 100)
"""At most so much of the run follows it: else something is done with it that may need all of it."""

UNSTREAMED_LEAST_RATIO: Final = Fraction(1, 2)
"""So many of the runs end with such an answer: else streaming is not what is missing."""


def _answer(view: View) -> Span | None:
    """Return the call that the run ends with, if it was not streamed."""
    run, facts = view.analysis.run, view.analysis.facts
    ended = [
        run.span_by_id[one]
        for one in view.calls
        if run.span_by_id[one].kind is Kind.LLM and run.span_by_id[one].status is Status.OK
    ]
    last = max(ended, key=lambda one: (one.end_ns or 0, one.span_id), default=None)
    if last is None or last.end_ns is None or view.is_in_branch(last):
        return None
    if facts.end_ns - last.end_ns > ANSWER_LAST_RATIO * facts.wall_ns:
        return None
    is_seen_early = last.first_token_ns is not None or facts.time_to_first_token_ns is not None
    return None if is_seen_early or last.cache_hit else last


def _first_token_ns(view: View, call: Span) -> int | None:
    """Return how long a streamed call of its model takes to its first token."""
    speed = view.learned.speed_of(call.model or "")
    return None if speed is None else speed.first_token_ns


def _earlier_ns(view: View, call: Span) -> int:
    first_ns = _first_token_ns(view, call)
    return 0 if first_ns is None else max(0, view.length_ns(call) - first_ns)


def _see(view: View) -> Iterable[Seen]:
    call = _answer(view)
    if call is not None:
        first_ns = _first_token_ns(view, call)
        tokens = 0 if call.usage is None else call.usage.output_tokens
        yield Seen(
            position=view.position[call.span_id],
            counts={
                "answers": 1,
                "answer_ns": view.length_ns(call),
                "output_tokens": tokens,
                "known": int(first_ns is not None),
                "first_token_ns": first_ns or 0,
            },
            names={"model": call.model or call.name},
            weight=view.length_ns(call),
        )


def _judge(case: Case) -> Iterable[Claim]:
    for position, tally in case.tallies.items():
        answers = tally.count("answers")
        if Fraction(answers, case.whole.runs) < UNSTREAMED_LEAST_RATIO:
            continue
        if tally.count("answer_ns") < ANSWER_LEAST_NS * answers:
            continue
        known = tally.count("known")
        yield Claim(
            rule=Rule.NOT_STREAMED,
            position=position,
            tally=tally,
            evidence={
                "answers": answers,
                "answer_mean_ns": tally.count("answer_ns") // answers,
                "output_mean_tokens": tally.count("output_tokens") // answers,
                "first_token_known": known,
                "first_token_mean_ns": tally.count("first_token_ns") // known if known else 0,
            },
            names=tally.told,
            suppose=_streamed(position),
            gain_of=GainOf.FIRST_TOKEN,
            least_ratio=Fraction(0),
        )


def _streamed(position: Position) -> Suppose:
    def suppose(view: View, replayable: Replayable) -> Supposed | None:
        call = _answer(view)
        if call is None or view.position[call.span_id] != position:
            return None
        return Supposed(edits=Edits(), wall_ns=replayable.wall_ns - _earlier_ns(view, call))

    return suppose


NOT_STREAMED: Final = Detector(rule=Rule.NOT_STREAMED, see=_see, judge=_judge)
