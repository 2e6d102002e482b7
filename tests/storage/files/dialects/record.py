"""One parallel program, traced by a real instrumentation of another tool; spans → an OTLP file.

Usage: python record.py DIALECT OUT.pb, in an environment that has that instrumentation (its package
and version stand in README.md). Three traces: a parallel chain, a LangGraph graph with a tool, and
a parallel chain of which one branch fails.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.server
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from operator import add
from typing import Annotated, Any, TypedDict

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda, RunnableParallel
from langchain_core.tools import tool
from langgraph.graph import END, START, StateGraph
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

USAGE = {
    "input_tokens": 120,
    "output_tokens": 30,
    "total_tokens": 150,
    "input_token_details": {"cache_read": 100, "cache_creation": 5},
    "output_token_details": {"reasoning": 10},
}
METADATA = {"session_id": "s-7", "user_id": "u-3", "release": "v1"}
CONFIG: dict[str, Any] = {
    "metadata": METADATA,
    "tags": ["nightly"],
}


class ProviderError(Exception):
    """What a provider's client raises."""


class FakeChat(BaseChatModel):
    """Answers the same always."""

    says: str
    takes_s: float = 0.01
    fails: bool = False

    @property
    def _llm_type(self) -> str:
        return "fake"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model": "gpt-4o-mini"}

    def _get_ls_params(self, stop: Any = None, **kwargs: Any) -> Any:
        return {
            "ls_provider": "openai",
            "ls_model_name": "gpt-4o-mini",
            "ls_model_type": "chat",
            "ls_temperature": 0.5,
        }

    def _generate(
        self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        time.sleep(self.takes_s)
        if self.fails:
            raise ProviderError("the model is overloaded")
        message = AIMessage(
            self.says,
            usage_metadata=USAGE,
            response_metadata={"model_name": "gpt-4o-mini-2024-07-18", "finish_reason": "stop"},
        )
        return ChatResult(
            generations=[ChatGeneration(message=message)],
            llm_output={"model_name": "gpt-4o-mini-2024-07-18"},
        )


@tool
def weather(city: str) -> str:
    """Say how the weather is."""
    time.sleep(0.005)
    return f"rain in {city}"


PROMPT = ChatPromptTemplate.from_messages([("system", "Be brief."), ("user", "Is {topic} good?")])


def panel(sceptic: FakeChat) -> Any:
    branches = RunnableParallel(
        optimist=PROMPT | FakeChat(says="Yes.") | StrOutputParser(),
        sceptic=PROMPT | sceptic,
    )
    return branches | RunnableLambda(lambda told: told["optimist"], name="merge")


class State(TypedDict):
    notes: Annotated[list[str], add]


def graph() -> Any:
    def look(state: State) -> State:
        return {"notes": [weather.invoke({"city": "Bern"})]}

    def think(state: State) -> State:
        return {"notes": [str(FakeChat(says="Take a coat.").invoke("What to wear?").content)]}

    built = StateGraph(State)
    built.add_node("look", look)
    built.add_node("think", think)
    built.add_node("join", lambda state: {"notes": []})
    for name in ("look", "think"):
        built.add_edge(START, name)
        built.add_edge(name, "join")
    built.add_edge("join", END)
    return built.compile(name="outfit")


def program(**config: Any) -> None:
    config = {**CONFIG, **config}
    panel(FakeChat(says="No.", takes_s=0.03)).invoke(
        {"topic": "tea"}, config={**config, "run_name": "panel"}
    )
    graph().invoke({"notes": []}, config={**config, "run_name": "outfit"})
    with contextlib.suppress(ProviderError):
        panel(FakeChat(says="", takes_s=0.02, fails=True)).invoke(
            {"topic": "tea"}, config={**config, "run_name": "quarrel"}
        )


# --- OpenAI's own client, against a server on the loopback -------------------------------------

ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-4o-mini-2024-07-18",
    "choices": [
        {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Yes."}}
    ],
    "usage": {
        "prompt_tokens": 120,
        "completion_tokens": 30,
        "total_tokens": 150,
        "prompt_tokens_details": {"cached_tokens": 100},
        "completion_tokens_details": {"reasoning_tokens": 10},
    },
}


class Provider(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        overloaded = "overload" in json.dumps(asked)
        told = {"error": {"message": "the model is overloaded", "type": "server_error"}}
        body = json.dumps(told if overloaded else ANSWER).encode()
        self.send_response(503 if overloaded else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        pass


def openai_program(provider: TracerProvider) -> None:
    import openai

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    client = openai.AsyncOpenAI(api_key="none", base_url=url, max_retries=0)
    tracer = provider.get_tracer("app")

    async def ask(text: str) -> None:
        asked: list[Any] = [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": text},
        ]
        await client.chat.completions.create(model="gpt-4o-mini", messages=asked, temperature=0.5)

    async def ask_all(name: str, *texts: str) -> None:
        with tracer.start_as_current_span(name):
            await asyncio.gather(*(ask(text) for text in texts), return_exceptions=True)

    async def all_of_it() -> None:
        await ask_all("panel", "Is tea good?", "Is tea bad?")
        await ask_all("quarrel", "Is tea good?", "overload")

    asyncio.run(all_of_it())
    server.shutdown()


# --- the dialects -------------------------------------------------------------------------------


def openinference(provider: TracerProvider) -> None:
    from openinference.instrumentation.langchain import LangChainInstrumentor

    LangChainInstrumentor().instrument(tracer_provider=provider)
    program()


def openllmetry(provider: TracerProvider) -> None:
    os.environ["TRACELOOP_TRACE_CONTENT"] = "true"
    from opentelemetry.instrumentation.langchain import LangchainInstrumentor

    LangchainInstrumentor().instrument(tracer_provider=provider)
    program()


def langsmith(provider: TracerProvider) -> None:
    from opentelemetry import trace

    trace.set_tracer_provider(provider)
    os.environ |= {
        "LANGSMITH_TRACING": "true",
        "LANGSMITH_OTEL_ENABLED": "true",
        "LANGSMITH_OTEL_ONLY": "true",
        "LANGSMITH_API_KEY": "none",
        "LANGSMITH_ENDPOINT": "http://127.0.0.1:1",
        "LANGSMITH_PROJECT": "demo",
    }
    from langchain_core.tracers.langchain import wait_for_all_tracers

    program()
    wait_for_all_tracers()
    from langsmith.run_trees import get_cached_client

    get_cached_client().flush()


def langfuse(provider: TracerProvider) -> None:
    from langfuse import Langfuse
    from langfuse.langchain import CallbackHandler

    client = Langfuse(
        public_key="pk",
        secret_key="sk",
        base_url="http://127.0.0.1:1",
        tracer_provider=provider,
        span_exporter=InMemorySpanExporter(),
    )
    metadata = {
        **METADATA,
        "langfuse_session_id": "s-7",
        "langfuse_user_id": "u-3",
        "langfuse_tags": ["nightly"],
    }
    program(callbacks=[CallbackHandler()], metadata=metadata)
    client.flush()


def genai(provider: TracerProvider) -> None:
    os.environ |= {
        "OTEL_SEMCONV_STABILITY_OPT_IN": "gen_ai_latest_experimental",
        "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "SPAN_ONLY",
    }
    from opentelemetry.instrumentation.genai.langchain import LangChainInstrumentor

    LangChainInstrumentor().instrument(tracer_provider=provider)
    program()


def openai_old(provider: TracerProvider) -> None:
    os.environ["OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"] = "true"
    from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor

    OpenAIInstrumentor().instrument(tracer_provider=provider)
    openai_program(provider)


def openai_new(provider: TracerProvider) -> None:
    os.environ |= {
        "OTEL_SEMCONV_STABILITY_OPT_IN": "gen_ai_latest_experimental",
        "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "SPAN_ONLY",
    }
    from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor

    OpenAIInstrumentor().instrument(tracer_provider=provider)
    openai_program(provider)


DIALECTS: dict[str, Callable[[TracerProvider], None]] = {
    "openinference": openinference,
    "openllmetry": openllmetry,
    "langsmith": langsmith,
    "langfuse": langfuse,
    "genai": genai,
    "openai-old": openai_old,
    "openai-new": openai_new,
}


def main() -> None:
    name, out = sys.argv[1:]
    provider = TracerProvider(resource=Resource({"service.name": "demo"}))
    kept = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    DIALECTS[name](provider)
    provider.force_flush()
    spans = kept.get_finished_spans()
    with open(out, "wb") as file:
        file.write(encode_spans(spans).SerializeToString())
    print(name, len(spans), "spans")


if __name__ == "__main__":
    main()
