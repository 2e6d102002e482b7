"""A store's URL → the store, open. What a kind of store needs is loaded when it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from longpole.storage.sqlite import SqliteStore
from longpole.storage.store import OpenMode, Store
from longpole.storage.urls import is_clickhouse, store_path

if TYPE_CHECKING:
    from longpole.storage.clickhouse.store import ClickHouseStore


def open_store(url: str, *, mode: OpenMode = "read") -> Store:
    """Open the store that a URL or path names.

    Reading does not make a file or a table: a store that nobody has written to is empty.

    Args:
        url: `sqlite:///PATH` or a path, `clickhouse://USER:PASSWORD@HOST:PORT/DATABASE`, or
            `chdb:///DIR`.
        mode: what is wanted of it.

    Raises:
        SettingsError: the URL names no store.
        MissingExtraError: a package that this kind of store needs is not installed.
        StoreError: it cannot be opened.
    """
    store = _clickhouse(url, mode) if is_clickhouse(url) else SqliteStore(store_path(url), mode)
    try:
        store.open()
    except BaseException:
        store.close()
        raise
    return store


def _clickhouse(url: str, mode: OpenMode) -> ClickHouseStore:
    from longpole.storage.clickhouse.address import read_address
    from longpole.storage.clickhouse.connection import ClientDatabase
    from longpole.storage.clickhouse.store import ClickHouseStore

    return ClickHouseStore(ClientDatabase(read_address(url)), mode)
