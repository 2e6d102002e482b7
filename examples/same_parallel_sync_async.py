"""One parallel twice, with `max_concurrency=2`: in threads (`invoke`) and in tasks (`ainvoke`).

In threads two branches at a time run and the others queue; in tasks LangChain ignores the limit of
a RunnableParallel, and all four start at once. Look at both runs, `longpole runs`, then
`longpole show RUN`: the fan-outs' `limit` and `peak`, the branches' queue waits, both walls.
"""

from __future__ import annotations

import asyncio
from typing import Any

from langchain_core.runnables import RunnableConfig, RunnableParallel

from longpole.tracer import LongpoleHandler
from longpole.tracer.demo.fakes import fake_model
from longpole.tracer.demo.personas import CLAUDE_HAIKU, CLAUDE_SONNET, GEMINI_FLASH, GPT_4O_MINI

TITLES = {
    "mini": (GPT_4O_MINI, "Small Boats, Long Nights: A Winter on the Ferry"),
    "flash": (GEMINI_FLASH, "The Ferry That Would Not Wait"),
    "haiku": (CLAUDE_HAIKU, "Salt, Diesel, Coffee"),
    "sonnet": (CLAUDE_SONNET, "What the Harbour Master Saw on the Last Night of the Year"),
}


def play(store: str | None = None, speed: float = 1.0) -> list[dict[str, str]]:
    """Record the run in threads, then the run in tasks; return the titles of each."""
    panel: RunnableParallel[Any] = RunnableParallel(
        {key: fake_model(persona, text, speed=speed) for key, (persona, text) in TITLES.items()}
    )
    config = RunnableConfig(callbacks=[LongpoleHandler(store)], max_concurrency=2)
    question = "A title for a story about a ferry in winter, please."

    threads = panel.invoke(question, {**config, "run_name": "in threads"})
    tasks = asyncio.run(panel.ainvoke(question, {**config, "run_name": "in tasks"}))
    return [{key: answer.text for key, answer in run.items()} for run in (threads, tasks)]


if __name__ == "__main__":
    print(play())
