"""What a handler wants to see beside the callbacks; all patches are held and released here.

Each of the files named below replaces a few functions of LangChain, LangGraph, LangSmith, an SDK or
OpenTelemetry (see `patches`) and says what that shows. Whatever no handler of ours is around for
passes straight through.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from longpole.tracer import (
    caches,
    context,
    embeddings,
    merged_parents,
    probes,
    sdk_retries,
    sdk_tokens,
    traceables,
    unended,
)
from longpole.tracer.patches import Patch

ALWAYS: Final[Sequence[Patch]] = (traceables.PATCH,)
CURRENT_SPAN: Final[Sequence[Patch]] = (context.PATCH,)
"""OpenTelemetry's current span (`LONGPOLE_CURRENT_SPAN`)."""
CALLS: Final[Sequence[Patch]] = (
    unended.PATCH,
    caches.PATCH,
    embeddings.PATCH,
    sdk_retries.PATCH,
    sdk_tokens.PATCH,
)
"""What happens inside model calls, and ends that nobody tells (`LONGPOLE_HOOKS`)."""
BATCHES: Final[Sequence[Patch]] = (probes.PATCH, merged_parents.PATCH)
"""Rows of batches with their tries, and queue waits (`LONGPOLE_PROBES`)."""


def hold(handler: object, *, current_span: bool, calls: bool, batches: bool) -> None:
    """Put in place what a handler wants, for as long as it lives or until `release`."""
    wanted = (
        *ALWAYS,
        *(CURRENT_SPAN if current_span else ()),
        *(CALLS if calls else ()),
        *(BATCHES if batches else ()),
    )
    for patch in wanted:
        patch.hold(handler)


def release(handler: object) -> None:
    """Take out what only this handler wanted."""
    for patch in (*ALWAYS, *CURRENT_SPAN, *CALLS, *BATCHES):
        patch.release(handler)
