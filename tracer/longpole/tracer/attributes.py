"""What callbacks tell → span attributes under the names of `longpole.model.semconv`. Pure.

Every function returns plain values that OpenTelemetry takes as they are: text, bool, int, float and
tuples of text. Values that are not known are left out, never made up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from longpole.model import semconv
from longpole.model.caller import name_of, own_metadata, session_in, user_in
from longpole.model.place import Place, user_tags
from longpole.model.providers import from_langchain
from longpole.model.run import Kind, SpanError
from longpole.tracer.content import Captured, Redact, capture, clean_text
from longpole.tracer.usage import Answer

Attributes = dict[str, Any]

JSON: Final = "application/json"
TEXT: Final = "text/plain"
_METADATA_LIMIT: Final = 16_000
_DESCRIPTION_LIMIT: Final = 1_000
_NAMES_OF_MODEL: Final = ("model", "model_id", "model_name")

_OPENINFERENCE_KIND: Final[Mapping[Kind, str]] = {
    Kind.LLM: "LLM",
    Kind.TOOL: "TOOL",
    Kind.RETRIEVER: "RETRIEVER",
    Kind.EMBEDDING: "EMBEDDING",
    Kind.PROMPT: "PROMPT",
}

_OPERATION: Final[Mapping[Kind, str]] = {
    Kind.TOOL: "execute_tool",
    Kind.RETRIEVER: "retrieval",
    Kind.EMBEDDING: "embeddings",
}


_OF_KIND: Final[Mapping[Kind, Attributes]] = {
    kind: {
        semconv.LONGPOLE_KIND: kind.value,
        semconv.OPENINFERENCE_SPAN_KIND: _OPENINFERENCE_KIND.get(kind, "CHAIN"),
        **({semconv.GEN_AI_OPERATION_NAME: _OPERATION[kind]} if kind in _OPERATION else {}),
    }
    for kind in Kind
}


def of_kind(kind: Kind) -> Attributes:
    """Return what the kind of a run says by itself."""
    return _OF_KIND[kind]


def of_place(place: Place) -> Attributes:
    """Return where a span stands."""
    order = place.order
    facts: Attributes = {
        semconv.LONGPOLE_ROLE: place.role and place.role.value,
        semconv.LONGPOLE_BRANCH: None if place.branch is None else clean_text(place.branch),
        semconv.LONGPOLE_STEP: place.step,
        semconv.LONGPOLE_ATTEMPT: place.attempt if place.attempt > 1 else None,
        semconv.LONGPOLE_FAN_OUT: place.fan_out and place.fan_out.value,
        semconv.LONGPOLE_GROUP: order.group,
        semconv.LONGPOLE_SEQ: order.seq,
        semconv.LONGPOLE_SUPERSTEP: order.superstep,
        semconv.LONGPOLE_AFTER: order.after,
    }
    return _known(facts)


def of_limits(limit: int | None, ignored: int | None) -> Attributes:
    """Return the concurrency limit in force for a fan-out, and one that was asked for in vain."""
    return _known(
        {
            semconv.LONGPOLE_FAN_OUT_LIMIT: limit,
            semconv.LONGPOLE_FAN_OUT_LIMIT_IGNORED: ignored,
        }
    )


def of_tags(tags: Sequence[str]) -> Attributes:
    """Return the caller's own tags."""
    own_tags = user_tags(tags)
    return {semconv.TAG_TAGS: tuple(clean_text(tag) for tag in own_tags)} if own_tags else {}


def of_metadata(
    metadata: Mapping[str, Any], inherited: Mapping[str, Any], redact: Redact | None
) -> Attributes:
    """Return the caller's own metadata, as far as the parent does not have it too."""
    own = own_metadata(metadata, inherited)
    if not own:
        return {}
    return {semconv.METADATA: capture(own, limit=_METADATA_LIMIT, redact=redact).text}


def of_session(metadata: Mapping[str, Any]) -> Attributes:
    """Return session and user that the caller named in the metadata of a root."""
    session = session_in(metadata)
    user = _clean(user_in(metadata))
    return {
        **({} if session is None else _of_conversation(session)),
        **({} if user is None else {semconv.USER_ID: user}),
    }


def _of_conversation(session: str) -> Attributes:
    session = clean_text(session)
    return {semconv.SESSION_ID: session, semconv.GEN_AI_CONVERSATION_ID: session}


def of_request(
    operation: str, metadata: Mapping[str, Any], invocation: Mapping[str, Any]
) -> Attributes:
    """Return what is asked of a model. `bind(model=…)` leaves `model_name` stale: it comes last."""
    asked: Attributes = {semconv.GEN_AI_OPERATION_NAME: operation}
    provider = _name(metadata.get("ls_provider"))
    if provider:
        asked[semconv.GEN_AI_PROVIDER_NAME] = from_langchain(provider)
    model = _name(metadata.get("ls_model_name"))
    if model is None and invocation:
        model = next(filter(None, map(_name, map(invocation.get, _NAMES_OF_MODEL))), None)
    if model is not None:
        asked[semconv.GEN_AI_REQUEST_MODEL] = model
    temperature = _real(metadata.get("ls_temperature"))
    if temperature is not None:
        asked[semconv.GEN_AI_REQUEST_TEMPERATURE] = temperature
    most_tokens = _integer(metadata.get("ls_max_tokens"))
    if most_tokens is not None:
        asked[semconv.GEN_AI_REQUEST_MAX_TOKENS] = most_tokens
    session = session_in(metadata)
    if session is not None:
        asked.update(_of_conversation(session))
    if invocation:
        asked.update(_known(_of_sampling(invocation)))
    return asked


