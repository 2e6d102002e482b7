"""A provider's batch API through langasync: all prompts as one job, answers when it is done.

The models work at the provider, so only prompts and parsers are recorded. langasync takes no
config: `install()` sees its chains, `record` makes both halves one run. Look at `longpole show
last`: the gap in the middle is the wait for the job. Needs `pip install langasync`; the provider is
a stand-in for Anthropic's Message Batches API on this machine's loopback.
"""

from __future__ import annotations

import asyncio
import tempfile
from typing import Any

from langasync import BatchPoller, LangasyncSettings, batch_chain
from langchain_anthropic import ChatAnthropic
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate

from longpole.tracer import install, record, uninstall
from longpole.tracer.demo.batch_api import fake_batch_api

NOTES = ("A quiet week.", "Crane 2 broke on Tuesday.", "Ice in the basin since Thursday.")


async def through_a_job(settings: LangasyncSettings) -> list[Any]:
    """Submit the notes, wait for the job, and return its answers."""
    prompt = ChatPromptTemplate.from_template("What needs doing? {note}")
    model = ChatAnthropic.model_validate({"model": "claude-haiku-4-5", "api_key": "not needed"})
    jobs = batch_chain(prompt | model | StrOutputParser(), settings)
    await jobs.submit([{"note": note} for note in NOTES])
    async for job in BatchPoller(settings).wait_all():
        return list(job.results or ())
    return []


def play(store: str | None = None, speed: float = 1.0) -> list[Any]:
    """Record one job; return its answers."""
    install(store)
    try:
        with fake_batch_api("Nothing.") as url, tempfile.TemporaryDirectory() as folder:
            settings = LangasyncSettings(
                anthropic_api_key="not needed",
                anthropic_base_url=url,
                batch_poll_interval=1.5 / speed,
                base_storage_path=folder,
            )
            with record("weekly notes"):
                return asyncio.run(through_a_job(settings))
    finally:
        uninstall()


if __name__ == "__main__":
    print(play())
