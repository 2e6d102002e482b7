"""What all tests of the dashboard share."""

from __future__ import annotations

import sys

import pytest


@pytest.fixture(autouse=True)
def _own_main(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put back the main module, which Streamlit's AppTest leaves as the script of a page.

    A process that is spawned later would run that script again.
    """
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
