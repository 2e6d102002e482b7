"""Hooks are in place as long as a handler wants them, and leave nothing behind."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding, Embeddings
from langchain_core.language_models import BaseChatModel, BaseLLM, llms
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables.fallbacks import RunnableWithFallbacks
from langchain_core.tools import BaseTool

from longpole.tracer import caches, embeddings, sdk_retries, sdk_tokens, unended
from longpole.tracer.hooks import Hook, Hooks
from longpole.tracer.sdk_retries import LOGGERS

HOOKED: tuple[object, ...] = (
    BaseChatModel,
    BaseLLM,
    BaseRetriever,
    BaseTool,
    DeterministicFakeEmbedding,
    Embeddings,
    RunnableWithFallbacks,
    llms,
    *map(logging.getLogger, LOGGERS),
)


class Handler:
    """Stands for any that wants the hooks."""


def as_they_are() -> list[dict[str, Any]]:
    return [dict(vars(owner)) for owner in HOOKED]


@pytest.mark.parametrize(
    "hook",
    [unended.hook, caches.hook, embeddings.hook, sdk_retries.hook],
    ids=["unended", "caches", "embeddings", "sdk_retries"],
)
def test_a_hook_changes_something_and_puts_it_back(hook: Hook) -> None:
    before = as_they_are()
    stop = hook()
    while_hooked = as_they_are()
    stop()

    assert while_hooked != before
    assert as_they_are() == before


def test_the_sdks_methods_are_put_back() -> None:
    from openai.resources.embeddings import AsyncEmbeddings
    from openai.resources.embeddings import Embeddings as SdkEmbeddings

    sdk_tokens.hook()()
    before = [vars(SdkEmbeddings)["create"], vars(AsyncEmbeddings)["create"]]
    with sdk_tokens.counting([]):
        pass
    while_hooked = [vars(SdkEmbeddings)["create"], vars(AsyncEmbeddings)["create"]]
    sdk_tokens.hook()()

    assert while_hooked != before
    assert [vars(SdkEmbeddings)["create"], vars(AsyncEmbeddings)["create"]] == before


def test_hooks_are_in_place_while_anybody_wants_them() -> None:
    said: list[str] = []

    def hook() -> Any:
        said.append("in")
        return lambda: said.append("out")

    hooks, first, second = Hooks([hook]), Handler(), Handler()
    hooks.put_in_place(first)
    hooks.put_in_place(second)
    hooks.let_go(first)
    assert said == ["in"]

    hooks.let_go(second)
    assert said == ["in", "out"]

    hooks.put_in_place(first)
    assert said == ["in", "out", "in"]
