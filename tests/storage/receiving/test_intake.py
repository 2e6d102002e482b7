from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from longpole.model import Status
from longpole.model.errors import StoreUnavailableError
from longpole.storage import Recorder, SpanEnd, SpanEvent, SpanStart, open_store
from longpole.storage.receiving.intake import Intake
from tests.storage.receiving.gates import GatedStore

ME = Recorder(recorder_id="a" * 16, pid=os.getpid(), host="here")
LIMIT_S = 30.0


def a_span(number: int) -> list[SpanEvent]:
    run_id, span_id = f"{number:032x}", f"{number:016x}"
    return [
        SpanStart(
            run_id=run_id,
            trace_id=run_id,
            span_id=span_id,
            parent_span_id=None,
            is_root=True,
            name="call",
            start_ns=1,
        ),
        SpanEnd(run_id=run_id, span_id=span_id, end_ns=2, status=Status.OK),
    ]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[GatedStore]:
    gated = GatedStore(tmp_path / "runs.db", "write")
    gated.open()
    gated.hold()
    yield gated
    gated.close()


def spans_in(store: GatedStore) -> int:
    """How many spans another reader of the same file sees."""
    reader = open_store(store.url)
    try:
        return reader.state().spans
    finally:
        reader.close()


def test_a_future_is_done_when_its_events_are_stored_and_not_before(store: GatedStore) -> None:
    intake = Intake(store, ME)
    stored = intake.submit(a_span(1))
    store.wait_for_write()
    assert not stored.done()
    store.let_through()
    stored.result(LIMIT_S)

    assert spans_in(store) == 1
    intake.close()


def test_what_comes_while_a_commit_runs_goes_into_the_next_one_together(
    store: GatedStore,
) -> None:
    intake = Intake(store, ME)
    first = intake.submit(a_span(1))
    store.wait_for_write()
    others = [intake.submit(a_span(number)) for number in range(2, 50)]
    store.let_through()
    store.let_through()
    for stored in (first, *others):
        stored.result(LIMIT_S)

    assert store.written == [2, 96]
    assert spans_in(store) == 49
    intake.close()


def test_a_store_that_cannot_be_written_fails_the_requests_and_the_next_ones_are_stored(
    store: GatedStore,
) -> None:
    intake = Intake(store, ME)
    failed = intake.submit(a_span(1))
    store.fail(StoreUnavailableError("locked"))
    with pytest.raises(StoreUnavailableError, match="locked"):
        failed.result(LIMIT_S)
    assert str(intake.trouble) == "locked"
    again = intake.submit(a_span(1))
    store.let_through()
    again.result(LIMIT_S)

    assert intake.trouble is None
    assert spans_in(store) == 1
    intake.close()


def test_one_request_that_cannot_be_stored_does_not_take_the_others_along(
    store: GatedStore, caplog: pytest.LogCaptureFixture
) -> None:
    intake = Intake(store, ME)
    first = intake.submit(a_span(1))
    store.wait_for_write()
    batches = [intake.submit(a_span(number)) for number in (2, 3, 4)]
    store.let_through()
    store.fail(ValueError("all of them together"))
    store.let_through()
    store.fail(ValueError("the second alone"))
    store.let_through()
    results = [stored.exception(LIMIT_S) for stored in (first, *batches)]

    assert [type(result) for result in results] == [type(None), type(None), ValueError, type(None)]
    assert "could not be stored" in caplog.text
    assert spans_in(store) == 3
    intake.close()


def test_a_request_that_is_no_longer_waited_for_is_stored_all_the_same(
    store: GatedStore,
) -> None:
    intake = Intake(store, ME)
    intake.submit(a_span(1))
    store.wait_for_write()
    given_up = intake.submit(a_span(2))
    assert given_up.cancel()
    store.let_through()
    store.let_through()
    intake.close()

    assert spans_in(store) == 2


def test_closing_stores_what_was_handed_over_and_takes_no_more(store: GatedStore) -> None:
    intake = Intake(store, ME)
    stored = [intake.submit(a_span(number)) for number in range(1, 6)]
    for _ in stored:
        store.let_through()
    intake.close()
    intake.close()

    assert all(one.done() for one in stored)
    assert spans_in(store) == 5
    with pytest.raises(StoreUnavailableError, match="shutting down"):
        intake.submit(a_span(9))
