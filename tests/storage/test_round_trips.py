"""What is stored is what was recorded, however often it is told and in whatever order."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from longpole.model import Run, SpanError, Status
from longpole.storage import Recorder, RunQuery, RunSummary, SpanEnd, SpanStart, open_store
from longpole.storage.codec import as_decoded, decode, encode, plain, plain_json
from longpole.storage.run_events import events_from_run
from longpole.storage.writer import Writer
from tests.strategies import any_runs, as_stored, recorded_runs

ME = Recorder(recorder_id="d" * 16, pid=1, host="here")

_counter = iter(range(10**9))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("round-trips")


def _sane(run: Run) -> Run:
    """Return a run as one can be recorded: what has ended has another status than running."""
    return replace(
        run,
        spans=tuple(
            replace(span, status=Status.OK, error=None)
            if span.status in (Status.RUNNING, Status.LOST)
            else replace(span, error=span.error if span.status is Status.ERROR else None)
            for span in run.spans
        ),
    )


@given(recorded_runs(max_spans=12))
@settings(max_examples=40)
def test_a_run_comes_back_as_it_was(folder: Path, run: Run) -> None:
    path = folder / f"{next(_counter)}.db"
    store = open_store(str(path), mode="write")
    store.write(ME, events_from_run(run))
    back = store.load_run(run.run_id)
    store.close()

    assert replace(back, trace_id=None) == as_stored(run)


@given(any_runs(), st.integers(0, 2**32))
@settings(max_examples=40)
def test_events_in_any_order_and_told_twice_make_the_same_run(
    folder: Path, given_run: Run, seed: int
) -> None:
    run = _sane(given_run)
    path = folder / f"{next(_counter)}.db"
    events = list(events_from_run(run))
    shuffled = events * 2
    random.Random(seed).shuffle(shuffled)
    store = open_store(str(path), mode="write")
    store.write(ME, events)
    straight = store.load_run(run.run_id)
    store.write(ME, shuffled)
    again = store.load_run(run.run_id)
    rows = store.list_runs(RunQuery(limit=10))
    store.close()

    assert again == straight
    assert rows.total == 1
    assert rows.rows[0].spans == len(run.spans)


@given(any_runs())
@settings(max_examples=60)
def test_every_event_survives_its_way_through_the_spool(run: Run) -> None:
    for event in events_from_run(run):
        assert encode(decode(encode(event))) == encode(event)


ODD_VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=4),
    st.just("\ud800"),
    st.lists(st.integers(), max_size=2),
)
ODD_TEXTS = st.sampled_from(["", "a", "ü", "\ud800"])


@given(
    st.builds(
        SpanStart,
        run_id=ODD_TEXTS,
        trace_id=ODD_TEXTS,
        span_id=ODD_TEXTS,
        parent_span_id=st.none() | ODD_TEXTS,
        is_root=st.booleans(),
        name=ODD_TEXTS,
        start_ns=st.integers(-(2**63), 2**63 - 1),
        attributes=st.dictionaries(ODD_TEXTS, ODD_VALUES, max_size=3),
    )
    | st.builds(
        SpanEnd,
        run_id=ODD_TEXTS,
        span_id=ODD_TEXTS,
        end_ns=st.integers(0, 2**63 - 1),
        status=st.sampled_from(Status),
        error=st.none() | st.builds(SpanError, type=ODD_TEXTS, message=ODD_TEXTS),
        attributes=st.dictionaries(ODD_TEXTS, ODD_VALUES, max_size=3),
    )
)
@settings(max_examples=300)
def test_an_event_that_skips_the_spool_is_what_it_would_have_become_there(
    event: SpanStart | SpanEnd,
) -> None:
    assert as_decoded(event) == decode(encode(event))


@pytest.mark.parametrize(
    "value",
    [
        "\ud800",
        float("nan"),
        2**80,
        "nul \x00",
        b"bytes",
        object(),
        {"deep": [1, {2, 3}]},
        "x" * 10**6,
    ],
    ids=["surrogate", "nan", "wide", "nul", "bytes", "object", "nested", "long"],
)
def test_an_odd_attribute_value_costs_no_span(tmp_path: Path, value: object) -> None:
    writer = Writer(str(tmp_path / "runs.db"), cadence_s=0.0)
    for number in range(3):
        writer.append(
            SpanStart(
                run_id="b" * 32,
                trace_id="b" * 32,
                span_id=f"{number:016x}",
                parent_span_id=None if number == 0 else f"{0:016x}",
                is_root=number == 0,
                name=value if number == 1 and isinstance(value, str) else "span",
                start_ns=number,
                attributes={"odd": value, "input.value": value} if number == 1 else {},
            )
        )
    assert writer.flush(30.0)
    assert writer.stats().dropped == {}
    writer.close(10.0)
    store = open_store(str(tmp_path / "runs.db"), mode="read")
    run = store.load_run("b" * 32)
    content = store.load_content("b" * 32, f"{1:016x}")
    store.close()

    assert len(run.spans) == 3
    assert content is not None
    orjson.dumps(dict(content.attributes))


def test_a_summary_of_an_older_state_is_ignored(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "runs.db"), mode="write")
    root = SpanStart(
        run_id="c" * 32,
        trace_id="c" * 32,
        span_id="1" * 16,
        parent_span_id=None,
        is_root=True,
        name="chain",
        start_ns=1,
    )
    store.write(ME, [root])
    (before,) = [revision for run_id, revision in store.unsettled_runs(10)] or [0]
    store.write(ME, [root._replace(span_id="2" * 16, parent_span_id="1" * 16, is_root=False)])
    store.save_summaries([RunSummary(run_id="c" * 32, revision=before, run_object={"wall_ns": 1})])
    (row,) = store.list_runs(RunQuery()).rows
    store.close()

    assert not row.is_settled


def _nested(depth: int) -> object:
    value: object = "innermost"
    for _ in range(depth):
        value = [value]
    return value


@given(
    st.dictionaries(
        st.text(max_size=3) | st.none() | st.integers(),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner),
            max_leaves=8,
        )
        | st.integers(60, 66).map(_nested)
        | st.binary(max_size=3)
        | st.sampled_from(Status),
        max_size=3,
    )
)
@settings(max_examples=100)
def test_json_text_is_that_of_the_plain_copy_whichever_way_it_is_made(
    value: dict[Any, Any],
) -> None:
    assert plain_json(value) == orjson.dumps(plain(value)).decode()
