"""Which exceptions are failures, and what is told of them."""

from __future__ import annotations

import asyncio
import concurrent.futures

import pytest
from langgraph.errors import GraphInterrupt, ParentCommand
from langgraph.types import Command

from longpole.model import Status
from longpole.tracer.endings import describe, stack_of, status_of


class Talkative(Exception):
    def __str__(self) -> str:
        raise SystemExit("str was called")


class GraphBubbleUp(Exception):
    """Only shares its name with LangGraph's."""


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ValueError("x"), Status.ERROR),
        (KeyboardInterrupt(), Status.ERROR),
        (TimeoutError(), Status.ERROR),
        (asyncio.CancelledError(), Status.CANCELLED),
        (concurrent.futures.CancelledError(), Status.CANCELLED),
        (GeneratorExit(), Status.CANCELLED),
        (GraphInterrupt(()), Status.INTERRUPTED),
        (ParentCommand(Command(goto="x")), Status.INTERRUPTED),
        (GraphBubbleUp(), Status.ERROR),
    ],
)
def test_control_flow_is_told_from_failure_by_class(error: BaseException, status: Status) -> None:
    assert status_of(error) is status


@pytest.mark.parametrize(
    ("error", "type_", "message"),
    [
        (ValueError("bad", 3), "ValueError", "bad, 3"),
        (KeyError("k"), "KeyError", "k"),
        (FileNotFoundError(2, "No such file", "/x"), "FileNotFoundError", "No such file, /x"),
        (Talkative("said"), f"{__name__}.Talkative", "said"),
        (ValueError(Talkative()), "ValueError", f"{__name__}.Talkative"),
        (ValueError("\ud800"), "ValueError", "\\ud800"),
    ],
)
def test_the_message_is_read_without_running_the_exceptions_code(
    error: BaseException, type_: str, message: str
) -> None:
    told = describe(error)

    assert (told.type, told.message) == (type_, message)


def test_a_huge_message_is_cut() -> None:
    assert len(describe(ValueError("x" * 10**6)).message) < 10_000


def test_messages_pass_the_redaction() -> None:
    assert (
        describe(ValueError("key sk-1"), lambda text: text.replace("sk-1", "*")).message == "key *"
    )


def test_the_stack_names_where_it_was_raised() -> None:
    def inner() -> None:
        raise ValueError

    with pytest.raises(ValueError) as caught:  # noqa: PT011 - any will do
        inner()
    lines = stack_of(caught.value).splitlines()

    assert lines[-1].endswith("inner")
    assert __file__ in lines[-1]


def test_an_endless_stack_is_shortened_in_its_middle() -> None:
    def down(depth: int) -> None:
        if depth == 0:
            raise ValueError
        down(depth - 1)

    with pytest.raises(ValueError) as caught:  # noqa: PT011 - any will do
        down(300)
    lines = stack_of(caught.value).splitlines()

    assert len(lines) == 61
    assert "more" in lines[30]
