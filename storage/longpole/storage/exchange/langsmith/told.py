"""What one LangSmith run tells, whoever traced it there → attributes, times, status, error. Pure.

Known shapes: runs of LangChain's own tracer (messages and generations as LangChain serialises
them), runs that follow LangSmith's "Log LLM calls" (`messages`, `choices`, `usage_metadata`), and
runs that Longpole exported, whose `longpole.*` metadata gives back ids, times and places to the
last digit. What is not understood is kept as content and claims nothing.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any, Final

import orjson

from longpole.model import semconv
from longpole.model.caller import name_of, own_metadata, session_in, user_in
from longpole.model.providers import from_langchain
from longpole.model.run import Kind, SpanError, Status
from longpole.storage.codec import plain
from longpole.storage.exchange.failures import read_failure, stack_in
from longpole.storage.exchange.messages import answer_in, recorded_content

Json = Mapping[str, Any]

_KIND: Final[Mapping[str, Kind]] = {
    "llm": Kind.LLM,
    "tool": Kind.TOOL,
    "retriever": Kind.RETRIEVER,
    "embedding": Kind.EMBEDDING,
    "prompt": Kind.PROMPT,
    "parser": Kind.PARSER,
}
_EPOCH: Final = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_MICROSECOND: Final = datetime.timedelta(microseconds=1)


def time_ns(text: object) -> int | None:
    """Return a time in nanoseconds since the epoch; one without a zone is UTC."""
    if isinstance(text, (int, float)) and not isinstance(text, bool):
        # Some dumps write seconds or milliseconds since the epoch.
        seconds = text / 1000 if text > 1e11 else text
        return round(seconds * 1e6) * 1000
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.UTC)
    return (moment - _EPOCH) // _MICROSECOND * 1000


def metadata_of(run: Json) -> Json:
    """Return the run's metadata; empty when there is none."""
    return _object(_object(run.get("extra")).get("metadata"))


def tags_of(run: Json) -> list[str]:
    """Return the run's tags, structural ones among them."""
    tags = run.get("tags")
    return [tag for tag in tags if isinstance(tag, str)] if isinstance(tags, list) else []


def kind_of(run: Json) -> Kind:
    """Return the kind; a LangGraph node is found by its place, not here."""
    run_type = run.get("run_type")
    return _KIND.get(run_type, Kind.CHAIN) if isinstance(run_type, str) else Kind.CHAIN


def status_of(run: Json) -> tuple[Status, SpanError | None]:
    """Return how a run ended, and with which error."""
    text = run.get("error")
    if isinstance(text, str) and text:
        named = metadata_of(run).get(semconv.LONGPOLE_ERROR_TYPE)
        return read_failure(text, named if isinstance(named, str) else None)
    if run.get("status") == "error":
        return Status.ERROR, SpanError(type="Error", message="")
    return Status.OK, None


def first_token_ns(run: Json) -> int | None:
    """Return when the first token came."""
    events = run.get("events")
    for event in events if isinstance(events, list) else []:
        if isinstance(event, dict) and event.get("name") == "new_token":
            return time_ns(event.get("time"))
    return time_ns(run.get("first_token_time"))


def attributes_of(run: Json, kind: Kind, above: Json) -> dict[str, Any]:
    """Return what a run tells beside its place and times, under our attributes' names.

    Args:
        run: the run.
        kind: what it does.
        above: the metadata of its parent: what it hands down is not told again.
    """
    metadata, error = metadata_of(run), run.get("error")
    told: dict[str, Any] = {
        **recorded_content(run.get("inputs"), kind, is_input=True),
        **recorded_content(run.get("outputs"), kind, is_input=False),
        semconv.EXCEPTION_STACKTRACE: None if type(error) is not str else stack_in(error),
        semconv.LONGPOLE_FIRST_TOKEN_NS: first_token_ns(run),
        semconv.METADATA: _own_metadata(metadata, above),
    }
    if kind in (Kind.LLM, Kind.EMBEDDING):
        told |= _model(run, metadata)
        told |= _usage(run, metadata)
    return {key: value for key, value in told.items() if value is not None}


