"""Every span attribute Longpole writes or reads: one constant each, its meaning right below.

`gen_ai.*` follows the repository semantic-conventions-genai (schema 1.42.0; all of it in
development; the older names still in use are listed under "older names"), `openinference.*`,
`input.*`, `output.*`, `session.id`, `user.id`, `tag.tags` and `metadata` follow OpenInference, and
`longpole.*` holds the facts of parallel runs for which no convention exists.
"""

from __future__ import annotations

# --- GenAI conventions ------------------------------------------------------------------------

GEN_AI_OPERATION_NAME = "gen_ai.operation.name"
"""`chat`, `text_completion`, `embeddings`, `retrieval`, `execute_tool`; absent on plain chains."""
GEN_AI_PROVIDER_NAME = "gen_ai.provider.name"
"""Who serves the model: `openai`, `anthropic`, `aws.bedrock` …"""
GEN_AI_REQUEST_MODEL = "gen_ai.request.model"
"""The model asked for."""
GEN_AI_RESPONSE_MODEL = "gen_ai.response.model"
"""The model that answered; it is the one that is priced."""
GEN_AI_RESPONSE_ID = "gen_ai.response.id"
"""The provider's id of the answer."""
GEN_AI_RESPONSE_FINISH_REASONS = "gen_ai.response.finish_reasons"
"""Why generation stopped, one text for each choice."""
GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK = "gen_ai.response.time_to_first_chunk"
"""Seconds, floating point, from the request to the first chunk."""
GEN_AI_REQUEST_STREAM = "gen_ai.request.stream"
"""Present and true only when the answer was streamed."""
GEN_AI_REQUEST_TEMPERATURE = "gen_ai.request.temperature"
"""Sampling temperature asked for."""
GEN_AI_REQUEST_MAX_TOKENS = "gen_ai.request.max_tokens"
"""Output limit asked for."""
GEN_AI_REQUEST_TOP_P = "gen_ai.request.top_p"
"""Share of probability that tokens are sampled from."""
GEN_AI_REQUEST_TOP_K = "gen_ai.request.top_k"
"""Number of tokens that are sampled from, an integer."""
GEN_AI_REQUEST_FREQUENCY_PENALTY = "gen_ai.request.frequency_penalty"
"""Penalty for tokens by how often they came."""
GEN_AI_REQUEST_PRESENCE_PENALTY = "gen_ai.request.presence_penalty"
"""Penalty for tokens that came at all."""
GEN_AI_REQUEST_SEED = "gen_ai.request.seed"
"""Seed of the sampling."""
GEN_AI_REQUEST_STOP_SEQUENCES = "gen_ai.request.stop_sequences"
"""Texts at which generation stops."""
GEN_AI_REQUEST_CHOICE_COUNT = "gen_ai.request.choice.count"
"""Number of choices asked for; present only when it is not 1."""
GEN_AI_USAGE_INPUT_TOKENS = "gen_ai.usage.input_tokens"
"""All input tokens, cached ones included."""
GEN_AI_USAGE_OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
"""All output tokens, reasoning included."""
GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS = "gen_ai.usage.cache_read.input_tokens"
"""Part of the input tokens that the provider read from its cache."""
GEN_AI_USAGE_CACHE_WRITE_INPUT_TOKENS = "gen_ai.usage.cache_write.input_tokens"
"""Part of the input tokens that the provider wrote to its cache."""
GEN_AI_USAGE_REASONING_OUTPUT_TOKENS = "gen_ai.usage.reasoning.output_tokens"
"""Part of the output tokens spent on reasoning."""
GEN_AI_EMBEDDINGS_DIMENSION_COUNT = "gen_ai.embeddings.dimension.count"
"""Numbers in one vector of the answer."""
GEN_AI_TOOL_NAME = "gen_ai.tool.name"
"""Name of the tool that was run."""
GEN_AI_TOOL_CALL_ID = "gen_ai.tool.call.id"
"""The id of the tool call in the model's message."""
GEN_AI_TOOL_DESCRIPTION = "gen_ai.tool.description"
"""What the tool says it does."""
GEN_AI_TOOL_TYPE = "gen_ai.tool.type"
"""`function`: the app runs the tool."""
GEN_AI_CONVERSATION_ID = "gen_ai.conversation.id"
"""Thread or session of the conversation, if the caller named one."""
ERROR_TYPE = "error.type"
"""Class name of the exception a span ended with."""
EXCEPTION_TYPE = "exception.type"
"""Class name of an exception, on the event that notes it."""
EXCEPTION_MESSAGE = "exception.message"
"""Its words, on the same event."""
EXCEPTION_STACKTRACE = "exception.stacktrace"
"""Where the exception was raised; on the deepest failing span only."""

# --- HTTP conventions, stable names and the ones before (read, never written) -------------------

