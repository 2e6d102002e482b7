"""The runs that have started and not ended, by LangChain's run id.

LangChain names the parent of each run, with three gaps that this table closes: candidates of
`with_fallbacks` are given their wrapper's parent, and some parents are runs no handler ever saw.
In both cases LangChain's own configuration context names the innermost chain body, which is the
truth (source: the `parent_run_id` of the manager in `var_child_runnable_config`). The third are
parents that a merge has lost (`merged_parents`).
"""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import Any, Final, Protocol
from uuid import UUID

from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan
from opentelemetry.trace import Span as OtelSpan

from longpole.model.place import Shape
from longpole.model.run import Kind, SpanError, Status
from longpole.tracer.bodies import Body, configured_uuid
from longpole.tracer.direct import DirectSpan
from longpole.tracer.merged_parents import meant_by

MAX_OPEN: Final = 100_000
"""Runs that may be open at once; beyond it the oldest is given up, so that memory stays bounded."""

MAX_CLOSED: Final = 4_096
"""Runs that have ended and are still known, for calls below them that start late."""
_CALLS_NOTHING: Final = frozenset({Kind.LLM, Kind.PROMPT, Kind.PARSER})


class LastTry(Protocol):
    """What ends with a model call that its library tried several times (see `tries`)."""

    def close(
        self, spans: Any, call: OpenRun, end_ns: int, status: Status, error: SpanError | None
    ) -> None:
        """Record the last try."""
        ...


_WITH_ROWS: Final = frozenset({Shape.BATCH, Shape.EACH})


class OpenRun:
    """One run between its start and its end.

    Attributes:
        asked: the concurrency its configuration asks for.
        is_try: whether it is one of the tries of the retry wrapper it stands below.
        last_try_failed: whether the latest try below it ended with an error.
        raised: identity of the exception that a child ended with.
        failures: identities of the exceptions seen anywhere among the rows it belongs to.
        waits_ns: how long it waited while it ran, by attribute name.
    """

    __slots__ = (
        "asked",
        "below",
        "body",
        "children",
        "failures",
        "first_token_ns",
        "inherited",
        "is_open",
        "is_try",
        "kind",
        "last_try_failed",
        "metadata",
        "parent",
        "position",
        "raised",
        "run_id",
        "shape",
        "span",
        "span_id",
        "start_ns",
        "streamed",
        "task",
        "task_tries",
        "trace_policy",
        "tries",
        "uuid",
        "waits",
        "waits_ns",
    )

    def __init__(
        self,
        *,
        uuid: UUID | None,
        run_id: str,
        parent: OpenRun | None,
        span: OtelSpan,
        span_id: str,
        kind: Kind,
        shape: Shape | None,
        asked: int | None,
        is_try: bool,
        start_ns: int,
        inherited: frozenset[str],
        metadata: Mapping[str, Any],
        task: str | None,
    ) -> None:
        self.uuid = uuid
        self.run_id = run_id
        self.parent = parent
        self.span = span
        self.span_id = span_id
        self.kind = kind
        self.shape = shape
        self.asked = asked
        self.is_try = is_try
        self.last_try_failed = False
        self.start_ns = start_ns
        self.inherited = inherited
        self.metadata = metadata
        self.task = task
        self.is_open = True
        self.body: Body | None = None
        self.streamed = False
        self.waits = False
        self.first_token_ns: int | None = None
        self.raised: int | None = None
        self.below: tuple[Context, Context] | None = None  # for children: around, with the span
        self.failures: set[int] | None = None if parent is None else parent.failures
        if shape in _WITH_ROWS:
            self.failures = set()
        self.waits_ns: dict[str, int] | None = None
        self.children: set[OpenRun] = set()
        self.position: Iterator[int] = itertools.count()
        self.task_tries: dict[str, list[str]] = {}
        self.tries: LastTry | None = None
        self.trace_policy: object = None

    def waited(self, attribute: str, wait_ns: int) -> None:
        """Add to a wait inside the run."""
        if self.waits_ns is None:
            self.waits_ns = {}
        self.waits_ns[attribute] = self.waits_ns.get(attribute, 0) + wait_ns

    def is_below(self, other: OpenRun) -> bool:
        """Whether `other` is this run or an ancestor of it."""
        at: OpenRun | None = self
        while at is not None and at is not other:
            at = at.parent
        return at is other

    def open_descendants(self) -> list[OpenRun]:
        """All runs below that are open, deepest last."""
        found: list[OpenRun] = []
        work = list(self.children)
        while work:
            run = work.pop()
            found.append(run)
            work.extend(run.children)
        return found


