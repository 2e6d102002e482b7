"""Runs of one span, for tests of what surrounds them."""

from __future__ import annotations

from longpole.model import Kind, Run, Span, Status, assemble


def bare_run(number: int, start_ns: int, name: str = "nightly") -> Run:
    """A run of 10 ns; its number is its id."""
    root = Span(
        span_id=f"{number:016x}",
        parent_span_id=None,
        name=name,
        kind=Kind.CHAIN,
        start_ns=start_ns,
        end_ns=start_ns + 10,
        status=Status.OK,
    )
    return assemble(f"{number:032x}", [root])
