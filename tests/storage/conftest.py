"""One engine a process: chDB can have one folder, so all tests that need it share it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.storage.clickhouse.server import Engine, running


@pytest.fixture(scope="session")
def engine_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The one folder that the engine in this process has."""
    pytest.importorskip("chdb")
    import chdb

    folder = tmp_path_factory.mktemp("engine")
    # The engine lives as long as a connection is open; starting it takes most of a second.
    connection = chdb.connect(str(folder.resolve()))  # type: ignore[no-untyped-call]
    yield folder.resolve()
    connection.close()


@pytest.fixture(scope="session")
def engine(engine_folder: Path) -> Iterator[Engine]:
    """The engine behind an HTTP server."""
    with running(str(engine_folder)) as engine:
        yield engine
