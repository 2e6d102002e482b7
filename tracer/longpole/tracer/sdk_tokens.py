"""Tokens of embedding calls, read off the OpenAI SDK's answers.

LangChain's classes throw them away, so the SDK's own methods are wrapped: once the SDK is loaded,
and doing nothing but pass on outside a call that counts.

Source: `openai.resources.embeddings`.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from contextvars import ContextVar
from typing import Any, Final

from longpole.tracer.patches import Patch
from longpole.tracer.variables import holding

_MODULE: Final = "openai.resources.embeddings"
_CLASSES: Final = ("Embeddings", "AsyncEmbeddings")
_METHOD: Final = "create"

_Method = Callable[..., Any]
_COUNTED: ContextVar[list[int] | None] = ContextVar("longpole_tokens", default=None)


def counting(tokens: list[int]) -> AbstractContextManager[None]:
    """Append to `tokens` what each answer within says it used."""
    if _MODULE in sys.modules:
        PATCH.renew()
    return holding(_COUNTED, tokens)


def _put(patch: Patch) -> None:
    module = sys.modules.get(_MODULE)
    for cls in () if module is None else map(vars(module).get, _CLASSES):
        method = vars(cls).get(_METHOD) if isinstance(cls, type) else None
        if inspect.isfunction(method):
            wrap = _coroutine if inspect.iscoroutinefunction(method) else _function
            patch.replace(cls, _METHOD, wrap)


PATCH: Final = Patch(_put)


def _function(before: _Method) -> _Method:
    def create(*args: Any, **kwargs: Any) -> Any:
        return _count(before(*args, **kwargs))

    return create


def _coroutine(before: _Method) -> _Method:
    async def create(*args: Any, **kwargs: Any) -> Any:
        return _count(await before(*args, **kwargs))

    return create


def _count(answer: Any) -> Any:
    counted = _COUNTED.get()
    tokens = getattr(getattr(answer, "usage", None), "prompt_tokens", None)
    if counted is not None and type(tokens) is int:
        counted.append(tokens)
    return answer
