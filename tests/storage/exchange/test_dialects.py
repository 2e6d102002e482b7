"""Spans that other instrumentations really sent are read as the same facts; see files/dialects."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from longpole.analysis import analyse
from longpole.dashboard.documents import run_object
from longpole.model import Kind, Run, Span, Status, Usage, semconv
from longpole.model.pricing import PriceBook, price_run
from longpole.model.run import FanOutKind, Role
from longpole.storage import Content, Recorder, RunQuery, SpanEvent, Store, open_store
from longpole.storage.codec import plain
from longpole.storage.exchange.dialects.translate import translated
from longpole.storage.exchange.otlp_in import read_otlp_json
from longpole.storage.exchange.parcel import Refused
from tests.strategies import as_stored, json_values

FILES = Path(__file__).parent.parent / "files" / "dialects"
ME = Recorder(recorder_id="d" * 16, pid=1, host="here")
NOW_NS = 1_900_000_000_000_000_000
MODEL = "gpt-4o-mini-2024-07-18"

OF_LANGCHAIN = ("openinference", "openllmetry", "langsmith", "langfuse")
"""Dialects that tell every runnable; the others tell calls and whole workflows."""
TAGGED = ("openllmetry", "langsmith", "langfuse")
"""Dialects that hand on LangChain's tags, and so the caller's and the structural ones."""
ALL = (*OF_LANGCHAIN, "genai", "openai-old", "openai-new")


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One run and its contents."""

    run: Run
    contents: dict[str, Content]

    def calls(self) -> list[Span]:
        return [span for span in self.run.spans if span.kind is Kind.LLM]

    def input_of(self, span: Span) -> Any:
        return orjson.loads(self.contents[span.span_id].input_value or "null")

    def output_of(self, span: Span) -> Any:
        return orjson.loads(self.contents[span.span_id].output_value or "null")


def events_of(dialect: str) -> list[SpanEvent]:
    found = list(read_otlp_json(FILES / f"{dialect}.json"))
    assert [one for one in found if isinstance(one, Refused)] == []
    return [one for one in found if not isinstance(one, Refused)]


def runs_in(store: Store) -> dict[str, Told]:
    """The runs of a store under the names that the program gave them."""
    runs = [store.load_run(run_id) for run_id in store.run_ids(RunQuery())]
    return {
        name: Told(run=run, contents=dict(store.load_contents(run.run_id)))
        for run in runs
        for name in ("panel", "outfit", "quarrel")
        if name in run.name
    }


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Told]]:
    """The runs of every dialect."""
    folder = tmp_path_factory.mktemp("dialects")
    found: dict[str, dict[str, Told]] = {}
    for dialect in ALL:
        store = open_store(str(folder / f"{dialect}.db"), mode="write")
        store.write(ME, events_of(dialect))
        found[dialect] = runs_in(store)
        store.close()
    return found


def named(run: Run, part: str) -> Span:
    (found,) = [span for span in run.spans if part in span.name]
    return found


def facts(span: Span) -> tuple[object, ...]:
    return (span.role, span.branch, span.step, span.fan_out)


@pytest.mark.parametrize("dialect", ALL)
def test_every_dialect_tells_model_provider_and_tokens_of_a_call(
    told: dict[str, dict[str, Told]], dialect: str
) -> None:
    calls = told[dialect]["panel"].calls()
    has_cache_parts = not dialect.startswith("openai")
    usage = Usage(
        input_tokens=120,
        output_tokens=30,
        cache_read_tokens=100 if has_cache_parts else 0,
        cache_write_tokens=5 if has_cache_parts else 0,
        reasoning_tokens=10 if has_cache_parts and dialect != "openllmetry" else 0,
    )

    assert len(calls) == 2
    assert {(call.model, call.provider, call.usage) for call in calls} == {(MODEL, "openai", usage)}


