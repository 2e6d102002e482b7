"""Spans that other SDKs sent through the Collector, in every generation of its table."""

from __future__ import annotations

import pytest

from longpole.dashboard.settle import settle
from longpole.model import Kind, SpanError, Status, Usage
from longpole.model.errors import NotAStoreError
from longpole.model.pricing import PriceBook
from longpole.storage import Recorder, RunQuery, SpanEnd, SpanStart, open_store
from longpole.storage.clickhouse.connection import ClientDatabase
from longpole.storage.filter_text import parse
from tests.storage.clickhouse.collector import BEGIN_NS, COLUMNS, GENERATIONS, TRACE, span

LLM = {
    "openinference.span.kind": "LLM",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o-mini",
    "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
    "gen_ai.usage.input_tokens": "120",
    "gen_ai.usage.output_tokens": "30",
    "gen_ai.usage.cache_read.input_tokens": "100",
    "gen_ai.response.time_to_first_chunk": "0.0001",
    "input.value": "question",
    "output.value": "answer",
}
EXCEPTION = {"exception.type": "openai.RateLimitError", "exception.message": "slow down"}
ROWS = [
    span(1, None, name="answer", attributes={"session.id": "s-1", "tag.tags": '["prod"]'}),
    span(2, 1, name="chat", kind="Client", attributes=LLM),
    span(
        3,
        1,
        name="chat",
        kind="SPAN_KIND_CLIENT",
        attributes={"gen_ai.operation.name": "chat", "longpole.attempt": "2"},
        status="STATUS_CODE_ERROR",
        message="429",
        events=[("exception", EXCEPTION)],
    ),
    span(4, 1, name="publish", kind="Producer"),
    span(5, 4, name="consume", kind="Consumer"),
    span(6, None, name="later", links=[(TRACE, f"{1:016x}")]),
    span(7, 1, name="cut off", length_ns=2**64 - 5),
]


@pytest.mark.parametrize("generation", ["2024", "2025", "2026"])
def test_a_trace_of_any_generation_is_a_run(database: ClientDatabase, generation: str) -> None:
    database.command(GENERATIONS[generation].replace("{name}", database.name("otel_traces")))
    rows = ROWS if generation != "2024" else [_signed(row) for row in ROWS]
    # Some before Longpole looks for the first time, some after, one of them sent twice.
    database.insert("otel_traces", COLUMNS, rows[:3])
    store = open_store(database.address.url, mode="write")
    database.insert("otel_traces", COLUMNS, rows[2:])
    run = store.load_run(TRACE)
    (row,) = store.list_runs(RunQuery()).rows
    spans = {int(one.span_id, 16): one for one in run.spans}
    chat = spans[2]

    assert (row.name, row.status, row.spans, row.session_id) == ("answer", Status.OK, 7, "s-1")
    assert (row.tags, row.start_ns, row.end_ns) == (("prod",), BEGIN_NS + 1_000, BEGIN_NS + 10**6)
    assert (chat.kind, chat.model, chat.provider) == (
        Kind.LLM,
        LLM["gen_ai.response.model"],
        "openai",
    )
    assert chat.usage == Usage(input_tokens=120, output_tokens=30, cache_read_tokens=100)
    assert (chat.host, chat.first_token_ns) == ("web-1", chat.start_ns + 100_000)
    assert spans[3].error == SpanError(type="RateLimitError", message="slow down")
    assert (spans[3].status, spans[3].attempt) == (Status.ERROR, 2)
    assert spans[5].order.detached
    assert (spans[6].parent_span_id, spans[6].order.detached) == (f"{1:016x}", True)
    assert (spans[7].status, spans[7].end_ns) == (Status.LOST, None)
    content = store.load_content(TRACE, chat.span_id)
    assert content is not None
    assert (content.input_value, content.output_value) == ("question", "answer")
    for text, is_found in (
        ("error:ratelimiterror has:retry has:error has:lost", True),
        ("model:gpt-4o-mini* provider:openai span:publish", True),
        ("error:timeout", False),
    ):
        assert (store.list_runs(RunQuery(where=parse(text, now_ns=0))).total == 1) is is_found
    assert settle(store, book=PriceBook(), now_ns=BEGIN_NS, limit=5) == 1
    assert store.list_runs(RunQuery()).rows[0].summary is not None
    store.close()


def _signed(row: tuple[object, ...]) -> tuple[object, ...]:
    """The row with a length as the oldest table holds it: read with a sign."""
    return tuple(-5 if value == 2**64 - 5 else value for value in row)


@pytest.mark.parametrize("generation", ["2024", "2025", "2026"])
def test_own_runs_go_into_a_table_of_the_collector(
    database: ClientDatabase, generation: str
) -> None:
    database.command(GENERATIONS[generation].replace("{name}", database.name("otel_traces")))
    store = open_store(database.address.url, mode="write")
    me = Recorder(recorder_id="d" * 16, pid=1, host="here")
    start = SpanStart(
        run_id="b" * 32,
        trace_id="c" * 32,
        span_id="d" * 16,
        parent_span_id=None,
        is_root=True,
        name="own",
        start_ns=BEGIN_NS,
        attributes={"longpole.step": 3, "host.name": "one", "otel.scope.name": "theirs"},
    )
    end = SpanEnd(run_id="b" * 32, span_id="d" * 16, end_ns=BEGIN_NS + 5, status=Status.CANCELLED)
    store.write(me, [start, end])
    run = store.load_run("b" * 32)
    content = store.load_content("b" * 32, "d" * 16)
    store.close()

    assert (run.root.step, run.root.host, run.root.status) == (3, "one", Status.CANCELLED)
    assert run.trace_id == "c" * 32
    assert content is not None
    assert content.attributes == start.attributes


def test_a_table_with_attributes_of_type_json_is_refused(database: ClientDatabase) -> None:
    database.command(GENERATIONS["json"].replace("{name}", database.name("otel_traces")))

    with pytest.raises(NotAStoreError, match="json: false"):
        open_store(database.address.url, mode="write")
