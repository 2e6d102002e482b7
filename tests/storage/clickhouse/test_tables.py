"""Addresses, statements, versions, and what happens when a server is not there."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import re
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner

from longpole.dashboard.cli.main import main
from longpole.dashboard.working import work_once
from longpole.model.errors import (
    NewerSchemaError,
    SettingsError,
    StoreUnavailableError,
    UnsupportedByStoreError,
)
from longpole.model.pricing import PriceBook
from longpole.storage import OpenMode, Recorder, RunQuery, Share, open_store
from longpole.storage.clickhouse.address import read_address
from longpole.storage.clickhouse.connection import ClientDatabase
from longpole.storage.clickhouse.ddl import SCHEMA, statements
from longpole.storage.clickhouse.facts import FOUND_COLUMNS
from longpole.storage.clickhouse.filter_sql import Bound, condition
from longpole.storage.clickhouse.upkeep import delete_runs
from longpole.storage.filters import Pattern, Words
from longpole.storage.run_events import events_from_run
from longpole.storage.urls import own_url, shown_url
from longpole.storage.writer import Writer
from tests.small_runs import bare_run
from tests.storage.clickhouse.server import PASSWORD, Engine, new_database, server_url
from tests.strategies import BEGIN_NS

ME = Recorder(recorder_id="d" * 16, pid=1, host="here")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("clickhouse://ch", "clickhouse://ch:8123/default"),
        ("clickhouse://ann:p%40ss@ch:9000/otel", "clickhouse://ch:9000/otel"),
        ("clickhouse://ch/otel?secure=true", "clickhouse://ch:8443/otel?secure=true"),
        ("clickhouse://[::1]/otel?cluster=all", "clickhouse://[::1]:8123/otel?cluster=all"),
        ("chdb:////tmp/x", "chdb:////tmp/x?database=longpole"),
    ],
)
def test_an_address_is_shown_without_its_password(url: str, shown: str) -> None:
    assert shown_url(url) == shown
    assert own_url(own_url(url)) == own_url(url)
    assert read_address(own_url(url)) == read_address(url)


@pytest.mark.parametrize(
    "url",
    [
        "clickhouse://",
        "clickhouse://ch:port/x",
        "clickhouse://ch/bad-name",
        "clickhouse://ch/x?cluster=a;b",
        "clickhouse://ch/x?secure=maybe",
        "clickhouse://ch/x?colour=red",
        "chdb://x",
        "chdb:///",
        "chdb:///x?database=a`b",
    ],
)
def test_an_address_that_cannot_be_used_is_refused(url: str) -> None:
    with pytest.raises(SettingsError):
        read_address(url)


def test_the_statements_for_a_cluster_are_sql_that_the_engine_reads(
    database: ClientDatabase,
) -> None:
    made = list(statements(read_address("clickhouse://ch/otel?cluster=all")))
    for statement in made:
        database.query("SELECT formatQuery({text:String})", {"text": statement})

    assert sum("ENGINE = Distributed(all, otel, " in one for one in made) == 10
    assert sum("ENGINE = Replicated" in one for one in made) == 10
    assert all("ON CLUSTER all" in one for one in made)


def test_the_command_prints_the_statements() -> None:
    told = CliRunner().invoke(main, ["worker", "--print-ddl", "--store", "clickhouse://ch/otel"])
    file = CliRunner().invoke(main, ["worker", "--print-ddl", "--store", "runs.db"])

    assert told.exit_code == 0
    assert told.output == ";\n\n".join(statements(read_address("clickhouse://ch/otel"))) + ";\n"
    assert file.exit_code == 2


def test_tables_of_a_newer_version_are_refused(database: ClientDatabase) -> None:
    open_store(database.address.url, mode="write").close()
    runs = database.name("longpole_runs")
    database.command(f"ALTER TABLE {runs} MODIFY COMMENT 'longpole schema {SCHEMA + 1}'")

    modes: tuple[OpenMode, ...] = ("read", "write")
    for mode in modes:
        with pytest.raises(NewerSchemaError, match="pip install -U"):
            open_store(database.address.url, mode=mode)


def test_tables_of_the_first_version_are_brought_up_to_date(database: ClientDatabase) -> None:
    store = open_store(database.address.url, mode="write")
    store.write(ME, events_from_run(bare_run(1, BEGIN_NS)))
    store.close()
    _back_to_the_first_version(database)
    store = open_store(database.address.url, mode="read")
    before = store.list_runs(RunQuery())
    store.close()
    store = open_store(database.address.url, mode="write")
    indexed = store.index_runs(10)
    after = store.list_runs(RunQuery())
    store.close()
    ((comment,),) = database.query(
        "SELECT comment FROM system.tables WHERE database = {database:String} "
        "AND name = 'longpole_runs'",
        {"database": database.address.database},
    ).rows

    assert comment == f"longpole schema {SCHEMA}"
    assert indexed == 1
    assert before == after
    assert before.total == 1


def _back_to_the_first_version(database: ClientDatabase) -> None:
    for name in ("longpole_runs_from_index", "longpole_index", "longpole_texts"):
        database.command(f"DROP TABLE {database.name(name)}")
    for column in FOUND_COLUMNS:
        database.command(f"ALTER TABLE {database.name('longpole_runs')} DROP COLUMN {column}")
    database.command(
        f"ALTER TABLE {database.name('longpole_runs')} MODIFY COMMENT 'longpole schema 1'"
    )


def test_a_word_is_looked_up_in_the_index(database: ClientDatabase) -> None:
    store = open_store(database.address.url, mode="write")
    rows = [(f"{number:032x}", 0, 0, 1, f" word{number} ") for number in range(5_000)]
    texts = database.name("longpole_texts")
    columns = ("run_id", "number", "hour", "saved_ns", "words")
    database.insert("longpole_texts", columns, rows)
    read = []
    for asked in ("word7", "word7 none", "word"):
        bound = Bound()
        said = condition(Words(Pattern((asked,))), bound, texts)
        (looked_up,) = re.findall(r"IN \((SELECT .*)\)\)", said)
        plan = database.query(f"EXPLAIN indexes = 1 {looked_up}", bound.values).rows
        read.append(re.findall(r"Granules: (\d+)/(\d+)", str(plan))[-1])
    store.close()

    assert read == [("1", "5"), ("0", "5"), ("0", "5")]


def test_a_missing_table_is_a_problem_that_is_told(database: ClientDatabase) -> None:
    store = open_store(database.address.url, mode="write")
    database.command(f"DROP TABLE {database.name('longpole_exports')}")
    told = store.problems()
    store.close()

    assert told == ["table 'longpole_exports' is missing"]


def test_what_a_cluster_does_its_own_way_is_refused_with_that_way(
    database: ClientDatabase, tmp_path: Path
) -> None:
    cluster = ClientDatabase(read_address("clickhouse://ch/otel?cluster=all"))
    store = open_store(database.address.url, mode="write")

    with pytest.raises(UnsupportedByStoreError, match="DROP PARTITION"):
        delete_runs(cluster, ["a"])
    with pytest.raises(UnsupportedByStoreError, match="BACKUP DATABASE"):
        store.back_up(tmp_path / "copy.db")
    store.close()


def test_rows_that_are_there_twice_count_once(database: ClientDatabase) -> None:
    store = open_store(database.address.url, mode="write")
    store.write(ME, events_from_run(bare_run(1, BEGIN_NS)))
    before = store.list_runs(RunQuery()), store.load_run(f"{1:032x}"), store.revision(f"{1:032x}")
    traces = database.name("otel_traces")
    database.command(f"INSERT INTO {traces} SELECT * FROM {traces} SETTINGS insert_deduplicate = 0")
    ((rows,),) = database.query(f"SELECT count() FROM {traces}").rows
    after = store.list_runs(RunQuery()), store.load_run(f"{1:032x}"), store.revision(f"{1:032x}")
    store.close()

    assert rows == 2
    assert after == before


# --- workers ------------------------------------------------------------------------------------


def test_workers_share_the_runs_and_doing_it_twice_changes_nothing(
    database: ClientDatabase,
) -> None:
    store = open_store(database.address.url, mode="write")
    for number in range(1, 13):
        store.write(ME, events_from_run(bare_run(number, BEGIN_NS + number)))
    store.share_of("one")
    store.share_of("two")
    book = PriceBook()
    first = work_once(store, "one", book=book, now_ns=BEGIN_NS)
    second = work_once(store, "two", book=book, now_ns=BEGIN_NS)
    page = store.list_runs(RunQuery())
    again = [work_once(store, name, book=book, now_ns=BEGIN_NS) for name in ("one", "two")]

    assert (first.share, second.share) == (Share(index=0, count=2), Share(index=1, count=2))
    assert first.settled + second.settled == 12
    assert min(first.settled, second.settled) > 0
    assert [one.settled for one in again] == [0, 0]
    assert all(row.is_settled for row in page.rows)
    assert store.list_runs(RunQuery()) == page
    store.close()


def test_the_worker_command_settles_what_is_there_and_ends(database: ClientDatabase) -> None:
    store = open_store(database.address.url, mode="write")
    store.write(ME, events_from_run(bare_run(1, BEGIN_NS)))
    told = CliRunner().invoke(main, ["worker", "--once", "--store", database.address.url])
    (row,) = store.list_runs(RunQuery()).rows
    store.close()

    assert (told.exit_code, told.output) == (0, "1 run settled.\n")
    assert row.is_settled


# --- over HTTP ----------------------------------------------------------------------------------


def test_what_is_recorded_while_the_server_is_away_comes_when_it_is_back(engine: Engine) -> None:
    url = server_url(engine, new_database())
    writer = Writer(url, cadence_s=0.0)
    engine.is_down = True
    try:
        for event in events_from_run(bare_run(1, BEGIN_NS)):
            writer.append(event)
        assert not writer.flush(0.3)
        stats = writer.stats()
        with pytest.raises(StoreUnavailableError):
            open_store(url, mode="read")
    finally:
        engine.is_down = False
    assert writer.close(30.0)
    store = open_store(url, mode="read")

    assert (stats.spans_waiting, stats.dropped) == (1, {})
    assert store.run_ids(RunQuery()) == [f"{1:032x}"]
    store.close()


def test_a_wrong_password_is_an_error_that_does_not_tell_the_right_one(engine: Engine) -> None:
    url = server_url(engine, "any").replace("longpole:", "longpole:x")

    with pytest.raises(
        StoreUnavailableError, match=r"let in user .*Authentication failed"
    ) as caught:
        open_store(url, mode="read")
    assert PASSWORD not in str(caught.value)


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("127.0.0.1:9", "127.0.0.1:9 says connection refused; check that ClickHouse runs there"),
        ("no-host.invalid", "no host 'no-host.invalid' is known; check the host in the store's"),
    ],
)
def test_a_server_that_is_not_there_is_told_in_one_line_without_the_password(
    place: str, told: str
) -> None:
    url = f"clickhouse://ann:s3cr3t@{place}/x"
    for command in (["runs"], ["worker", "--once"]):
        line = [sys.executable, "-m", "longpole.dashboard.cli", *command, "--store", url]
        done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=60)

        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.count("\n") == 1
        assert told in done.stderr
        assert done.stderr.startswith(f"error: store 'clickhouse://{place}")
        assert "s3cr3t" not in done.stderr


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (b"HTTP/1.0 400 Bad Request\r\n\r\nPort 1 is for clickhouse-client program", "8123 unless"),
        (b"HTTP/1.0 404 Not Found\r\n\r\nnothing here", "check that this is the port"),
        (b"", "closed the connection without an answer"),
    ],
)
def test_a_port_that_is_another_one_is_told(answer: bytes, told: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        answering = threading.Thread(target=_answer_all, args=(other, answer))
        answering.start()
        with pytest.raises(StoreUnavailableError, match=told):
            open_store(f"clickhouse://127.0.0.1:{other.getsockname()[1]}/x", mode="read")
        other.shutdown(socket.SHUT_RDWR)
        answering.join()


def _answer_all(other: socket.socket, answer: bytes) -> None:
    while True:
        try:
            connection, _ = other.accept()
        except OSError:
            return
        with connection:
            connection.recv(65_536)
            connection.sendall(answer)
            connection.shutdown(socket.SHUT_WR)
            # Closing before all of the request is read would take the answer back.
            while connection.recv(65_536):
                pass


def test_small_inserts_are_left_to_the_server_to_gather(engine: Engine) -> None:
    store = open_store(server_url(engine, new_database()), mode="write")
    engine.requests.clear()
    store.write(ME, events_from_run(bare_run(1, BEGIN_NS)))
    store.close()
    inserts = [one for one in engine.requests if one.get("insert_deduplication_token")]

    assert inserts
    assert all(one["async_insert"] == one["wait_for_async_insert"] == "1" for one in inserts)


# --- one process --------------------------------------------------------------------------------


def _look(url: str, told: multiprocessing.connection.Connection) -> None:
    try:
        open_store(url, mode="read").close()
        told.send("opened")
    except StoreUnavailableError as error:
        told.send(str(error))


def test_a_folder_of_chdb_that_another_process_has_is_refused(database: ClientDatabase) -> None:
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_look, args=(database.address.url, there))
    process.start()
    answer = here.recv() if here.poll(60) else "no answer"
    process.join(60)

    assert "one process at a time" in answer
