"""Names of attributes → what they begin with, remembered: one exporter sends the same names always.

Asking a name for nine beginnings takes longer than everything else that is done with it.
"""

from __future__ import annotations

from typing import Final

_REMEMBERED: Final = 4_096
_LONGEST_CHARS: Final = 128


class Beginnings(dict[str, str]):
    """The beginning of a name, empty if it has none of these: `Beginnings(("a.", "b."))["a.c"]`.

    Bounded: names come from anybody, so only the first few thousand are remembered, and no long
    ones.
    """

    def __init__(self, beginnings: tuple[str, ...]) -> None:
        super().__init__()
        self._beginnings = beginnings

    def __missing__(self, name: str) -> str:
        found = next((one for one in self._beginnings if name.startswith(one)), "")
        if len(self) < _REMEMBERED and len(name) <= _LONGEST_CHARS:
            self[name] = found
        return found
