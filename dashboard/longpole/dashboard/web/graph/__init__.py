"""The graph of a run: boxes are buttons, so that it can be walked through by keyboard."""

from longpole.dashboard.web.graph.component import graph

__all__ = ["graph"]
