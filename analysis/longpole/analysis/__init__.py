"""Pure functions from a `Run` to what it tells; no database, no clock, no pictures."""

from longpole.analysis.analyse import analyse
from longpole.analysis.compare import Pair, RunComparison, Side, compare
from longpole.analysis.critical_path import critical_path
from longpole.analysis.laws import check_analysis, check_path
from longpole.analysis.positions import Position, label_of, positions_of
from longpole.analysis.result import (
    Branch,
    ConcurrencyStep,
    Dependencies,
    FanOut,
    RunAnalysis,
    RunFacts,
    Segment,
    SegmentKind,
    SpanFacts,
    Via,
    WasteReason,
)

__all__ = [
    "Branch",
    "ConcurrencyStep",
    "Dependencies",
    "FanOut",
    "Pair",
    "Position",
    "RunAnalysis",
    "RunComparison",
    "RunFacts",
    "Segment",
    "SegmentKind",
    "Side",
    "SpanFacts",
    "Via",
    "WasteReason",
    "analyse",
    "check_analysis",
    "check_path",
    "compare",
    "critical_path",
    "label_of",
    "positions_of",
]
