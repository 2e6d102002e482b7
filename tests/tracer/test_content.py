"""Content of any kind becomes JSON text, safely and within its limit."""

from __future__ import annotations

import dataclasses
import enum
import hashlib
import json
import threading
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.prompt_values import ChatPromptValue
from pydantic import BaseModel, SecretStr

from longpole.tracer.content import REDACTION_FAILED, capture, clean_text


def kept(value: object, limit: int = 10_000) -> Any:
    captured = capture(value, limit=limit)
    return json.loads(captured.text) if captured.is_json else captured.text


class Colour(enum.Enum):
    RED = "red"


class Person(BaseModel):
    name: str
    secret: SecretStr = SecretStr("hunter2")


@dataclasses.dataclass(slots=True)
class Point:
    x: int
    y: int


class Hostile:
    """Raises whenever it is asked anything."""

    def __repr__(self) -> str:
        raise SystemExit("repr was called")

    __str__ = __repr__

    def __getattr__(self, name: str) -> Any:
        raise SystemExit(f"{name} was asked for")

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        raise SystemExit("__class__ was asked for")


def test_messages_keep_role_content_and_tool_calls() -> None:
    call = {"name": "search", "args": {"q": "ski"}, "id": "c1", "type": "tool_call"}
    messages = [HumanMessage("hi"), AIMessage("", tool_calls=[call])]

    assert kept(messages) == [
        {"role": "human", "content": "hi"},
        {"role": "ai", "content": "", "tool_calls": [call]},
    ]


def test_prompts_documents_models_and_dataclasses_are_read_by_their_fields() -> None:
    assert kept(ChatPromptValue(messages=[HumanMessage("hi")])) == [
        {"role": "human", "content": "hi"}
    ]
    assert kept([Document("text", metadata={"page": 3})]) == [
        {"page_content": "text", "metadata": {"page": 3}}
    ]
    assert kept(Point(1, 2)) == {"x": 1, "y": 2}
    assert kept({"who": Person(name="Ada")})["who"]["name"] == "Ada"


def test_a_secret_field_is_named_not_shown() -> None:
    assert "hunter2" not in capture(Person(name="Ada"), limit=1000).text


def test_plain_values_that_json_lacks_are_written_as_text() -> None:
    moment = datetime(2026, 11, 24, tzinfo=UTC)
    identity = uuid.UUID(int=7)

    assert kept({"at": moment, "id": identity, "c": Colour.RED, "b": b"1234"}) == {
        "at": "2026-11-24 00:00:00+00:00",
        "id": str(identity),
        "c": "red",
        "b": "[bytes: 4 bytes, sha256 03ac674216f3e15c]",
    }


def test_no_code_of_the_value_is_run() -> None:
    assert kept({"x": Hostile(), "t": Hostile}) == {
        "x": f"[{__name__}.Hostile]",
        "t": f"[class {__name__}.Hostile]",
    }


def test_a_generator_is_not_consumed() -> None:
    def chunks() -> Iterator[int]:
        yield 1

    stream = chunks()
    capture({"stream": stream}, limit=1000)

    assert list(stream) == [1]


def test_a_cycle_is_marked_where_it_closes() -> None:
    state: dict[str, Any] = {"name": "state"}
    state["self"] = state

    assert kept(state) == {"name": "state", "self": "[cycle: dict]"}


def test_what_appears_twice_is_shown_twice() -> None:
    shared = {"a": 1}

    assert kept([shared, shared]) == [{"a": 1}, {"a": 1}]


def test_deep_nesting_is_cut() -> None:
    nested: list[Any] = []
    for _ in range(3000):
        nested = [nested]

    assert "[cut: list]" in capture(nested, limit=1000).text


def test_long_text_is_cut_and_its_size_is_kept() -> None:
    captured = capture("x" * 5000, limit=100)

    assert captured.text.startswith("x" * 100 + "…")
    assert "cut 4900 of 5000 characters" in captured.text
    assert captured.cut_from == 5000


