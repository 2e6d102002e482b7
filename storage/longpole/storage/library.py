"""The SQLite library of this process, and what marks a file as a Longpole store.

Two libraries on one file drop each other's locks, so this takes the one that sqlite-utils takes
(`pysqlite3` where it is installed), without loading sqlite-utils: that loads pandas wherever pandas
is installed, seconds and tens of megabytes that the traced app must not pay for.
"""

from __future__ import annotations

import importlib
import sqlite3
from types import ModuleType
from typing import Final

APPLICATION_ID: Final = 0x4C50_4F4C
"""`LPOL`; marks a SQLite file as a Longpole store."""

SCHEMA_VERSION: Final = 6
"""How many migrations this version has; `user_version` of a file that is up to date."""


def sqlite_library() -> ModuleType:
    """Return the module that sqlite-utils would use."""
    try:
        return importlib.import_module("pysqlite3")
    except ImportError:
        return sqlite3
