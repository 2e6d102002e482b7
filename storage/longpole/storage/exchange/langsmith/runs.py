"""Parcel → LangSmith runs, one finished run a span. Pure.

Every fact that LangSmith has a field for goes there; what only Longpole knows (place in the
fan-out, critical path, slack, drag, waste) goes into `extra.metadata` under `longpole.*`. A span
whose process died has no end: it gets the last moment that the run is known to have lived, and an
error that says so. Cancelled and interrupted spans are no failures and get none.

Source: LangSmith API reference, run (span) data format; "Log LLM calls" for messages and usage.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import orjson

from longpole.model import semconv
from longpole.model.caller import SESSION_KEYS, USER_KEY
from longpole.model.providers import to_langchain
from longpole.model.run import Kind, Run, Span, Status
from longpole.storage import columns, run_events
from longpole.storage.exchange.failures import failure_text
from longpole.storage.exchange.langsmith.content import inputs_of, outputs_of
from longpole.storage.exchange.langsmith.order import Place, moment, places
from longpole.storage.exchange.parcel import NO_CONTENT, Parcel
from longpole.storage.store import Content

Json = dict[str, Any]

_RUN_TYPE: Final[Mapping[Kind, str]] = {
    Kind.LLM: "llm",
    Kind.TOOL: "tool",
    Kind.RETRIEVER: "retriever",
    Kind.EMBEDDING: "embedding",
    Kind.PROMPT: "prompt",
    Kind.PARSER: "parser",
}

_LOST: Final = "lost: the process ended before this did"

# Facts of the run object that the root carries, and facts of a span that every span carries.
_RUN_FACTS: Final = (
    "wall_ns",
    "work_ns",
    "span_length_ns",
    "speedup_ratio",
    "parallelism_ratio",
    "peak_concurrency",
    "queue_wait_ns",
    "backoff_ns",
    "retries",
    "fallbacks",
    "cache_hits",
    "unpriced_calls",
    "wasted_ns",
    "wasted_cost_usd",
    "dependencies",
)
_SPAN_FACTS: Final[Mapping[str, str]] = {
    semconv.LONGPOLE_QUEUE_WAIT_NS: "queue_wait_ns",
    semconv.LONGPOLE_SELF_NS: "self_ns",
    semconv.LONGPOLE_ON_PATH_NS: "on_path_ns",
    semconv.LONGPOLE_SLACK_NS: "slack_ns",
    semconv.LONGPOLE_DRAG_NS: "drag_ns",
    semconv.LONGPOLE_WASTED: "wasted",
    semconv.LONGPOLE_UNPRICED: "unpriced",
}
_STEPS_SHOWN: Final = 40


def langsmith_runs(
    parcel: Parcel, *, project: str, shift_ns: int = 0, salt: str | None = None
) -> Iterator[tuple[str, Json]]:
    """Yield (span id, run for `multipart_ingest`), parents before children.

    Args:
        parcel: the run.
        project: LangSmith's project.
        shift_ns: added to every time; the original start is noted in the metadata.
        salt: see `order.places`.
    """
    run = parcel.run
    facts = {span["span_id"]: span for span in parcel.document["spans"]}
    last_ns = max(span.end_ns or span.start_ns for span in run.spans)
    for span_id, place in places(run, shift_ns=shift_ns, salt=salt).items():
        span = run.span_by_id[span_id]
        content = parcel.contents.get(span_id, NO_CONTENT)
        metadata = _metadata(run, span, content)
        metadata |= _facts(run, span, facts[span_id])
        if span_id == run.root_span_id:
            metadata |= _run_facts(parcel)
        if shift_ns:
            metadata[semconv.LONGPOLE_ORIGINAL_START_TIME] = moment(span.start_ns).isoformat()
        yield span_id, _run(span, place, content, metadata, project, shift_ns, last_ns)


def _run(
    span: Span,
    place: Place,
    content: Content,
    metadata: Json,
    project: str,
    shift_ns: int,
    last_ns: int,
) -> Json:
    end_ns = last_ns if span.end_ns is None else span.end_ns
    run: Json = {
        "id": place.id,
        "trace_id": place.trace_id,
        "dotted_order": place.dotted_order,
        "session_name": project,
        "name": span.name,
        "run_type": _RUN_TYPE.get(span.kind, "chain"),
        "start_time": moment(span.start_ns + shift_ns),
        "end_time": moment(max(end_ns, span.start_ns) + shift_ns),
        "inputs": inputs_of(span.kind, content.input_value, content.input_mime_type),
        "outputs": _outputs(span, content),
        "extra": {"metadata": metadata, **_invocation(span, content)},
        "tags": list(columns.tags(content.attributes)),
        "events": _events(span, shift_ns, end_ns),
    }
    if place.parent_run_id is not None:
        run["parent_run_id"] = place.parent_run_id
    error = _error(span, content)
    if error is not None:
        run["error"] = error
    return run


def _outputs(span: Span, content: Content) -> Json:
    outputs = outputs_of(span.kind, content.output_value, content.output_mime_type)
    usage = _usage(span)
    return outputs if usage is None else {**outputs, "usage_metadata": usage}


def _usage(span: Span) -> Json | None:
    """Return tokens and cost; a cost that is given wins over LangSmith's own price table."""
    usage = span.usage
    if usage is None:
        return None
    priced: Json = {} if span.cost_usd is None else {"total_cost": float(span.cost_usd)}
    return {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        **_details(
            "input_token_details",
            cache_read=usage.cache_read_tokens,
            cache_creation=usage.cache_write_tokens,
        ),
        **_details("output_token_details", reasoning=usage.reasoning_tokens),
        **priced,
    }


