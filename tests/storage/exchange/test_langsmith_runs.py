"""Runs as LangSmith gets them: lawful whatever was recorded, and nothing lost on the way."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from longpole.analysis import analyse
from longpole.dashboard.documents import show_document
from longpole.model import Kind, Run, Span, Status, Usage, assemble, semconv
from longpole.storage import Content
from longpole.storage.exchange.langsmith.content import inputs_of, outputs_of
from longpole.storage.exchange.langsmith.order import DAY_NS, days_shift_ns, is_old, moment
from longpole.storage.exchange.langsmith.runs import langsmith_runs
from longpole.storage.exchange.parcel import NO_CONTENT, Parcel
from tests.langsmith.checks import family_flaws, flaws
from tests.strategies import BEGIN_NS, any_runs, recorded_runs

Json = dict[str, Any]
HOUR_NS = 3600 * 10**9


def parcel_of(run: Run, contents: Mapping[str, Content] | None = None) -> Parcel:
    now_ns = BEGIN_NS + 10**10
    document = show_document(analyse(run, now_ns=now_ns))
    return Parcel(run=run, document=document, contents=contents or {}, now_ns=now_ns)


def as_sent(parcel: Parcel, **more: Any) -> list[Json]:
    """The runs as JSON, as the API sees them."""
    runs = [run for _, run in langsmith_runs(parcel, project="p", **more)]
    return [orjson.loads(orjson.dumps(run)) for run in runs]


def one_span(**more: Any) -> Span:
    span = Span(
        span_id="a" * 16,
        parent_span_id=None,
        name="answer",
        kind=Kind.CHAIN,
        start_ns=BEGIN_NS,
        end_ns=BEGIN_NS + 2_000_000_123,
        status=Status.OK,
    )
    return replace(span, **more)


def sent_alone(span: Span, content: Content = NO_CONTENT) -> Json:
    (run,) = as_sent(parcel_of(assemble("f" * 32, [span]), {span.span_id: content}))
    return run


def content(value: Any = None, answer: Any = None, **attributes: Any) -> Content:
    def text(given: Any) -> str | None:
        return None if given is None else orjson.dumps(given).decode()

    return Content(
        input_value=text(value),
        input_mime_type="application/json",
        output_value=text(answer),
        output_mime_type="application/json",
        attributes=attributes,
    )


@given(run=st.one_of(recorded_runs(), any_runs()), shift_days=st.integers(0, 3))
def test_every_run_obeys_langsmiths_rules(run: Run, shift_days: int) -> None:
    sent = as_sent(parcel_of(run), shift_ns=shift_days * DAY_NS)

    assert [flaws(one) for one in sent] == [[]] * len(run.spans)
    by_id = {one["id"]: one for one in sent}
    assert len(by_id) == len(run.spans)
    for one in sent:
        if "parent_run_id" in one:
            assert family_flaws(one, by_id[one["parent_run_id"]]) == []


@given(run=recorded_runs())
def test_the_tree_is_the_recorded_tree(run: Run) -> None:
    pairs = list(langsmith_runs(parcel_of(run), project="p"))
    span_of_id = {sent["id"]: span_id for span_id, sent in pairs}

    for span_id, sent in pairs:
        span = run.span_by_id[span_id]
        assert span_of_id.get(sent.get("parent_run_id")) == span.parent_span_id
        assert (sent["start_time"], sent["end_time"]) == (
            moment(span.start_ns),
            moment(span.end_ns or 0),
        )


def test_a_parent_comes_before_its_children() -> None:
    spans = [
        one_span(),
        one_span(span_id="b" * 16, parent_span_id="a" * 16, start_ns=BEGIN_NS - 5_000_000),
        one_span(span_id="c" * 16, parent_span_id="b" * 16, start_ns=BEGIN_NS - 9_000_000),
    ]
    sent = as_sent(parcel_of(assemble("f" * 32, spans)))

    names = [one["dotted_order"].count(".") for one in sent]
    assert names == [0, 1, 2]
    # The child began before its parent: the path takes the parent's time, the run keeps its own.
    assert sent[1]["start_time"] < sent[0]["start_time"]
    assert [part[:22] for part in sent[2]["dotted_order"].split(".")] == [
        sent[0]["dotted_order"][:22]
    ] * 3


def test_ids_are_langchains_so_that_nothing_is_doubled() -> None:
    told = "01a2123a-f1be-73e6-948a-490ea84772ad"
    span = one_span(langchain_run_id=told)

    assert sent_alone(span)["id"] == told
    (own,) = as_sent(parcel_of(assemble("f" * 32, [span])), salt="second")
    (again,) = as_sent(parcel_of(assemble("f" * 32, [span])), salt="second")
    assert own["id"] == again["id"] != told


def test_two_spans_of_one_langchain_run_get_two_ids() -> None:
    told = "01a2123a-f1be-73e6-948a-490ea84772ad"
    spans = [
        one_span(langchain_run_id=told),
        one_span(span_id="b" * 16, parent_span_id="a" * 16, langchain_run_id=told),
    ]
    assert len({one["id"] for one in as_sent(parcel_of(assemble("f" * 32, spans)))}) == 2


def test_usage_and_our_cost_reach_langsmith() -> None:
    usage = Usage(input_tokens=100, output_tokens=40, cache_read_tokens=60, reasoning_tokens=25)
    span = one_span(kind=Kind.LLM, usage=usage, cost_usd=Decimal("0.0123"), model="gpt-4.1")
    sent = sent_alone(
        replace(span, provider="gcp.gen_ai"), content([], {"role": "ai", "content": ""})
    )

    assert sent["outputs"]["usage_metadata"] == {
        "input_tokens": 100,
        "output_tokens": 40,
        "total_tokens": 140,
        "input_token_details": {"cache_read": 60},
        "output_token_details": {"reasoning": 25},
        "total_cost": 0.0123,
    }
    metadata = sent["extra"]["metadata"]
    assert metadata["ls_provider"] == "google_genai"
    assert metadata["ls_model_name"] == "gpt-4.1"


def test_a_first_token_is_an_event() -> None:
    sent = sent_alone(one_span(kind=Kind.LLM, first_token_ns=BEGIN_NS + 300_000_000))

    events = {event["name"]: event["time"] for event in sent["events"]}
    first = datetime.datetime.fromisoformat(events["new_token"])
    assert (first - datetime.datetime.fromisoformat(events["start"])).total_seconds() == 0.3


@pytest.mark.parametrize(
    ("status", "is_failure"),
    [
        (Status.OK, False),
        (Status.CANCELLED, False),
        (Status.INTERRUPTED, False),
        (Status.ERROR, True),
        (Status.LOST, True),
    ],
)
def test_only_failures_have_an_error(status: Status, is_failure: bool) -> None:
    end_ns = None if status is Status.LOST else BEGIN_NS + 5
    sent = sent_alone(one_span(status=status, end_ns=end_ns))

    assert ("error" in sent) is is_failure
    assert sent["extra"]["metadata"]["longpole.status"] == status.value
    assert sent["end_time"] >= sent["start_time"]


def test_facts_of_the_run_and_of_each_span_go_along() -> None:
    spans = [
        one_span(),
        one_span(span_id="b" * 16, parent_span_id="a" * 16, end_ns=BEGIN_NS + 10**9),
    ]
    root, child = as_sent(parcel_of(assemble("f" * 32, spans)))

    facts = root["extra"]["metadata"]
    assert facts["longpole.run.wall_ns"] == 2_000_000_123
    assert facts["longpole.run.critical_path"] == "answer"
    assert child["extra"]["metadata"]["longpole.slack_ns"] == 0
    assert child["extra"]["metadata"]["longpole.drag_ns"] == 10**9


def test_metadata_session_and_tags_go_along() -> None:
    told = {semconv.METADATA: '{"tier":"gold"}', semconv.TAG_TAGS: ["prod", "eu"]}
    run = assemble("f" * 32, [one_span()], session_id="s-1", user_id="ada")
    (sent,) = as_sent(parcel_of(run, {"a" * 16: content(**told)}))

    metadata = sent["extra"]["metadata"]
    assert (metadata["tier"], metadata["thread_id"], metadata["user_id"]) == ("gold", "s-1", "ada")
    assert sent["tags"] == ["prod", "eu"]


def test_messages_are_shaped_as_langsmith_draws_them() -> None:
    asked = [{"role": "human", "content": "hi"}]
    call = {"name": "add", "args": {"a": 1}, "id": "c1", "type": "tool_call"}
    answered = {"role": "ai", "content": "", "tool_calls": [call]}

    assert inputs_of(Kind.LLM, orjson.dumps(asked).decode(), "application/json") == {
        "messages": [{"role": "user", "content": "hi"}]
    }
    outputs = outputs_of(Kind.LLM, orjson.dumps(answered).decode(), "application/json")
    assert outputs["messages"][0]["role"] == "assistant"
    assert outputs["messages"][0]["tool_calls"] == [
        {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a":1}'}}
    ]


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (Kind.CHAIN, {"town": "Oslo"}, {"town": "Oslo"}),
        (Kind.CHAIN, [1, 2], {"input": [1, 2]}),
        (Kind.TOOL, 7, {"input": 7}),
        (Kind.RETRIEVER, "dogs", {"query": "dogs"}),
        (Kind.LLM, ["one", "two"], {"prompts": ["one", "two"]}),
        (Kind.LLM, "one", {"input": "one"}),
    ],
)
def test_inputs_are_objects(kind: Kind, value: Any, expected: Json) -> None:
    assert inputs_of(kind, orjson.dumps(value).decode(), "application/json") == expected


def test_documents_and_cut_json_are_kept() -> None:
    documents: Sequence[Json] = [{"page_content": "x", "metadata": {"source": "y"}}]

    found = outputs_of(Kind.RETRIEVER, orjson.dumps(documents).decode(), "application/json")
    assert found["documents"][0]["page_content"] == "x"
    assert outputs_of(Kind.CHAIN, '{"cut', "application/json") == {"output": '{"cut'}
    assert outputs_of(Kind.CHAIN, None, None) == {}


@given(age_h=st.integers(-30, 24 * 400))
def test_old_runs_are_moved_by_whole_days_into_the_last_day(age_h: int) -> None:
    run = assemble("f" * 32, [one_span()])
    now_ns = BEGIN_NS + age_h * HOUR_NS
    shift_ns = days_shift_ns(run, now_ns)

    assert shift_ns % DAY_NS == 0
    assert is_old(run, now_ns) == (shift_ns > 0)
    if age_h > 0:
        assert -HOUR_NS < now_ns - (BEGIN_NS + shift_ns) < DAY_NS
    else:
        assert shift_ns == 0


def test_a_shifted_run_says_when_it_really_was() -> None:
    (sent,) = as_sent(parcel_of(assemble("f" * 32, [one_span()])), shift_ns=2 * DAY_NS)

    original = datetime.datetime.fromisoformat(
        sent["extra"]["metadata"]["longpole.original_start_time"]
    )
    assert datetime.datetime.fromisoformat(sent["start_time"]) - original == datetime.timedelta(2)
