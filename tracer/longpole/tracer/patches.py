"""Other people's functions that ours stand in for, as long as somebody wants it.

In: a `Patch`, who holds it, and what it replaces. Out: attributes of classes, modules and loggers
that are wrapped while the patch is held, and as they were when its last holder lets go. Several
patches may wrap the same attribute and come and go in any order. What somebody else has put over
ours stays where it is; below it ours goes on, and everything here passes through when no handler of
ours is around.
"""

from __future__ import annotations

import functools
import os
import threading
import weakref
from collections.abc import Callable, Iterator
from types import FunctionType
from typing import Any, Final

Wrap = Callable[[Any], Any]
"""Gets the original, returns what stands in for it."""
Put = Callable[["Patch"], None]
"""Replaces what a patch is to replace; called again and again, since more may have been loaded."""

_ABSENT: Final = object()
_lock = threading.RLock()


class _Place:
    """An attribute with the wraps that are around it, the first one innermost."""

    def __init__(self, owner: Any, name: str) -> None:
        self._owner = owner
        self._name = name
        self._original = vars(owner).get(name, _ABSENT)
        self._now = self._original
        self.wraps: dict[Patch, Wrap] = {}

    def renew(self) -> None:
        """Put the original with all wraps around it in place, unless somebody put his over it."""
        if vars(self._owner).get(self._name, _ABSENT) is not self._now:
            return
        if self._original is _ABSENT and self._now is not _ABSENT:
            delattr(self._owner, self._name)
        if self.wraps or self._original is not _ABSENT:
            setattr(self._owner, self._name, self._wrapped())
        self._now = vars(self._owner).get(self._name, _ABSENT)

    def _wrapped(self) -> Any:
        at = self._original
        if at is _ABSENT:  # inherited, or found on the instance's class
            at = getattr(self._owner, self._name)
        for wrap in self.wraps.values():
            outer = wrap(at)
            at = functools.wraps(at)(outer) if isinstance(outer, FunctionType) else outer
        return at


_places: dict[tuple[int, str], _Place] = {}
"""By identity of the owner, which the place keeps alive."""


class Patch:
    """Replaces attributes as long as somebody holds it."""

    def __init__(self, put: Put) -> None:
        self._put = put
        self._holders: weakref.WeakSet[Any] = weakref.WeakSet()
        self.is_in_place = False

    def hold(self, holder: object) -> None:
        """Replace what is not replaced yet, and keep it so until the holder lets go."""
        with _lock:
            self._holders.add(holder)
            self.is_in_place = True
            self.renew()

    def renew(self) -> None:
        """Replace what was loaded since, if anybody holds the patch."""
        with _lock:
            if self.is_in_place:
                self._put(self)

    def release(self, holder: object) -> None:
        """Let go; with the last holder gone everything is as it was."""
        with _lock:
            self._holders.discard(holder)
            if self._holders:
                return
            self.is_in_place = False
            for key, place in list(_places.items()):
                if place.wraps.pop(self, None) is not None:
                    place.renew()
                    if not place.wraps:
                        del _places[key]

    def replace(self, owner: Any, name: str, wrap: Wrap) -> None:
        """Let the wrapped attribute stand in for the original; once, and only while held."""
        with _lock:
            if not self.is_in_place:
                return
            key = (id(owner), name)
            place = _places.get(key)
            if place is None:
                place = _places[key] = _Place(owner, name)
            if self not in place.wraps:
                place.wraps[self] = wrap
                place.renew()


def classes_from(cls: type) -> Iterator[type]:
    """Return a class and every class below it that there is, each once."""
    seen: set[type] = set()
    work = [cls]
    while work:
        at = work.pop()
        if at not in seen:
            seen.add(at)
            yield at
            work.extend(type.__subclasses__(at))


def _forget_lock_after_fork() -> None:
    global _lock
    _lock = threading.RLock()


os.register_at_fork(after_in_child=_forget_lock_after_fork)
