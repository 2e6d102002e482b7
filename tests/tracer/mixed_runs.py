"""Rounds of small chains that run and end in every way: what a process does all day."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Callable
from typing import Any

from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda, RunnableParallel

from longpole.tracer import record
from tests.tracer.chains import map_reduce_graph


def _model(name: str) -> Runnable[Any, Any]:
    answers = itertools.repeat(AIMessage("one two three"))
    return GenericFakeChatModel(messages=answers).with_config(run_name=name)


def _every_second_time(name: str) -> Runnable[Any, Any]:
    count = itertools.count()

    def body(value: Any) -> Any:
        if next(count) % 2 == 0:
            raise ValueError(name)
        return value

    return RunnableLambda(body, name=name)


def rounds() -> Callable[[RunnableConfig], None]:
    """Return what plays one round: 8 runs of about 60 spans."""
    parallel = RunnableParallel(
        plain=_model("plain"),
        retried=_every_second_time("shaky").with_retry(wait_exponential_jitter=False),
        saved=_every_second_time("gone").with_fallbacks([RunnableLambda(str, name="spare")]),
    )
    streamed = RunnableParallel(left=_model("left"), right=_model("right"))
    graph = map_reduce_graph(lambda state: {"summaries": [state["document"]]})

    def play(config: RunnableConfig) -> None:
        parallel.invoke("x", config)
        parallel.batch(["x", "y"], {**config, "max_concurrency": 2})
        graph.invoke({"documents": ["a", "b", "c"], "summaries": []}, config)
        with record("several"):
            parallel.invoke("x", config)
            parallel.invoke("y", config)
        with contextlib.suppress(ValueError):
            RunnableLambda(_raises, name="failing").invoke("x", config)
        _leave_early(streamed.stream("x", config))
        asyncio.run(_awaited(parallel, config))

    return play


def _raises(value: Any) -> Any:
    raise ValueError(value)


def _leave_early(stream: Any) -> None:
    next(stream)
    stream.close()


async def _awaited(parallel: Runnable[Any, Any], config: RunnableConfig) -> None:
    await parallel.ainvoke("x", config)
    started = asyncio.Event()

    async def endless(value: Any) -> Any:
        started.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(RunnableLambda(endless, name="endless").ainvoke("x", config))
    await started.wait()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
