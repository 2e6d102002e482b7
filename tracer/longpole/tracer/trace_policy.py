"""What a LangGraph node's `TracePolicy` lets be recorded of its own input and output.

LangGraph hands the processed payload to tracers of LangChain's kind only and the real one to every
other handler, so a policy like `omit_payload` must be kept here. The input that may be recorded
lies ready in the frame that tells of the start; the output is processed as LangGraph does it.

Source: `RunnableSeq._start` and `_end` in `langgraph._internal._runnable`.
"""

from __future__ import annotations

import sys
from typing import Any, Final

from longpole.model.place import GRAPH_STEP

_MODULE: Final = "langgraph._internal._runnable"
_STARTS: Final = frozenset({"_start", "_astart"})
_FARTHEST: Final = 8


def policy_of_start(tags: list[str] | None, inputs: Any) -> tuple[object, Any]:
    """Return the policy of the node that is starting, if any, and what may be recorded of `inputs`.

    Called on the stack of the node itself.
    """
    for tag in tags or ():
        if type(tag) is str and tag.startswith(GRAPH_STEP):
            return _policy_above(inputs)
    return None, inputs


def _policy_above(inputs: Any) -> tuple[object, Any]:
    frame = sys._getframe(1)
    for _ in range(_FARTHEST):
        outer = frame.f_back
        if outer is None:
            break
        frame = outer
        if frame.f_code.co_name in _STARTS and frame.f_globals.get("__name__") == _MODULE:
            held = frame.f_locals
            policy = getattr(held.get("self"), "trace_policy", None)
            return policy, held.get("recorded", inputs)
    return None, inputs


def recorded_output(policy: object, output: Any) -> Any:
    """Return what may be recorded of a node's output; nothing when the user's processor fails."""
    process = getattr(policy, "process_outputs", None)
    if process is None:
        return output
    try:
        return process(output)
    except Exception:  # noqa: BLE001 - the processor is the user's; a failing one must not leak
        return {}
