"""The engine of the contract's tests, for what only ClickHouse has."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from longpole.storage.clickhouse.address import Address
from longpole.storage.clickhouse.connection import ClientDatabase
from tests.storage.contract.conftest import data_folder, engine, engine_folder, new_database

__all__ = ["data_folder", "engine", "engine_folder"]


@pytest.fixture
def database(engine_folder: Path) -> Iterator[ClientDatabase]:
    """A database without tables."""
    database = ClientDatabase(Address(folder=engine_folder, database=new_database()))
    database.command(f"CREATE DATABASE {database.address.database}")
    yield database
    database.close()