class OpenRuns:
    """The table; every step of it is one step for the interpreter, so threads need no lock.

    Runs are kept by the number of their id: `UUID` hashes and compares in Python.
    """

    def __init__(self) -> None:
        self._by_id: dict[int, OpenRun] = {}
        self._closed: OrderedDict[int, OpenRun] = OrderedDict()

    def __len__(self) -> int:
        return len(self._by_id)

    def __contains__(self, uuid: object) -> bool:
        return isinstance(uuid, UUID) and uuid.int in self._by_id

    def get(self, uuid: UUID) -> OpenRun | None:
        """Return the open run of this id."""
        return self._by_id.get(uuid.int)

    def parent_for(self, parent_uuid: UUID | None) -> OpenRun | None:
        """Return the run that a starting run belongs to, repaired as told above."""
        named = None
        if parent_uuid is not None:
            named = self._find(parent_uuid)
            given = meant_by(parent_uuid)
            meant = None if given is None else self._by_id.get(given.int)
            if meant is not None and (named is None or meant.is_below(named)):
                return meant
        body_uuid = configured_uuid()
        if body_uuid is None or body_uuid is parent_uuid or body_uuid == parent_uuid:
            return named
        body = self._find(body_uuid)
        if body is not None and (named is None or (body.is_open and body.is_below(named))):
            return body
        return named

    def _find(self, uuid: UUID) -> OpenRun | None:
        """Return a run that is open, or has ended a while ago: what starts late is still its."""
        return self._by_id.get(uuid.int) or self._closed.get(uuid.int)

    def add(self, run: OpenRun) -> OpenRun | None:
        """Enter a run; return the oldest one when there are too many, for the caller to end."""
        if run.uuid is not None:
            self._by_id[run.uuid.int] = run
        if run.parent is not None:
            run.parent.children.add(run)
        if len(self._by_id) <= MAX_OPEN:
            return None
        oldest = next(iter(self._by_id), None)
        return None if oldest is None else self._pop(oldest)

    def pop(self, uuid: UUID) -> OpenRun | None:
        """Take a run out; `None` when it is not open, so that a second end is harmless."""
        return self._pop(uuid.int)

    def _pop(self, number: int) -> OpenRun | None:
        known = self._by_id.get(number)
        if known is not None and known.kind not in _CALLS_NOTHING:
            # First in, then out: another thread may look for it at any moment.
            self._closed[number] = known
            if len(self._closed) > MAX_CLOSED:
                self._forget_oldest()
        run = self._by_id.pop(number, None)
        if run is not None:
            self.close(run)
        return run

    def _forget_oldest(self) -> None:
        try:
            self._closed.popitem(last=False)
        except KeyError:  # another thread was faster
            return

    @staticmethod
    def close(run: OpenRun) -> None:
        """Mark a run as ended and let go of it."""
        run.is_open = False
        if run.parent is not None:
            run.parent.children.discard(run)


def lighten(run: OpenRun) -> None:
    """Let go of what an ended run has recorded; who it was is enough for what starts late."""
    if run.kind in _CALLS_NOTHING:
        return  # nobody looks for it
    if type(run.span) is not DirectSpan:  # which holds nothing any more
        run.span = NonRecordingSpan(run.span.get_span_context())
    run.below = None
    run.metadata = dict.fromkeys(run.metadata)
    run.task_tries = {}
