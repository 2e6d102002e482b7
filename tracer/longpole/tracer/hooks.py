"""What LangChain's callbacks do not tell is seen through hooks; all of them are set and taken here.

They replace a few methods of LangChain's and listen to two loggers (see the files below); whatever
no handler of ours is around for passes straight through. The first handler that wants them puts
them in place, and `let_go` of the last takes them out again.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Sequence
from typing import Final

from longpole.tracer import caches, embeddings, sdk_retries, sdk_tokens, unended

Hook = Callable[[], Callable[[], None]]
"""Puts something in place and returns what takes it out again."""


class Hooks:
    """Hooks that are in place as long as somebody wants them."""

    def __init__(self, hooks: Sequence[Hook]) -> None:
        self._hooks = hooks
        self._lock = threading.Lock()
        self._wanted_by: weakref.WeakSet[object] = weakref.WeakSet()
        self._stops: list[Callable[[], None]] = []

    def put_in_place(self, handler: object) -> None:
        """Put the hooks in place, unless they are, for as long as this handler wants them."""
        with self._lock:
            self._wanted_by.add(handler)
            if not self._stops:
                self._stops.extend(hook() for hook in self._hooks)

    def let_go(self, handler: object) -> None:
        """Take the hooks out unless another handler wants them."""
        with self._lock:
            self._wanted_by.discard(handler)
            while self._stops and not self._wanted_by:
                self._stops.pop()()

    def forget_lock(self) -> None:
        """Make a new lock: in a forked child the thread that held the old one is gone."""
        self._lock = threading.Lock()


HOOKS: Final = Hooks(
    (unended.hook, caches.hook, embeddings.hook, sdk_retries.hook, sdk_tokens.hook)
)
os.register_at_fork(after_in_child=HOOKS.forget_lock)
