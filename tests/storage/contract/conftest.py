"""The stores that the contract is held to, each new and empty for every test that asks for one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from longpole.storage import OpenMode, Store, open_store
from tests.storage.clickhouse.server import new_database

KINDS = ("sqlite", "chdb")
"""What HTTP does besides, tests/storage/clickhouse asks: the SQL and the rows are the same."""


@pytest.fixture(autouse=True)
def data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's data folder, where outboxes are."""
    folder = tmp_path / "data"
    monkeypatch.setenv("XDG_DATA_HOME", str(folder))
    return folder


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def _url(kind: str, request: pytest.FixtureRequest, folder: Path) -> str:
    if kind == "sqlite":
        return f"sqlite:///{folder / 'runs.db'}"
    engine_folder = request.getfixturevalue("engine_folder")
    return f"chdb:///{engine_folder}?database={new_database()}"


@pytest.fixture
def url(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a store that is not there yet."""
    return _url(kind, request, tmp_path)


@pytest.fixture(scope="module", params=KINDS)
def fresh(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[], Store]]:
    """Makes new stores of one kind, for examples of properties."""
    opened = []

    def fresh() -> Store:
        opened.append(_opened(request, tmp_path_factory))
        return opened[-1]

    yield fresh
    for one in opened:
        one.close()


@pytest.fixture(scope="module", params=KINDS)
def lasting(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Store]:
    """A new store for all tests of a module."""
    store = _opened(request, tmp_path_factory)
    yield store
    store.close()


def _opened(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Store:
    folder = tmp_path_factory.mktemp("store")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(folder / "data"))
        return open_store(_url(str(request.param), request, folder), mode="write")


@pytest.fixture(scope="module")
def shared(fresh: Callable[[], Store]) -> Store:
    """One store for all examples of properties, which tell their runs apart by their ids."""
    return fresh()


Opening = Callable[[OpenMode], Store]


@pytest.fixture
def opening(url: str) -> Iterator[Opening]:
    """Opens the store in question, any number of times; all are closed in the end."""
    opened = []

    def opening(mode: OpenMode) -> Store:
        opened.append(open_store(url, mode=mode))
        return opened[-1]

    yield opening
    for one in opened:
        one.close()


@pytest.fixture
def store(opening: Opening) -> Store:
    """The store, open for writing."""
    return opening("write")
