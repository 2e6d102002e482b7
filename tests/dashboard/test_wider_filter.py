from __future__ import annotations

import pytest

from longpole.dashboard.wider_filter import widened
from longpole.storage.filter_text import describe, parse


@pytest.mark.parametrize(
    ("text", "wider"),
    [
        ("model:gpt-4.1", "model:gpt-4.1*"),
        ("model:gpt-4.1,claude* status:ok", "model:gpt-4.1*,claude* status:ok"),
        ("(branch:web OR name:panel) wall>2s", "(branch:web* OR name:panel*) wall>2s"),
        ("error:RateLimit -tag:test", "error:RateLimit* -tag:test"),
    ],
)
def test_a_star_is_put_behind_each_value_that_has_none(text: str, wider: str) -> None:
    found = widened(parse(text, now_ns=0))

    assert found is not None
    assert found == parse(wider, now_ns=0)
    assert describe(found) == wider


@pytest.mark.parametrize("text", ["", "status:error", "model:gpt*", "-model:gpt-4.1", "rate limit"])
def test_a_filter_that_a_star_would_not_widen_has_no_wider_one(text: str) -> None:
    assert widened(parse(text, now_ns=0)) is None
