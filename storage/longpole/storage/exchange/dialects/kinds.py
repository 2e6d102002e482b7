"""Attributes → what a span does: an explicit kind comes first, and no name is guessed from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from longpole.model import semconv
from longpole.model.run import Kind
from longpole.storage.exchange.dialects.values import object_in, text_in

_EXPLICIT: Final[Mapping[str, Mapping[str, Kind]]] = {
    "langsmith.span.kind": {
        "llm": Kind.LLM,
        "chain": Kind.CHAIN,
        "tool": Kind.TOOL,
        "retriever": Kind.RETRIEVER,
        "embedding": Kind.EMBEDDING,
        "prompt": Kind.PROMPT,
        "parser": Kind.PARSER,
    },
    "langfuse.observation.type": {
        "generation": Kind.LLM,
        "embedding": Kind.EMBEDDING,
        "tool": Kind.TOOL,
        "retriever": Kind.RETRIEVER,
        "span": Kind.CHAIN,
        "agent": Kind.CHAIN,
        "chain": Kind.CHAIN,
        "evaluator": Kind.CHAIN,
        "guardrail": Kind.CHAIN,
    },
    semconv.OPENINFERENCE_SPAN_KIND: {
        "LLM": Kind.LLM,
        "EMBEDDING": Kind.EMBEDDING,
        "TOOL": Kind.TOOL,
        "RETRIEVER": Kind.RETRIEVER,
        "RERANKER": Kind.RETRIEVER,
        "PROMPT": Kind.PROMPT,
        "CHAIN": Kind.CHAIN,
        "AGENT": Kind.CHAIN,
        "GUARDRAIL": Kind.CHAIN,
        "EVALUATOR": Kind.CHAIN,
    },
    semconv.GEN_AI_OPERATION_NAME: {
        "chat": Kind.LLM,
        "text_completion": Kind.LLM,
        "completion": Kind.LLM,
        "generate_content": Kind.LLM,
        "embeddings": Kind.EMBEDDING,
        "embedding": Kind.EMBEDDING,
        "execute_tool": Kind.TOOL,
        "retrieval": Kind.RETRIEVER,
        "invoke_agent": Kind.CHAIN,
        "create_agent": Kind.CHAIN,
        "invoke_workflow": Kind.CHAIN,
        "plan": Kind.CHAIN,
    },
    "llm.request.type": {
        "chat": Kind.LLM,
        "completion": Kind.LLM,
        "embedding": Kind.EMBEDDING,
        "rerank": Kind.RETRIEVER,
    },
}
"""Where a kind is told, in order of trust, and what its words mean."""
_TRACELOOP: Final[Mapping[str, Kind]] = {
    "tool": Kind.TOOL,
    "task": Kind.CHAIN,
    "agent": Kind.CHAIN,
    "workflow": Kind.CHAIN,
}
_RUN_TYPES: Final[Mapping[str, Kind]] = {
    "prompt": Kind.PROMPT,
    "parser": Kind.PARSER,
    "retriever": Kind.RETRIEVER,
}
"""LangChain's own words, which OpenLLMetry hands on beside the input of a task."""
_NAMES_A_MODEL: Final = (semconv.GEN_AI_REQUEST_MODEL, "llm.model_name", "llm.request.model")
_HTTP: Final = ("http.request.method", "http.method", "url.full", "http.url")


def kind_of(told: Mapping[str, Any]) -> Kind | None:
    """Return the kind; `None` when nothing says so."""
    for key, kinds in _EXPLICIT.items():
        word = told.get(key)
        kind = kinds.get(word) if type(word) is str else None
        if kind is not None:
            return kind
    traceloop = _TRACELOOP.get(str(told.get("traceloop.span.kind")))
    if traceloop is Kind.CHAIN:
        about = object_in(object_in(told.get("traceloop.entity.input")).get("kwargs"))
        return _RUN_TYPES.get(str(about.get("run_type")), Kind.CHAIN)
    if traceloop is not None:
        return traceloop
    if text_in(told, _NAMES_A_MODEL) is not None:
        return Kind.LLM
    return Kind.HTTP if text_in(told, _HTTP) is not None else None
