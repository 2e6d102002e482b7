"""What an OpenTelemetry backend expects to find on our spans, under today's names."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable, RunnableLambda
from langchain_core.tools import tool
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from longpole.tracer import LongpoleHandler
from tests.tracer.chains import failing, step


class Priced(GenericFakeChatModel):
    """Says of itself what a provider's class says."""

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model": "gpt-4o", "top_p": 0.9, "top_k": 40, "seed": 7, "n": 2, "logprobs": None}

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> Any:
        return {
            "ls_provider": "azure_openai",
            "ls_model_name": "gpt-4o",
            "ls_model_type": "chat",
            "ls_temperature": 0.5,
            "ls_max_tokens": 100,
        }


def _exported(tmp_path: Path, runnable: Runnable[Any, Any], value: Any) -> dict[str, ReadableSpan]:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    handler = LongpoleHandler(str(tmp_path / "runs.db"), tracer_provider=provider)
    config: Any = {"callbacks": [handler], "metadata": {"thread_id": "t1", "user_id": "u1"}}
    with contextlib.suppress(ValueError):
        runnable.invoke(value, config)
    provider.shutdown()
    return {span.name: span for span in exporter.get_finished_spans()}


def _attributes(span: ReadableSpan) -> Mapping[str, Any]:
    return span.attributes or {}


def test_a_model_call_tells_request_answer_and_conversation(tmp_path: Path) -> None:
    usage = {
        "input_tokens": 120,
        "output_tokens": 30,
        "total_tokens": 150,
        "input_token_details": {"cache_read": 100, "cache_creation": 5},
        "output_token_details": {"reasoning": 10},
    }
    about = {"model_name": "gpt-4o-2024", "finish_reason": "stop", "id": "r1"}
    answer = AIMessage("four", usage_metadata=usage, response_metadata=about)
    model = Priced(messages=iter([answer])).bind(stop=["END"])
    spans = _exported(tmp_path, step("first") | model, "2+2?")

    call = spans["Priced"]
    assert call.kind is SpanKind.CLIENT
    assert {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "azure.ai.openai",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.max_tokens": 100,
        "gen_ai.request.top_p": 0.9,
        "gen_ai.request.top_k": 40,
        "gen_ai.request.seed": 7,
        "gen_ai.request.stop_sequences": ("END",),
        "gen_ai.request.choice.count": 2,
        "gen_ai.response.model": "gpt-4o-2024",
        "gen_ai.response.id": "r1",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": 120,
        "gen_ai.usage.output_tokens": 30,
        "gen_ai.usage.cache_read.input_tokens": 100,
        "gen_ai.usage.cache_write.input_tokens": 5,
        "gen_ai.usage.reasoning.output_tokens": 10,
        "gen_ai.conversation.id": "t1",
        "session.id": "t1",
        "openinference.span.kind": "LLM",
        "input.mime_type": "application/json",
        "output.mime_type": "application/json",
    }.items() <= _attributes(call).items()
    assert "gen_ai.request.stream" not in _attributes(call)
    root = _attributes(spans["RunnableSequence"])
    assert (root["session.id"], root["user.id"]) == ("t1", "u1")
    assert "gen_ai.operation.name" not in root


def test_a_tool_tells_its_name_and_purpose(tmp_path: Path) -> None:
    @tool
    def add(a: int) -> int:
        """Add one."""
        return a + 1

    spans = _exported(tmp_path, RunnableLambda(lambda value: add.invoke({"a": value})), 1)

    assert {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "add",
        "gen_ai.tool.description": "Add one.",
        "gen_ai.tool.type": "function",
        "openinference.span.kind": "TOOL",
        "input.value": '{"a":1}',
        "output.value": "2",
    }.items() <= _attributes(spans["add"]).items()


def test_a_failure_is_an_event_with_the_stack_where_it_was_raised(tmp_path: Path) -> None:
    spans = _exported(tmp_path, step("first") | failing("bad"), 1)

    for name in ("bad", "RunnableSequence"):
        (event,) = spans[name].events
        told = event.attributes or {}
        assert event.name == "exception"
        assert (told["exception.type"], told["exception.message"]) == ("ValueError", "boom")
        assert ("exception.stacktrace" in told) == (name == "bad")
        assert spans[name].status.description == "boom"


@pytest.mark.parametrize("odd", [{"n": "two", "stop": 3, "top_p": object()}, {}])
def test_odd_parameters_are_left_out(tmp_path: Path, odd: dict[str, Any]) -> None:
    model = GenericFakeChatModel(messages=iter([AIMessage("x")])).bind(**odd)
    call = _attributes(_exported(tmp_path, model, "?")["GenericFakeChatModel"])

    assert not any(key.startswith("gen_ai.request.") for key in call)
