"""Real chains, a real store file: `recording` attaches a handler, `recording.runs()` reads back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import WeakSet

import pytest
from langchain_core.runnables import RunnableConfig

from longpole.model import Run, Span
from longpole.storage import Content, RunQuery, open_store
from longpole.tracer import LongpoleHandler, hooks


@dataclass
class Recording:
    """A handler on a store of its own."""

    path: Path
    handler: LongpoleHandler

    @property
    def config(self) -> RunnableConfig:
        return {"callbacks": [self.handler]}

    def with_config(self, **more: Any) -> RunnableConfig:
        return {"callbacks": [self.handler], **more}  # type: ignore[typeddict-item]

    def runs(self) -> list[Run]:
        """Every recorded run, oldest first, each checked."""
        assert self.handler.flush(30.0)
        return read_runs(self.path)

    def content(self, span: Span) -> Content:
        """What was recorded of a span beside its columns."""
        store = open_store(str(self.path), mode="read")
        try:
            rows = store.list_runs(RunQuery(limit=10_000)).rows
            found = [store.load_content(row.run_id, span.span_id) for row in rows]
        finally:
            store.close()
        (content,) = filter(None, found)
        return content

    def attributes(self, span: Span) -> Mapping[str, Any]:
        """The attributes of a span that are not content."""
        return self.content(span).attributes

    def run(self) -> Run:
        """The one run that was recorded."""
        (run,) = self.runs()
        return run


def read_runs(path: Path) -> list[Run]:
    store = open_store(str(path), mode="read")
    try:
        page = store.list_runs(RunQuery(limit=10_000, descending=False))
        runs = [store.load_run(row.run_id) for row in page.rows]
    finally:
        store.close()
    for run in runs:
        run.check()
        assert run.repairs == ()
    return runs


@pytest.fixture
def recording(tmp_path: Path) -> Iterator[Recording]:
    handler = LongpoleHandler(str(tmp_path / "runs.db"))
    yield Recording(tmp_path / "runs.db", handler)
    handler.close()


def outline(run: Run) -> list[str]:
    """The tree in words, in order of start: indentation is parenthood."""
    lines: list[str] = []
    work = [(run.root, 0)]
    while work:
        span, depth = work.pop()
        lines.append("  " * depth + _words(span))
        work.extend((child, depth + 1) for child in reversed(run.children(span.span_id)))
    return lines


def _words(span: Span) -> str:
    words = [span.name, span.kind.value]
    if span.role is not None:
        words.append(span.role.value)
    if span.branch is not None:
        words.append(f"[{span.branch}]")
    if span.step is not None:
        words.append(f"step={span.step}")
    if span.attempt != 1:
        words.append(f"attempt={span.attempt}")
    if span.status.value != "ok":
        words.append(span.status.value)
    return " ".join(words)


def spans_named(run: Run, name: str) -> list[Span]:
    return [span for span in run.spans if span.name == name]


Unheld = Callable[[], None]


@pytest.fixture
def unheld(monkeypatch: pytest.MonkeyPatch) -> Unheld:
    """Call it to take all patches out, as if no handler had ever been there."""

    def take_out() -> None:
        for patch in (*hooks.ALWAYS, *hooks.CURRENT_SPAN, *hooks.CALLS, *hooks.BATCHES):
            monkeypatch.setattr(patch, "_holders", WeakSet())
            patch.release(patch)

    return take_out
