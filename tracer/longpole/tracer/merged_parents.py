"""Parents that LangChain loses when it merges two callback managers.

A runnable with a configuration of its own (`bind`, `with_config`, `with_retry`) merges the manager
it is given into the one of the context it is called in, and of two parents that of the context
wins: the tries of a batch's rows start below the run around the batch, beside their own wrappers.
What other handlers are told stays so. The merged manager's parent id is replaced by an equal one
that we know again by its identity, and `meant_by` says which parent was given.

Source: `merge_configs` and `BaseCallbackManager.merge` of langchain-core 1.8.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

from langchain_core.callbacks.base import BaseCallbackManager

from longpole.tracer.patches import Patch, classes_from

_meant: dict[int, tuple[weakref.ref[UUID], UUID]] = {}
"""By identity of the id that stands in for it; an entry goes with that."""


def meant_by(parent: UUID) -> UUID | None:
    """Return the parent that was given where a merge named another one; else `None`."""
    known = _meant.get(id(parent)) if _meant else None
    return None if known is None else known[1]


def _of_merge(original: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def merge(self: Any, other: Any) -> Any:
        merged = original(self, other)
        named, given = merged.parent_run_id, other.parent_run_id
        if type(named) is UUID and given is not None:
            meant = meant_by(given) or given
            if meant != named:
                merged.parent_run_id = _standing_in(named, meant)
        return merged

    return merge


def _standing_in(named: UUID, meant: UUID) -> UUID:
    equal = UUID(int=named.int)
    key = id(equal)

    def forget(gone: object) -> None:
        _meant.pop(key, None)

    _meant[key] = (weakref.ref(equal, forget), meant)
    return equal


def _put(patch: Patch) -> None:
    for cls in classes_from(BaseCallbackManager):
        if "merge" in vars(cls):
            patch.replace(cls, "merge", _of_merge)


PATCH: Final = Patch(_put)