@pytest.mark.parametrize("dialect", [*OF_LANGCHAIN, "genai"])
def test_the_cost_is_ours_and_the_same_whoever_traced_the_call(
    told: dict[str, dict[str, Told]], dialect: str
) -> None:
    run = price_run(told[dialect]["panel"].run, PriceBook())
    reference = price_run(told["langsmith"]["panel"].run, PriceBook())
    costs = [span.cost_usd for span in run.spans if span.kind is Kind.LLM]

    assert all(isinstance(cost, Decimal) and cost > 0 for cost in costs)
    assert costs == [span.cost_usd for span in reference.spans if span.kind is Kind.LLM]


@pytest.mark.parametrize("dialect", ALL)
def test_only_model_calls_have_models_and_tokens(
    told: dict[str, dict[str, Told]], dialect: str
) -> None:
    others = [
        span
        for one in told[dialect].values()
        for span in one.run.spans
        if span.kind is not Kind.LLM
    ]

    assert {(span.model, span.provider, span.usage) for span in others} == {(None, None, None)}


@pytest.mark.parametrize("dialect", [*OF_LANGCHAIN, "genai", "openai-new"])
def test_messages_are_told_as_the_handler_records_them(
    told: dict[str, dict[str, Told]], dialect: str
) -> None:
    one = told[dialect]["panel"]
    system = {"role": "system", "content": "Be brief."}
    for call in one.calls():
        first, second = one.input_of(call)
        answer = one.output_of(call)

        assert first == system
        assert second["role"] == "human"
        assert second["content"].startswith("Is tea ")
        assert answer["role"] == "ai"
        assert answer["content"] in ("Yes.", "No.")


@pytest.mark.parametrize("dialect", [*OF_LANGCHAIN, "genai"])
def test_a_tool_is_a_tool_with_what_went_in_and_came_out(
    told: dict[str, dict[str, Told]], dialect: str
) -> None:
    one = told[dialect]["outfit"]
    tool = named(one.run, "weather")

    assert tool.kind is Kind.TOOL
    assert "Bern" in str(one.contents[tool.span_id].input_value)
    assert one.contents[tool.span_id].output_value == "rain in Bern"


@pytest.mark.parametrize("dialect", OF_LANGCHAIN)
def test_nodes_of_a_graph_are_branches_of_their_superstep(
    told: dict[str, dict[str, Told]], dialect: str
) -> None:
    run = told[dialect]["outfit"].run
    nodes = {span.branch: span for span in run.spans if span.kind is Kind.NODE}

    assert set(nodes) == {"look", "think", "join"}
    for name, step in (("look", 1), ("think", 1), ("join", 2)):
        assert facts(nodes[name]) == (Role.BRANCH, name, step, FanOutKind.SUPERSTEP)
        assert nodes[name].order.superstep == step
    assert named(run, "weather").parent_span_id == nodes["look"].span_id


@pytest.mark.parametrize("dialect", TAGGED)
def test_branches_and_steps_come_from_langchains_tags(
    told: dict[str, dict[str, Told]], dialect: str
) -> None:
    run = told[dialect]["panel"].run
    branches = [span for span in run.spans if "RunnableSequence" in span.name]
    parallel = named(run, "RunnableParallel")

    assert {facts(one) for one in branches} == {
        (Role.BRANCH, "optimist", None, FanOutKind.PARALLEL),
        (Role.BRANCH, "sceptic", None, FanOutKind.PARALLEL),
    }
    assert facts(parallel) == (Role.FAN_OUT, None, 1, None)
    assert facts(named(run, "merge")) == (Role.STEP, None, 2, None)
    assert run.tags == ("nightly",)


