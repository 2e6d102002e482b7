"""Store URL in, path of the database file out.

`sqlite:///PATH` and plain paths name a SQLite file; `sqlite:////abs.db` is absolute,
`sqlite:///rel.db` is relative to the working directory, `~` is the user's home. Links are followed
here, once, so that every process that names a file finds the same spool beside it.
"""

from __future__ import annotations

import os
from pathlib import Path

from longpole.model.errors import SettingsError

_SQLITE = "sqlite:///"


def store_path(url: str) -> Path:
    """Return the absolute path of the database file that a URL or plain path names.

    Raises:
        SettingsError: the URL names no file, or a kind of store that does not exist here.
    """
    text = url.strip()
    scheme, separator, _ = text.partition("://")
    if separator and not text.startswith(_SQLITE):
        raise SettingsError(_unknown_scheme(url, scheme.lower()))
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


def _unknown_scheme(url: str, scheme: str) -> str:
    if scheme in {"clickhouse", "chdb"}:
        return f"store {url!r}: {scheme} is not available in this version; use sqlite:///PATH"
    return f"store {url!r} has the unknown scheme {scheme!r}, expected sqlite:///PATH or a path"
