"""Colours that carry a meaning, chosen so that colour-blind readers can tell them apart.

In every pair of one theme the distance ΔE76 stays at 18 or more in normal sight and in simulated
protanopia, deuteranopia and tritanopia. Status is never told by colour alone: the drawings add a
mark to each.

Source: G. M. Machado, M. M. Oliveira, L. A. F. Fernandes, A Physiologically-based Model for
Simulation of Color Vision Deficiency, IEEE TVCG 15(6), 2009.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Literal

from longpole.model import Kind, Role, Span

Theme = Literal["light", "dark"]


class Family(IntEnum):
    """What a bar stands for; the number is the colour's place in the palettes below."""

    STRUCTURE = 0
    MODEL = 1
    TOOL = 2
    RETRY = 3
    FALLBACK = 4
    CACHE = 5


FAMILY_NAMES = ("structure", "model", "tool, retrieval", "retry", "fallback", "cache hit")
"""What the legend calls the families, in their order."""

FAMILY_COLOURS: dict[Theme, tuple[str, ...]] = {
    "light": ("#98A2B0", "#0B62A8", "#12A07A", "#F2B134", "#B84300", "#7CCBF5"),
    "dark": ("#77818F", "#2E7DD1", "#2BC49A", "#F5BE55", "#C9530F", "#C4E8FC"),
}
"""One colour for each family."""

ERROR_COLOURS: dict[Theme, str] = {"light": "#D62839", "dark": "#FF6B78"}
"""Underline and cross of what failed."""

_WORK = {
    Kind.LLM: Family.MODEL,
    Kind.EMBEDDING: Family.MODEL,
    Kind.TOOL: Family.TOOL,
    Kind.RETRIEVER: Family.TOOL,
    Kind.HTTP: Family.TOOL,
}


def family(span: Span) -> Family:
    """Return what the bar of this span stands for: the oddest thing about it comes first."""
    if span.cache_hit:
        return Family.CACHE
    if span.role is Role.FALLBACK:
        return Family.FALLBACK
    if span.attempt > 1:
        return Family.RETRY
    return plain_family(span.kind)


def plain_family(kind: Kind) -> Family:
    """Return the family of a span of this kind about which nothing is odd."""
    return _WORK.get(kind, Family.STRUCTURE)