@pytest.mark.parametrize(
    ("dialect", "dependencies"),
    [
        ("openinference", "inferred"),
        ("openllmetry", "mixed"),
        ("langsmith", "recorded"),
        ("langfuse", "recorded"),
        ("genai", "inferred"),
        ("openai-old", "inferred"),
        ("openai-new", "inferred"),
    ],
)
def test_order_is_inferred_where_a_dialect_does_not_tell_it(
    told: dict[str, dict[str, Told]], dialect: str, dependencies: str
) -> None:
    analysis = analyse(told[dialect]["panel"].run, now_ns=NOW_NS)

    assert run_object(analysis)["dependencies"] == dependencies


@pytest.mark.parametrize("dialect", [*OF_LANGCHAIN, "genai"])
def test_session_user_and_metadata_are_the_callers(
    told: dict[str, dict[str, Told]], dialect: str
) -> None:
    run = told[dialect]["panel"].run

    assert run.session_id == "s-7"
    if dialect == "genai":
        assert (run.user_id, run.tags, run.metadata) == (None, (), {})
    else:
        assert run.user_id == "u-3"
        assert run.metadata == {"session_id": "s-7", "user_id": "u-3", "release": "v1"}


@pytest.mark.parametrize("dialect", [*OF_LANGCHAIN, "genai"])
def test_a_failure_is_told_by_class_and_message(
    told: dict[str, dict[str, Told]], dialect: str
) -> None:
    run = told[dialect]["quarrel"].run
    failed = [span for span in run.spans if span.status is Status.ERROR]
    errors = [span.error for span in failed]

    assert run.status is Status.ERROR
    assert Kind.LLM in {span.kind for span in failed}
    # Langfuse keeps the message only.
    expected = "Error" if dialect == "langfuse" else "ProviderError"
    assert {(error.type, error.message) for error in errors if error} == {
        (expected, "the model is overloaded")
    }


@pytest.mark.parametrize("dialect", ["openai-old", "openai-new"])
def test_a_failure_of_openais_client_has_its_class(
    told: dict[str, dict[str, Told]], dialect: str
) -> None:
    (failed,) = [one for one in told[dialect]["quarrel"].calls() if one.status is Status.ERROR]

    assert failed.error is not None
    assert failed.error.type == "InternalServerError"
    assert "overloaded" in failed.error.message


@pytest.mark.parametrize(
    ("dialect", "prompt", "parser"),
    [
        ("openinference", Kind.PROMPT, Kind.CHAIN),
        ("openllmetry", Kind.PROMPT, Kind.PARSER),
        ("langsmith", Kind.PROMPT, Kind.PARSER),
        ("langfuse", Kind.CHAIN, Kind.CHAIN),
    ],
)
def test_prompts_and_parsers_are_told_as_far_as_the_dialect_knows_them(
    told: dict[str, dict[str, Told]], dialect: str, prompt: Kind, parser: Kind
) -> None:
    run = told[dialect]["panel"].run

    assert {one.kind for one in run.spans if "ChatPromptTemplate" in one.name} == {prompt}
    assert named(run, "StrOutputParser").kind is parser


@pytest.mark.parametrize("dialect", OF_LANGCHAIN)
def test_deleted_contents_are_gone_from_the_attributes_too(tmp_path: Path, dialect: str) -> None:
    store = open_store(str(tmp_path / "runs.db"), mode="write")
    store.write(ME, events_of(dialect))
    run = runs_in(store)["panel"].run
    assert any("Is tea good?" in str(one) for one in store.load_contents(run.run_id).values())
    store.delete_contents([run.run_id])

    left = store.load_contents(run.run_id)
    store.close()
    assert not [one for one in left.values() if "Is tea good?" in str(one)]


def test_the_environment_that_langsmith_adds_is_not_kept(
    told: dict[str, dict[str, Told]],
) -> None:
    for one in told["langsmith"].values():
        for content in one.contents.values():
            assert not [key for key in content.attributes if "LANGSMITH_" in key]


