"""LangSmith's `@traceable` functions and `trace` blocks → spans between LangChain's runs.

While LangSmith's tracing is on, a traceable is the parent of the LangChain runs inside it, and no
callback tells of it. In: what LangSmith's own `RunTree.post` and `patch` are called with, in this
process; both do what they did. Out: a span below the run it was called in. One that stands around
LangChain's runs is opened when the first of them starts. With tracing off they leave no trace, and
LangChain's own configuration says which run is around.

Nothing is sent, and LangSmith's client is not touched. Source: langsmith 0.15, `run_helpers`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final
from uuid import UUID

from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, LLMResult
from langsmith.run_helpers import get_current_run_tree
from langsmith.run_trees import RunTree
from langsmith.utils import tracing_is_enabled

from longpole.model.run import Kind, SpanError
from longpole.tracer import attributes as attributes_of
from longpole.tracer.attributes import Attributes
from longpole.tracer.bodies import Body, ask_no_more, ask_too, bodies_of, body_of, know
from longpole.tracer.caller import UNKNOWN_CALLER
from longpole.tracer.clock import now_ns
from longpole.tracer.content import capture, clean_text
from longpole.tracer.patches import Patch
from longpole.tracer.recorder import Recorder
from longpole.tracer.spans import Spans
from longpole.tracer.standing import Start
from longpole.tracer.usage import read_answer

_METHODS: Final = ("traceable", "trace")
_KINDS: Final = {kind.value: kind for kind in Kind}
_MESSAGE_LIMIT: Final = 2_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_OPEN: Final = 10_000

_open: dict[UUID, None] = {}


def _before(look: Callable[[RunTree], None], method: Callable[..., Any]) -> Callable[..., Any]:
    def looked_at(tree: RunTree, *args: Any, **kwargs: Any) -> Any:
        # LangChain's own runs go the same way; of those the callbacks tell.
        if not sys._getframe(1).f_globals.get("__name__", "").startswith("langchain_core."):
            with suppress(Exception):  # what goes wrong here must not reach the app
                look(tree)
        return method(tree, *args, **kwargs)

    return looked_at


# --- starts and ends --------------------------------------------------------------------------


def _started(tree: RunTree) -> None:
    start_ns = now_ns()
    for parent in () if tree.parent_run_id is None else bodies_of(tree.parent_run_id):
        _open_span(parent.recorder.spans, tree, parent.recorder, start_ns)


def adopt(spans: Spans, parent_uuid: UUID, recorder: Recorder) -> None:
    """Open the traceables around a run that starts, if its parent is one and has no span yet."""
    tree = get_current_run_tree()
    if tree is None or tree.id != parent_uuid or tracing_is_enabled() is not True:
        return
    around: list[RunTree] = []
    while tree is not None and tree.id not in spans.runs and _is_traceable(tree):
        around.append(tree)
        tree = tree.parent_run
    ahead_ns = now_ns() - time.time_ns()
    for tree in reversed(around):
        _open_span(spans, tree, recorder, _epoch_ns(tree.start_time) + ahead_ns)


def _is_traceable(tree: RunTree) -> bool:
    """Return whether it is one that will be told to end; LangChain's runs are told elsewhere."""
    extra = tree.extra or {}
    library = (extra.get("runtime") or {}).get("library")
    method = (extra.get("metadata") or {}).get("ls_method")
    return tree.end_time is None and method in _METHODS and library != "langchain-core"


def _open_span(spans: Spans, tree: RunTree, recorder: Recorder, start_ns: int) -> None:
    parent = None if tree.parent_run_id is None else spans.runs.get(tree.parent_run_id)
    told = (tree.extra or {}).get("metadata") or {}
    kind = _KINDS.get(tree.run_type, Kind.CHAIN)
    attributes = attributes_of.of_request("chat", told, {}) if kind is Kind.LLM else {}
    attributes |= recorder.content(attributes_of.INPUT, tree.inputs)
    start = Start(
        uuid=tree.id,
        parent_uuid=tree.parent_run_id,
        name=tree.name,
        kind=kind,
        start_ns=start_ns,
        # What comes down from above goes on down: LangSmith hands on nothing of LangChain's.
        tags=(*(tree.tags or ()), *(() if parent is None else parent.inherited)),
        metadata=told if parent is None else {**parent.metadata, **told},
        caller=UNKNOWN_CALLER,
        attributes=attributes,
    )
    run = spans.open(start, recorder.redact)
    if run is not None:
        know(run, recorder)
        _open[tree.id] = None
        if len(_open) > _MAX_OPEN:
            _open.pop(next(iter(_open)), None)
        ask_too(_around)


def _ended(tree: RunTree) -> None:
    if tree.id not in _open:
        return
    end_ns = now_ns()
    error = sys.exception() if tree.error else None
    for body in bodies_of(tree.id):
        recorder = body.recorder
        told = _of_result(tree, recorder)
        if error is not None:
            recorder.spans.fail(tree.id, end_ns, error, told, recorder.redact)
        elif tree.error:
            recorder.spans.fail_as(tree.id, end_ns, _error(tree.error, recorder), told)
        else:
            recorder.spans.close(tree.id, end_ns, told)
    _open.pop(tree.id, None)
    if not _open:
        ask_no_more(_around)


def _of_result(tree: RunTree, recorder: Recorder) -> Attributes:
    told: Attributes = {}
    if tree.outputs is not None:
        told |= recorder.content(attributes_of.OUTPUT, tree.outputs)
    usage = ((tree.extra or {}).get("metadata") or {}).get("usage_metadata")
    if tree.run_type == "llm" and usage:
        with suppress(ValueError):  # pydantic's: no usage of a shape that is known
            answer = ChatGeneration(message=AIMessage("", usage_metadata=usage))
            told |= attributes_of.of_answer(read_answer(LLMResult(generations=[[answer]])))
    return told


def _error(text: str, recorder: Recorder) -> SpanError:
    """Read LangSmith's text: `repr` of the exception, then its stack."""
    said = text.partition("\n\n")[0]
    kept = capture(said, limit=_MESSAGE_LIMIT, redact=recorder.redact).text
    named = said.partition("(")[0]
    return SpanError(type=clean_text(named) if named.isidentifier() else "Error", message=kept)


def _epoch_ns(moment: datetime) -> int:
    since = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH
    return ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) * 1_000


def _around() -> Body | None:
    """Return the traceable that this code is in: its body runs in a context of LangSmith's."""
    tree = get_current_run_tree()
    return None if tree is None or tree.id not in _open else body_of(tree.id)


def _put(patch: Patch) -> None:
    patch.replace(RunTree, "post", partial(_before, _started))
    patch.replace(RunTree, "patch", partial(_before, _ended))


PATCH: Final = Patch(_put)
"""Looks at what LangSmith's run trees are told."""
