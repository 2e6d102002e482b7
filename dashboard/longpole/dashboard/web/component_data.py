"""What a component is to draw → the same in a form that Streamlit sends as it is.

Of a mapping Streamlit asks value by value whether it is a data frame, and loads pandas and pyarrow
to know one: half a second and 60 MB for every server. A list goes out as JSON at once; the
components' scripts take its only item.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def as_json_only(shown: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return what `data` of a component gets."""
    return [shown]
