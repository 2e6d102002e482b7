"""Values of frozen classes, made a few times as fast as by their own constructor.

In: a frozen dataclass with slots. Out: functions that make its values, or changed copies of them.
The constructor of a frozen class sets every field through `object.__setattr__`. Here a class with
the same slots that is not frozen sets them as any object's, and the new object is then given the
frozen class; Python allows that for two classes whose objects look the same in memory. What comes
out is an ordinary value of the frozen class. Where Python refuses, the own constructor is used.

Worth it only where values are made by the hundred thousand: spans from rows, and their costs.

Source: docs.python.org, "`__class__` assignment" under `__slots__`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, make_dataclass
from operator import attrgetter
from typing import Any, ParamSpec, TypeVar, cast

P = ParamSpec("P")
Value = TypeVar("Value")


def quick(frozen: Callable[P, Value]) -> Callable[P, Value]:
    """Return a faster constructor of a frozen dataclass with slots; every field must be given."""
    return cast("Callable[P, Value]", _twin(cast("type[Any]", frozen)))


def quick_copy(frozen: type[Value], *names: str) -> Callable[..., Value]:
    """Return a function of a value and new values of these fields, which copies it with them."""
    every = [field.name for field in fields(cast("Any", frozen))]
    places = [every.index(name) for name in names]
    values_of, make = attrgetter(*every), _twin(frozen)

    def copy(value: Value, *changed: object) -> Value:
        values = list(values_of(value))
        for place, one in zip(places, changed, strict=True):
            values[place] = one
        return cast("Value", make(*values))

    return copy


def _twin(frozen: type[Any]) -> Callable[..., Any]:
    """Return the constructor, whose fields are in the order of the class's."""
    names = [field.name for field in fields(frozen)]

    def become(value: Any) -> None:
        value.__class__ = frozen

    twin = make_dataclass(
        f"Quick{frozen.__name__}",
        names,
        namespace={"__post_init__": become},
        slots=True,
        repr=False,
        eq=False,
    )
    try:
        twin(*names)
    except TypeError:
        return lambda *values, **named: frozen(**dict(zip(names, values, strict=False)), **named)
    return twin
