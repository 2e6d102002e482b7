"""The waterfall: one row a span on a common time axis, drawn on a canvas in the browser."""

from longpole.dashboard.web.waterfall.component import waterfall
from longpole.dashboard.web.waterfall.encode import encode, height_px, rows_in_order

__all__ = ["encode", "height_px", "rows_in_order", "waterfall"]
