"""Marks and styles of the terminal: each says by a sign what it also says by colour."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from longpole.dashboard.palette import Family
from longpole.model.run import Role, Span, Status

STATUS_MARKS: Final[Mapping[Status, str]] = {
    Status.OK: "✓",
    Status.ERROR: "✗",
    Status.CANCELLED: "⊘",
    Status.INTERRUPTED: "‖",
    Status.RUNNING: "●",
    Status.LOST: "?",
}

STATUS_STYLES: Final[Mapping[Status, str]] = {
    Status.OK: "green",
    Status.ERROR: "red",
    Status.CANCELLED: "yellow",
    Status.INTERRUPTED: "blue",
    Status.RUNNING: "blue",
    Status.LOST: "magenta",
}

FAMILY_STYLES: Final[Mapping[Family, str]] = {
    Family.STRUCTURE: "bright_black",
    Family.MODEL: "blue",
    Family.TOOL: "green",
    Family.RETRY: "yellow",
    Family.FALLBACK: "dark_orange3",
    Family.CACHE: "cyan",
}


def marks_of(span: Span) -> str:
    """Return the signs that stand behind a span's name: how it ended, and which try it was.

    `✗` failed, `⊘` cancelled, `↻2` second try, `⤳` fallback, `⚡` answered by the cache.
    """
    marks = []
    if span.status is not Status.OK:
        marks.append(STATUS_MARKS[span.status])
    if span.attempt > 1:
        marks.append(f"↻{span.attempt}")
    if span.role is Role.FALLBACK:
        marks.append("⤳")
    if span.cache_hit:
        marks.append("⚡")
    return " ".join(marks)
