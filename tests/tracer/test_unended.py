"""Every run ends, also where LangChain tells no end, and with the status that is right."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.language_models import FakeListChatModel, FakeListLLM, GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import Runnable, RunnableLambda, RunnableParallel
from langchain_core.tools import tool

from longpole.model import Status
from longpole.tracer import LongpoleHandler
from tests.tracer.conftest import Recording, outline, spans_named


class EndlessChat(FakeListChatModel):
    async def _agenerate(self, *args: Any, **kwargs: Any) -> Any:
        await asyncio.Event().wait()


class EndlessText(FakeListLLM):
    async def _acall(self, *args: Any, **kwargs: Any) -> Any:
        await asyncio.Event().wait()


class EndlessRetriever(BaseRetriever):
    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun
    ) -> list[Document]:
        raise KeyboardInterrupt

    async def _aget_relevant_documents(self, query: str, **kwargs: Any) -> list[Document]:
        await asyncio.Event().wait()
        return []


@tool
async def endless_tool(text: str) -> str:
    """Wait."""
    await asyncio.Event().wait()
    return text


ENDLESS: dict[str, Runnable[Any, Any]] = {
    "EndlessChat": EndlessChat(responses=["x"]),
    "EndlessText": EndlessText(responses=["x"]),
    "EndlessRetriever": EndlessRetriever(),
    "endless_tool": endless_tool,
}


def words() -> GenericFakeChatModel:
    return GenericFakeChatModel(messages=iter([AIMessage("one two three four")] * 3))


def all_ended(recording: Recording) -> bool:
    spans = [span for run in recording.runs() for span in run.spans]
    return recording.handler.stats().open == 0 and not any(span.is_running for span in spans)


async def time_out(endless: Runnable[Any, Any], **config: Any) -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(endless.ainvoke("x", **config), 0.01)


@pytest.mark.parametrize("name", ENDLESS)
def test_a_call_that_times_out_alone_is_cancelled(recording: Recording, name: str) -> None:
    asyncio.run(time_out(ENDLESS[name], config=recording.config))

    assert recording.run().root.status is Status.CANCELLED
    assert all_ended(recording)


@pytest.mark.parametrize("name", ENDLESS)
def test_a_call_that_a_chain_gives_up_on_ends_then_not_with_the_chain(
    recording: Recording, name: str
) -> None:
    ended: list[int] = []

    async def ask(text: str) -> str:
        await time_out(ENDLESS[name])
        ended.append(recording.handler.stats().open)
        return text

    assert asyncio.run(RunnableLambda(ask).ainvoke("x", recording.config)) == "x"
    (call,) = spans_named(recording.run(), name)

    assert call.status is Status.CANCELLED
    assert ended == [1]


def test_an_interrupted_retriever_ends(recording: Recording) -> None:
    with pytest.raises(KeyboardInterrupt):
        EndlessRetriever().invoke("x", recording.config)

    assert recording.run().root.status is Status.ERROR
    assert all_ended(recording)


def row_fails(number: int) -> int:
    if number == 1:
        raise TypeError("not handled")
    if number == 2:
        raise ValueError("handled")
    return number


@pytest.mark.parametrize("way", ["batch", "abatch"])
def test_rows_with_fallbacks_end_when_one_is_not_handled(recording: Recording, way: str) -> None:
    rows = RunnableLambda(row_fails).with_fallbacks(
        [RunnableLambda(lambda number: number)], exceptions_to_handle=(ValueError,)
    )
    ways = {
        "batch": lambda: rows.batch([0, 1, 2], recording.config),
        "abatch": lambda: asyncio.run(rows.abatch([0, 1, 2], recording.config)),
    }
    with pytest.raises(TypeError):
        ways[way]()

    run = recording.run()
    statuses = [row.status for row in run.children(run.root_span_id)]
    assert statuses == [Status.OK, Status.ERROR, Status.CANCELLED]
    assert all_ended(recording)


def close_after_first(chain: Runnable[Any, Any], recording: Recording) -> None:
    stream = chain.stream("x", recording.config)
    next(stream)
    stream.close()  # type: ignore[attr-defined]


def drop_after_first(chain: Runnable[Any, Any], recording: Recording) -> None:
    next(chain.stream("x", recording.config))
    gc.collect()


def break_async(chain: Runnable[Any, Any], recording: Recording) -> None:
    async def go() -> None:
        async for _ in chain.astream("x", recording.config):
            break

    asyncio.run(go())


def abandon_events(chain: Runnable[Any, Any], recording: Recording) -> None:
    async def go() -> None:
        async for event in chain.astream_events("x", recording.config, version="v2"):
            if event["event"].endswith("_stream"):
                break

    asyncio.run(go())


def cancel_consumer(chain: Runnable[Any, Any], recording: Recording) -> None:
    async def consume(started: asyncio.Event) -> None:
        async for _ in chain.astream("x", recording.config):
            started.set()
            await asyncio.Event().wait()

    async def go() -> None:
        started = asyncio.Event()
        task = asyncio.create_task(consume(started))
        await started.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(go())


LEAVINGS = (close_after_first, drop_after_first, break_async, abandon_events, cancel_consumer)
STREAMS: dict[str, Callable[[], Runnable[Any, Any]]] = {
    "model": words,
    "chain": lambda: words() | StrOutputParser(),
    "parallel": lambda: RunnableParallel(a=words(), b=words() | StrOutputParser()),
    "fallbacks": lambda: words().with_fallbacks([words()]),
    "steps": lambda: words() | StrOutputParser() | RunnableLambda(lambda text: text, name="shout"),
}


@pytest.mark.parametrize("chain", STREAMS)
@pytest.mark.parametrize("leave", LEAVINGS)
def test_a_stream_that_is_left_early_ends_and_has_not_failed(
    recording: Recording, leave: Callable[..., None], chain: str
) -> None:
    leave(STREAMS[chain](), recording)

    assert all_ended(recording)
    statuses = {span.status for span in recording.run().spans}
    assert statuses <= {Status.OK, Status.CANCELLED}


def test_a_stream_that_is_never_read_records_nothing(recording: Recording) -> None:
    del_me = words().stream("x", recording.config)
    del del_me
    gc.collect()

    assert recording.handler.stats().spans_seen == 0


def test_siblings_that_go_on_after_a_failure_keep_their_own_end(recording: Recording) -> None:
    async def go() -> None:
        failed = asyncio.Event()

        async def fails(text: str) -> str:
            raise ValueError("boom")

        async def goes_on(text: str) -> str:
            await failed.wait()
            return text

        parallel: Runnable[Any, Any] = RunnableParallel(
            late=RunnableLambda(goes_on, name="late") | words(), now=fails
        )
        with pytest.raises(ValueError, match="boom"):
            await parallel.ainvoke("x", recording.config)
        assert recording.handler.stats().open == 2
        failed.set()
        async with asyncio.timeout(20):
            while recording.handler.stats().open:
                await asyncio.sleep(0)

    asyncio.run(go())
    run = recording.run()

    assert run.status is Status.ERROR
    assert [span.status for span in spans_named(run, "GenericFakeChatModel")] == [Status.OK]


def test_rows_that_start_after_the_failure_stay_in_the_run(recording: Recording) -> None:
    async def row(number: int) -> int:
        if number == 0:
            raise ValueError("boom")
        return number

    rows: Runnable[int, int] = RunnableLambda(row, name="row")

    async def ask(text: str) -> list[int]:
        return await rows.abatch(list(range(5)), {"max_concurrency": 1})

    async def go() -> None:
        with pytest.raises(ValueError, match="boom"):
            await RunnableLambda(ask, name="ask").ainvoke("x", recording.config)
        async with asyncio.timeout(20):
            while recording.handler.stats().spans_seen < 7 or recording.handler.stats().open:
                await asyncio.sleep(0)

    asyncio.run(go())

    assert outline(recording.run()) == [
        "ask chain error",
        "  batch of row other fan_out error",
        "    row chain item [0] error",
        *[f"    row chain item [{number}]" for number in range(1, 5)],
    ]


def test_a_loop_that_closes_cancels_what_was_under_way(recording: Recording) -> None:
    async def fails(text: str) -> str:
        raise ValueError("boom")

    parallel: Runnable[Any, Any] = RunnableParallel(endless=ENDLESS["EndlessChat"], now=fails)
    with pytest.raises(ValueError, match="boom"):
        asyncio.run(parallel.ainvoke("x", recording.config))

    assert [s.status for s in spans_named(recording.run(), "EndlessChat")] == [Status.CANCELLED]
    assert all_ended(recording)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_what_ends_the_program_passes_unchanged_and_ends_every_span(
    recording: Recording, error: type[BaseException]
) -> None:
    raised = error("stop")

    def stop(text: str) -> str:
        raise raised

    chain = RunnableLambda(lambda text: text) | RunnableParallel(a=stop, b=lambda text: text)
    with pytest.raises(error) as caught:
        chain.invoke("x", recording.config)

    assert caught.value is raised
    assert all_ended(recording)


@pytest.mark.filterwarnings("ignore:The method `BaseChatModel")
def test_an_end_that_is_told_twice_counts_once(recording: Recording) -> None:
    async def go() -> None:
        events = words().astream_events("x", recording.config, version="v3")
        async for _ in await events:
            pass

    asyncio.run(go())

    assert recording.run().root.status is Status.OK
    assert all_ended(recording)


def test_without_hooks_a_chain_that_is_cancelled_still_ends_its_calls(tmp_path: Path) -> None:
    handler = LongpoleHandler(str(tmp_path / "runs.db"), hooks=False)
    recording = Recording(tmp_path / "runs.db", handler)
    chain: Runnable[Any, Any] = RunnableLambda(lambda text: text) | ENDLESS["EndlessChat"]

    async def go() -> None:
        task = asyncio.create_task(chain.ainvoke("x", recording.config))
        async with asyncio.timeout(20):
            while handler.stats().spans_seen < 3:
                await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(go())

    assert outline(recording.run()) == [
        "RunnableSequence chain cancelled",
        "  RunnableLambda chain step step=1",
        "  EndlessChat llm step step=2 cancelled",
    ]
    assert all_ended(recording)
