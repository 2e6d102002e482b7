"""Files of every released schema open, wherever they are opened, and hold what they held."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from longpole.model.errors import NewerSchemaError
from longpole.storage import OpenMode, RunQuery, open_store
from longpole.storage.library import SCHEMA_VERSION

FILES = sorted((Path(__file__).parent / "files").glob("schema-*.db"))


def version(path: Path) -> int:
    connection = sqlite3.connect(path)
    try:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])
    finally:
        connection.close()


def test_every_older_schema_has_its_file() -> None:
    # Schemas 2 and 3 are not released yet: one file for the next release comes with it.
    assert [path.stem for path in FILES] == ["schema-1"]


@pytest.mark.parametrize("mode", ["read", "write"])
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_an_older_file_is_brought_up_to_date(tmp_path: Path, file: Path, mode: OpenMode) -> None:
    path = Path(shutil.copy(file, tmp_path / "runs.db"))
    assert version(path) < SCHEMA_VERSION
    store = open_store(str(path), mode=mode)
    try:
        (run_id,) = store.run_ids(RunQuery())
        run = store.load_run(run_id)
        assert store.receipts("anywhere", [run_id]) == {}
    finally:
        store.close()

    assert version(path) == SCHEMA_VERSION
    assert [(span.name, span.branch) for span in run.spans] == [("panel", None), ("expert", "x")]
    assert (run.session_id, run.tags) == ("s-1", ("prod",))


def test_a_newer_file_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = Path(shutil.copy(FILES[0], tmp_path / "runs.db"))
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    connection.close()
    before = path.read_bytes()

    for mode in ("read", "write"):
        with pytest.raises(NewerSchemaError):
            open_store(str(path), mode=mode)
    assert path.read_bytes() == before
