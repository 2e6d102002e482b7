"""What lies behind a handler: tracer → the store's writer, through the user's provider if given.

One pipeline a store (and provider) in a process, shared by all handlers on it: they share one
writer, one table of open runs, one set of counts.
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from opentelemetry.sdk.trace import TracerProvider

from longpole.model.settings import Settings
from longpole.storage.writer import Writer, shared_writer
from longpole.tracer.provided import starter_for
from longpole.tracer.spans import Spans


@dataclass(frozen=True, slots=True, kw_only=True)
class HandlerStats:
    """What a handler did so far; `seen = written + waiting + dropped`, counted in spans.

    Attributes:
        open: runs that have started and not ended.
        errors: what went wrong in callbacks or on the way to the database and was swallowed, by
            place and type; what it cost is in `dropped`.
    """

    spans_seen: int
    spans_written: int
    spans_waiting: int
    dropped: Mapping[str, int]
    open: int
    errors: Mapping[str, int]


class Pipeline:
    """Everything that handlers on one store share."""

    def __init__(self, writer: Writer, provider: TracerProvider | None, settings: Settings) -> None:
        self._writer = writer
        self._provider = provider
        self._errors: Counter[str] = Counter()
        self.settings = settings
        self.append = writer.append
        self.spans = Spans(starter_for(provider, writer))

    def flush(self, timeout_s: float) -> bool:
        """Wait until the database has everything; whether it has."""
        return self._writer.flush(timeout_s)

    def close(self) -> None:
        """Put into the database what can be put there soon, and let go of it until more comes."""
        self._writer.close(self.settings.exit_timeout_s)

    def count_error(self, event: str, error_type: str) -> bool:
        """Count a swallowed error; whether it is the first of its kind."""
        key = f"{event}: {error_type}"
        self._errors[key] += 1
        return self._errors[key] == 1

    def stats(self) -> HandlerStats:
        """Return the counts."""
        counts = self._writer.stats()
        return HandlerStats(
            spans_seen=counts.spans_seen,
            spans_written=counts.spans_written,
            spans_waiting=counts.spans_waiting,
            dropped=counts.dropped,
            open=len(self.spans.runs),
            errors={
                **self._errors,
                **{f"store: {kind}": count for kind, count in counts.errors.items()},
            },
        )


_pipelines: dict[tuple[int, int | None], Pipeline] = {}
_lock = threading.Lock()


def pipeline_for(url: str, provider: TracerProvider | None, settings: Settings) -> Pipeline:
    """Return the pipeline of a store, made on first use.

    Raises:
        SettingsError: the URL names no kind of store that can be written.
    """
    writer = shared_writer(url, settings=settings)
    # Writers and providers live as long as their pipeline, so their identities are good keys.
    key = (id(writer), None if provider is None else id(provider))
    with _lock:
        pipeline = _pipelines.get(key)
        if pipeline is None:
            pipeline = Pipeline(writer, provider, settings)
            _pipelines[key] = pipeline
        return pipeline


def _forget_lock_after_fork() -> None:
    global _lock
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_forget_lock_after_fork)
