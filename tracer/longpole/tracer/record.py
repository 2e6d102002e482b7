"""`record(name)`: several invokes as one run.

LangChain gives every `invoke`, and every row of a `batch`, a root of its own. Inside
`with record("nightly scoring"):` they become the branches of one run. It works across threads and
tasks that inherit the context, with whatever handler the calls have, and changes nothing else.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from contextvars import Token
from types import TracebackType
from typing import Any

from longpole.model.place import Shape
from longpole.model.run import Kind
from longpole.tracer.caller import Caller
from longpole.tracer.clock import Clock, now_ns
from longpole.tracer.content import Redact
from longpole.tracer.open_runs import OpenRun
from longpole.tracer.spans import UMBRELLA, Adopted, Spans, Umbrella
from longpole.tracer.standing import Start


class record:
    """Group the runs that start inside into one run of this name.

    Args:
        name: name of the run.
        tags: tags of the run.
        metadata: metadata of the run; `session_id` and `user_id` name session and user.
        clock: nanoseconds since the epoch; for tests.
    """

    def __init__(
        self,
        name: str,
        *,
        tags: Sequence[str] = (),
        metadata: Mapping[str, Any] | None = None,
        clock: Clock = now_ns,
    ) -> None:
        self._name = name
        self._tags = tuple(tags)
        self._metadata = dict(metadata or {})
        self._clock = clock
        self._start_ns = 0
        self._lock = threading.Lock()
        self._roots: dict[int, tuple[Spans, OpenRun, Redact | None]] = {}
        self._outer: Umbrella | None = None
        self._token: Token[Umbrella | None] | None = None

    def __enter__(self) -> record:
        self._start_ns = self._clock()
        self._outer = UMBRELLA.get()
        self._token = UMBRELLA.set(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        end_ns = self._clock()
        if self._token is not None:
            UMBRELLA.reset(self._token)
        with self._lock:
            opened, self._roots = list(self._roots.values()), {}
        for spans, run, redact in opened:
            spans.close_root(run, end_ns, error, redact)

    def adopt(
        self, spans: Spans, parent: OpenRun | None, start: Start, redact: Redact | None
    ) -> Adopted:
        """Place a run that would be a root below this group's run; others stay where they are."""
        if parent is None:
            return self._root_in(spans, start, redact), None
        return (
            (parent, None)
            if self._outer is None
            else self._outer.adopt(spans, parent, start, redact)
        )

    def _root_in(self, spans: Spans, first: Start, redact: Redact | None) -> OpenRun:
        """Return this group's run among `spans`, opened when the first run inside starts.

        What that run's handler redacts is redacted of the group as well.
        """
        with self._lock:
            known = self._roots.get(id(spans))
            if known is not None:
                return known[1]
            outer, row = None, None
            if self._outer is not None:
                outer, row = self._outer.adopt(spans, None, first, redact)
            run = spans.open_below(
                outer,
                Start(
                    uuid=None,
                    parent_uuid=None,
                    name=self._name,
                    kind=Kind.OTHER,
                    start_ns=self._start_ns,
                    tags=self._tags,
                    metadata=self._metadata,
                    caller=Caller(Shape.RECORD, None),
                ),
                redact,
                row,
            )
            self._roots[id(spans)] = (spans, run, redact)
            return run
