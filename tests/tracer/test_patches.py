"""Patches are in place as long as somebody holds them, and leave nothing behind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longpole.tracer.patches import Patch


class Holder:
    """Stands for a handler."""


class Base:
    def inherited(self) -> str:
        return "inherited"


def marked(mark: str) -> Callable[[Any], Any]:
    def wrap(original: Any) -> Any:
        def stand_in(*args: Any) -> str:
            return f"{mark}({original(*args)})"

        return stand_in

    return wrap


def subject() -> type[Any]:
    class Subject(Base):
        def own(self) -> str:
            """Say so."""
            return "own"

    return Subject


def patch_of(owner: type, *names: str, mark: str = "a") -> Patch:
    def put(patch: Patch) -> None:
        for name in names:
            patch.replace(owner, name, marked(mark))

    return Patch(put)


def test_a_patch_is_in_place_while_anybody_holds_it() -> None:
    cls, first, second = subject(), Holder(), Holder()
    before = dict(vars(cls))
    patch = patch_of(cls, "own")
    patch.hold(first)
    patch.hold(second)
    patch.release(first)
    assert cls().own() == "a(own)"

    patch.release(second)
    assert dict(vars(cls)) == before

    patch.hold(first)
    assert cls().own() == "a(own)"


def test_what_is_inherited_is_inherited_again_afterwards() -> None:
    cls, holder = subject(), Holder()
    patch = patch_of(cls, "inherited")
    patch.hold(holder)
    assert cls().inherited() == "a(inherited)"

    patch.release(holder)
    assert "inherited" not in vars(cls)
    assert cls().inherited() == "inherited"


def test_a_stand_in_looks_like_the_original() -> None:
    cls, holder = subject(), Holder()
    patch_of(cls, "own").hold(holder)

    assert (cls.own.__name__, cls.own.__doc__) == ("own", "Say so.")


def test_what_was_loaded_since_is_replaced_when_asked() -> None:
    loaded: list[type[Any]] = []

    def put(patch: Patch) -> None:
        for cls in loaded:
            patch.replace(cls, "own", marked("a"))

    patch, holder, late = Patch(put), Holder(), subject()
    patch.hold(holder)
    loaded.append(late)
    assert late().own() == "own"

    patch.renew()
    patch.renew()
    assert late().own() == "a(own)"


def test_nothing_is_replaced_while_nobody_holds_the_patch() -> None:
    cls = subject()
    patch = patch_of(cls, "own")
    patch.renew()
    patch.replace(cls, "own", marked("b"))

    assert cls().own() == "own"


def test_what_somebody_else_put_over_ours_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    cls, holder = subject(), Holder()
    patch = patch_of(cls, "own")
    patch.hold(holder)
    monkeypatch.setattr(cls, "own", marked("theirs")(cls.own))
    patch.release(holder)

    assert cls().own() == "theirs(a(own))"


@given(st.permutations("abc"), st.permutations("abc"))
def test_patches_of_one_attribute_come_and_go_in_any_order(
    coming: list[str], going: list[str]
) -> None:
    cls, holder = subject(), Holder()
    before = dict(vars(cls))
    patches = {mark: patch_of(cls, "own", mark=mark) for mark in "abc"}
    for mark in coming:
        patches[mark].hold(holder)
    for at, mark in enumerate(going):
        patches[mark].release(holder)
        left = set(going[at + 1 :])
        assert {mark for mark in "abc" if f"{mark}(" in cls().own()} == left

    assert dict(vars(cls)) == before
