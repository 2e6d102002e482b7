"""How much an exporter wrote."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Written:
    """The runs and spans that went into a file or folder."""

    runs: int
    spans: int