@given(st.sampled_from(ALL), st.randoms(use_true_random=False), st.integers(1, 9))
@settings(max_examples=10)
def test_spans_may_come_in_any_order_and_in_any_number_of_requests(
    tmp_path_factory: pytest.TempPathFactory, dialect: str, random: Any, requests: int
) -> None:
    events = events_of(dialect)
    shuffled = list(events)
    random.shuffle(shuffled)
    store = open_store(str(tmp_path_factory.mktemp("order") / "runs.db"), mode="write")
    try:
        for number in range(requests):
            store.write(ME, shuffled[number::requests])
        found = runs_in(store)
        store.write(ME, events)
        again = runs_in(store)
    finally:
        store.close()
    expected = _runs_at_once(tmp_path_factory.mktemp("once") / "runs.db", events)

    assert {name: as_stored(one.run) for name, one in found.items()} == expected
    assert {name: as_stored(one.run) for name, one in again.items()} == expected


def _runs_at_once(path: Path, events: Sequence[SpanEvent]) -> dict[str, Run]:
    store = open_store(str(path), mode="write")
    try:
        store.write(ME, events)
        return {name: as_stored(one.run) for name, one in runs_in(store).items()}
    finally:
        store.close()


def keys_of_all_dialects() -> list[str]:
    def keys() -> Iterator[str]:
        for dialect in ALL:
            text = (FILES / f"{dialect}.json").read_bytes()
            for resource in orjson.loads(text)["resourceSpans"]:
                for scope in resource["scopeSpans"]:
                    for span in scope["spans"]:
                        yield from (one["key"] for one in span.get("attributes", ()))

    return sorted({*keys(), "llm.input_messages.0.message.content", "gen_ai.completion.0.role"})


FIELDS = ("role", "parts", "kwargs", "type", "messages", "generations", "message", "tags", "input")
WORDS = ("llm", "LLM", "generation", "chat", "tool", "chain", "task", "call")
VALUES = json_values(FIELDS).map(plain)


@given(
    st.dictionaries(
        st.sampled_from(keys_of_all_dialects()),
        VALUES | VALUES.map(lambda value: orjson.dumps(value).decode()) | st.sampled_from(WORDS),
    ),
    st.sampled_from(WORDS),
    st.booleans(),
)
@example({"gen_ai.usage.cache_creation.input_tokens": 2.0**64}, "llm", False)
@settings(max_examples=100)
def test_no_value_of_any_attribute_makes_trouble(
    attributes: dict[str, Any], name: str, is_top: bool
) -> None:
    found = translated(attributes, name, is_top=is_top)

    assert orjson.dumps(found)
    assert None not in [value for key, value in found.items() if key.startswith("longpole.")]


def test_what_is_ours_is_left_as_it_is() -> None:
    attributes = {semconv.LONGPOLE_KIND: "llm", "gen_ai.request.model": "unknown", "x": 1}

    assert translated(attributes, "any", is_top=True) == attributes


def test_old_indexed_messages_and_counts_are_read() -> None:
    found = translated(
        {
            "llm.request.type": "chat",
            "gen_ai.system": "Langchain",
            "gen_ai.request.model": "claude-3-5-haiku-latest",
            "gen_ai.prompt.0.role": "user",
            "gen_ai.prompt.0.content": "Hi",
            "gen_ai.completion.0.role": "assistant",
            "gen_ai.completion.0.content": "Hello",
            "gen_ai.usage.prompt_tokens": 12,
            "gen_ai.usage.completion_tokens": 3,
            "gen_ai.usage.cache_read_input_tokens": 4,
            "traceloop.association.properties.ls_provider": "anthropic",
        },
        "chat",
        is_top=False,
    )

    assert found[semconv.LONGPOLE_KIND] == "llm"
    assert found[semconv.GEN_AI_PROVIDER_NAME] == "anthropic"
    assert orjson.loads(found[semconv.INPUT_VALUE]) == [{"role": "human", "content": "Hi"}]
    assert orjson.loads(found[semconv.OUTPUT_VALUE]) == {"role": "ai", "content": "Hello"}
    assert found[semconv.GEN_AI_USAGE_INPUT_TOKENS] == 12
    assert found[semconv.GEN_AI_USAGE_OUTPUT_TOKENS] == 3
    assert found[semconv.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS] == 4


