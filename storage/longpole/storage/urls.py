"""Store URL in; out comes which kind of store it names, and the path of a database file.

`sqlite:///PATH` and plain paths name a SQLite file; `sqlite:////abs.db` is absolute,
`sqlite:///rel.db` is relative to the working directory, `~` is the user's home. Links are followed
here, once, so that every process that names a file finds the same spool beside it.
"""

from __future__ import annotations

import os
from pathlib import Path

from longpole.model.errors import SettingsError

_SQLITE = "sqlite:///"
_EMBEDDED = "chdb"
_CLICKHOUSE = ("clickhouse", _EMBEDDED)


def is_clickhouse(url: str) -> bool:
    """Return whether a URL names a ClickHouse store; `clickhouse.address` reads those."""
    return _scheme(url) in _CLICKHOUSE


def is_embedded(url: str) -> bool:
    """Return whether a URL names a ClickHouse store inside the one process that may open it."""
    return _scheme(url) == _EMBEDDED


def _scheme(url: str) -> str:
    return url.strip().partition("://")[0].lower()


def is_of_one_process(url: str) -> bool:
    """Return whether the store is an engine in the process that opens it, and closed to others."""
    return url.strip().partition("://")[0].lower() == "chdb"


def check_url(url: str) -> None:
    """Make sure that a URL names a store, without opening it.

    Raises:
        SettingsError: it does not.
    """
    spool_path(url)


def spool_path(url: str) -> Path:
    """Return the file beside which this machine spools for a store: for SQLite, the store itself.

    Raises:
        SettingsError: the URL names no store.
    """
    if is_clickhouse(url):
        from longpole.storage.clickhouse.address import read_address

        return read_address(url).outbox
    return store_path(url)


def shown_url(url: str) -> str:
    """Return a store's URL as it may be shown: without user and password.

    Raises:
        SettingsError: the URL names no store.
    """
    if is_clickhouse(url):
        from longpole.storage.clickhouse.address import read_address

        return read_address(url).shown
    return url


def own_url(url: str) -> str:
    """Return the URL that names the same store whoever asks, from whatever folder.

    Raises:
        SettingsError: the URL names no store.
    """
    if is_clickhouse(url):
        from longpole.storage.clickhouse.address import read_address

        return read_address(url).url
    return store_url(store_path(url))


def store_path(url: str) -> Path:
    """Return the absolute path of the database file that a URL or plain path names.

    Raises:
        SettingsError: the URL names no file, or a kind of store that does not exist here.
    """
    text = url.strip()
    scheme, separator, _ = text.partition("://")
    if separator and not text.startswith(_SQLITE):
        raise SettingsError(
            f"store {url!r} has the unknown scheme {scheme.lower()!r}, expected sqlite:///PATH, a "
            "path, clickhouse://HOST/DATABASE or chdb:///DIR"
        )
    path = text.removeprefix(_SQLITE)
    if not path or "\0" in path or path.endswith("/"):
        raise SettingsError(f"store {url!r} names no file, expected sqlite:///PATH or a path")
    if path.startswith((":memory:", "file:", "sqlite:")):
        raise SettingsError(
            f"store {url!r} is no file that other processes can open, "
            "expected sqlite:///PATH or a path"
        )
    return Path(os.path.realpath(os.path.expanduser(path)))


def store_url(path: Path) -> str:
    """Return the URL of a database file."""
    return f"{_SQLITE}{path}"
