"""What earlier runs tell about models and calls: speed, first token, how long a call can take.

In: runs of any chain. Out: medians for each model, and the lengths of the calls at each position.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from longpole.analysis.positions import Position, positions_of
from longpole.model.run import Kind, Run, Span, Status


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpeed:
    """What calls of one model were like, in the middle.

    Attributes:
        tokens_per_s: output tokens over the time after the first token, or over all of it where
            nothing was streamed.
        first_token_ns: `None` where nothing was streamed.
        calls: how many were seen.
    """

    tokens_per_s: float
    first_token_ns: int | None
    provider: str | None
    calls: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """What is known from earlier runs; empty where there are none.

    Attributes:
        lengths_ns: of the ended calls at each position, shortest first.
    """

    models: Mapping[str, ModelSpeed] = field(default_factory=dict)
    lengths_ns: Mapping[Position, Sequence[int]] = field(default_factory=dict)

    def speed_of(self, model: str) -> ModelSpeed | None:
        """Return what is known of a model, or of a dated version of it with the most calls."""
        if model in self.models:
            return self.models[model]
        dated = re.compile(rf"{re.escape(model)}[-@:]\d[\d-]*")
        versions = [one for name, one in self.models.items() if dated.fullmatch(name)]
        return max(versions, key=lambda one: one.calls, default=None)


NOTHING = Learned()


def learn(runs: Iterable[Run]) -> Learned:
    """Return what runs tell."""
    calls: dict[str, list[Span]] = {}
    lengths: dict[Position, list[int]] = {}
    for run in runs:
        positions = positions_of(run)
        for span in run.spans:
            if span.end_ns is None or span.status is not Status.OK or span.cache_hit:
                continue
            lengths.setdefault(positions[span.span_id], []).append(span.end_ns - span.start_ns)
            if span.kind is Kind.LLM and span.model is not None and _tokens_per_s(span):
                calls.setdefault(span.model, []).append(span)
    return Learned(
        models={model: _speed(spans) for model, spans in calls.items()},
        lengths_ns={position: sorted(found) for position, found in lengths.items()},
    )


def _speed(spans: Sequence[Span]) -> ModelSpeed:
    firsts = [span.time_to_first_token_ns for span in spans]
    streamed = [first for first in firsts if first is not None]
    return ModelSpeed(
        tokens_per_s=median(_tokens_per_s(span) or 0 for span in spans),
        first_token_ns=round(median(streamed)) if streamed else None,
        provider=next((span.provider for span in spans if span.provider is not None), None),
        calls=len(spans),
    )


def _tokens_per_s(span: Span) -> float | None:
    if span.usage is None or span.end_ns is None or not span.usage.output_tokens:
        return None
    begin_ns = span.start_ns if span.first_token_ns is None else span.first_token_ns
    length_ns = span.end_ns - begin_ns
    return span.usage.output_tokens * 1e9 / length_ns if length_ns > 0 else None
