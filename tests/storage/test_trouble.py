"""A database that cannot be used: the app goes on, spans wait, and the file is left as it is."""

from __future__ import annotations

import errno
import os
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from longpole.model.errors import (
    MissingExtraError,
    NewerSchemaError,
    NotAStoreError,
    SettingsError,
    StoreUnavailableError,
)
from longpole.model.run import Status
from longpole.storage import Recorder, RunQuery, SpanEnd, SpanStart, open_store
from longpole.storage.database import store_error
from longpole.storage.recording import Recording
from longpole.storage.spool import spool_files, spool_folder
from longpole.storage.sqlite import SqliteStore
from longpole.storage.writer import Writer


def start_of(number: int) -> SpanStart:
    run_id = f"{number:032x}"
    return SpanStart(
        run_id=run_id,
        trace_id=run_id,
        span_id=f"{number:016x}",
        parent_span_id=None,
        is_root=True,
        name="chain",
        start_ns=number,
    )


def record(writer: Writer, number: int) -> None:
    run_id, span_id = f"{number:032x}", f"{number:016x}"
    writer.append(start_of(number))
    writer.append(SpanEnd(run_id=run_id, span_id=span_id, end_ns=number + 1, status=Status.OK))


def runs_in(path: Path) -> int:
    store = open_store(str(path), mode="read")
    try:
        return store.list_runs(RunQuery()).total
    finally:
        store.close()


def test_a_file_that_is_no_database_is_left_alone_and_spans_wait(tmp_path: Path) -> None:
    path = tmp_path / "notes.db"
    path.write_text("these are notes " * 1000)
    writer = Writer(str(path), cadence_s=0.0)
    record(writer, 1)

    assert not writer.flush(0.2)
    assert writer.stats().spans_waiting == 1
    assert path.read_text() == "these are notes " * 1000
    with pytest.raises(NotAStoreError, match=r"notes\.db"):
        open_store(str(path), mode="read").list_runs(RunQuery())
    path.unlink()
    assert writer.flush(30.0)
    writer.close(10.0)
    assert runs_in(path) == 1


def test_a_database_of_something_else_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE mine (x)")
    other.commit()
    other.close()

    for mode in ("read", "write"):
        with pytest.raises(NotAStoreError, match=r"other\.db"):
            open_store(str(path), mode=mode).list_runs(RunQuery())
    check = sqlite3.connect(path)
    tables = check.execute("SELECT name FROM sqlite_master").fetchall()
    check.close()
    assert tables == [("mine",)]


