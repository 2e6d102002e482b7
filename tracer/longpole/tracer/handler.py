"""LangChain's callbacks → spans; the only file that knows LangChain's event methods.

One line attaches it: `config={"callbacks": [LongpoleHandler()]}`. It runs inline, on the thread of
the traced chain, so events come in order and carry the chain's context; it reads the clock first,
raises nothing, changes nothing, and when a callback returns, what it saw is on disk.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.documents import Document
from langchain_core.messages import BaseMessage, ToolMessage
from langchain_core.outputs import ChatGenerationChunk, GenerationChunk, LLMResult
from opentelemetry.sdk.trace import TracerProvider

from longpole.model.run import Kind, SpanError
from longpole.model.settings import Settings, read_settings
from longpole.tracer import attributes as attributes_of
from longpole.tracer import hooks as hooks_of
from longpole.tracer.attributes import Attributes
from longpole.tracer.bodies import enter, hand_over
from longpole.tracer.caller import MODEL, UNKNOWN_CALLER, caller_of_rows, find_caller
from longpole.tracer.clock import Clock, now_ns
from longpole.tracer.content import Redact, capture, type_name
from longpole.tracer.events import (
    KIND_OF_RUN_TYPE,
    Told,
    arrived,
    invocation_of,
    is_awaited,
    name_of,
)
from longpole.tracer.inside import Inside, show_watch
from longpole.tracer.pipeline import HandlerStats, pipeline_for
from longpole.tracer.probes import renew as renew_probes
from longpole.tracer.recorder import Recorder
from longpole.tracer.standing import Start
from longpole.tracer.trace_policy import policy_of_start, recorded_output
from longpole.tracer.traceables import adopt
from longpole.tracer.tries import retry_told
from longpole.tracer.usage import read_answer

if TYPE_CHECKING:
    from tenacity import RetryCallState

_log = logging.getLogger("longpole")


class LongpoleHandler(BaseCallbackHandler):
    """Records every run it sees, with its branches, into the store.

    Args:
        store: URL or path of the store; default: `LONGPOLE_STORE`, else one file a user.
        tracer_provider: the spans go through this OpenTelemetry provider, and so to its exporters
            too; default: none, every span goes straight to the store.
        capture_content: whether inputs and outputs are recorded; default: the setting.
        content_limit: characters of one input or output that are kept; default: the setting.
        current_span: whether OpenTelemetry's current span inside a run is the run's; default: the
            setting.
        redact: gets every text of inputs, outputs, metadata and errors, returns what may be kept.
        hooks: whether what callbacks do not tell is seen too: tries inside a provider's SDK,
            embeddings, answers of a text model's cache, the moment a model call is cancelled;
            default: the setting.
        probes: whether the rows of a batch are one run, with queue waits measured where work is
            submitted; default: the setting.
        clock: nanoseconds since the epoch; for tests.

    Raises:
        SettingsError: an argument or a `LONGPOLE_*` variable cannot be used. Trouble with the
            store itself never raises here: it is logged, counted, and spans wait on disk.
    """

    run_inline = True
    raise_error = False

    def __init__(
        self,
        store: str | None = None,
        *,
        tracer_provider: TracerProvider | None = None,
        capture_content: bool | None = None,
        content_limit: int | None = None,
        redact: Redact | None = None,
        current_span: bool | None = None,
        hooks: bool | None = None,
        probes: bool | None = None,
        clock: Clock = now_ns,
    ) -> None:
        settings: Settings = read_settings()
        self._pipeline = pipeline_for(store or settings.store, tracer_provider, settings)
        self._spans = self._pipeline.spans
        self._clock = clock
        self._redact = redact
        self.recorder = Recorder(
            spans=self._spans,
            append=self._pipeline.append,
            swallow=self._swallow,
            clock=clock,
            captures=settings.capture_content if capture_content is None else capture_content,
            limit=settings.content_limit if content_limit is None else content_limit,
            redact=redact,
            shows_span=settings.current_span if current_span is None else current_span,
            hooked=settings.hooks if hooks is None else hooks,
        )
        hooks_of.hold(
            self,
            current_span=self.recorder.shows_span,
            calls=self.recorder.hooked,
            batches=settings.probes if probes is None else probes,
        )

    def flush(self, timeout_s: float = 10.0) -> bool:
        """Wait until all that was recorded is in the database; whether it is."""
        return self._pipeline.flush(timeout_s)

    def close(self) -> None:
        """Write out what can be written soon and let go of the file; a later run opens it again."""
        self._pipeline.close()

    def stats(self) -> HandlerStats:
        """Return what was seen, written, is waiting, was dropped, and errors swallowed."""
        return self._pipeline.stats()

    # --- starts ------------------------------------------------------------------------------

    def on_chain_start(
        self,
        serialized: dict[str, Any] | None,
        inputs: Any,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Open the span of a chain, prompt, parser, graph or node."""
        start_ns = self._clock()
        streamed = is_awaited(inputs)
        policy, inputs = policy_of_start(tags, inputs)
        self._open(
            "on_chain_start",
            start_ns,
            KIND_OF_RUN_TYPE.get(kwargs.get("run_type"), Kind.CHAIN),
            (serialized, run_id, parent_run_id, tags, metadata, kwargs),
            {} if streamed else self._input(inputs),
            streamed=streamed,
            trace_policy=policy,
        )

    def on_chat_model_start(
        self,
        serialized: dict[str, Any] | None,
        messages: list[list[BaseMessage]],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Open the span of a chat model call."""
        start_ns = self._clock()
        self._open(
            "on_chat_model_start",
            start_ns,
            Kind.LLM,
            (serialized, run_id, parent_run_id, tags, metadata, kwargs),
            {
                **self._request("on_chat_model_start", "chat", metadata, kwargs),
                **self._input(messages[0] if len(messages) == 1 else messages),
            },
        )

    def on_llm_start(
        self,
        serialized: dict[str, Any] | None,
        prompts: list[str],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Open the span of a text model call."""
        start_ns = self._clock()
        self._open(
            "on_llm_start",
            start_ns,
            Kind.LLM,
            (serialized, run_id, parent_run_id, tags, metadata, kwargs),
            {
                **self._request("on_llm_start", "text_completion", metadata, kwargs),
                **self._input(prompts[0] if len(prompts) == 1 else prompts),
            },
        )

    def on_tool_start(
        self,
        serialized: dict[str, Any] | None,
        input_str: str,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        inputs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Open the span of a tool call."""
        start_ns = self._clock()
        call_id = kwargs.get("tool_call_id")
        self._open(
            "on_tool_start",
            start_ns,
            Kind.TOOL,
            (serialized, run_id, parent_run_id, tags, metadata, kwargs),
            {
                **self._tool(serialized, kwargs),
                **self._input(input_str if inputs is None else inputs),
            },
            tool_call_id=call_id if type(call_id) is str else None,
        )

    def on_retriever_start(
        self,
        serialized: dict[str, Any] | None,
        query: str,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Open the span of a retriever call."""
        start_ns = self._clock()
        self._open(
            "on_retriever_start",
            start_ns,
            Kind.RETRIEVER,
            (serialized, run_id, parent_run_id, tags, metadata, kwargs),
            self._input(query),
        )

    # --- in between --------------------------------------------------------------------------

    def on_llm_new_token(
        self,
        token: str | list[str | dict[str, Any]],
        *,
        chunk: GenerationChunk | ChatGenerationChunk | None = None,
        run_id: UUID,
        **kwargs: Any,
    ) -> None:
        """Note when the first token arrived; empty chunks carry usage, not tokens."""
        run = self._spans.runs.get(run_id)
        if run is None:
            return
        hand_over(run)
        if run.first_token_ns is not None:
            return
        now_ns = self._clock()

        def note() -> None:
            if token or getattr(getattr(chunk, "message", None), "tool_call_chunks", None):
                run.first_token_ns = now_ns
                run.streamed = True

        self._guard("on_llm_new_token", note)

    def on_retry(self, retry_state: RetryCallState, *, run_id: UUID, **kwargs: Any) -> None:
        """Record a try that an integration of LangChain's has made and will make again."""
        at_ns = self._clock()
        run = self._spans.runs.get(run_id)
        if run is not None:
            self._guard(
                "on_retry", lambda: retry_told(Inside(self.recorder, run), at_ns, retry_state)
            )

    # --- ends --------------------------------------------------------------------------------

    def on_chain_end(self, outputs: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """Close the span of a chain."""
        end_ns = self._clock()
        run = self._spans.runs.get(run_id)
        if run is not None and run.trace_policy is not None:
            outputs = recorded_output(run.trace_policy, outputs)
        told = self._output(outputs)
        if "inputs" in kwargs:
            told = {**self._late_input(kwargs), **told}
        self._close("on_chain_end", run_id, end_ns, told)

    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **kwargs: Any) -> None:
        """Close the span of a model call."""
        end_ns = self._clock()
        self._close("on_llm_end", run_id, end_ns, self._answer("on_llm_end", response))

    def on_tool_end(self, output: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """Close the span of a tool call; a failure that the tool handled is told by its message."""
        end_ns = self._clock()
        # The class, not `isinstance`, which asks the user's object for its `__class__`.
        if issubclass(type(output), ToolMessage) and output.status == "error":
            self._guard(
                "on_tool_end",
                lambda: self._spans.fail_as(
                    run_id, end_ns, self._tool_error(output), self._output(output)
                ),
            )
            return
        self._close("on_tool_end", run_id, end_ns, self._output(output))

    def on_retriever_end(
        self, documents: Sequence[Document], *, run_id: UUID, **kwargs: Any
    ) -> None:
        """Close the span of a retriever call."""
        end_ns = self._clock()
        self._close("on_retriever_end", run_id, end_ns, self._output(documents))

    def on_chain_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """Close the span of a chain that an exception ended."""
        end_ns = self._clock()
        self._fail("on_chain_error", run_id, end_ns, error, self._late_input(kwargs))

    def on_llm_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """Close the span of a model call that failed; a broken stream brings what had arrived."""
        end_ns = self._clock()
        partial = kwargs.get("response")
        told = {}
        if isinstance(partial, LLMResult):
            told = self._answer("on_llm_error", partial, arrived)
        self._fail("on_llm_error", run_id, end_ns, error, told)

    def on_tool_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """Close the span of a tool call that an exception ended."""
        end_ns = self._clock()
        self._fail("on_tool_error", run_id, end_ns, error, {})

    def on_retriever_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """Close the span of a retriever call that an exception ended."""
        end_ns = self._clock()
        self._fail("on_retriever_error", run_id, end_ns, error, {})

    # --- guarded steps -----------------------------------------------------------------------

    def _open(
        self,
        event: str,
        start_ns: int,
        kind: Kind,
        told: Told,
        attributes: Attributes,
        *,
        streamed: bool = False,
        tool_call_id: str | None = None,
        trace_policy: object = None,
    ) -> None:
        serialized, run_id, parent_run_id, tags, metadata, kwargs = told
        try:
            if parent_run_id is None:
                renew_probes()
            # Above the method that got the event; few models are branches (see `limits`).
            caller = MODEL if kind is Kind.LLM else find_caller(3)
            if caller is UNKNOWN_CALLER and kind is Kind.CHAIN:
                caller = caller_of_rows()
            start = Start(
                uuid=run_id,
                parent_uuid=parent_run_id,
                name=name_of(kwargs, serialized, kind),
                kind=kind,
                start_ns=start_ns,
                tags=tags or (),
                metadata=metadata or {},
                caller=caller,
                tool_call_id=tool_call_id,
                streamed=streamed,
                attributes=attributes,
                clock=self._clock,
            )
            if parent_run_id is not None and parent_run_id not in self._spans.runs:
                adopt(self._spans, parent_run_id, self.recorder)
            run = self._spans.open(start, self._redact)
            if run is not None:
                enter(run, self.recorder, awaits_input=streamed)
                run.trace_policy = trace_policy
                show_watch(self.recorder, run)
        except Exception as error:  # noqa: BLE001 - see `_guard`
            self._swallow(event, error)

    def _close(self, event: str, run_id: UUID, end_ns: int, attributes: Attributes) -> None:
        try:
            self._spans.close(run_id, end_ns, attributes)
        except Exception as error:  # noqa: BLE001 - see `_guard`
            self._swallow(event, error)

    def _fail(
        self,
        event: str,
        run_id: UUID,
        end_ns: int,
        error: BaseException,
        attributes: Attributes,
    ) -> None:
        self._guard(
            event, lambda: self._spans.fail(run_id, end_ns, error, attributes, self._redact)
        )

    def _guard(self, event: str, step: Callable[[], object]) -> None:
        """Run a step of ours; the traced chain never sees what goes wrong in it."""
        try:
            step()
        except Exception as error:  # noqa: BLE001 - the promise of this file
            self._swallow(event, error)

    def _swallow(self, event: str, error: Exception) -> None:
        if self._pipeline.count_error(event, type_name(error)):
            _log.warning(
                "longpole could not record all of %s and goes on; counted in stats(): %s",
                event,
                type_name(error),
                exc_info=error,
            )

    # --- what events tell: a span that cannot be described still starts and ends --------------

    def _request(
        self,
        event: str,
        operation: str,
        metadata: Mapping[str, Any] | None,
        kwargs: Mapping[str, Any],
    ) -> Attributes:
        try:
            return attributes_of.of_request(operation, metadata or {}, invocation_of(kwargs))
        except Exception as error:  # noqa: BLE001 - see `_guard`
            self._swallow(event, error)
            return {}

    def _tool(self, serialized: Mapping[str, Any] | None, kwargs: Mapping[str, Any]) -> Attributes:
        try:
            return attributes_of.of_tool(
                name_of(kwargs, serialized, Kind.TOOL),
                kwargs.get("tool_call_id"),
                (serialized or {}).get("description"),
            )
        except Exception as error:  # noqa: BLE001 - see `_guard`
            self._swallow("on_tool_start", error)
            return {}

    def _input(self, value: object) -> Attributes:
        return self.recorder.content(attributes_of.INPUT, value)

    def _output(self, value: object) -> Attributes:
        return self.recorder.content(attributes_of.OUTPUT, value)

    def _late_input(self, kwargs: Mapping[str, Any]) -> Attributes:
        inputs = kwargs.get("inputs")
        return {} if inputs is None else self._input(inputs)

    def _answer(
        self,
        event: str,
        response: LLMResult,
        part: Callable[[LLMResult], LLMResult] | None = None,
    ) -> Attributes:
        try:
            if part is not None:
                response = part(response)
            told = attributes_of.of_answer(read_answer(response))
            generations = response.generations
            choices = generations[0] if len(generations) == 1 else generations
            shown = choices[0] if len(choices) == 1 else choices
            message = getattr(shown, "message", shown)
        except Exception as error:  # noqa: BLE001 - see `_guard`
            self._swallow(event, error)
            return {}
        return {**told, **self._output(message)} if choices else told

    def _tool_error(self, message: ToolMessage) -> SpanError:
        kept = capture(message.content, limit=2_000, redact=self._redact)
        return SpanError(type="ToolError", message=kept.text)