def of_session(metadata: Json) -> dict[str, Any]:
    """Return session and user that a root names."""
    told = {semconv.SESSION_ID: session_in(metadata), semconv.USER_ID: user_in(metadata)}
    return {key: value for key, value in told.items() if value is not None}


def _own_metadata(metadata: Json, above: Json) -> str | None:
    own = {
        key: value
        for key, value in own_metadata(metadata, above).items()
        if not key.startswith(semconv.LONGPOLE_PREFIX)
    }
    return orjson.dumps(plain(own)).decode() if own else None


def _model(run: Json, metadata: Json) -> dict[str, Any]:
    provider = name_of(metadata.get("ls_provider"))
    asked = _object(_object(run.get("extra")).get("invocation_params"))
    answered = _object(answer_in(run.get("outputs")).get("response_metadata"))
    return {
        semconv.GEN_AI_PROVIDER_NAME: from_langchain(provider) if provider else None,
        semconv.GEN_AI_REQUEST_MODEL: name_of(metadata.get("ls_model_name"))
        or name_of(asked.get("model"))
        or name_of(asked.get("model_name")),
        semconv.GEN_AI_RESPONSE_MODEL: name_of(answered.get("model_name"))
        or name_of(answered.get("model")),
        semconv.GEN_AI_REQUEST_TEMPERATURE: _real(metadata.get("ls_temperature")),
        semconv.GEN_AI_REQUEST_MAX_TOKENS: _count(metadata.get("ls_max_tokens")),
        semconv.GEN_AI_OPERATION_NAME: "text_completion"
        if metadata.get("ls_model_type") == "llm"
        else "chat",
    }


def _usage(run: Json, metadata: Json) -> dict[str, Any]:
    """Return token counts, from wherever they are told; in order of trust."""
    outputs = _object(run.get("outputs"))
    message = answer_in(run.get("outputs"))
    whole = (
        _object(outputs.get("usage_metadata"))
        or _object(metadata.get("usage_metadata"))
        or _object(message.get("usage_metadata"))
    )
    raw = (
        _object(_object(message.get("response_metadata")).get("token_usage"))
        or _object(_object(outputs.get("llm_output")).get("token_usage"))
        or _object(outputs.get("usage"))
    )
    read = _object(whole.get("input_token_details"))
    written = _object(whole.get("output_token_details"))
    cached = _object(raw.get("prompt_tokens_details"))
    reasoned = _object(raw.get("completion_tokens_details"))
    return {
        semconv.GEN_AI_USAGE_INPUT_TOKENS: _first_count(
            whole.get("input_tokens"),
            raw.get("prompt_tokens"),
            raw.get("input_tokens"),
            run.get("prompt_tokens"),
        ),
        semconv.GEN_AI_USAGE_OUTPUT_TOKENS: _first_count(
            whole.get("output_tokens"),
            raw.get("completion_tokens"),
            raw.get("output_tokens"),
            run.get("completion_tokens"),
        ),
        semconv.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS: _first_count(
            read.get("cache_read"), cached.get("cached_tokens")
        ),
        semconv.GEN_AI_USAGE_CACHE_WRITE_INPUT_TOKENS: _first_count(read.get("cache_creation")),
        semconv.GEN_AI_USAGE_REASONING_OUTPUT_TOKENS: _first_count(
            written.get("reasoning"), reasoned.get("reasoning_tokens")
        ),
    }


# --- values -----------------------------------------------------------------------------------


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _count(value: object) -> int | None:
    return value if type(value) is int and value >= 0 else None


def _first_count(*values: object) -> int | None:
    return next((count for value in values if (count := _count(value)) is not None), None)


def _real(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) and value is not True else None
