"""A chat model that needs no key and no network: prompt in, a written answer out, in real time.

It is a full `BaseChatModel` (invoke, stream, batch, sync and async), so LangChain treats it as any
other model. What it says is looked up by a phrase of the prompt; how long that takes and how many
tokens it counts follows from seed, model and prompt alone, so that a run can be repeated exactly.
"""

from __future__ import annotations

import itertools
import json
import random
import re
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.language_models.base import LangSmithParams
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.ai import InputTokenDetails, OutputTokenDetails, UsageMetadata
from langchain_core.messages.tool import ToolCall, tool_call, tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import Field, PrivateAttr

from longpole.tracer.demo.pace import Pace
from longpole.tracer.demo.personas import Persona

_CHARACTERS_PER_TOKEN: Final = 4
_TOKENS_PER_MESSAGE: Final = 4
_CHUNK: Final = re.compile(r"(?:\S+\s*){1,2}")


class ProviderError(Exception):
    """A fake provider refused; the traced program's own error, as an API client would raise it."""


class RateLimitError(ProviderError):
    """The fake provider answered 429."""


class APITimeoutError(ProviderError):
    """The fake provider did not answer in time."""


class Trouble(StrEnum):
    """What can go wrong with a call."""

    RATE_LIMIT = "rate limit"
    TIMEOUT = "timeout"


_TROUBLE_S: Final = {Trouble.RATE_LIMIT: 0.12, Trouble.TIMEOUT: 1.2}


@dataclass(frozen=True, slots=True)
class ToolRequest:
    """A tool that the model asks for, with its arguments."""

    tool: str
    arguments: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the model says.

    Attributes:
        text: empty when it only asks for tools.
        requests: tools it asks for, all at once.
        finish_reason: `length` for a text that was cut off.
    """

    text: str = ""
    requests: tuple[ToolRequest, ...] = ()
    finish_reason: str = "stop"


Script = tuple[tuple[str, Answer], ...]
"""(phrase, answer) pairs; the first phrase that occurs in the prompt decides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    """One call, decided before it happens; times are seconds of the story."""

    answer: Answer
    tool_calls: tuple[ToolCall, ...]
    usage: UsageMetadata
    first_token_s: float
    rest_s: float


