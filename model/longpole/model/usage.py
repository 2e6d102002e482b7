"""Token counts of model calls.

Source: OpenTelemetry GenAI conventions, "usage": input contains the cached tokens, output contains
the reasoning tokens; the cache and reasoning numbers are subsets, never added on top.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from longpole.model.errors import BrokenLawError


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens of one model call, or the sum over several.

    >>> Usage(input_tokens=10, output_tokens=2) + Usage(input_tokens=5)
    Usage(input_tokens=15, output_tokens=2, cache_read_tokens=0, cache_write_tokens=0, \
reasoning_tokens=0)
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            cache_read_tokens=self.cache_read_tokens + other.cache_read_tokens,
            cache_write_tokens=self.cache_write_tokens + other.cache_write_tokens,
            reasoning_tokens=self.reasoning_tokens + other.reasoning_tokens,
        )

    @property
    def total_tokens(self) -> int:
        """Input and output together; the subsets are already inside."""
        return self.input_tokens + self.output_tokens

    @property
    def is_sound(self) -> bool:
        """Whether no count is negative and the subsets fit into their wholes."""
        return (
            self.cache_read_tokens >= 0
            and self.cache_write_tokens >= 0
            and 0 <= self.reasoning_tokens <= self.output_tokens
            and self.cache_read_tokens + self.cache_write_tokens <= self.input_tokens
        )

    def check(self) -> None:
        """Raise `BrokenLawError` where a count is negative or a subset exceeds its whole."""
        if self.is_sound:
            return
        for name in _COUNTS:
            count = getattr(self, name)
            if count < 0:
                raise BrokenLawError(f"{name} is {count}, expected 0 or more")
        cached = self.cache_read_tokens + self.cache_write_tokens
        if cached > self.input_tokens:
            raise BrokenLawError(
                f"cached tokens ({cached}) exceed input_tokens ({self.input_tokens})"
            )
        if self.reasoning_tokens > self.output_tokens:
            raise BrokenLawError(
                f"reasoning_tokens ({self.reasoning_tokens}) exceed "
                f"output_tokens ({self.output_tokens})"
            )


_COUNTS = tuple(field.name for field in fields(Usage))
