"""What every store does, whatever it is made of."""

from __future__ import annotations

import contextlib
import os
import random
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import count, product
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from longpole.dashboard.settle import settle
from longpole.model import Run, SpanError, Status, semconv
from longpole.model.errors import AmbiguousRunError, StoreError, UnknownRunError
from longpole.model.pricing import PriceBook
from longpole.storage import (
    DestinationState,
    Receipt,
    Recorder,
    RunOrder,
    RunQuery,
    RunRow,
    RunSummary,
    Share,
    SpanEnd,
    SpanEvent,
    SpanStart,
    Store,
    open_store,
)
from longpole.storage.filter_text import parse
from longpole.storage.filters import Filter, Pattern, Words
from longpole.storage.recording import Recording
from longpole.storage.run_events import events_from_run
from longpole.storage.urls import spool_path
from longpole.storage.writer import Writer
from tests.large_store import drawn_runs
from tests.small_runs import bare_run
from tests.storage.contract.conftest import Opening
from tests.storage.test_filters import (
    FILTERS,
    NOW_NS,
    everything,
    found_by,
    lawful,
    meant_by,
    sets_of_runs,
)
from tests.strategies import BEGIN_NS, MS, any_runs, as_stored, recorded_runs

DEAD = Recorder(recorder_id="d" * 16, pid=1, host=os.uname().nodename)
ALIVE = Recorder(recorder_id="a" * 16, pid=os.getpid(), host=os.uname().nodename)

# A server is slow enough that looking for a smaller example would take minutes.
EXAMPLES = (Phase.explicit, Phase.reuse, Phase.generate)

ENDED = [one for one in Status if one not in (Status.RUNNING, Status.LOST)]

_ids = count(1)


def renamed(run: Run) -> Run:
    """The run under an id that no other example has."""
    return replace(run, run_id=f"{next(_ids):032x}", trace_id=None)


def start(
    number: int = 1,
    span: int = 1,
    parent: int | None = None,
    more: Mapping[str, Any] = MappingProxyType({}),
) -> SpanStart:
    return SpanStart(
        run_id=f"{number:032x}",
        trace_id=f"{number:032x}",
        span_id=f"{number:08x}{span:08x}",
        parent_span_id=None if parent is None else f"{number:08x}{parent:08x}",
        is_root=parent is None,
        name="chain" if parent is None else "step",
        start_ns=BEGIN_NS + number * MS + span,
        attributes=dict(more),
    )


def end(number: int = 1, span: int = 1, more: Mapping[str, Any] = MappingProxyType({})) -> SpanEnd:
    return SpanEnd(
        run_id=f"{number:032x}",
        span_id=f"{number:08x}{span:08x}",
        end_ns=BEGIN_NS + (number + 5) * MS,
        status=Status.OK,
        attributes=dict(more),
    )


# --- runs in, runs out --------------------------------------------------------------------------


def test_a_store_that_nobody_has_written_to_is_empty(opening: Opening) -> None:
    store = opening("read")

    assert store.list_runs(RunQuery()).total == 0
    assert list(store.run_ids(RunQuery())) == []
    assert store.state().runs == store.state().spans == 0
    assert list(store.unsettled_runs(10)) == []
    assert list(store.problems(is_thorough=True)) == []
    assert store.load_content("a", "b") is None
    with pytest.raises(UnknownRunError):
        store.resolve("last")
    with pytest.raises(UnknownRunError):
        store.load_run("a" * 32)


def test_a_store_that_is_opened_for_reading_is_not_written(opening: Opening) -> None:
    opening("write")
    store = opening("read")

    with pytest.raises(StoreError, match="mode='write'"):
        store.write(DEAD, [start()])
    with pytest.raises(StoreError, match="mode='write'"):
        store.save_summaries([])


def test_a_closed_store_says_so(opening: Opening) -> None:
    store = opening("write")
    store.write(DEAD, [start(), end()])
    store.close()

    with pytest.raises(StoreError, match="was closed"):
        store.list_runs(RunQuery())


