"""The document about `longpole show --json` names what the command writes, nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.dashboard.contract import BRANCH, BREAKDOWN, FAN_OUT, SEGMENT

DOCUMENT = Path(__file__).parents[2] / "docs" / "show-json.md"


@pytest.mark.parametrize(
    ("heading", "keys"),
    [
        ("`breakdown`", BREAKDOWN),
        ("`critical_path[]`", SEGMENT),
        ("`fan_outs[]`", FAN_OUT),
        ("`fan_outs[].branches[]`", BRANCH),
    ],
)
def test_the_document_names_every_field_in_order(heading: str, keys: Iterable[str]) -> None:
    section = DOCUMENT.read_text().partition(f"\n## {heading}\n")[2].partition("\n#")[0]

    assert re.findall(r"^\| `(\w+)` \|", section, re.M) == list(keys)
