"""Files of every released schema open, wherever they are opened, and hold what they held."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from longpole.model.errors import NewerSchemaError
from longpole.storage import OpenMode, RunQuery, open_store
from longpole.storage.filter_text import parse
from longpole.storage.library import SCHEMA_VERSION

FILES = sorted((Path(__file__).parent / "files").glob("schema-*.db"))


def version(path: Path) -> int:
    connection = sqlite3.connect(path)
    try:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])
    finally:
        connection.close()


def test_every_older_schema_has_its_file() -> None:
    # Schema 2 was never released.
    assert [path.stem for path in FILES] == ["schema-1", "schema-3"]


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


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_runs_of_an_older_file_are_found_before_and_after_they_are_indexed(
    tmp_path: Path, file: Path
) -> None:
    path = Path(shutil.copy(file, tmp_path / "runs.db"))
    store = open_store(str(path), mode="write")
    by_branch, by_word = (
        RunQuery(where=parse(text, now_ns=0)) for text in ("branch:x kind:llm", '"skagen, at six"')
    )
    has_content = file.stem != "schema-1"

    assert store.has_unindexed_runs()
    assert (store.list_runs(by_branch).total, store.list_runs(by_word).total) == (1, 0)
    assert store.index_runs(10) == 1
    assert not store.has_unindexed_runs()
    assert (store.list_runs(by_branch).total, store.list_runs(by_word).total) == (1, has_content)
    store.close()


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
