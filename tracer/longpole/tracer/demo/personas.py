"""Which models the demo pretends to call, and how each of them behaves.

The names are those of real models, so that real prices apply to the fake tokens. Speeds are round
numbers of the order such models show; they are no measurement of anybody's service.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Persona:
    """One model: its names and its speed.

    Attributes:
        provider: as integrations report it in `ls_provider`.
        model: the dated name that the provider answers with.
        name: the short name that a person would give the step.
        first_token_s: lowest and highest time to the first token.
        tokens_per_s: lowest and highest speed after that.
        reasoning_tokens: lowest and highest number of hidden tokens before the answer; they are
            part of the output tokens.
        cached_tokens: tokens of a house prompt that the provider keeps; part of the input tokens.
    """

    provider: str
    model: str
    name: str
    first_token_s: tuple[float, float]
    tokens_per_s: tuple[float, float]
    reasoning_tokens: tuple[int, int] = (0, 0)
    cached_tokens: int = 0


GPT_4O_MINI: Final = Persona(
    provider="openai",
    model="gpt-4o-mini-2024-07-18",
    name="gpt-4o-mini",
    first_token_s=(0.18, 0.30),
    tokens_per_s=(140, 180),
)
GPT_4_1: Final = Persona(
    provider="openai",
    model="gpt-4.1-2025-04-14",
    name="gpt-4.1",
    first_token_s=(0.22, 0.34),
    tokens_per_s=(130, 160),
)
CLAUDE_SONNET: Final = Persona(
    provider="anthropic",
    model="claude-sonnet-4-5-20250929",
    name="claude-sonnet-4-5",
    first_token_s=(0.45, 0.65),
    tokens_per_s=(80, 95),
    cached_tokens=1_280,
)
CLAUDE_HAIKU: Final = Persona(
    provider="anthropic",
    model="claude-haiku-4-5-20251001",
    name="claude-haiku-4-5",
    first_token_s=(0.20, 0.32),
    tokens_per_s=(150, 190),
)
GEMINI_FLASH: Final = Persona(
    provider="google_genai",
    model="gemini-2.5-flash",
    name="gemini-2.5-flash",
    first_token_s=(0.20, 0.30),
    tokens_per_s=(220, 260),
    reasoning_tokens=(12, 32),
)
