"""Where LangChain and LangGraph hand work over: wrapped, so that what callbacks omit is recorded.

Callbacks tell neither since when a branch could have run nor which row of a batch it is. Both are
known where work is submitted. Wrapped are, once a process and only while a handler wants it:

* `batch`, `abatch`, `batch_as_completed`, `abatch_as_completed` of `Runnable` and of the classes
  that override them by then (see `batch_calls`): a call is a `Batch`;
* `submit` and `map` of LangChain's thread pool, `gather_with_concurrency`, and `submit` of
  LangGraph's two executors: they leave a `Submission` and hand out the rows of a batch;
* `copy_context` as `run_in_executor` of langchain-core calls it, and `acquire`/`aacquire` of rate
  limiters: waits inside a run that has started already.

What is wrapped behaves as before: same results, exceptions, signatures and laziness; all that is
added to a context are variables of ours. `PATCH` puts the originals back.

Source: langchain-core 1.8 (`runnables`, `rate_limiters`), langgraph 1.2 (`pregel/_executor.py`).
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping
from typing import Final

from langchain_core.rate_limiters import BaseRateLimiter
from langchain_core.runnables import base, config, configurable, router
from langchain_core.runnables.base import Runnable
from langchain_core.runnables.config import ContextThreadPoolExecutor

from longpole.tracer import batch_calls, submitting, waits
from longpole.tracer.patches import Patch, Wrap, classes_from

_LANGGRAPH: Final = "langgraph.pregel._executor"
_POOL: Final = {"submit": submitting.of_submit, "map": submitting.of_map}
_LIMITER: Final = {"acquire": waits.of_acquire, "aacquire": waits.of_aacquire}

_loaded: tuple[bool, int] = (False, 0)


def renew() -> None:
    """Wrap what was loaded since: LangGraph, and rate limiters. Two look-ups when there is none."""
    if PATCH.is_in_place and _loaded != _loaded_now():
        PATCH.renew()


def _loaded_now() -> tuple[bool, int]:
    return _LANGGRAPH in sys.modules, len(BaseRateLimiter.__subclasses__())


def _put(patch: Patch) -> None:
    global _loaded
    _loaded = _loaded_now()
    for name, wrap in _POOL.items():
        patch.replace(ContextThreadPoolExecutor, name, wrap)
    for module in (base, configurable, router):
        patch.replace(module, "gather_with_concurrency", submitting.of_gather)
    # `run_in_executor` itself is imported by name everywhere, also into partials that LangGraph
    # compares with it; what it calls is looked up anew each time.
    patch.replace(config, "copy_context", waits.of_copy_context)
    _replace_methods(patch, Runnable, batch_calls.WRAPS)
    _replace_methods(patch, BaseRateLimiter, _LIMITER)
    executors = sys.modules.get(_LANGGRAPH)
    if executors is not None:
        patch.replace(executors.BackgroundExecutor, "submit", submitting.of_background_submit)
        patch.replace(
            executors.AsyncBackgroundExecutor, "submit", submitting.of_async_background_submit
        )


def _replace_methods(patch: Patch, root: type, wraps: Mapping[str, Wrap]) -> None:
    """Replace methods of a class and of the classes that override them by now."""
    for cls in classes_from(root):
        held = vars(cls)
        for name, wrap in wraps.items():
            if inspect.isfunction(held.get(name)):
                patch.replace(cls, name, wrap)


PATCH: Final = Patch(_put)
