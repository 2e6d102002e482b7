"""Tries that happen inside a model call, out of LangChain's sight."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import uuid
from pathlib import Path
from typing import Any

import pytest
from langchain_anthropic import ChatAnthropic
from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models.llms import LLM, create_base_retry_decorator
from langchain_core.messages import BaseMessage
from langchain_core.runnables import RunnableLambda, RunnableParallel
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from longpole.analysis import analyse
from longpole.model import Kind, Role, Run, Span, Status, semconv
from longpole.tracer import LongpoleHandler
from longpole.tracer.sdk_retries import LOGGERS
from tests.tracer.conftest import Recording, outline, spans_named
from tests.tracer.providers import (
    Provider,
    anthropic_message,
    busy,
    openai_chat,
    server_sent,
    serving,
)

MS = 1_000_000
KEY = SecretStr("no key")


def openai_at(provider: Provider, **more: Any) -> ChatOpenAI:
    return ChatOpenAI(base_url=provider.url, api_key=KEY, model="gpt-4o-mini", **more)


def tries_of(run: Run) -> list[Span]:
    return [span for span in run.spans if span.kind is Kind.HTTP]


@pytest.mark.parametrize("way", ["invoke", "ainvoke"])
def test_tries_of_the_openai_sdk_are_attempts_of_the_call(recording: Recording, way: str) -> None:
    with serving(busy(429, 3), busy(503), openai_chat()) as provider:
        chain = RunnableLambda(lambda text: text, name="ask") | openai_at(provider)
        if way == "invoke":
            chain.invoke("x", recording.config)
        else:
            asyncio.run(chain.ainvoke("x", recording.config))
    run = recording.run()

    assert outline(run) == [
        "RunnableSequence chain",
        "  ask chain step step=1",
        "  ChatOpenAI llm step step=2",
        "    try http attempt error",
        "    try http attempt attempt=2 error",
        "    try http attempt attempt=3",
    ]
    first, second, third = tries_of(run)
    assert [try_.error and try_.error.message for try_ in (first, second, third)] == [
        "HTTP status 429",
        "HTTP status 503",
        None,
    ]
    assert first.end_ns is not None
    assert second.start_ns - first.end_ns == 3 * MS
    (call,) = spans_named(run, "ChatOpenAI")
    assert (first.start_ns, third.end_ns) == (call.start_ns, call.end_ns)


def test_analysis_counts_them_and_their_back_off(recording: Recording) -> None:
    with serving(busy(429, 3), busy(429, 2), openai_chat()) as provider:
        openai_at(provider).invoke("x", recording.config)
    facts = analyse(recording.run(), now_ns=0).facts

    assert (facts.llm_calls, facts.retries, facts.backoff_ns) == (1, 2, 5 * MS)
    assert facts.usage.input_tokens == 10


def test_tries_of_the_anthropic_sdk_are_seen(recording: Recording) -> None:
    with serving(busy(529), anthropic_message()) as provider:
        model = ChatAnthropic(
            base_url=provider.url,
            api_key=KEY,
            model_name="claude-haiku-4-5",
            timeout=None,
            stop=None,
        )
        model.invoke("x", recording.config)

    assert outline(recording.run()) == [
        "ChatAnthropic llm",
        "  try http attempt error",
        "  try http attempt attempt=2",
    ]


@pytest.mark.parametrize("way", ["stream", "astream"])
def test_a_stream_that_was_tried_twice_is_seen(recording: Recording, way: str) -> None:
    chunk = {"choices": [{"index": 0, "delta": {"content": "hi"}}], "model": "m", "id": "1"}
    with serving(busy(), server_sent((None, chunk), (None, "[DONE]"))) as provider:
        model = openai_at(provider)

        async def consume() -> list[BaseMessage]:
            return [part async for part in model.astream("x", recording.config)]

        if way == "stream":
            list(model.stream("x", recording.config))
        else:
            asyncio.run(consume())

    assert [try_.attempt for try_ in tries_of(recording.run())] == [1, 2]


def test_a_try_belongs_to_the_branch_that_made_it(recording: Recording) -> None:
    with serving(busy(), openai_chat()) as first, serving(openai_chat()) as second:
        parallel = RunnableParallel(a=openai_at(first), b=openai_at(second))
        parallel.invoke("x", recording.config)
        asyncio.run(parallel.ainvoke("x", recording.config))
    runs = recording.runs()

    assert [len(tries_of(run)) for run in runs] == [2, 0]
    (branch,) = (span for span in runs[0].spans if span.branch == "a")
    assert {try_.parent_span_id for try_ in tries_of(runs[0])} == {branch.span_id}


def test_the_last_try_ends_as_the_call_does(recording: Recording) -> None:
    with serving(busy(503)) as provider, pytest.raises(Exception, match="503"):
        openai_at(provider, max_retries=1).invoke("x", recording.config)
    run = recording.run()

    assert outline(run) == [
        "ChatOpenAI llm error",
        "  try http attempt error",
        "  try http attempt attempt=2 error",
    ]
    assert recording.attributes(run.root)[semconv.HTTP_RESPONSE_STATUS_CODE] == 503


def test_a_call_cancelled_while_it_backs_off_has_no_second_try(recording: Recording) -> None:
    async def go(provider: Provider) -> None:
        task = asyncio.create_task(openai_at(provider).ainvoke("x", recording.config))
        async with asyncio.timeout(20):
            while recording.handler.stats().spans_seen < 2:
                await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with serving(busy(429, 30_000)) as provider:
        asyncio.run(go(provider))

    assert outline(recording.run()) == ["ChatOpenAI llm cancelled", "  try http attempt error"]
    assert recording.handler.stats().open == 0


def test_logging_is_as_it_was(recording: Recording, caplog: pytest.LogCaptureFixture) -> None:
    loggers = [logging.getLogger(name) for name in LOGGERS]
    assert [(log.level, log.propagate, log.handlers) for log in loggers] == [
        (logging.NOTSET, True, []) for _ in loggers
    ]
    with serving(busy(), openai_chat()) as provider:
        openai_at(provider).invoke("x", recording.config)
    assert not [record for record in caplog.records if record.name.startswith("openai")]

    caplog.set_level(logging.INFO, "openai")
    with serving(busy(), openai_chat()) as provider:
        openai_at(provider).invoke("x", recording.config)
    (record,) = [record for record in caplog.records if record.msg.startswith("Retrying")]
    assert record.funcName == "_sleep_for_retry"


def test_it_can_be_switched_off(tmp_path: Path) -> None:
    handler = LongpoleHandler(str(tmp_path / "runs.db"), hooks=False)
    recording = Recording(tmp_path / "runs.db", handler)
    with serving(busy(), openai_chat()) as provider:
        openai_at(provider).invoke("x", recording.config)

    assert outline(recording.run()) == ["ChatOpenAI llm"]


class Retrying(LLM):
    """A text model of an integration that uses LangChain's own retry decorator."""

    @property
    def _llm_type(self) -> str:
        return "retrying"

    def _call(
        self,
        prompt: str,
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> str:
        left = [ValueError("first"), ValueError("second")]

        @create_base_retry_decorator([ValueError], max_retries=3, run_manager=run_manager)
        def ask() -> str:
            if left:
                raise left.pop(0)
            return "at last"

        return str(ask())


def test_tries_that_langchain_tells_of_are_attempts_too(
    recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda seconds: None)
    Retrying().invoke("x", recording.config)
    tries = tries_of(recording.run())

    assert [(try_.attempt, try_.role, try_.status) for try_ in tries] == [
        (1, Role.ATTEMPT, Status.ERROR),
        (2, Role.ATTEMPT, Status.ERROR),
        (3, Role.ATTEMPT, Status.OK),
    ]
    assert [try_.error and try_.error.message for try_ in tries] == ["first", "second", None]


def test_a_run_that_nobody_ended_in_another_store_hides_nothing(
    recording: Recording, tmp_path: Path
) -> None:
    def go() -> None:
        other = LongpoleHandler(str(tmp_path / "other.db"))
        other.on_chain_start(None, {}, run_id=uuid.uuid4(), name="left")
        with serving(busy(), openai_chat()) as provider:
            openai_at(provider).invoke("x", recording.config)

    contextvars.copy_context().run(go)

    assert [try_.attempt for try_ in tries_of(recording.run())] == [1, 2]