def _details(key: str, **counts: int) -> Json:
    known = {name: count for name, count in counts.items() if count}
    return {key: known} if known else {}


def _error(span: Span, content: Content) -> str | None:
    if span.error is not None:
        stack = content.attributes.get(semconv.EXCEPTION_STACKTRACE)
        return failure_text(span.error, stack if isinstance(stack, str) else None)
    if span.status is Status.ERROR:
        return "error"
    return _LOST if span.status is Status.LOST else None


def _events(span: Span, shift_ns: int, end_ns: int) -> list[Json]:
    told = [("start", span.start_ns), ("new_token", span.first_token_ns), ("end", end_ns)]
    return [
        {"name": name, "time": moment(time_ns + shift_ns).isoformat()}
        for name, time_ns in told
        if time_ns is not None
    ]


def _invocation(span: Span, content: Content) -> Json:
    if span.kind is not Kind.LLM:
        return {}
    asked = content.attributes.get(semconv.GEN_AI_REQUEST_MODEL) or span.model
    told = {
        "model": asked,
        "temperature": content.attributes.get(semconv.GEN_AI_REQUEST_TEMPERATURE),
        "max_tokens": content.attributes.get(semconv.GEN_AI_REQUEST_MAX_TOKENS),
    }
    return {"invocation_params": _known(told)}


def _metadata(run: Run, span: Span, content: Content) -> Json:
    found: Json = dict(columns.metadata(content.attributes))
    if run.session_id is not None:
        # LangSmith knows all of these keys, and wants them on every run of a thread.
        key = next((key for key in SESSION_KEYS if key in run.metadata), "thread_id")
        found.setdefault(key, run.session_id)
    if run.user_id is not None:
        found.setdefault(USER_KEY, run.user_id)
    if span.model is not None:
        found["ls_model_name"] = span.model
        found["ls_model_type"] = "llm" if _is_text_model(content) else "chat"
    if span.provider is not None:
        found["ls_provider"] = to_langchain(span.provider)
    return found


def _is_text_model(content: Content) -> bool:
    return content.attributes.get(semconv.GEN_AI_OPERATION_NAME) == "text_completion"


def _facts(run: Run, span: Span, facts: Mapping[str, Any]) -> Json:
    """Return what only Longpole knows of a span; recorded facts under their attributes' names.

    Ids and times are among them to the last digit, so that an import gives back the same run.
    """
    start, end = run_events.events_from_span("", span)
    recorded = {**start.attributes, **(end.attributes if end is not None else {})}
    told = {key: value for key, value in recorded.items() if _is_ours(key)}
    told |= {
        semconv.LONGPOLE_RUN_ID: run.run_id,
        semconv.LONGPOLE_STATUS: span.status.value,
        semconv.LONGPOLE_SPAN_ID: span.span_id,
        semconv.LONGPOLE_PARENT_SPAN_ID: span.parent_span_id,
        semconv.LONGPOLE_START_NS: span.start_ns,
        semconv.LONGPOLE_END_NS: span.end_ns,
        semconv.LONGPOLE_ERROR_TYPE: span.error and span.error.type,
    }
    computed = {attribute: facts.get(fact) for attribute, fact in _SPAN_FACTS.items()}
    return _known({**told, **computed})


def _is_ours(key: str) -> bool:
    return key.startswith(semconv.LONGPOLE_PREFIX) or key == semconv.LONGPOLE_HOST


def _run_facts(parcel: Parcel) -> Json:
    about = parcel.document["run"]
    told = {f"longpole.run.{key}": about.get(key) for key in _RUN_FACTS}
    told["longpole.run.critical_path"] = _critical_path(parcel)
    return _known(told)


def _critical_path(parcel: Parcel) -> str | None:
    """Return the path in words for people who look at the run in LangSmith."""
    names = [
        parcel.run.span_by_id[segment["span_id"]].branch
        or parcel.run.span_by_id[segment["span_id"]].name
        for segment in parcel.document["critical_path"]
    ]
    steps = [name for at, name in enumerate(names) if at == 0 or names[at - 1] != name]
    return " → ".join(steps[:_STEPS_SHOWN]) + (" → …" if len(steps) > _STEPS_SHOWN else "")


def _known(facts: Mapping[str, Any]) -> Json:
    return {key: value for key, value in facts.items() if value is not None}


def size_of(run: Mapping[str, Any]) -> int:
    """Return about how many bytes a run takes on the wire."""
    return len(orjson.dumps(run, default=str))
