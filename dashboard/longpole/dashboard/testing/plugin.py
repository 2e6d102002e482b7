"""The pytest plugin: a fixture that records the chains of a test.

pytest loads this file in every session of an environment that has Longpole, so it imports nothing
until a test asks for the fixture. It is the one place where the process that is traced and the one
that looks are the same, hence the one place of this room that knows the tracer.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from longpole.dashboard.testing.recorded import Recording


@pytest.fixture
def longpole_run(tmp_path: Path) -> Iterator[Recording]:
    """Record every chain that this test runs; ask it for walls, costs and critical paths."""
    from longpole.dashboard.testing.recorded import Recording
    from longpole.tracer import attached

    store = str(tmp_path / "longpole" / "runs.db")
    with attached(store) as handler:
        yield Recording(store, handler.flush)
