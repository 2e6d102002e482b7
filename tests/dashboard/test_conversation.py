from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from longpole.dashboard.conversation import Message, messages_in

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["role", "content", "messages", "name", "tool_calls", "args", "text"])
            | st.text(max_size=3),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


def test_a_state_of_a_graph_is_read_as_its_messages() -> None:
    asked = {"messages": [{"role": "human", "content": "Can we?", "id": "1"}]}

    assert messages_in(json.dumps(asked)) == (Message(role="human", text="Can we?"),)


def test_a_model_says_what_it_wants_called() -> None:
    answer = {
        "role": "AIMessageChunk",
        "content": [{"type": "text", "text": "Let me look."}, {"type": "image_url"}],
        "tool_calls": [{"name": "stock", "args": {"item": "T-40"}}],
    }

    [message] = messages_in(json.dumps(answer))
    assert message.role == "ai"
    assert message.text == 'Let me look.\n[image_url]\n→ stock({"item": "T-40"})'


def test_the_answer_of_a_tool_names_the_tool() -> None:
    answer = {"role": "tool", "content": "31 in stock", "name": "stock_level"}

    assert messages_in(json.dumps(answer)) == (
        Message(role="tool stock_level", text="31 in stock"),
    )


@pytest.mark.parametrize("text", ["", "[]", "4", '["hi"]', '[{"role": "ai"}]', '{"content": "x"}'])
def test_what_is_no_chat_has_no_messages(text: str) -> None:
    assert messages_in(text) == ()


@settings(max_examples=60)
@given(JSON)
def test_any_json_is_read_without_an_error(value: object) -> None:
    assert all(message.text is not None for message in messages_in(json.dumps(value)))
