"""What lies behind a handler: tracer provider → processor → the store's writer.

One pipeline a store (and provider) in a process, shared by all handlers on it: they share one
writer, one table of open runs, one set of counts.
"""

from __future__ import annotations

import importlib.metadata
import os
import random
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from opentelemetry.sdk.resources import HOST_NAME, PROCESS_PID, SERVICE_NAME, Resource
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

from longpole.model.settings import Settings
from longpole.storage.writer import Writer, shared_writer
from longpole.tracer.processor import SCOPE, StoreProcessor
from longpole.tracer.spans import Spans

VERSION: Final = importlib.metadata.version("longpole")


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


class _UniqueIds(IdGenerator):
    """Ids of a generator of our own: an app that seeds `random` must not repeat our ids.

    Seeded by the system once a process, since asking it for every id is slow; a forked child, also
    one that Python did not fork, is known by its process id and seeds anew.
    """

    def __init__(self) -> None:
        self._pid = 0
        self._random = random.Random()

    def _bits(self, count: int) -> int:
        pid = os.getpid()
        if pid != self._pid:
            self._random = random.Random(int.from_bytes(os.urandom(32)))
            self._pid = pid
        return self._random.getrandbits(count) or 1

    def generate_span_id(self) -> int:
        return self._bits(64)

    def generate_trace_id(self) -> int:
        return self._bits(128)

    def is_trace_id_random(self) -> bool:
        return True


class Pipeline:
    """Everything that handlers on one store share."""

    def __init__(self, writer: Writer, provider: TracerProvider, settings: Settings) -> None:
        self._writer = writer
        self._provider = provider
        self._errors: Counter[str] = Counter()
        self.settings = settings
        provider.add_span_processor(StoreProcessor(writer))
        self.spans = Spans(provider.get_tracer(SCOPE, VERSION))

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
            pipeline = Pipeline(writer, provider or _own_provider(), settings)
            _pipelines[key] = pipeline
        return pipeline


def _own_provider() -> TracerProvider:
    unlimited = SpanLimits.UNSET
    return TracerProvider(
        sampler=ALWAYS_ON,
        resource=Resource(
            {SERVICE_NAME: "longpole", HOST_NAME: os.uname().nodename, PROCESS_PID: os.getpid()}
        ),
        shutdown_on_exit=False,
        id_generator=_UniqueIds(),
        span_limits=SpanLimits(
            max_span_attributes=unlimited,
            max_attribute_length=unlimited,
            max_span_attribute_length=unlimited,
        ),
    )


def _forget_lock_after_fork() -> None:
    global _lock
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_forget_lock_after_fork)