@given(recorded_runs(max_spans=12))
@settings(max_examples=8, phases=EXAMPLES)
def test_a_run_comes_back_as_it_was(shared: Store, drawn: Run) -> None:
    run = renamed(drawn)
    shared.write(DEAD, events_from_run(run))
    back = shared.load_run(run.run_id)

    assert replace(back, trace_id=None) == as_stored(run)


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A file that is told everything once and in order."""
    store = open_store(str(tmp_path_factory.mktemp("straight") / "runs.db"), mode="write")
    yield store
    store.close()


@given(any_runs(), st.integers(0, 2**32), st.integers(1, 5))
@settings(max_examples=8, phases=EXAMPLES)
def test_events_in_any_order_and_told_twice_make_the_same_run(
    shared: Store, straight: Store, drawn: Run, seed: int, batches: int
) -> None:
    run = renamed(replace(drawn, spans=tuple(lawful(span) for span in drawn.spans)))
    shuffled = [*events_from_run(run), *events_from_run(run)]
    random.Random(seed).shuffle(shuffled)
    for first in range(batches):
        shared.write(DEAD, shuffled[first::batches])
    straight.write(DEAD, events_from_run(run))
    rows = {row.run_id: row for row in shared.list_runs(RunQuery(limit=1000)).rows}

    assert shared.load_run(run.run_id) == straight.load_run(run.run_id)
    assert rows[run.run_id].spans == len(run.spans)


def test_an_end_is_known_before_its_start_and_counts_then(store: Store) -> None:
    store.write(DEAD, [end(span=1, more={"outcome": "told at the end"})])
    assert store.list_runs(RunQuery()).total == 0
    store.write(DEAD, [start(span=1, more={"outcome": "told at the start"})])
    (span,) = store.load_run(f"{1:032x}").spans
    content = store.load_content(f"{1:032x}", span.span_id)

    assert (span.end_ns, span.status) == (BEGIN_NS + 6 * MS, Status.OK)
    assert content is not None
    assert content.attributes == {"outcome": "told at the end"}


def test_what_came_first_counts(store: Store) -> None:
    store.write(DEAD, [start(), start()._replace(name="again"), end(), end()._replace(end_ns=1)])
    store.write(DEAD, [end()._replace(status=Status.ERROR, end_ns=BEGIN_NS + 90 * MS)])
    (row,) = store.list_runs(RunQuery()).rows

    assert (row.name, row.status, row.end_ns) == ("chain", Status.OK, BEGIN_NS + 6 * MS)
    assert store.load_run(row.run_id).root.end_ns == BEGIN_NS + 6 * MS


def test_how_a_span_ended_is_kept(store: Store) -> None:
    errors = (
        SpanError(type="pkg.RateLimitError", message="slow\ndown"),
        SpanError(type="E", message=""),
        None,
    )
    told = {
        number: (status, error)
        for number, (status, error) in enumerate(product(ENDED, errors), start=1)
    }
    for number, (status, error) in told.items():
        store.write(DEAD, [start(number), end(number)._replace(status=status, error=error)])
    roots = {number: store.load_run(f"{number:032x}").root for number in told}
    listed = {int(row.run_id, 16): row.status for row in store.list_runs(RunQuery()).rows}

    assert {number: (root.status, root.error) for number, root in roots.items()} == told
    assert listed == {number: status for number, (status, _) in told.items()}


def test_contents_and_attributes_come_back_as_they_were_told(store: Store) -> None:
    told = {
        semconv.INPUT_VALUE: '{"a": 1}',
        semconv.INPUT_MIME_TYPE: "application/json",
        semconv.LONGPOLE_HOST: "one",
        semconv.TAG_TAGS: ["a", "b"],
        semconv.METADATA: '{"customer": 7}',
        semconv.LONGPOLE_AFTER: ["x"],
        "text that is a number": "17",
        "count": 17,
        "real": 0.1,
        "flag": True,
        "nothing": None,
        "nested": {"a": [1, None, {"b": "é\n'\\"}]},
        "nul": "\x00",
        "empty": "",
    }
    store.write(DEAD, [start(more=told), end(more={semconv.OUTPUT_VALUE: "out", "late": 2})])
    run_id = f"{1:032x}"
    content = store.load_content(run_id, store.load_run(run_id).root_span_id)

    assert content is not None
    assert (content.input_value, content.input_mime_type) == ('{"a": 1}', "application/json")
    assert (content.output_value, content.output_mime_type) == ("out", None)
    assert content.attributes == {
        **{key: value for key, value in told.items() if not key.startswith("input.")},
        "late": 2,
    }
    assert store.load_contents(run_id) == {store.load_run(run_id).root_span_id: content}
    assert store.load_content(run_id, "no such span") is None
    assert store.load_run(run_id).metadata == {"customer": 7}
    assert store.load_run(run_id).root.host == "one"


def test_several_runs_of_one_trace_stay_apart(store: Store) -> None:
    shared_trace = "c" * 32
    for number in (1, 2):
        events: list[SpanEvent] = [start(number), start(number, 2, 1), end(number), end(number, 2)]
        store.write(
            DEAD,
            [
                one._replace(trace_id=shared_trace) if isinstance(one, SpanStart) else one
                for one in events
            ],
        )
    runs = [store.load_run(f"{number:032x}") for number in (1, 2)]

    assert [len(run.spans) for run in runs] == [2, 2]
    assert {run.trace_id for run in runs} == {shared_trace}
    assert store.state().spans == 4


def test_a_run_whose_root_lies_below_a_span_of_others_has_a_root(store: Store) -> None:
    store.write(DEAD, [start()._replace(parent_span_id="f" * 16), start(span=2, parent=1)])
    store.write(DEAD, [end(span=2), end()])
    run = store.load_run(f"{1:032x}")

    assert (run.root.name, run.root.parent_span_id) == ("chain", None)
    assert run.repairs == ()
    assert store.list_runs(RunQuery()).rows[0].name == "chain"


# --- running and lost ---------------------------------------------------------------------------


def test_a_run_is_running_while_its_recorder_lives_and_lost_after(store: Store) -> None:
    store.write(ALIVE, [start(1), start(1, 2, parent=1), end(1, 2)])
    store.write(DEAD, [start(2)])
    rows = {row.run_id: row for row in store.list_runs(RunQuery()).rows}
    running, lost = f"{1:032x}", f"{2:032x}"

    assert (rows[running].status, rows[running].end_ns) == (Status.RUNNING, None)
    assert (rows[lost].status, rows[lost].end_ns) == (Status.LOST, None)
    assert store.load_run(running).status is Status.RUNNING
    assert store.load_run(lost).status is Status.LOST
    assert [run_id for run_id, _ in store.unsettled_runs(10)] == [lost]
    assert store.run_ids(RunQuery(status=(Status.LOST,))) == [lost]


def test_a_running_run_ends_where_it_began(store: Store) -> None:
    store.write(ALIVE, [start(1, 1, more={semconv.SESSION_ID: "s", semconv.LONGPOLE_KIND: "llm"})])
    before = store.list_runs(RunQuery()).rows[0]
    revision = store.revision(before.run_id)
    store.write(ALIVE, [end(1, 1, more={semconv.GEN_AI_RESPONSE_MODEL: "gpt"})])
    (after,) = store.list_runs(RunQuery()).rows
    (span,) = store.load_run(before.run_id).spans

    assert (before.status, before.session_id, before.spans) == (Status.RUNNING, "s", 1)
    assert (after.status, after.session_id, after.spans) == (Status.OK, "s", 1)
    assert (span.kind.value, span.model, span.end_ns) == ("llm", "gpt", after.end_ns)
    assert store.revision(before.run_id) > revision


# --- lists --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def drawn() -> list[Run]:
    return list(drawn_runs(30, seed=3, begin_ns=BEGIN_NS))


@pytest.fixture(scope="module")
def filled(lasting: Store, drawn: list[Run]) -> Store:
    _fill(lasting, drawn)
    return lasting


@pytest.fixture(scope="module")
def asked(fresh: Callable[[], Store], drawn: list[Run]) -> Store:
    """The same, for properties."""
    store = fresh()
    _fill(store, drawn)
    return store


@pytest.fixture(scope="module")
def reference(drawn: list[Run], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """The same runs in a file."""
    store = open_store(str(tmp_path_factory.mktemp("reference") / "runs.db"), mode="write")
    _fill(store, drawn)
    yield store
    store.close()


def _fill(store: Store, runs: list[Run]) -> None:
    store.write(DEAD, [event for run in runs for event in events_from_run(run)])
    settle(store, book=PriceBook(), now_ns=BEGIN_NS, limit=20)


def _listed(rows: tuple[RunRow, ...]) -> list[Any]:
    return [
        replace(row, summary=None if row.summary is None else dict(row.summary)) for row in rows
    ]


QUERIES = [
    *(
        RunQuery(order=order, descending=down, limit=7)
        for order in RunOrder
        for down in (False, True)
    ),
    RunQuery(limit=5, offset=11),
    RunQuery(name="panel"),
    RunQuery(status=(Status.ERROR, Status.LOST)),
    RunQuery(session_id="session-3"),
    RunQuery(tag="nightly"),
    RunQuery(text="RATE-lim"),
    RunQuery(text="ratelimiterror"),
    RunQuery(since_ns=BEGIN_NS + 9_000 * MS, until_ns=BEGIN_NS + 20_000 * MS),
    RunQuery(limit=0),
    *(
        RunQuery(where=parse(text, now_ns=BEGIN_NS + 40_000 * MS))
        for text in (
            "model:gpt-4.1* OR branch:gemini",
            "-model:*haiku* has:unpriced",
            "error:ratelimiterror -status:error",
            "has:retry,fallback cost>0.001",
            "tokens:100..2000 speedup>=1.2x retries=0",
            "kind:tool,retriever spans>4 since:30s until:10s",
            'user:user-1 -tag:nightly "RAG" wall<5s',
        )
    ),
]


@pytest.mark.parametrize("query", QUERIES, ids=range(len(QUERIES)))
def test_every_store_lists_the_same(filled: Store, reference: Store, query: RunQuery) -> None:
    mine, others = filled.list_runs(query), reference.list_runs(query)

    assert mine.total == others.total
    assert set(filled.run_ids(query)) == set(reference.run_ids(query))
    if query.order not in (RunOrder.NAME, RunOrder.STATUS, RunOrder.RETRIES):
        # Of runs that are equal there, any may come first.
        assert _listed(mine.rows) == _listed(others.rows)


def test_every_store_keeps_the_same_costs(
    filled: Store, reference: Store, drawn: list[Run]
) -> None:
    for run in drawn[-3:]:
        mine = filled.load_run(run.run_id)

        assert mine == reference.load_run(run.run_id)
        assert any(span.cost_usd for span in mine.spans)


@given(said=FILTERS)
@settings(max_examples=20, phases=EXAMPLES)
def test_a_filter_finds_the_runs_that_it_means(asked: Store, said: Filter) -> None:
    assert found_by(asked, said) == meant_by(_everything(asked), said)


_known: dict[str, Any] = {}


def _everything(store: Store) -> Any:
    if store.url not in _known:
        _known[store.url] = everything(store)
    return _known[store.url]


@given(
    runs=sets_of_runs(), filters=st.lists(FILTERS, min_size=2, max_size=4), is_alive=st.booleans()
)
@settings(max_examples=3, phases=EXAMPLES)
def test_a_filter_finds_the_runs_that_it_means_in_any_store(
    fresh: Callable[[], Store], runs: list[Run], filters: list[Filter], is_alive: bool
) -> None:
    store = fresh()
    for run in runs:
        store.write(ALIVE if is_alive else DEAD, events_from_run(run))
    settle(store, book=PriceBook(), now_ns=NOW_NS, limit=2)
    known = everything(store)

    assert [found_by(store, said) for said in filters] == [
        meant_by(known, said) for said in filters
    ]
    store.close()


def test_a_run_is_found_by_the_beginning_of_its_id(store: Store) -> None:
    for number, name in enumerate(("ab" + "0" * 30, "ac" + "0" * 30)):
        store.write(DEAD, events_from_run(replace(bare_run(1, BEGIN_NS + number), run_id=name)))

    assert store.resolve("ab") == "ab" + "0" * 30
    assert store.resolve("AC0") == "ac" + "0" * 30
    assert store.resolve(" last ") == "ac" + "0" * 30
    with pytest.raises(AmbiguousRunError):
        store.resolve("a")
    for unknown in ("b", "", "%", "_b", "*"):
        with pytest.raises(UnknownRunError):
            store.resolve(unknown)


# --- words --------------------------------------------------------------------------------------

INPUT = semconv.INPUT_VALUE
TEXTS = (
    ("When does the Ferry leave?", "at six o'clock, from the old_pier"),
    ("when is dinner?", "the ferry-boat serves none: 12 REFUNDS, grün statt GRÜN"),
    ('{"content":"first line\\nsecond \\"quoted\\" café"}', "ΟΔΟΣ Straße ﬁne"),
    ("100%_done \\d [a-z]* 'x", "नमस्ते 日本語テキスト e\u0301té"),
    ("", "ferry " * 5_000 + "lighthouse"),
)
ASKED = (
    *("FERRY", '"ferry leave"', '"leave ferry"', "dinn*", "dinn", "ferry -boat", '"?"', "pier"),
    *('"six o\'clock"', "old_pier", '"12 ref"*', "grün", "grun", "nsecond", "ΟΔΟΣ", "STRASSE"),
    *('"line second quoted café"', "fine", "100%_done", '"[a-z]"', "%", "नमस्ते", "日本語*"),
    *('"e\u0301té"', "lighthouse", "fer*lea*", "six*when", "CH*n", "-ferry", "a" * 400),
)


def _telling(store: Store) -> Store:
    events: list[SpanEvent] = []
    for number, (text, answer) in enumerate(TEXTS, 1):
        told = {INPUT: text}
        if text.startswith("{"):
            told[semconv.INPUT_MIME_TYPE] = "application/json"
        events += [start(number, more=told), end(number, more={semconv.OUTPUT_VALUE: answer})]
    store.write(DEAD, events)
    return store


def test_words_find_the_same_inputs_and_outputs_in_every_store(
    fresh: Callable[[], Store], tmp_path: Path
) -> None:
    mine = _telling(fresh())
    with contextlib.closing(open_store(str(tmp_path / "runs.db"), mode="write")) as file:
        others = _telling(file)
        assert mine.has_unindexed_runs()
        assert not _numbers(mine, "ferry")
        assert mine.index_runs(100) == others.index_runs(100) == len(TEXTS)
        found = {text: _numbers(mine, text) for text in ASKED}
        expected = {text: _numbers(others, text) for text in ASKED}

    assert found == expected
    assert found["FERRY"] == {1, 2, 5}
    assert not mine.has_unindexed_runs()


@given(
    texts=st.lists(
        st.text(st.sampled_from("aAbßSs _-.%*'\"\\é\u0301Σςİı1٣日\n"), max_size=12), min_size=1
    ),
    asked=st.text(st.sampled_from("aAbßSs _-.%'é\u0301Σς1٣日*"), min_size=1, max_size=4),
)
@settings(max_examples=6, phases=EXAMPLES)
def test_any_words_find_the_same_in_every_store(
    worded: tuple[Store, Store], texts: list[str], asked: str
) -> None:
    number = next(_ids)
    spans = [
        start(number, span, None if span == 1 else 1, more={INPUT: text})
        for span, text in enumerate(texts, 1)
    ]
    for store in worded:
        store.write(DEAD, [span._replace(name="—") for span in spans])
        store.write(DEAD, [end(number, span) for span in range(1, len(spans) + 1)])
        store.index_runs(1_000)
    said = Words(Pattern(tuple(asked.split("*"))))
    here, there = (set(store.run_ids(RunQuery(where=said))) for store in worded)

    assert here == there


@pytest.fixture(scope="module")
def worded(
    fresh: Callable[[], Store], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Store, Store]]:
    """A new store, and a file beside it."""
    file = open_store(str(tmp_path_factory.mktemp("worded") / "runs.db"), mode="write")
    yield fresh(), file
    file.close()


def test_words_of_deleted_runs_and_contents_find_nothing(store: Store) -> None:
    _telling(store)
    store.index_runs(100)
    store.delete_runs([f"{1:032x}"])
    store.delete_contents([f"{2:032x}"])

    assert _numbers(store, "ferry") == {5}
    _telling(store)
    store.index_runs(100)
    assert _numbers(store, "ferry") >= {1, 5}


def test_what_arrives_late_is_found_when_it_is_indexed_again(store: Store) -> None:
    _telling(store)
    store.index_runs(100)
    store.write(DEAD, [start(3, 2, parent=1, more={INPUT: "a late lighthouse"}), end(3, 2)])

    assert store.has_unindexed_runs()
    assert store.index_runs(100) == 1
    assert _numbers(store, '"late lighthouse"') == {3}
    assert _numbers(store, "quoted") == {3}


def test_a_text_of_a_query_is_searched_as_free_text_is(store: Store) -> None:
    _telling(store)
    store.index_runs(100)
    asked = ("ferry", "CHAIN", "ferry leave")
    texts = {text: set(store.run_ids(RunQuery(text=text))) for text in asked}

    assert texts == {
        text: set(store.run_ids(RunQuery(where=Words(Pattern((text,)))))) for text in asked
    }
    assert len(texts["ferry"]) == 3


def _numbers(store: Store, text: str) -> set[int]:
    return {int(run_id, 16) for run_id in store.run_ids(RunQuery(where=parse(text, now_ns=0)))}


# --- what is computed and sent ------------------------------------------------------------------


def test_runs_are_settled_once_and_again_when_they_change(store: Store) -> None:
    store.write(DEAD, [start(1), end(1), start(2), end(2)])
    unsettled = store.unsettled_runs(10)
    now_ns = time.time_ns()

    assert [run_id for run_id, _ in unsettled] == [f"{2:032x}", f"{1:032x}"]
    assert len(store.unsettled_runs(1)) == 1
    assert settle(store, book=PriceBook(), now_ns=now_ns, limit=10) == 2
    assert settle(store, book=PriceBook(), now_ns=now_ns, limit=10) == 0
    store.write(DEAD, [start(1, 2, parent=1), end(1, 2)])
    assert [run_id for run_id, _ in store.unsettled_runs(10)] == [f"{1:032x}"]
    assert [row.is_settled for row in store.list_runs(RunQuery()).rows] == [True, False]


def test_a_summary_of_an_older_state_is_ignored(store: Store) -> None:
    store.write(DEAD, [start(), end()])
    ((run_id, before),) = store.unsettled_runs(10)
    store.write(DEAD, [start(1, 2, parent=1), end(1, 2)])
    store.save_summaries([RunSummary(run_id=run_id, revision=before, run_object={"wall_ns": 1})])
    store.save_summaries([RunSummary(run_id="f" * 32, revision=1, run_object={"wall_ns": 1})])
    (row,) = store.list_runs(RunQuery()).rows

    assert (row.summary, row.is_settled) == (None, False)
    assert store.state().runs == 1


def test_a_sample_is_kept_for_as_long_as_it_fits_its_run(store: Store) -> None:
    store.write(DEAD, [start(1), end(1), start(2), end(2)])
    told = dict(store.unsettled_runs(10))
    store.save_summaries(
        RunSummary(run_id=run_id, revision=revision, run_object={}, sample=f"of {run_id}")
        for run_id, revision in told.items()
    )
    kept = {run_id: f"of {run_id}" for run_id in told} if store.keeps_samples else {}
    asked = [*told, "f" * 32]

    assert store.samples(asked) == kept
    store.write(DEAD, [start(1, 2, parent=1), end(1, 2)])
    kept.pop(f"{1:032x}", None)
    assert store.samples(asked) == kept
    assert store.samples([]) == {}


def test_the_shares_of_workers_make_up_all_runs(store: Store) -> None:
    for number in range(1, 13):
        store.write(DEAD, [start(number), end(number)])
    everyone = {run_id for run_id, _ in store.unsettled_runs(100)}
    shares = [
        {run_id for run_id, _ in store.unsettled_runs(100, Share(index=index, count=3))}
        for index in range(3)
    ]

    assert everyone == set.union(*shares)
    assert sum(map(len, shares)) == len(everyone) == 12
    assert all(shares)


def test_what_was_sent_is_remembered(store: Store) -> None:
    store.write(DEAD, [start(1), end(1), start(2), end(2)])
    one, two = f"{1:032x}", f"{2:032x}"
    receipt = Receipt(
        destination="there",
        run_id=one,
        revision=store.revision(one),
        sent=frozenset({"a", "b"}),
        refused={"c": "too large"},
        waiting="no answer",
        shift_ns=-5,
        at_ns=7,
    )
    store.save_receipts([receipt, replace(receipt, run_id="f" * 32)])
    assert store.receipts("there", [one, two, "f" * 32]) == {one: receipt}
    done = replace(receipt, waiting=None, sent=frozenset())
    store.save_receipts([done])
    assert store.receipts("there", [one]) == {one: done}
    assert store.receipts("elsewhere", [one]) == {}
    store.write(DEAD, [start(1, 2, parent=1), end(1, 2)])
    assert store.receipts("there", [one]) == {one: replace(done, is_current=False)}


def test_what_each_destination_has_is_counted(store: Store) -> None:
    store.write(DEAD, [start(1), end(1), start(2), end(2)])
    one, two = f"{1:032x}", f"{2:032x}"
    first = Receipt(
        destination="there",
        run_id=one,
        revision=store.revision(one),
        sent=frozenset({"a"}),
        refused={"b": "too large", "c": "too large"},
        at_ns=7,
    )
    second = replace(first, run_id=two, revision=0, refused={}, at_ns=8)
    held_up = replace(second, destination="elsewhere", waiting="no answer", at_ns=9)
    store.save_receipts([first, second, held_up])

    assert store.destinations() == [
        DestinationState(
            destination="elsewhere",
            done=0,
            changed=0,
            waiting=1,
            refused_spans=0,
            reason="no answer",
            at_ns=9,
        ),
        DestinationState(
            destination="there",
            done=1,
            changed=1,
            waiting=0,
            refused_spans=2,
            reason="too large",
            at_ns=8,
        ),
    ]


def test_whole_runs_come_in_the_order_asked_for(store: Store) -> None:
    for number in (1, 2, 3):
        store.write(DEAD, [start(number), start(number, 2, parent=1), end(number, 2)])
    store.write(ALIVE, [start(4)])
    asked = [f"{number:032x}" for number in (4, 1, 9, 3, 1)]

    runs = list(store.load_runs(asked))
    assert runs == [store.load_run(run_id) for run_id in asked if run_id != f"{9:032x}"]
    assert [len(run.spans) for run in runs] == [1, 2, 2, 2]


# --- upkeep -------------------------------------------------------------------------------------


def test_the_token_moves_with_every_change_and_only_then(store: Store) -> None:
    tokens = [store.state().token]
    store.write(DEAD, [start(), end()])
    tokens.append(store.state().token)
    settle(store, book=PriceBook(), now_ns=time.time_ns(), limit=10)
    tokens.append(store.state().token)

    assert len(set(tokens)) == 3
    assert store.state().token == tokens[-1]
    assert (store.state().runs, store.state().spans) == (1, 1)


def test_deleted_runs_are_gone_with_all_that_belongs_to_them(store: Store) -> None:
    for number in (1, 2):
        store.write(DEAD, [start(number), end(number), start(number, 2, parent=1)])
    settle(store, book=PriceBook(), now_ns=time.time_ns(), limit=10)
    gone, kept = f"{1:032x}", f"{2:032x}"
    token = store.state().token

    assert store.delete_runs([gone, "f" * 32]) == 2
    store.reclaim()
    assert store.run_ids(RunQuery()) == [kept]
    assert store.load_contents(gone) == {}
    with pytest.raises(UnknownRunError):
        store.load_run(gone)
    assert len(store.load_run(kept).spans) == 2
    assert store.state().token != token
    assert (store.state().runs, store.state().spans) == (1, 2)


def test_a_deleted_run_that_is_told_again_is_there_again(store: Store) -> None:
    events = list(events_from_run(bare_run(1, BEGIN_NS)))
    store.write(DEAD, events)
    store.delete_runs([f"{1:032x}"])
    store.write(DEAD, events)

    assert store.list_runs(RunQuery()).total == 1
    assert len(store.load_run(f"{1:032x}").spans) == 1


def test_deleted_contents_leave_all_else(store: Store) -> None:
    told = {semconv.INPUT_VALUE: "secret", semconv.LONGPOLE_BRANCH: "b"}
    for number in (1, 2):
        store.write(
            DEAD, [start(number, more=told), end(number, more={semconv.OUTPUT_VALUE: "secret"})]
        )
    one, two = f"{1:032x}", f"{2:032x}"
    before = store.load_run(one)

    assert store.delete_contents([one]) == 1
    assert store.delete_contents([one]) == 0
    assert store.load_run(one) == before
    (content,) = store.load_contents(one).values()
    assert (content.input_value, content.output_value) == (None, None)
    (other,) = store.load_contents(two).values()
    assert (other.input_value, other.output_value) == ("secret", "secret")


def test_a_store_is_sound_and_takes_space(store: Store) -> None:
    store.write(DEAD, [start(), end()])

    assert list(store.problems()) == list(store.problems(is_thorough=True)) == []
    assert store.size().used_bytes > 0


# --- the way of a recorder ----------------------------------------------------------------------


def test_a_writer_brings_its_spool_into_the_store(url: str, opening: Opening) -> None:
    writer = Writer(url, cadence_s=0.0)
    for event in (start(1), start(1, 2, parent=1), end(1, 2)):
        writer.append(event)
    assert writer.flush(30.0)
    store = opening("read")
    running = store.list_runs(RunQuery()).rows[0].status
    writer.append(end(1))
    assert writer.close(30.0)
    stats = writer.stats()

    assert running is Status.RUNNING
    assert store.list_runs(RunQuery()).rows[0].status is Status.OK
    assert (stats.spans_seen, stats.spans_written, stats.dropped) == (2, 2, {})
    assert store.state().spooled_bytes == 0
    assert writer.url == store.url


def test_what_a_recorder_left_is_taken_in_by_whoever_looks(url: str, opening: Opening) -> None:
    recording = Recording(spool_path(url), limit_bytes=10**6, clock=time.monotonic)
    recording.append(start(1))
    recording.append(end(1))
    recording.abandon()
    store = opening("read")

    assert [row.status for row in store.list_runs(RunQuery()).rows] == [Status.OK]
    assert store.state().spooled_bytes == 0