def test_what_is_cut_can_still_be_told_apart() -> None:
    digest = hashlib.sha256(b"x" * 1_000_000).hexdigest()[:16]
    one, other = (capture("x" * 999_999 + end, limit=100).text for end in "xy")

    assert f"sha256 {digest}]" in one
    assert one != other
    assert kept(["x" * 1_000_000], limit=100)[0] == one


def test_bytes_are_told_by_size_and_digest() -> None:
    digest = hashlib.sha256(b"png").hexdigest()[:16]

    assert kept({"image": b"png"}) == {"image": f"[bytes: 3 bytes, sha256 {digest}]"}
    assert kept([memoryview(b"a-b-c")[::2]]) == ["[memoryview: 3 bytes]"]
    assert kept([bytes(17 * 1024 * 1024)]) == ["[bytes: 17825792 bytes]"]


def test_many_items_are_cut_and_counted() -> None:
    captured = capture(list(range(1_000_000)), limit=100)

    assert captured.cut_from is not None
    assert "items]" in captured.text
    assert len(captured.text) < 200_000


@pytest.mark.parametrize(
    "value",
    [2**80, float("nan"), float("inf"), "\ud800", {"\ud800": 1}, 10**5000, "\x00"],
    ids=["wide", "nan", "inf", "surrogate", "surrogate key", "huge", "nul"],
)
def test_values_that_encoders_refuse_are_kept_as_text(value: object) -> None:
    captured = capture({"v": value}, limit=1000)

    assert json.loads(captured.text)
    captured.text.encode()


def test_redaction_sees_every_text() -> None:
    captured = capture(
        {"a": "key sk-1", "b": [HumanMessage("sk-1")]},
        limit=1000,
        redact=lambda text: text.replace("sk-1", "***"),
    )

    assert "sk-1" not in captured.text
    assert captured.text.count("***") == 2


def test_a_failing_redaction_keeps_nothing() -> None:
    def fail(text: str) -> str:
        raise ValueError(text)

    assert capture("secret", limit=1000, redact=fail).text == REDACTION_FAILED
    assert capture("secret", limit=1000, redact=lambda text: None).text == REDACTION_FAILED  # type: ignore[arg-type,return-value]


def test_a_dict_may_change_in_another_thread_meanwhile() -> None:
    state = {str(number): number for number in range(2000)}
    done = threading.Event()

    def change() -> None:
        number = 2000
        while not done.is_set():
            state[str(number)] = number
            state.pop(str(number - 1000), None)
            number += 1

    thread = threading.Thread(target=change)
    thread.start()
    try:
        for _ in range(200):
            json.loads(capture(state, limit=10**6).text)
    finally:
        done.set()
        thread.join()


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=20), inner, max_size=5)
    ),
    max_leaves=20,
)


@given(json_values.filter(lambda value: not isinstance(value, str)))
def test_json_values_are_kept_as_they_are(value: object) -> None:
    assert kept(value, limit=10_000) == value


@given(st.text())
def test_clean_text_is_the_same_text_and_can_be_encoded(text: str) -> None:
    assert clean_text(text) == text
    clean_text(text + "\udfff").encode()


_SIMPLE = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
_MESSAGES = st.builds(
    AIMessage,
    content=st.text(max_size=20) | st.lists(st.just({"type": "text", "text": "hi"}), max_size=2),
    name=st.none() | st.text(max_size=5),
    id=st.none() | st.text(max_size=5),
)
_CONTENTS = st.recursive(
    _SIMPLE | _MESSAGES | st.sampled_from([Colour.RED, b"bytes", ("a", 1), Point(1, 2)]),
    lambda below: (
        st.lists(below, max_size=4)
        | st.dictionaries(st.text(max_size=5) | st.integers(), below, max_size=4)
        | st.lists(_MESSAGES, max_size=3).map(lambda them: ChatPromptValue(messages=them))
    ),
    max_leaves=12,
)


@given(_CONTENTS, st.integers(0, 200))
def test_small_contents_look_as_they_do_when_every_text_is_looked_at(
    value: object, limit: int
) -> None:
    assert capture(value, limit=limit) == capture(value, limit=limit, redact=lambda text: text)
