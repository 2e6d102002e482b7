"""The index behind lists finds what rows say, follows every change and keeps nothing deleted."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from longpole.model.run import Status
from longpole.storage import Recorder, RunQuery, SpanEnd, SpanEvent, SpanStart, Store, open_store
from longpole.storage.filter_text import parse
from longpole.storage.texts import RUN_LIMIT_CHARS, VALUE_LIMIT_CHARS

ME = Recorder(recorder_id="a" * 16, pid=os.getpid(), host="here")
LAST = 999
INPUT, OUTPUT, BRANCH = "input.value", "output.value", "longpole.branch"
_counter = iter(range(10**9))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(str(tmp_path / "runs.db"), mode="write")
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("index")


def start(run: int, span: int = 0, attributes: Mapping[str, Any] | None = None) -> SpanStart:
    return SpanStart(
        run_id=f"{run:032x}",
        trace_id=f"{run:032x}",
        span_id=f"{span:016x}",
        parent_span_id=None if span == 0 else f"{0:016x}",
        is_root=span == 0,
        name="chain" if span == 0 else "step",
        start_ns=run * 1_000 + span,
        attributes=attributes or {},
    )


def end(run: int, span: int = 0, attributes: Mapping[str, Any] | None = None) -> SpanEnd:
    return SpanEnd(
        run_id=f"{run:032x}",
        span_id=f"{span:016x}",
        end_ns=run * 1_000 + LAST,
        status=Status.OK,
        attributes=attributes or {},
    )


def said(run: int, text: str, answer: str = "") -> list[SpanEvent]:
    return [start(run, 0, {INPUT: text}), end(run, 0, {OUTPUT: answer})]


def found(store: Store, text: str) -> set[int]:
    page = store.list_runs(RunQuery(where=parse(text, now_ns=0), limit=1000))
    assert page.total == len(page.rows)
    return {int(row.run_id, 16) for row in page.rows}


def documents_in(connection: sqlite3.Connection) -> set[int]:
    connection.execute("CREATE VIRTUAL TABLE temp.seen USING fts5vocab (main, texts, instance)")
    return {document for (document,) in connection.execute("SELECT DISTINCT doc FROM seen")}


def check(store: Store) -> None:
    """What the index holds is what the rows say: nothing is missing, nothing is left over."""
    connection = sqlite3.connect(store.url.removeprefix("sqlite:///"))
    connection.execute("INSERT INTO texts (texts) VALUES ('integrity-check')")
    documents = documents_in(connection)
    facets = connection.execute("SELECT run FROM facets").fetchall()
    indexed = set(connection.execute("SELECT run FROM runs WHERE is_indexed = 1").fetchall())
    assert {(document >> 20,) for document in documents} <= indexed
    assert set(facets) == indexed
    wrong = connection.execute(
        "SELECT run, 'branch', branch FROM spans JOIN runs USING (run) WHERE is_indexed = 1 "
        "AND branch IS NOT NULL EXCEPT SELECT run, field, value FROM facets JOIN words USING (word)"
        " UNION ALL SELECT run, field, value FROM facets JOIN words USING (word) "
        "WHERE field = 'branch' AND value NOT IN "
        "(SELECT branch FROM spans WHERE spans.run = facets.run AND branch IS NOT NULL)"
    ).fetchall()
    connection.close()
    assert wrong == []


def test_words_look_into_inputs_and_outputs_once_a_run_is_indexed(store: Store) -> None:
    store.write(ME, said(1, "When does the Ferry leave?", "at six o'clock"))
    store.write(ME, said(2, "when is dinner?", "the ferry-boat serves none"))

    assert found(store, "ferry") == set()
    assert store.index_runs(10) == 2
    assert found(store, "FERRY") == {1, 2}
    assert found(store, '"ferry leave"') == {1}
    assert found(store, '"leave ferry"') == set()
    assert found(store, '"six o\'clock"') == {1}
    assert found(store, "dinn*") == {2}
    assert found(store, "dinn") == set()
    assert found(store, "ferry -boat") == {1}
    assert found(store, '"?"') == set()
    assert found(store, "chain") == {1, 2}
    check(store)


def test_words_of_json_are_the_words_that_were_written(store: Store) -> None:
    text = '{"content":"first line\\nsecond \\"quoted\\" café"}'
    told = {INPUT: text, "input.mime_type": "application/json"}
    store.write(ME, [start(1, 0, told), end(1)])
    store.index_runs(10)

    assert found(store, "second") == {1}
    assert found(store, '"line second quoted café"') == {1}


def test_a_run_is_indexed_when_it_has_ended(store: Store) -> None:
    store.write(ME, [start(1, 0, {INPUT: "ferry", BRANCH: "north"})])

    assert not store.has_unindexed_runs()
    assert store.index_runs(10) == 0
    assert found(store, "branch:north") == {1}
    store.write(ME, [end(1)])
    assert store.has_unindexed_runs()
    assert store.index_runs(10) == 1
    assert found(store, "branch:north ferry") == {1}


def test_what_arrives_late_is_found_at_once_and_its_words_when_it_is_indexed_again(
    store: Store,
) -> None:
    store.write(ME, [*said(1, "ferry"), start(1, 1, {BRANCH: "north"})])
    store.index_runs(10)
    store.write(ME, [start(1, 2, {BRANCH: "south"}), end(1, 1, {OUTPUT: "lighthouse"})])

    assert found(store, "branch:north branch:south") == {1}
    assert found(store, "lighthouse") == set()
    assert store.index_runs(10) == 1
    assert found(store, "lighthouse ferry branch:south") == {1}
    check(store)


def test_an_end_that_says_otherwise_takes_the_words_of_the_start_back(store: Store) -> None:
    store.write(ME, [*said(1, "ferry"), start(1, 1, {INPUT: "harbour"})])
    store.index_runs(10)
    store.write(ME, [end(1, 1, {INPUT: "lighthouse"})])
    store.index_runs(10)

    assert found(store, "harbour") == set()
    assert found(store, "lighthouse") == {1}
    check(store)


def test_deleted_runs_and_deleted_contents_are_not_found_and_leave_no_word_in_the_file(
    store: Store, tmp_path: Path
) -> None:
    for run, word in enumerate(["albatross", "bittern", "cormorant"], 1):
        store.write(ME, [*said(run, f"the {word} flies"), start(run, 1, {BRANCH: word})])
    store.index_runs(10)
    store.delete_contents([f"{1:032x}"])
    store.delete_runs([f"{2:032x}"])

    assert found(store, "albatross OR bittern OR cormorant") == {3}
    assert found(store, "branch:albatross") == {1}
    check(store)
    store.reclaim()
    check(store)
    store.close()
    data = (tmp_path / "runs.db").read_bytes()
    assert b"ormoran" in data
    assert b"ittern" not in data
    assert data.count(b"lbatros") >= 1  # the branch is no content


def test_a_text_that_many_spans_have_is_indexed_once_and_long_ones_to_a_limit(
    store: Store, tmp_path: Path
) -> None:
    store.write(
        ME,
        [
            start(1, 0, {INPUT: "ferry"}),
            *(start(1, span, {INPUT: "ferry"}) for span in range(1, 9)),
            start(1, 10, {INPUT: "x " * VALUE_LIMIT_CHARS + "lighthouse"}),
            *(
                start(1, span, {INPUT: f"{span} " + "y" * VALUE_LIMIT_CHARS})
                for span in range(20, 40)
            ),
            end(1),
        ],
    )
    store.index_runs(1)

    connection = sqlite3.connect(tmp_path / "runs.db")
    documents = documents_in(connection)
    connection.close()
    assert len(documents) == 1 + RUN_LIMIT_CHARS // VALUE_LIMIT_CHARS
    assert found(store, "ferry") == {1}
    assert found(store, "lighthouse") == set()
    store.delete_runs([f"{1:032x}"])
    check(store)


def test_the_newest_runs_are_indexed_first_and_no_more_than_asked_for(store: Store) -> None:
    for run in range(1, 8):
        store.write(ME, said(run, "ferry"))

    assert store.index_runs(3) == 3
    assert found(store, "ferry") == {5, 6, 7}
    assert store.index_runs(1_000) == 4
    assert store.index_runs(1_000) == 0


def test_runs_of_one_batch_make_one_part_of_the_index(store: Store, tmp_path: Path) -> None:
    for run in range(1, 30):
        store.write(ME, said(run, f"ferry {run}", "harbour"))
    assert store.index_runs(1_000) == 29

    connection = sqlite3.connect(tmp_path / "runs.db")
    parts = connection.execute("SELECT count(DISTINCT segid) FROM texts_idx").fetchone()
    connection.close()
    assert parts == (1,)
    assert found(store, "ferry") == set(range(1, 30))
    check(store)


WORDS = st.sampled_from(
    ["ferry", "Harbour", "café", "CAFÉ", "six", "a1", "naïve", "o'clock", "x-y"]
)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["start", "end", "index", "delete", "empty"]),
        st.integers(0, 2),
        st.integers(0, 2),
        st.lists(WORDS, max_size=3).map(" ".join),
    ),
    max_size=25,
)


def _step(store: Store, what: str, run: int, span: int, text: str) -> None:
    run_id = f"{run:032x}"
    if what == "start":
        store.write(ME, [start(run, span, {INPUT: text, BRANCH: text or None})])
    elif what == "end":
        store.write(ME, [end(run, span, {OUTPUT: text, BRANCH: text or None})])
    elif what == "index":
        store.index_runs(run + 1)
    elif what == "delete":
        store.delete_runs([run_id])
    else:
        store.delete_contents([run_id])


@given(steps=STEPS)
@settings(max_examples=30)
def test_whatever_happens_in_whatever_order_the_index_says_what_the_rows_say(
    folder: Path, steps: list[tuple[str, int, int, str]]
) -> None:
    store = open_store(str(folder / f"{next(_counter)}.db"), mode="write")
    store.write(ME, [event for run in range(3) for event in said(run, "six ferries", "Harbour")])
    store.index_runs(2)
    for step in steps:
        _step(store, *step)
        check(store)
    store.index_runs(10)
    check(store)
    for word in ("ferry", "harbour", "café", "o'clock"):
        ended = {
            int(row.run_id, 16)
            for row in store.list_runs(RunQuery(limit=9)).rows
            if row.status is not Status.RUNNING
            and any(
                word.casefold() in f"{content.input_value} {content.output_value}".casefold()
                for content in store.load_contents(row.run_id).values()
            )
        }
        assert found(store, f'"{word}"') == ended
    store.reclaim()
    check(store)
    store.close()
