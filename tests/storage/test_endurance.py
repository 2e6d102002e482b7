"""Real processes, kills and full disks: the app goes on, and no loss is left uncounted."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from longpole.dashboard.cli.main import main
from longpole.model.run import Status
from longpole.model.settings import read_settings
from longpole.storage import RunQuery, SpanEvent, open_store
from longpole.storage.writer import Writer
from tests.storage.kills import kill_busy_writers
from tests.storage.warm import EVENTS_A_RUN, Warm, events

ROUNDS = 100
DISK_BYTES = 4 * 1024 * 1024


def test_killed_writers_lose_nothing_whose_callback_returned(tmp_path: Path) -> None:
    outcome = kill_busy_writers(tmp_path / "runs.db", rounds=ROUNDS, seed=11)

    assert outcome.acknowledged > ROUNDS
    assert outcome.torn <= ROUNDS  # at most the frame that each was killed in
    assert outcome.problems == ()


def test_eight_processes_write_one_file_while_two_read_it(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    with Warm() as warm:
        writers = [
            warm.start("write_runs", store=str(path), round_=round_, runs=60)
            for round_ in range(1, 9)
        ]
        readers = [warm.start("read_until", store=str(path), runs=480) for _ in range(2)]
        ended = [warm.wait(pid) for pid in (*writers, *readers)]

    assert ended == [0] * 10
    store = open_store(str(path), mode="read")
    page = store.list_runs(RunQuery(limit=1_000))
    assert (page.total, {row.status for row in page.rows}) == (480, {Status.OK})
    assert {row.spans for row in page.rows} == {3}
    assert (store.state().spooled_bytes, store.problems(is_thorough=True)) == (0, [])
    store.close()


# --- disks ------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MB of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = _mount("-t", "tmpfs", "-o", f"size={DISK_BYTES}", "longpole-test", str(folder))
    if not mounted:
        pytest.skip("only root can mount a small disk")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _mount(*arguments: str) -> bool:
    if shutil.which("mount") is None or os.geteuid() != 0:
        return False
    return subprocess.run(["mount", *arguments], capture_output=True, check=False).returncode == 0


def _some(round_: int, runs: int) -> list[SpanEvent]:
    return [event for event, _ in zip(events(round_), range(runs * EVENTS_A_RUN), strict=False)]


def _write(writer: Writer, round_: int, runs: int) -> None:
    for event in _some(round_, runs):
        writer.append(event)


def _doctor(path: Path) -> dict[str, Any]:
    said = CliRunner().invoke(main, ["doctor", "--json", "--store", str(path)])
    return {one["subject"]: one for one in json.loads(said.stdout)["findings"]}


def _check_counts(writer: Writer) -> int:
    """Every span that was seen is accounted for; return how many were dropped."""
    stats = writer.stats()
    dropped = sum(stats.dropped.values())
    assert stats.spans_seen == stats.spans_written + stats.spans_waiting + dropped
    return dropped


def test_on_a_full_disk_the_app_goes_on_and_every_loss_is_counted(
    small_disk: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = small_disk / "runs.db"
    writer = Writer(str(path), settings=read_settings({}), cadence_s=0.0)
    _write(writer, 1, 20)
    assert writer.flush(30.0)
    filler = small_disk / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while file.write(b"x" * 4096):
            pass
    _write(writer, 2, 50)

    dropped = _check_counts(writer)
    assert dropped > 0
    assert not writer.flush(0.3)
    assert "longpole drops spans (disk full)" in caplog.text
    filler.unlink()
    _write(writer, 3, 20)
    assert writer.flush(30.0)
    assert writer.stats().spans_waiting == 0
    assert _check_counts(writer) == dropped
    writer.close(10.0)

    store = open_store(str(path), mode="read")
    begun = {row.run_id[:16] for row in store.list_runs(RunQuery(status=(Status.OK,))).rows}
    assert {f"{1:016x}", f"{3:016x}"} <= begun
    assert store.state().dropped == {"disk full": dropped}
    assert store.problems(is_thorough=True) == []
    store.close()
    assert _doctor(path)["dropped spans"]["told"] == f"{dropped} disk full"
    assert _doctor(path)["disk"]["verdict"] == "problem"


def test_a_store_on_a_disk_that_becomes_read_only_is_read_and_its_writer_counts(
    small_disk: Path,
) -> None:
    path = small_disk / "runs.db"
    writer = Writer(str(path), settings=read_settings({}), cadence_s=0.0)
    _write(writer, 1, 5)
    assert writer.flush(30.0)
    writer.close(10.0)
    assert _mount("-o", "remount,ro", str(small_disk))

    _write(writer, 2, 5)
    assert _check_counts(writer) == 15
    store = open_store(str(path), mode="read")
    assert store.list_runs(RunQuery()).total == 5
    store.close()
    assert _mount("-o", "remount,rw", str(small_disk))
    late = Writer(str(path), settings=read_settings({}), cadence_s=0.0)
    _write(late, 3, 5)
    assert late.flush(30.0)
    late.close(10.0)
    writer.close(10.0)


def test_a_process_that_may_write_no_larger_files_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    program = f"""
import resource
from tests.storage.test_endurance import _check_counts, _write
from longpole.model.settings import read_settings
from longpole.storage.writer import Writer
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
writer = Writer({str(path)!r}, settings=read_settings({{}}), cadence_s=0.0)
_write(writer, 1, 500)
dropped = _check_counts(writer)
assert dropped > 0
assert set(writer.stats().dropped) == {{"disk full"}}
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr

    store = open_store(str(path), mode="read")
    assert store.problems(is_thorough=True) == []
    assert store.state().runs > 0
    store.close()


def test_a_store_whose_folder_vanishes_is_made_anew_with_all_that_follows(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    path = folder / "runs.db"
    writer = Writer(str(path), settings=read_settings({}), cadence_s=0.0)
    _write(writer, 1, 5)
    assert writer.flush(30.0)
    shutil.rmtree(folder)
    _write(writer, 2, 5)

    assert writer.flush(30.0)
    assert _check_counts(writer) == 0
    writer.close(10.0)
    store = open_store(str(path), mode="read")
    page = store.list_runs(RunQuery())
    assert {row.run_id[:16] for row in page.rows} >= {f"{2:016x}"}
    assert {row.status for row in page.rows} == {Status.OK}
    store.close()
