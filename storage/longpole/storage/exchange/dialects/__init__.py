"""Spans of other instrumentations, told in our words.

Known are OpenTelemetry GenAI (old names and new), OpenInference, OpenLLMetry, LangSmith's
OpenTelemetry mode and Langfuse. `translate` is the way in; `kinds`, `callers`, `calls`, `contents`
and `places` each answer one question about a span. A span is read alone, for its parent may come
later or never: what takes the parent to know is not claimed. Attributes that say a thing in another
way stay beside ours; contents are kept once, so that deleting them deletes them.

Source: the mapping was read off spans that the instrumentations really sent; their versions stand
beside them in `tests/storage/files/dialects/`.
"""