def test_a_newer_schema_is_refused_and_spans_wait(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    open_store(str(path), mode="write").close()
    newer = sqlite3.connect(path)
    newer.execute("PRAGMA user_version = 99")
    newer.close()
    writer = Writer(str(path), cadence_s=0.0)
    record(writer, 1)

    with pytest.raises(NewerSchemaError, match="pip install -U longpole"):
        open_store(str(path), mode="read").list_runs(RunQuery())
    assert not writer.flush(0.2)
    assert writer.stats().spans_waiting == 1
    back = sqlite3.connect(path)
    back.execute("PRAGMA user_version = 1")
    back.close()
    assert writer.flush(30.0)
    writer.close(10.0)


def test_a_locked_database_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    open_store(str(path), mode="write").close()
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    writer = Writer(str(path), cadence_s=0.0)
    record(writer, 1)

    assert not writer.flush(0.5)
    holder.execute("ROLLBACK")
    holder.close()
    assert writer.flush(30.0)
    writer.close(10.0)
    assert runs_in(path) == 1


def test_a_path_that_cannot_be_written_drops_and_counts(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    writer = Writer(str(tmp_path / "file" / "runs.db"), cadence_s=0.0)
    for number in range(5):
        record(writer, number)
    stats = writer.stats()

    assert stats.spans_seen == 5
    assert sum(stats.dropped.values()) == 5
    assert stats.spans_written + stats.spans_waiting == 0
    assert not writer.flush(0.2)
    assert "cannot write its spool" in caplog.text
    for mode in ("read", "write"):
        with pytest.raises(StoreUnavailableError, match=r"runs\.db"):
            open_store(str(tmp_path / "file" / "runs.db"), mode=mode).list_runs(RunQuery())


@pytest.mark.parametrize("url", ["mongodb://x", "clickhouse:///x", "chdb://x"])
def test_urls_of_other_stores_are_refused(url: str) -> None:
    with pytest.raises(SettingsError):
        Writer(url)
    with pytest.raises(SettingsError):
        open_store(url)


def test_a_frame_torn_by_a_crash_costs_only_itself(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    program = f"""
import os
from tests.storage.test_trouble import record
from longpole.storage.writer import Writer
writer = Writer({str(path)!r}, cadence_s=1000.0)
for number in range(20):
    record(writer, number)
os._exit(0)
"""
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[2])
    (spool,) = spool_files(spool_folder(path))
    os.truncate(spool, spool.stat().st_size - 3)

    store = open_store(str(path), mode="read")
    page = store.list_runs(RunQuery(limit=100))
    state = store.state()
    store.close()
    assert page.total == 20
    assert {row.status for row in page.rows[1:]} == {Status.OK}
    assert page.rows[0].status is Status.LOST
    assert sum(state.dropped.values()) == 1
    assert spool_files(spool_folder(path)) == []


def test_a_forked_child_records_beside_its_parent(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    program = f"""
import os
from tests.storage.test_trouble import record
from longpole.storage.writer import Writer
writer = Writer({str(path)!r})
for number in range(10):
    record(writer, number)
children = []
for child in range(4):
    pid = os.fork()
    if pid == 0:
        record(writer, 100 + child)
        os._exit(0)
    children.append(pid)
for pid in children:
    assert os.waitpid(pid, 0)[1] == 0
record(writer, 50)
assert writer.flush(30)
"""
    subprocess.run(
        [sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[2], timeout=60
    )

    assert runs_in(path) == 15


def test_a_file_whose_maker_died_while_making_it_is_read_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    program = f"""
import os, sqlite3
connection = sqlite3.connect({str(path)!r}, isolation_level=None)
connection.execute("PRAGMA cache_size = 1")
connection.execute("BEGIN IMMEDIATE")
connection.execute("CREATE TABLE half_done (x)")
connection.executemany("INSERT INTO half_done VALUES (?)", [("x" * 4000,)] * 50)
os._exit(0)
"""
    subprocess.run([sys.executable, "-c", program], check=True)
    assert path.with_name("runs.db-journal").stat().st_size

    assert runs_in(path) == 0
    assert not path.with_name("runs.db-journal").exists()


def test_a_dead_recorder_with_our_process_id_is_dead(tmp_path: Path) -> None:
    """In containers every process has the same id, and so has the next one after a restart."""
    path = tmp_path / "runs.db"
    store = open_store(str(path), mode="write")
    start = SpanStart(
        run_id="a" * 32,
        trace_id="",
        span_id="b" * 16,
        parent_span_id=None,
        is_root=True,
        name="panel",
        start_ns=1,
    )
    store.write(Recorder(recorder_id="died", pid=os.getpid() + 1, host="here"), [start])
    connection = sqlite3.connect(path)
    connection.execute("UPDATE recorders SET pid = ?", (os.getpid(),))
    connection.commit()
    connection.close()

    assert store.load_run("a" * 32).status is Status.LOST
    store.close()


def test_a_byte_that_is_no_text_costs_no_span(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    writer = Writer(str(path))
    for number in (1, 2):
        record(writer, number)
    writer.close()
    assert runs_in(path) == 2
    connection = sqlite3.connect(path)
    connection.execute("UPDATE spans SET name = CAST(x'63ff6e' AS TEXT) WHERE start_ns = 1")
    connection.commit()
    connection.close()

    store = open_store(str(path), mode="read")
    runs = list(store.load_runs([f"{number:032x}" for number in (1, 2)]))
    assert [run.name for run in runs] == ["c\N{REPLACEMENT CHARACTER}n", "chain"]
    assert store.list_runs(RunQuery()).total == 2
    store.close()


def test_a_lock_that_a_stopped_thread_has_does_not_hold_up_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = Recording(tmp_path / "runs.db", limit_bytes=1_000_000, clock=time.monotonic)
    taken, may_go = threading.Event(), threading.Event()

    def stop_with_the_lock() -> None:
        with recording._lock:
            taken.set()
            may_go.wait(60.0)

    stopped = threading.Thread(target=stop_with_the_lock)
    stopped.start()
    assert taken.wait(60.0)
    monkeypatch.setattr(sys, "is_finalizing", lambda: True)

    recording.append(start_of(1))

    monkeypatch.undo()
    may_go.set()
    stopped.join()
    assert recording.counts().events_seen == 0


def _of_sqlite(name: str) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorname = name
    return error


@pytest.mark.parametrize(
    "error",
    [
        _of_sqlite("SQLITE_FULL"),
        # What SQLite says where its shared memory finds no room.
        _of_sqlite("SQLITE_IOERR_SHMSIZE"),
        OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
    ],
    ids=str,
)
def test_a_full_disk_is_told_as_one(error: Exception) -> None:
    assert str(store_error(error, Path("runs.db"))) == (
        "no space left to write 'runs.db'; make room on the disk"
    )


@pytest.mark.parametrize(
    ("url", "extra"), [("clickhouse://here/otel", "clickhouse"), ("chdb:///nowhere", "chdb")]
)
def test_a_store_whose_packages_are_missing_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, url: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, "clickhouse_connect", None)

    with pytest.raises(MissingExtraError, match=rf"pip install 'longpole\[{extra}\]'"):
        open_store(url)


def test_who_waits_to_write_does_not_open_a_closed_store_again(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "runs.db", "write")
    store.open()
    told: list[str] = []

    def write() -> None:
        try:
            store.write(Recorder(recorder_id="a" * 16, pid=1, host="here"), [start_of(1)])
        except StoreUnavailableError as error:
            told.append(str(error))

    with store._write_lock:
        waiting = [threading.Thread(target=write), threading.Thread(target=store.close)]
        for thread in waiting:
            thread.start()
        deadline = time.monotonic() + 30
        while not store._is_closed and time.monotonic() < deadline:
            time.sleep(0.001)
    for thread in waiting:
        thread.join(30)

    assert len(told) == 1
    assert "was closed; open it again" in told[0]
