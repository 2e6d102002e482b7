"""Pure functions from a `Run` to what it tells; no database, no clock, no pictures."""

from longpole.analysis.analyse import analyse, analysis_from
from longpole.analysis.bound import Bound, bound_of
from longpole.analysis.change_points import ChangePoint, change_points
from longpole.analysis.compare import Pair, RunComparison, Side, compare
from longpole.analysis.compare_sets import PlaceDelta, SetComparison, SetSide, compare_sets
from longpole.analysis.cost_shares import CostBy, CostShare, CostShares, cost_shares
from longpole.analysis.critical_path import critical_path
from longpole.analysis.criticality import BranchCriticality, FanOutCriticality, criticality
from longpole.analysis.draft import Draft, draft_of, outline_from
from longpole.analysis.error_groups import ErrorGroup, error_groups
from longpole.analysis.facts import Lengths, facts_of
from longpole.analysis.flame import Flame, HeatMap, flame_difference, flame_of, heat_map
from longpole.analysis.intervals import Interval
from longpole.analysis.laws import check_analysis, check_path
from longpole.analysis.many import Aggregate, PlaceFacts, aggregate, by_chain
from longpole.analysis.percentiles import Percentiles
from longpole.analysis.positions import Position, label_of, positions_of
from longpole.analysis.result import (
    Branch,
    Breakdown,
    ConcurrencyStep,
    Dependencies,
    FanOut,
    RunAnalysis,
    RunFacts,
    RunOutline,
    Segment,
    SegmentKind,
    SpanFacts,
    Via,
    Waste,
    WasteReason,
)
from longpole.analysis.sample import RunSample, Sampler, sample_of, samples_of
from longpole.analysis.streamed import path_to_first_token
from longpole.analysis.structure import ShapeGroup, shape_groups
from longpole.analysis.tail import Tail, TailPlace, tail_of
from longpole.analysis.trends import Bucket, bucket_for, trend_of

__all__ = [
    "Aggregate",
    "Bound",
    "Branch",
    "BranchCriticality",
    "Breakdown",
    "Bucket",
    "ChangePoint",
    "ConcurrencyStep",
    "CostBy",
    "CostShare",
    "CostShares",
    "Dependencies",
    "Draft",
    "ErrorGroup",
    "FanOut",
    "FanOutCriticality",
    "Flame",
    "HeatMap",
    "Interval",
    "Lengths",
    "Pair",
    "Percentiles",
    "PlaceDelta",
    "PlaceFacts",
    "Position",
    "RunAnalysis",
    "RunComparison",
    "RunFacts",
    "RunOutline",
    "RunSample",
    "Sampler",
    "Segment",
    "SegmentKind",
    "SetComparison",
    "SetSide",
    "ShapeGroup",
    "Side",
    "SpanFacts",
    "Tail",
    "TailPlace",
    "Via",
    "Waste",
    "WasteReason",
    "aggregate",
    "analyse",
    "analysis_from",
    "bound_of",
    "bucket_for",
    "by_chain",
    "change_points",
    "check_analysis",
    "check_path",
    "compare",
    "compare_sets",
    "cost_shares",
    "critical_path",
    "criticality",
    "draft_of",
    "error_groups",
    "facts_of",
    "flame_difference",
    "flame_of",
    "heat_map",
    "label_of",
    "outline_from",
    "path_to_first_token",
    "positions_of",
    "sample_of",
    "samples_of",
    "shape_groups",
    "tail_of",
    "trend_of",
]
