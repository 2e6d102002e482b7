"""Which scenes there are, and how they are played one after the other."""

from __future__ import annotations

import importlib
import importlib.util
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.exceptions import OutputParserException
from langsmith import tracing_context

from longpole.model.errors import SettingsError
from longpole.tracer.demo.pace import Pace
from longpole.tracer.demo.stage import Play, SceneResult, Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One scene of the demo.

    Attributes:
        name: how `--only` calls it.
        module: where its `play` is, below `longpole.tracer.demo.scenes`.
        needs: a package that must be installed for it; `None` for most.
        ends_in: the error that the scene is about, if it is about one.
    """

    name: str
    module: str
    needs: str | None = None
    ends_in: type[Exception] | None = None

    def load(self) -> Play:
        """Import the scene; only now, because what it needs may not be installed."""
        play: Play = importlib.import_module(f"longpole.tracer.demo.scenes.{self.module}").play
        return play


SCENES: Final = (
    Scene(name="rag", module="rag"),
    Scene(name="panel", module="panel"),
    Scene(name="retry-and-fallback", module="launch"),
    Scene(name="failing-branch", module="lead", ends_in=OutputParserException),
    Scene(name="send-map", module="interviews", needs="langgraph"),
    Scene(name="supersteps", module="refund", needs="langgraph"),
    Scene(name="tool-calls", module="agent", needs="langgraph"),
    Scene(name="stream", module="briefing"),
    Scene(name="batch", module="inbox"),
    Scene(name="nested", module="trip"),
)
"""Every scene, in the order of the demo."""


def run_scenes(
    handler: BaseCallbackHandler,
    *,
    speed: float = 1.0,
    only: Collection[str] | None = None,
    scenes: Sequence[Scene] = SCENES,
    report: Callable[[SceneResult], None] | None = None,
    clock_ns: Callable[[], int] = time.monotonic_ns,
) -> list[SceneResult]:
    """Play the scenes with the handler attached, and return how each of them went.

    Args:
        handler: records them; it is neither flushed nor closed here.
        speed: 20 plays twenty times faster.
        only: names of the scenes to play; all of them when `None`.
        scenes: what there is to choose from.
        report: is told each result as soon as the scene is over.
        clock_ns: measures the wall time of a scene.

    Raises:
        SettingsError: `only` names a scene that does not exist, or `speed` is not above 0.
    """
    if not 0 < speed < float("inf"):
        raise SettingsError(f"speed is {speed!r}, expected a number above 0")
    results: list[SceneResult] = []
    # Whatever the environment says, nothing of the demo is sent to LangSmith: no key, no network.
    with tracing_context(enabled=False):
        for scene in _chosen(scenes, only):
            result = _played(scene, Stage(handler, Pace(speed)), clock_ns)
            results.append(result)
            if report is not None:
                report(result)
    return results


def _chosen(scenes: Sequence[Scene], only: Collection[str] | None) -> list[Scene]:
    if only is None:
        return list(scenes)
    names = [scene.name for scene in scenes]
    for name in only:
        if name not in names:
            raise SettingsError(f"there is no scene {name!r}, expected one of {', '.join(names)}")
    return [scene for scene in scenes if scene.name in only]


def _played(scene: Scene, stage: Stage, clock_ns: Callable[[], int]) -> SceneResult:
    if scene.needs is not None and importlib.util.find_spec(scene.needs) is None:
        return SceneResult(name=scene.name, skipped=f"{scene.needs} is not installed")
    play = scene.load()
    start_ns = clock_ns()
    try:
        outputs = play(stage)
    except Exception as error:
        if scene.ends_in is None or not isinstance(error, scene.ends_in):
            raise
        told = f"{type(error).__name__}: {error}"
        return SceneResult(name=scene.name, wall_ns=clock_ns() - start_ns, error=told)
    return SceneResult(name=scene.name, outputs=outputs, wall_ns=clock_ns() - start_ns)
