"""A run as a graph of stages: what followed what, what ran side by side."""

from longpole.dashboard.graph.layout import Box, Edge, Frame, Head, Layout, layout_of
from longpole.dashboard.graph.shape import Stage, Step, shape_of

__all__ = [
    "Box",
    "Edge",
    "Frame",
    "Head",
    "Layout",
    "Stage",
    "Step",
    "layout_of",
    "shape_of",
]
