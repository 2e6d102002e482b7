"""Numbers beside each other, each with its course over time."""

from longpole.dashboard.web.tiles.component import tiles

__all__ = ["tiles"]