HTTP_REQUEST_METHOD = "http.request.method"
"""On every span of an HTTP request."""
HTTP_RESPONSE_STATUS_CODE = "http.response.status_code"
"""What a server answered: on requests, and on tries and calls of a model that failed."""
HTTP_METHOD = "http.method"
"""Became `http.request.method`."""
HTTP_STATUS_CODE = "http.status_code"
"""Became `http.response.status_code`."""
HTTP_URL = "http.url"
"""Became `url.full`."""
HTTP_TARGET = "http.target"
"""Became `url.path` and `url.query`."""
URL_FULL = "url.full"
"""The address that was asked, its query included."""

# --- GenAI conventions, older names (read, never written) -------------------------------------

GEN_AI_SYSTEM = "gen_ai.system"
"""Became `gen_ai.provider.name`."""
GEN_AI_USAGE_PROMPT_TOKENS = "gen_ai.usage.prompt_tokens"
"""Became `gen_ai.usage.input_tokens`."""
GEN_AI_USAGE_COMPLETION_TOKENS = "gen_ai.usage.completion_tokens"
"""Became `gen_ai.usage.output_tokens`."""
GEN_AI_USAGE_CACHE_CREATION_INPUT_TOKENS = "gen_ai.usage.cache_creation.input_tokens"
"""Became `gen_ai.usage.cache_write.input_tokens`."""

# --- OpenInference ----------------------------------------------------------------------------

OPENINFERENCE_SPAN_KIND = "openinference.span.kind"
"""`LLM`, `CHAIN`, `TOOL`, `RETRIEVER`, `EMBEDDING`, `AGENT`, `PROMPT` … in capitals."""
INPUT_VALUE = "input.value"
"""What went in, JSON or plain text; content."""
INPUT_MIME_TYPE = "input.mime_type"
"""`application/json` or `text/plain`."""
OUTPUT_VALUE = "output.value"
"""What came out, JSON or plain text; content."""
OUTPUT_MIME_TYPE = "output.mime_type"
"""`application/json` or `text/plain`."""
SESSION_ID = "session.id"
"""Session or thread the run belongs to."""
USER_ID = "user.id"
"""User on whose behalf the run was made."""
TAG_TAGS = "tag.tags"
"""The caller's own tags, without LangChain's structural ones."""
METADATA = "metadata"
"""The caller's metadata, one JSON object as text."""

# --- Longpole: identity -----------------------------------------------------------------------

LONGPOLE_PREFIX = "longpole."
"""What every name of ours begins with, but `host.name`, which is OpenTelemetry's."""
LONGPOLE_RUN_ID = "longpole.run.id"
"""The run a span belongs to, 32 hex digits; a trace may hold several runs."""
LONGPOLE_RUN_ROOT = "longpole.run.root"
"""True on the span that the run is; its OpenTelemetry parent, if any, lies outside the run."""
LONGPOLE_LANGCHAIN_RUN_ID = "longpole.langchain.run_id"
"""LangChain's own id of this callback run (a UUID)."""
LONGPOLE_KIND = "longpole.kind"
"""The span's kind, one of `longpole.model.Kind`."""
LONGPOLE_STATUS = "longpole.status"
"""`cancelled` or `interrupted`, which OpenTelemetry's own status cannot say. On a wire also
`running`, `lost`, and `ok` beside an error that was handled."""
LONGPOLE_HOST = "host.name"
"""OpenTelemetry's resource attribute; names the clock."""

# --- Longpole: place in the run ---------------------------------------------------------------

LONGPOLE_ROLE = "longpole.role"
"""One of `longpole.model.Role`."""
LONGPOLE_BRANCH = "longpole.branch"
"""Key of the branch in its fan-out."""
LONGPOLE_STEP = "longpole.step"
"""Position in a sequence, or superstep number, counted from 1."""
LONGPOLE_ATTEMPT = "longpole.attempt"
"""Number of the try, from 1; absent means 1."""
LONGPOLE_FAN_OUT = "longpole.fan_out"
"""Kind of the fan-out this span is a branch of, one of `longpole.model.FanOutKind`."""
LONGPOLE_FAN_OUT_LIMIT = "longpole.fan_out.limit"
"""Concurrency limit in force for that fan-out."""
LONGPOLE_FAN_OUT_LIMIT_IGNORED = "longpole.fan_out.limit_ignored"
"""Concurrency limit that the caller asked for and the library does not keep."""

# --- Longpole: order hints (see `longpole.model.Order`) ---------------------------------------

LONGPOLE_GROUP = "longpole.order.group"
"""Siblings with the same group run side by side."""
LONGPOLE_SEQ = "longpole.order.seq"
"""Position in a sequence."""
LONGPOLE_SUPERSTEP = "longpole.order.superstep"
"""LangGraph superstep."""
LONGPOLE_AFTER = "longpole.order.after"
"""Span ids this one waited for."""
LONGPOLE_STREAMED = "longpole.order.streamed"
"""True when chunks were passed on while the span ran."""
LONGPOLE_DETACHED = "longpole.order.detached"
"""True when nobody waits for the span."""

# --- Longpole: times and results --------------------------------------------------------------

