"""Where a foreign span stands: the shape of a runnable by its name, and a `Place` as attributes.

What a runnable does with the runs below it is not told in a trace, but LangChain's own runnables
bear the names of their classes.
"""

from __future__ import annotations

from typing import Any, Final

from longpole.model import semconv
from longpole.model.place import Place, Shape

_SHAPES: Final = (
    ("RunnableParallel", Shape.PARALLEL),
    ("RunnableSequence", Shape.SEQUENCE),
    ("RunnableEach", Shape.EACH),
    ("RunnableWithFallbacks", Shape.FALLBACKS),
    ("RunnableBranch", Shape.BRANCH),
)


def shape_named(name: str) -> Shape | None:
    """Return what a runnable of this name is.

    >>> shape_named("RunnableParallel<a,b>")
    <Shape.PARALLEL: 1>
    """
    for prefix, shape in _SHAPES:
        if name == prefix or name.startswith(f"{prefix}<"):
            return shape
    return None


def attributes_of_place(place: Place) -> dict[str, Any]:
    """Return the attributes that say where a span stands; `None` where nothing is known."""
    order = place.order
    return {
        semconv.LONGPOLE_ROLE: place.role and place.role.value,
        semconv.LONGPOLE_BRANCH: place.branch,
        semconv.LONGPOLE_STEP: place.step,
        semconv.LONGPOLE_ATTEMPT: place.attempt if place.attempt > 1 else None,
        semconv.LONGPOLE_FAN_OUT: place.fan_out and place.fan_out.value,
        semconv.LONGPOLE_GROUP: order.group,
        semconv.LONGPOLE_SEQ: order.seq,
        semconv.LONGPOLE_SUPERSTEP: order.superstep,
        semconv.LONGPOLE_AFTER: None if order.after is None else list(order.after),
    }
