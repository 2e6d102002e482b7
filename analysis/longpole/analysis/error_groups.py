"""Many runs → their failures, those of one kind at one place together.

A failure counts once, at the deepest span that failed; one that a retry or fallback made up for
counts too. Of one kind are those of the same type whose messages agree but for ids and numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from longpole.analysis.positions import Position
from longpole.analysis.sample import ErrorSample, RunSample


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorGroup:
    """Failures of one kind at one position.

    Attributes:
        example: the newest message as it was, its end left out.
        is_rate_limit: whether any of them says that too much was asked for at once.
        models: that the failing calls went to, by name.
        runs: in how many runs it occurred.
        run_id: the newest of them.
        first_seen_ns, last_seen_ns: starts of the first and the newest of them.
    """

    position: Position
    type: str
    message: str
    example: str
    is_rate_limit: bool
    count: int
    runs: int
    of_runs: int
    run_id: str
    first_seen_ns: int
    last_seen_ns: int
    models: tuple[str, ...]

    @property
    def rate(self) -> Fraction:
        """The share of all runs in which it occurred."""
        return Fraction(self.runs, self.of_runs)


def error_groups(samples: Sequence[RunSample]) -> tuple[ErrorGroup, ...]:
    """Return the failures by kind, what occurred in most runs first."""
    seen: dict[tuple[Position, str, str], list[tuple[RunSample, ErrorSample]]] = {}
    for sample in samples:
        for error in sample.errors:
            key = (error.position, error.type, error.message)
            seen.setdefault(key, []).append((sample, error))
    groups = [_group(key, found, len(samples)) for key, found in seen.items()]
    groups.sort(key=lambda group: (-group.runs, -group.count, group.position, group.message))
    return tuple(groups)


def _group(
    key: tuple[Position, str, str], found: Sequence[tuple[RunSample, ErrorSample]], of_runs: int
) -> ErrorGroup:
    position, error_type, message = key
    newest, error = max(found, key=lambda one: (one[0].start_ns, one[0].run_id))
    return ErrorGroup(
        position=position,
        type=error_type,
        message=message,
        example=error.example,
        is_rate_limit=any(one.is_rate_limit for _, one in found),
        count=sum(one.count for _, one in found),
        runs=len(found),
        of_runs=of_runs,
        run_id=newest.run_id,
        first_seen_ns=min(sample.start_ns for sample, _ in found),
        last_seen_ns=newest.start_ns,
        models=tuple(sorted({model for _, one in found for model in one.models})),
    )
