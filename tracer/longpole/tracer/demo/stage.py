"""What a scene gets and what it leaves behind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.runnables import RunnableConfig

from longpole.tracer.demo.pace import Pace


@dataclass(frozen=True, slots=True)
class Stage:
    """The handler that records, and the pace of the fakes."""

    handler: BaseCallbackHandler
    pace: Pace

    def config(
        self, name: str, *, tags: tuple[str, ...] = (), **metadata: str | int
    ) -> RunnableConfig:
        """Return the config of one call as an app would build it: handler, name, tags, metadata."""
        held: dict[str, Any] = {"demo": True, **metadata}
        return RunnableConfig(
            callbacks=[self.handler], run_name=name, tags=["demo", *tags], metadata=held
        )


Play = Callable[[Stage], tuple[object, ...]]
"""Plays a scene and returns the output of each run it made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneResult:
    """How one scene went.

    Attributes:
        outputs: what each run returned, in order; empty when the scene ended in its error.
        wall_ns: how long the whole scene took.
        error: class and message of the error that the scene is about; `None` for most scenes.
        skipped: why it was not played; `None` when it was.
    """

    name: str
    outputs: tuple[object, ...] = ()
    wall_ns: int = 0
    error: str | None = None
    skipped: str | None = None
