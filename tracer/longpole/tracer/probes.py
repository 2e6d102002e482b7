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
added to a context are two variables of ours. `release` puts the originals back.

Source: langchain-core 1.8 (`runnables`, `rate_limiters`), langgraph 1.2 (`pregel/_executor.py`).
"""

from __future__ import annotations

import functools
import os
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any, Final

from langchain_core.rate_limiters import BaseRateLimiter
from langchain_core.runnables import base, config, configurable, router
from langchain_core.runnables.base import Runnable
from langchain_core.runnables.config import ContextThreadPoolExecutor

from longpole.tracer import batch_calls, submitting, waits

_LANGGRAPH: Final = "langgraph.pregel._executor"

_lock = threading.RLock()
_holders: weakref.WeakSet[Any] = weakref.WeakSet()
_wrapped: list[tuple[Any, str, Any, Any]] = []
_is_langgraph_wrapped = False
_limiters: frozenset[type] = frozenset()


def hold(holder: object) -> None:
    """Wrap what is not wrapped yet, and keep it so until the holder lets go."""
    with _lock:
        _holders.add(holder)
        if not _wrapped:
            _wrap_pools()
        _wrap_batches()
    renew()


def release(holder: object) -> None:
    """Let go; with the last holder gone the originals are put back."""
    global _is_langgraph_wrapped, _limiters
    with _lock:
        _holders.discard(holder)
        if _holders:
            return
        for owner, name, original, wrapper in reversed(_wrapped):
            # What somebody else has wrapped since is theirs; below it ours finds no handler.
            if vars(owner).get(name) is wrapper:
                setattr(owner, name, original)
        _wrapped.clear()
        _is_langgraph_wrapped = False
        _limiters = frozenset()


def renew() -> None:
    """Wrap what was loaded since: LangGraph, and rate limiters. Two look-ups when there is none."""
    is_late = not _is_langgraph_wrapped and _LANGGRAPH in sys.modules
    if _wrapped and (is_late or len(BaseRateLimiter.__subclasses__()) > len(_limiters)):
        with _lock:
            _wrap_late()


def _wrap(owner: Any, name: str, wrap: Callable[[Any], Any]) -> None:
    original = vars(owner)[name]
    wrapper = functools.wraps(original)(wrap(original))
    setattr(owner, name, wrapper)
    _wrapped.append((owner, name, original, wrapper))


def _wrap_pools() -> None:
    _wrap(ContextThreadPoolExecutor, "submit", submitting.of_submit)
    _wrap(ContextThreadPoolExecutor, "map", submitting.of_map)
    for module in (base, configurable, router):
        _wrap(module, "gather_with_concurrency", submitting.of_gather)
    # `run_in_executor` itself is imported by name everywhere, also into partials that LangGraph
    # compares with it; what it calls is looked up anew each time.
    _wrap(config, "copy_context", waits.of_copy_context)


def _wrap_batches() -> None:
    known = {(id(owner), name) for owner, name, _, _ in _wrapped}
    for cls in _all_below(Runnable):
        for name, wrap in batch_calls.WRAPS.items():
            method = vars(cls).get(name)
            if callable(method) and (id(cls), name) not in known:
                _wrap(cls, name, functools.partial(wrap, cls))


def _wrap_late() -> None:
    global _is_langgraph_wrapped, _limiters
    executors = sys.modules.get(_LANGGRAPH)
    if executors is not None and not _is_langgraph_wrapped:
        _is_langgraph_wrapped = True
        _wrap(executors.BackgroundExecutor, "submit", submitting.of_background_submit)
        _wrap(executors.AsyncBackgroundExecutor, "submit", submitting.of_async_background_submit)
    limiters = frozenset(_all_below(BaseRateLimiter)) - {BaseRateLimiter}
    for cls in limiters - _limiters:
        for name, wrap in (("acquire", waits.of_acquire), ("aacquire", waits.of_aacquire)):
            if name in vars(cls):
                _wrap(cls, name, wrap)
    _limiters = limiters


def _all_below(cls: type) -> Iterator[type]:
    """Return the class and every class below it, each once."""
    seen: set[type] = set()
    work = [cls]
    while work:
        at = work.pop()
        if at not in seen:
            seen.add(at)
            yield at
            work.extend(type.__subclasses__(at))


def _forget_lock_after_fork() -> None:
    global _lock
    _lock = threading.RLock()


os.register_at_fork(after_in_child=_forget_lock_after_fork)
