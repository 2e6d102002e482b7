"""The engine of the contract's tests, for what only ClickHouse has."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from longpole.storage.clickhouse.address import Address
from longpole.storage.clickhouse.connection import ClientDatabase
from tests.storage.clickhouse.server import new_database


@pytest.fixture(autouse=True)
def data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's data folder, where outboxes are."""
    folder = tmp_path / "data"
    monkeypatch.setenv("XDG_DATA_HOME", str(folder))
    return folder


@pytest.fixture
def database(engine_folder: Path) -> Iterator[ClientDatabase]:
    """A database without tables."""
    database = ClientDatabase(Address(folder=engine_folder, database=new_database()))
    database.command(f"CREATE DATABASE {database.address.database}")
    yield database
    database.close()