def _of_sampling(invocation: Mapping[str, Any]) -> Attributes:
    return {
        _SAMPLING[name][0]: _SAMPLING[name][1](value)
        for name, value in invocation.items()
        if value is not None and name in _SAMPLING
    }


def of_tool(name: str, call_id: object, description: object = None) -> Attributes:
    """Return what is asked of a tool."""
    return _known(
        {
            semconv.GEN_AI_TOOL_NAME: clean_text(name),
            semconv.GEN_AI_TOOL_CALL_ID: _name(call_id),
            semconv.GEN_AI_TOOL_TYPE: "function",
            semconv.GEN_AI_TOOL_DESCRIPTION: clean_text(description[:_DESCRIPTION_LIMIT])
            if type(description) is str and description
            else None,
        }
    )


def of_answer(answer: Answer) -> Attributes:
    """Return what a model's end event told."""
    usage = answer.usage
    facts: Attributes = {
        semconv.GEN_AI_RESPONSE_MODEL: answer.model and clean_text(answer.model),
        semconv.GEN_AI_RESPONSE_ID: answer.response_id and clean_text(answer.response_id),
        semconv.GEN_AI_RESPONSE_FINISH_REASONS: tuple(map(clean_text, answer.finish_reasons))
        or None,
        semconv.LONGPOLE_CACHE_HIT: answer.cache_hit or None,
        semconv.LONGPOLE_INPUT_AUDIO_TOKENS: answer.input_audio_tokens or None,
        semconv.LONGPOLE_OUTPUT_AUDIO_TOKENS: answer.output_audio_tokens or None,
    }
    if usage is not None:
        facts[semconv.GEN_AI_USAGE_INPUT_TOKENS] = usage.input_tokens
        facts[semconv.GEN_AI_USAGE_OUTPUT_TOKENS] = usage.output_tokens
        facts[semconv.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS] = usage.cache_read_tokens or None
        facts[semconv.GEN_AI_USAGE_CACHE_WRITE_INPUT_TOKENS] = usage.cache_write_tokens or None
        facts[semconv.GEN_AI_USAGE_REASONING_OUTPUT_TOKENS] = usage.reasoning_tokens or None
    return _known(facts)


def of_error(error: SpanError, ending: Attributes) -> Attributes:
    """Return the attributes of the event that tells other tools of an exception."""
    return _known(
        {
            semconv.EXCEPTION_TYPE: error.type,
            semconv.EXCEPTION_MESSAGE: error.message,
            semconv.EXCEPTION_STACKTRACE: ending.get(semconv.EXCEPTION_STACKTRACE),
        }
    )


def of_first_token(first_token_ns: int | None, start_ns: int) -> Attributes:
    """Return when streaming began; both times are nanoseconds since the epoch."""
    if first_token_ns is None:
        return {}
    return {
        semconv.LONGPOLE_FIRST_TOKEN_NS: first_token_ns,
        semconv.GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK: (first_token_ns - start_ns) / 1e9,
        semconv.GEN_AI_REQUEST_STREAM: True,
    }


class ContentNames(NamedTuple):
    """Under which names a content is told: its text, what that is, and its size if it was cut."""

    value: str
    mime_type: str
    size: str


INPUT: Final = ContentNames(
    semconv.INPUT_VALUE, semconv.INPUT_MIME_TYPE, semconv.LONGPOLE_INPUT_SIZE
)
OUTPUT: Final = ContentNames(
    semconv.OUTPUT_VALUE, semconv.OUTPUT_MIME_TYPE, semconv.LONGPOLE_OUTPUT_SIZE
)


def of_content(names: ContentNames, kept: Captured) -> Attributes:
    """Return the attributes that carry an input or an output."""
    value, mime_type, size = names
    text, is_json, cut_from = kept
    attributes: Attributes = {value: text, mime_type: JSON if is_json else TEXT}
    if cut_from is not None:
        attributes[size] = cut_from
    return attributes


def _known(facts: Attributes) -> Attributes:
    return {key: value for key, value in facts.items() if value is not None}


def _name(value: object) -> str | None:
    return _clean(name_of(value))


def _clean(name: str | None) -> str | None:
    return None if name is None else clean_text(name)


def _integer(value: object) -> int | None:
    return value if type(value) is int else None


def _real(value: object) -> float | None:
    return float(value) if type(value) in (int, float) else None  # type: ignore[arg-type]


def _texts(value: object) -> tuple[str, ...] | None:
    told = (value,) if type(value) is str else value if isinstance(value, (list, tuple)) else ()
    return tuple(clean_text(text) for text in told if type(text) is str) or None


def _several(value: object) -> int | None:
    count = _integer(value)
    return None if count == 1 else count


_SAMPLING: Final[Mapping[str, tuple[str, Callable[[object], object]]]] = {
    "top_p": (semconv.GEN_AI_REQUEST_TOP_P, _real),
    "top_k": (semconv.GEN_AI_REQUEST_TOP_K, _integer),
    "frequency_penalty": (semconv.GEN_AI_REQUEST_FREQUENCY_PENALTY, _real),
    "presence_penalty": (semconv.GEN_AI_REQUEST_PRESENCE_PENALTY, _real),
    "seed": (semconv.GEN_AI_REQUEST_SEED, _integer),
    "stop": (semconv.GEN_AI_REQUEST_STOP_SEQUENCES, _texts),
    "n": (semconv.GEN_AI_REQUEST_CHOICE_COUNT, _several),
}
"""How a model is asked to choose its tokens, by LangChain's names."""
