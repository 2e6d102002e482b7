"""Inputs and outputs of a run → the texts that are searched, and the words in them. Pure.

What a file leaves to FTS5 other stores must do by themselves, so that a word finds the same runs
everywhere: a word is a stretch of letters and digits (and of accents behind them), its case is
folded letter by letter, and accents count.

Source: sqlite.org/fts5.html, tokenizer `unicode61 remove_diacritics 0`, measured letter by letter.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

VALUE_LIMIT_CHARS: Final = 20_000
"""Of one input or output no more than this is indexed."""
RUN_LIMIT_CHARS: Final = 200_000
"""Of all inputs and outputs of one run together no more than this is indexed."""

_ESCAPE: Final = re.compile(r"\\.")
_ACCENTS: Final = (
    "\u0300-\u0304\u0306-\u030c\u030f\u0311\u031b\u0323-\u0328\u032d\u032e\u0330\u0331"
)
_WORD: Final = re.compile(rf"(?:[^\W_]|[\ue000-\uf8ff])(?:[^\W_]|[{_ACCENTS}\ue000-\uf8ff])*")
# Small letters that are another one's variant; `lower` leaves them as they are.
_VARIANTS: Final = str.maketrans("ςſµϐϑϕϖϰϱϵẛ\u1fbe", "σsμβθφπκρεṡι")


def documents_of(contents: Iterable[tuple[str | None, str | None]]) -> Iterator[str]:
    """Yield everything of a run that is searched.

    A text that several spans have, as a chain and its first step do, comes once.

    Args:
        contents: inputs and outputs with their MIME types, the root's first, each no longer than
            `VALUE_LIMIT_CHARS`.
    """
    seen: set[str] = set()
    left_chars = RUN_LIMIT_CHARS
    for value, mime_type in contents:
        if left_chars <= 0:
            return
        if not value:
            continue
        # In JSON a new line is written `\n`, and would be part of the next word.
        is_json = mime_type == "application/json" and "\\" in value
        text = _ESCAPE.sub(" ", value) if is_json else value
        if text not in seen:
            yield text[:left_chars]
            seen.add(text)
            left_chars -= len(text)


def words_of(text: str) -> list[str]:
    """Return the words of a text in their order, in a form that ignores case.

    >>> words_of("Well-known ΟΔΟΣ, v2.0_b")
    ['well', 'known', 'οδοσ', 'v2', '0', 'b']
    """
    return _WORD.findall(text.lower().translate(_VARIANTS))


def phrases(pieces: Sequence[str]) -> Iterator[tuple[str, bool]]:
    """Yield what must all occur in one text, each with whether it may end within a word.

    Args:
        pieces: of a `filters.Pattern`; a wildcard is between each two of them.
    """
    for at, piece in enumerate(pieces):
        if piece:
            yield piece, at < len(pieces) - 1 and piece[-1].isalnum()
