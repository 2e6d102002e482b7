"""A handler's patches are in place as long as it wants them, and leave nothing behind."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from langchain_core.callbacks.base import BaseCallbackManager
from langchain_core.embeddings import DeterministicFakeEmbedding, Embeddings
from langchain_core.language_models import BaseChatModel, BaseLLM, llms
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import Runnable
from langchain_core.runnables import config as runnables_config
from langchain_core.runnables.fallbacks import RunnableWithFallbacks
from langchain_core.tools import BaseTool
from langsmith.run_trees import RunTree
from opentelemetry import context as otel_context

from longpole.tracer import (
    caches,
    context,
    embeddings,
    hooks,
    merged_parents,
    probes,
    sdk_retries,
    sdk_tokens,
    traceables,
    unended,
)
from longpole.tracer.patches import Patch
from longpole.tracer.sdk_retries import LOGGERS
from tests.tracer.conftest import Unheld

PATCHED: tuple[object, ...] = (
    BaseCallbackManager,
    BaseChatModel,
    BaseLLM,
    BaseRetriever,
    BaseTool,
    DeterministicFakeEmbedding,
    Embeddings,
    RunTree,
    Runnable,
    RunnableWithFallbacks,
    llms,
    otel_context,
    runnables_config,
    *map(logging.getLogger, LOGGERS),
)


class Handler:
    """Stands for one that wants the patches."""


def as_they_are() -> list[dict[str, Any]]:
    return [dict(vars(owner)) for owner in PATCHED]


@pytest.mark.parametrize(
    "patch",
    [
        pytest.param(module.PATCH, id=module.__name__.rpartition(".")[2])
        for module in (
            *(caches, context, embeddings, merged_parents, probes, sdk_retries, traceables),
            unended,
        )
    ],
)
def test_a_patch_changes_something_and_puts_it_back(unheld: Unheld, patch: Patch) -> None:
    unheld()
    before, handler = as_they_are(), Handler()
    patch.hold(handler)
    while_held = as_they_are()
    patch.release(handler)

    assert while_held != before
    assert as_they_are() == before


def test_the_sdks_methods_are_put_back(unheld: Unheld) -> None:
    from openai.resources.embeddings import AsyncEmbeddings
    from openai.resources.embeddings import Embeddings as SdkEmbeddings

    unheld()
    before, handler = [vars(SdkEmbeddings)["create"], vars(AsyncEmbeddings)["create"]], Handler()
    sdk_tokens.PATCH.hold(handler)
    with sdk_tokens.counting([]):
        pass
    while_held = [vars(SdkEmbeddings)["create"], vars(AsyncEmbeddings)["create"]]
    sdk_tokens.PATCH.release(handler)

    assert while_held != before
    assert [vars(SdkEmbeddings)["create"], vars(AsyncEmbeddings)["create"]] == before


def test_a_handler_that_wants_less_leaves_the_rest_alone(unheld: Unheld) -> None:
    unheld()
    before, handler = as_they_are(), Handler()
    hooks.hold(handler, current_span=False, calls=False, batches=False)
    changed = [owner for owner, was in zip(PATCHED, before, strict=True) if vars(owner) != was]
    hooks.release(handler)

    assert changed == [RunTree]
    assert as_they_are() == before
