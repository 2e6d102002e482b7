"""Names under which runs in LangSmith carry what Longpole knows; written and read back.

All of them are keys of `extra.metadata`. Facts that are recorded attributes keep the names of
`longpole.model.semconv`.
"""

from __future__ import annotations

from typing import Final

OURS: Final = "longpole."
"""What all keys of ours begin with."""
SPAN_ID: Final = "longpole.span_id"
"""The span's id in Longpole; LangSmith's own is LangChain's."""
PARENT_SPAN_ID: Final = "longpole.parent_span_id"
"""The parent's id in Longpole; absent on the root."""
START_NS: Final = "longpole.start_ns"
"""Start, nanoseconds since the epoch; LangSmith keeps microseconds."""
END_NS: Final = "longpole.end_ns"
"""End, nanoseconds since the epoch; absent when there was none."""
ERROR_TYPE: Final = "longpole.error_type"
"""Class name of the exception; LangSmith has one text for class, message and stack."""
ORIGINAL_START: Final = "longpole.original_start_time"
"""When a run with shifted times really started, ISO."""
TRACE_BELOW: Final = "\n\nTraceback, innermost last:\n"
"""Between an error's message and its stack."""