LONGPOLE_READY_NS = "longpole.ready_ns"
"""When the span could have started, nanoseconds since the epoch."""
LONGPOLE_FIRST_TOKEN_NS = "longpole.first_token_ns"
"""When the first token arrived, nanoseconds since the epoch."""
LONGPOLE_EXECUTOR_WAIT_NS = "longpole.executor_wait_ns"
"""How long the span, already running, waited for a thread of the event loop's pool."""
LONGPOLE_RATE_LIMIT_WAIT_NS = "longpole.rate_limit_wait_ns"
"""How long the span, already running, was held by the model's rate limiter."""
LONGPOLE_RESULT_SWAPPED = "longpole.result_swapped"
"""True on a retry wrapper that returned a result although its last try failed: `with_retry` in a
batch hands such a row the result of another one (langchain-core 1.8)."""
LONGPOLE_CACHE_HIT = "longpole.cache_hit"
"""True when LangChain's cache answered and no model was called."""
LONGPOLE_RETRIED_BY = "longpole.retried_by"
"""On a try inside a model call: the library that tried again by itself, such as `openai`."""
LONGPOLE_BACKOFF_NS = "longpole.backoff_ns"
"""On a try after the first: how long that library slept before it."""
LONGPOLE_EMBEDDED_TEXTS = "longpole.embedded_texts"
"""How many texts one call embedded."""
LONGPOLE_INPUT_AUDIO_TOKENS = "longpole.usage.input_audio_tokens"
"""Part of the input tokens that is audio."""
LONGPOLE_OUTPUT_AUDIO_TOKENS = "longpole.usage.output_audio_tokens"
"""Part of the output tokens that is audio."""
LONGPOLE_INPUT_SIZE = "longpole.input.size"
"""Characters of the input before it was cut; present only when it was."""
LONGPOLE_OUTPUT_SIZE = "longpole.output.size"
"""Characters of the output before it was cut; present only when it was."""

# --- Longpole: told to others, never recorded -------------------------------------------------

LONGPOLE_SPAN_ID = "longpole.span_id"
"""The span's id in Longpole, where the destination has another form of it."""
LONGPOLE_PARENT_SPAN_ID = "longpole.parent_span_id"
"""The same for its parent; absent on the root."""
LONGPOLE_START_NS = "longpole.start_ns"
"""Start, nanoseconds since the epoch, for destinations that keep less."""
LONGPOLE_END_NS = "longpole.end_ns"
"""End, nanoseconds since the epoch; absent when there was none."""
LONGPOLE_ORIGINAL_START_TIME = "longpole.original_start_time"
"""When a run whose times were shifted really started, ISO."""
LONGPOLE_ERROR_TYPE = "longpole.error_type"
"""Class name of the exception, for destinations that keep one text for all of it."""
LONGPOLE_QUEUE_WAIT_NS = "longpole.queue_wait_ns"
"""Computed: ready until started."""
LONGPOLE_SELF_NS = "longpole.self_ns"
"""Computed: time covered by no child."""
LONGPOLE_ON_PATH_NS = "longpole.on_path_ns"
"""Computed: how long the span and all below it lay on the critical path."""
LONGPOLE_SLACK_NS = "longpole.slack_ns"
"""Computed: how much later it could have ended without moving the run's end."""
LONGPOLE_DRAG_NS = "longpole.drag_ns"
"""Computed: how much sooner the run would have ended were the span instant."""
LONGPOLE_WASTED = "longpole.wasted"
"""Computed: why nobody used its result."""
LONGPOLE_COST_USD = "longpole.cost_usd"
"""Computed: what the model call cost, as text."""
LONGPOLE_UNPRICED = "longpole.unpriced"
"""Computed: why a model call has no cost."""

LONGPOLE_TYPED = "longpole.typed"
"""In a table that keeps attributes as texts: a JSON list of the names whose text is JSON."""
LONGPOLE_ADDED = "longpole.added"
"""In such a table: a JSON object with the names of attributes that the row needs and the recorder
did not tell, and what it told instead, if anything."""

NOT_RECORDED = frozenset(
    {
        LONGPOLE_SPAN_ID,
        LONGPOLE_PARENT_SPAN_ID,
        LONGPOLE_START_NS,
        LONGPOLE_END_NS,
        LONGPOLE_ORIGINAL_START_TIME,
        LONGPOLE_ERROR_TYPE,
        LONGPOLE_QUEUE_WAIT_NS,
        LONGPOLE_SELF_NS,
        LONGPOLE_ON_PATH_NS,
        LONGPOLE_SLACK_NS,
        LONGPOLE_DRAG_NS,
        LONGPOLE_WASTED,
        LONGPOLE_COST_USD,
        LONGPOLE_UNPRICED,
        LONGPOLE_TYPED,
        LONGPOLE_ADDED,
    }
)
"""Attributes that an import reads for what they tell but keeps none of: they are computed anew."""

CONTENT_KEYS = frozenset({INPUT_VALUE, OUTPUT_VALUE})
"""Attributes that hold the user's content; the store keeps them apart from the span rows."""
