"""Runs of one small chain with lengths of their own: plan, then two experts side by side, a check.

panel    #............#
  plan    ###
  experts    ......
    web      ######
    notes    ...
  check            ###
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from longpole.analysis import RunSample, analyse, samples_of
from longpole.model import (
    FanOutKind,
    Kind,
    Order,
    Role,
    Run,
    Span,
    SpanError,
    Status,
    Usage,
    assemble,
)
from tests.drawings import BEGIN_NS

MS = 1_000_000
SECOND_NS = 1_000_000_000


@dataclass(frozen=True, kw_only=True)
class Panel:
    """How one run went; lengths in milliseconds."""

    web: int = 300
    notes: int = 100
    plan: int = 50
    check: int = 20
    model: str | None = "small"
    cost_usd: Decimal | None = Decimal("0.01")
    tags: tuple[str, ...] = ()
    session_id: str | None = None
    error: SpanError | None = None
    name: str = "panel"
    start_ns: int | None = None


def panel_run(number: int, panel: Panel) -> Run:
    """The run; it starts `number` seconds after the beginning unless told otherwise."""
    start_ns = BEGIN_NS + number * SECOND_NS if panel.start_ns is None else panel.start_ns
    planned = 1 + panel.plan
    joined = planned + max(panel.web, panel.notes)
    end = joined + panel.check
    spans: list[Span] = []

    def add(parent: int | None, name: str, first: int, last: int, **more: Any) -> int:
        spans.append(
            Span(
                span_id=f"{number:08x}{len(spans):08x}",
                parent_span_id=None if parent is None else f"{number:08x}{parent:08x}",
                name=name,
                start_ns=start_ns + first * MS,
                end_ns=start_ns + last * MS,
                **{"kind": Kind.CHAIN, "status": Status.OK, **more},
            )
        )
        return len(spans) - 1

    failed = {"status": Status.ERROR, "error": panel.error} if panel.error else {}
    root = add(None, panel.name, 0, end + 1, **failed)
    add(root, "plan", 1, planned, order=Order(seq=1))
    experts = add(root, "experts", planned, joined, order=Order(seq=2))
    for key, length in (("web", panel.web), ("notes", panel.notes)):
        branch = {
            "branch": key,
            "role": Role.BRANCH,
            "fan_out": FanOutKind.PARALLEL,
            "order": Order(group="experts"),
        }
        call = {
            "kind": Kind.LLM,
            "model": panel.model,
            "provider": "openai",
            "usage": Usage(input_tokens=1_000, output_tokens=200),
            "cost_usd": panel.cost_usd,
            "unpriced": "no price" if panel.cost_usd is None else None,
        }
        add(experts, key, planned, planned + length, **branch, **call)
    add(root, "check", joined, end, order=Order(seq=3), **failed)
    return assemble(f"{number:032x}", spans, tags=panel.tags, session_id=panel.session_id)


def samples(panels: Sequence[Panel], first: int = 1) -> list[RunSample]:
    """What is kept of such runs, one a second."""
    return samples_of(
        analyse(panel_run(number, panel), now_ns=0)
        for number, panel in enumerate(panels, start=first)
    )
