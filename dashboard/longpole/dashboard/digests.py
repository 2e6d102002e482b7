"""Recorded inputs and answers of a run → digests that tell which are the same.

An input is what a model, tool or retriever was asked, with what was asked of the model besides
(temperature and the like); ids that LangChain gives to messages are no part of it. An answer is the
text that a model said or a run returned. What was cut when it was recorded has no digest, as its
end is not known.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

import orjson

from longpole.analysis.findings import Digests
from longpole.model import semconv
from longpole.model.run import Kind, Run
from longpole.storage import Content

_ASKED: Final = frozenset({Kind.LLM, Kind.EMBEDDING, Kind.TOOL, Kind.RETRIEVER})
_REQUEST: Final = "gen_ai.request."
_BYTES: Final = 16


def digests_of(run: Run, contents: Mapping[str, Content]) -> Digests:
    """Return the digests of one run; nothing for what was not recorded."""
    inputs: dict[str, str] = {}
    answers: dict[str, str] = {}
    for span in run.spans:
        content = contents.get(span.span_id)
        if content is None:
            continue
        if span.kind in _ASKED and (asked := _asked(content)) is not None:
            inputs[span.span_id] = _digest(asked)
        is_answer = span.kind is Kind.LLM or span.span_id == run.root_span_id
        if is_answer and (said := _said(content)):
            answers[span.span_id] = _digest(said.encode())
    return Digests(inputs=inputs, answers=answers)


def _asked(content: Content) -> bytes | None:
    """Return an input in one form; `None` where it is not known in full."""
    if content.input_value is None or semconv.LONGPOLE_INPUT_SIZE in content.attributes:
        return None
    request = {
        key: str(value) for key, value in content.attributes.items() if key.startswith(_REQUEST)
    }
    return orjson.dumps(
        [_without_ids(_parsed(content.input_value)), request], option=orjson.OPT_SORT_KEYS
    )


def _said(content: Content) -> str | None:
    if content.output_value is None or semconv.LONGPOLE_OUTPUT_SIZE in content.attributes:
        return None
    said = _parsed(content.output_value)
    if isinstance(said, dict) and isinstance(said.get("messages"), list) and said["messages"]:
        said = said["messages"][-1]
    if isinstance(said, dict):
        said = said.get("content")
    return said.strip() if isinstance(said, str) else None


def _parsed(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


def _without_ids(asked: Any) -> Any:
    """Return messages without their ids, other things as they are."""
    if isinstance(asked, dict) and isinstance(asked.get("messages"), list):
        return {**asked, "messages": _without_ids(asked["messages"])}
    if not isinstance(asked, list):
        return asked
    return [
        {key: value for key, value in one.items() if key != "id"}
        if isinstance(one, dict) and "role" in one
        else one
        for one in asked
    ]


def _digest(text: bytes) -> str:
    return hashlib.blake2b(text, digest_size=_BYTES).hexdigest()