class FakeChatModel(BaseChatModel):
    """A chat model with a script.

    Attributes:
        persona: the model it pretends to be.
        script: what it answers.
        pace: how its times become real ones.
        troubles: the first calls fail so, one after the other; later ones succeed.
        seed: another seed gives other times and reasoning tokens for the same prompt.
    """

    persona: Persona
    script: Script = Field(repr=False)
    pace: Pace = Field(repr=False)
    troubles: tuple[Trouble, ...] = ()
    seed: int = 0
    # `next` on a count is atomic, so calls from several threads get different numbers.
    _numbers: Iterator[int] = PrivateAttr(default_factory=itertools.count)

    @property
    def _llm_type(self) -> str:
        return "longpole-demo"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model": self.persona.model}

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = super()._get_ls_params(stop=stop, **kwargs)
        params["ls_provider"] = self.persona.provider
        params["ls_model_name"] = self.persona.model
        return params

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Return the model with these tools in each request, as providers want them."""
        described = [convert_to_openai_tool(tool) for tool in tools]
        return self.bind(tools=described, tool_choice=tool_choice, **kwargs)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        trouble = self._next_trouble()
        if trouble is not None:
            self.pace.wait(_TROUBLE_S[trouble])
            raise self._error(trouble)
        call = self._call(messages)
        self.pace.wait(call.first_token_s + call.rest_s)
        return self._result(call)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        trouble = self._next_trouble()
        if trouble is not None:
            await self.pace.wait_async(_TROUBLE_S[trouble])
            raise self._error(trouble)
        call = self._call(messages)
        await self.pace.wait_async(call.first_token_s + call.rest_s)
        return self._result(call)

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        trouble = self._next_trouble()
        if trouble is not None:
            self.pace.wait(_TROUBLE_S[trouble])
            raise self._error(trouble)
        for wait_s, chunk in self._chunks(self._call(messages)):
            self.pace.wait(wait_s)
            yield chunk

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        trouble = self._next_trouble()
        if trouble is not None:
            await self.pace.wait_async(_TROUBLE_S[trouble])
            raise self._error(trouble)
        for wait_s, chunk in self._chunks(self._call(messages)):
            await self.pace.wait_async(wait_s)
            yield chunk

    def _next_trouble(self) -> Trouble | None:
        number = next(self._numbers)
        return self.troubles[number] if number < len(self.troubles) else None

    def _error(self, trouble: Trouble) -> ProviderError:
        if trouble is Trouble.RATE_LIMIT:
            return RateLimitError(
                f"429 from {self.persona.provider}: tokens per minute exceeded for "
                f"{self.persona.model}, try again later"
            )
        return APITimeoutError(
            f"{self.persona.model} did not answer within {_TROUBLE_S[trouble]} s"
        )

    def _call(self, messages: list[BaseMessage]) -> _Call:
        prompt = "\n".join(message.text for message in messages)
        chance = random.Random(f"{self.seed}/{self.persona.model}/{prompt}")
        answer = self._answer(prompt)
        first_token_s = chance.uniform(*self.persona.first_token_s)
        tokens_per_s = chance.uniform(*self.persona.tokens_per_s)
        reasoning_tokens = chance.randint(*self.persona.reasoning_tokens)
        usage = self._usage(messages, answer, reasoning_tokens)
        # Hidden tokens take their time too, before the first one that is seen.
        visible_tokens = usage["output_tokens"] - reasoning_tokens
        return _Call(
            answer=answer,
            tool_calls=tuple(
                tool_call(
                    name=request.tool,
                    args=request.arguments,
                    id=f"call_{chance.getrandbits(48):012x}",
                )
                for request in answer.requests
            ),
            usage=usage,
            first_token_s=first_token_s + reasoning_tokens / tokens_per_s,
            rest_s=visible_tokens / tokens_per_s,
        )

    def _answer(self, prompt: str) -> Answer:
        for phrase, answer in self.script:
            if phrase in prompt:
                return answer
        raise LookupError(f"no answer in the script of {self.persona.name!r} for {prompt[:80]!r}")

    def _usage(
        self, messages: list[BaseMessage], answer: Answer, reasoning_tokens: int
    ) -> UsageMetadata:
        cached_tokens = self.persona.cached_tokens
        input_tokens = cached_tokens + sum(
            _TOKENS_PER_MESSAGE + _tokens(message.text) for message in messages
        )
        output_tokens = reasoning_tokens + _tokens(
            answer.text + "".join(f"{wish.tool}{wish.arguments}" for wish in answer.requests)
        )
        usage = UsageMetadata(
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            total_tokens=input_tokens + output_tokens,
        )
        if cached_tokens:
            usage["input_token_details"] = InputTokenDetails(cache_read=cached_tokens)
        if reasoning_tokens:
            usage["output_token_details"] = OutputTokenDetails(reasoning=reasoning_tokens)
        return usage

    def _ending(self, call: _Call) -> dict[str, Any]:
        finish_reason = "tool_calls" if call.tool_calls else call.answer.finish_reason
        return {"model_name": self.persona.model, "finish_reason": finish_reason}

    def _result(self, call: _Call) -> ChatResult:
        message = AIMessage(
            content=call.answer.text,
            tool_calls=list(call.tool_calls),
            usage_metadata=call.usage,
            response_metadata=self._ending(call),
        )
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _chunks(self, call: _Call) -> Iterator[tuple[float, ChatGenerationChunk]]:
        """Yield each chunk with the seconds of the story that pass before it."""
        pieces = _CHUNK.findall(call.answer.text)
        wait_s = call.first_token_s
        for piece in pieces:
            yield wait_s, ChatGenerationChunk(message=AIMessageChunk(content=piece))
            wait_s = call.rest_s / len(pieces)
        last = AIMessageChunk(
            content="",
            tool_call_chunks=[
                tool_call_chunk(
                    name=wish.tool, args=json.dumps(wish.arguments), id=made["id"], index=index
                )
                for index, (wish, made) in enumerate(
                    zip(call.answer.requests, call.tool_calls, strict=True)
                )
            ],
            usage_metadata=call.usage,
            response_metadata=self._ending(call),
            chunk_position="last",
        )
        yield wait_s, ChatGenerationChunk(message=last)


def _tokens(text: str) -> int:
    return -(-len(text) // _CHARACTERS_PER_TOKEN)
