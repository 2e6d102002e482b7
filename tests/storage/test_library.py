"""One SQLite library a process, and nothing heavy in the traced app."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import sqlite_utils.utils

from longpole.storage import database, open_store
from longpole.storage.library import SCHEMA_VERSION, sqlite_library
from longpole.storage.migrations import MIGRATIONS


def test_the_library_is_the_one_that_sqlite_utils_takes() -> None:
    assert sqlite_library() is sqlite_utils.utils.sqlite3  # type: ignore[attr-defined]
    assert vars(database)["sqlite3"] is sqlite_library()


def test_the_schema_version_counts_the_migrations(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "runs.db"), mode="write")
    store.close()
    known = MIGRATIONS.applied(sqlite_utils.Database(tmp_path / "runs.db"))

    assert len(known) == SCHEMA_VERSION


def test_a_new_file_is_what_sqlite_utils_would_make_of_it(tmp_path: Path) -> None:
    open_store(str(tmp_path / "runs.db"), mode="write").close()
    ours = sqlite_utils.Database(tmp_path / "runs.db")
    theirs = sqlite_utils.Database(memory=True)
    MIGRATIONS.apply(theirs)

    assert _schema(ours) == _schema(theirs)
    assert [step.name for step in MIGRATIONS.applied(ours)] == [
        step.name for step in MIGRATIONS.applied(theirs)
    ]
    assert MIGRATIONS.pending(ours) == []


def _schema(db: sqlite_utils.Database) -> list[tuple[str, str, str | None]]:
    return db.execute("SELECT type, name, sql FROM sqlite_master ORDER BY rowid").fetchall()


@pytest.mark.parametrize("is_there", [False, True], ids=["into a new file", "into a known one"])
def test_recording_loads_nothing_heavy(tmp_path: Path, is_there: bool) -> None:
    if is_there:
        open_store(str(tmp_path / "runs.db"), mode="write").close()
    program = f"""
import sys
from langchain_core.runnables import RunnableLambda
from longpole.tracer import LongpoleHandler
handler = LongpoleHandler({str(tmp_path / "runs.db")!r})
RunnableLambda(lambda value: value).invoke(1, {{"callbacks": [handler]}})
assert handler.flush(30)
heavy = {{"pandas", "numpy", "sqlite_utils", "genai_prices", "streamlit", "plotly", "rich"}}
sys.exit(", ".join(sorted(heavy & set(sys.modules))) or 0)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