def test_tool_calls_in_parts_are_told_as_langchain_has_them() -> None:
    parts = [
        {"type": "tool_call", "id": "c1", "name": "weather", "arguments": {"city": "Bern"}},
        {"type": "reasoning", "content": "hm"},
    ]
    answered = [
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": "rain"}]}
    ]
    found = translated(
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.input.messages": orjson.dumps(answered).decode(),
            "gen_ai.output.messages": orjson.dumps(
                [{"role": "assistant", "parts": parts}]
            ).decode(),
        },
        "chat",
        is_top=False,
    )
    said = orjson.loads(found[semconv.OUTPUT_VALUE])

    assert orjson.loads(found[semconv.INPUT_VALUE]) == [
        {"role": "tool", "content": "rain", "tool_call_id": "c1"}
    ]
    assert said["tool_calls"] == [{"name": "weather", "args": {"city": "Bern"}, "id": "c1"}]
    assert said["content"] == {"type": "reasoning", "content": "hm"}


def test_langfuses_counts_are_added_up_unless_they_are_whole() -> None:
    def counted(details: dict[str, int]) -> tuple[object, object]:
        attributes = {
            "langfuse.observation.type": "generation",
            "langfuse.observation.usage_details": orjson.dumps(details).decode(),
        }
        found = translated(attributes, "call", is_top=False)
        return (
            found.get(semconv.GEN_AI_USAGE_INPUT_TOKENS),
            found.get(semconv.GEN_AI_USAGE_OUTPUT_TOKENS),
        )

    assert counted({"input": 15, "input_cache_read": 100, "output": 20, "total": 135}) == (115, 20)
    assert counted({"input": 120, "input_cached_tokens": 100, "output": 30, "total": 150}) == (
        120,
        30,
    )
    assert counted({}) == (None, None)


def test_the_first_token_of_a_stream_is_told(tmp_path: Path) -> None:
    event = {"name": "new_token", "timeUnixNano": "1500"}
    span = {
        "traceId": "1" * 32,
        "spanId": "2" * 16,
        "name": "call",
        "startTimeUnixNano": "1000",
        "endTimeUnixNano": "3000",
        "events": [event, {**event, "timeUnixNano": "1700"}],
        "attributes": [{"key": "langsmith.span.kind", "value": {"stringValue": "llm"}}],
    }
    path = tmp_path / "one.json"
    path.write_bytes(orjson.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}))
    store = open_store(str(tmp_path / "runs.db"), mode="write")
    store.write(ME, [one for one in read_otlp_json(path) if not isinstance(one, Refused)])

    assert store.load_run("1" * 32).root.first_token_ns == 1500
    store.close()


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("langgraph.errors.GraphInterrupt", Status.INTERRUPTED),
        ("asyncio.exceptions.CancelledError", Status.CANCELLED),
        ("builtins.ValueError", Status.ERROR),
    ],
)
def test_interrupts_and_cancellations_are_no_failures(
    tmp_path: Path, name: str, status: Status
) -> None:
    span = {
        "traceId": "1" * 32,
        "spanId": "2" * 16,
        "startTimeUnixNano": "1000",
        "endTimeUnixNano": "3000",
        "status": {"code": 2},
        "attributes": [{"key": "error.type", "value": {"stringValue": name}}],
    }
    path = tmp_path / "one.json"
    path.write_bytes(orjson.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}))
    store = open_store(str(tmp_path / "runs.db"), mode="write")
    store.write(ME, [one for one in read_otlp_json(path) if not isinstance(one, Refused)])

    assert store.load_run("1" * 32).status is status
    store.close()
