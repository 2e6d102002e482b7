"""Answers of LangChain's cache for text models → model spans that took no time and cost nothing.

A chat model tells start and end of a cached call itself; a text model asks the cache before it
starts anything and, on a hit, tells nothing at all. We look at what the cache answered on its way
back to the model, whose callback managers say where the call stands.

Source: `get_prompts` and `aget_prompts` in `langchain_core.language_models.llms`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import FrameType
from typing import Any, Final

from langchain_core.language_models import llms
from langchain_core.outputs import LLMResult

from longpole.model.run import Kind, Status
from longpole.tracer import attributes as attributes_of
from longpole.tracer.attributes import Attributes
from longpole.tracer.caller import find_caller
from longpole.tracer.content import clean_text
from longpole.tracer.inside import recorders_among
from longpole.tracer.patches import Patch
from longpole.tracer.recorder import Recorder
from longpole.tracer.standing import Start
from longpole.tracer.usage import read_answer


def _put(patch: Patch) -> None:
    """Look at what text models get from the cache."""
    patch.replace(llms, "get_prompts", _function)
    patch.replace(llms, "aget_prompts", _coroutine)


PATCH: Final = Patch(_put)


def _function(ask: Callable[..., Any]) -> Callable[..., Any]:
    def asked(params: dict[str, Any], prompts: list[str], *args: Any, **kwargs: Any) -> Any:
        answer = ask(params, prompts, *args, **kwargs)
        _hits(answer[0], params, prompts, sys._getframe(1))
        return answer

    return asked


def _coroutine(ask: Callable[..., Any]) -> Callable[..., Any]:
    async def asked(params: dict[str, Any], prompts: list[str], *args: Any, **kwargs: Any) -> Any:
        answer = await ask(params, prompts, *args, **kwargs)
        _hits(answer[0], params, prompts, sys._getframe(1))
        return answer

    return asked


def _hits(
    found: Mapping[int, list[Any]],
    params: Mapping[str, Any],
    prompts: list[str],
    asking: FrameType,
) -> None:
    if not found:
        return
    held = asking.f_locals
    model, managers = held.get("self"), held.get("callback_managers") or ()
    names = held.get("run_name_list") or ()
    for number, generations in found.items():
        if number >= len(managers):
            continue
        name = names[number] if number < len(names) else None
        manager = managers[number]
        for recorder in recorders_among(manager.handlers):
            try:
                _record(
                    recorder,
                    manager,
                    clean_text(name) if type(name) is str else type(model).__name__,
                    attributes_of.of_request("text_completion", manager.metadata, params),
                    prompts[number],
                    LLMResult(generations=[generations]),
                )
            except Exception as error:  # noqa: BLE001 - the traced app must not see it
                recorder.swallow("cache hit", error)


def _record(
    recorder: Recorder,
    manager: Any,
    name: str,
    request: Attributes,
    prompt: str,
    result: LLMResult,
) -> None:
    at_ns = recorder.clock()
    text = result.generations[0][0].text if result.generations[0] else ""
    start = Start(
        uuid=None,
        parent_uuid=manager.parent_run_id,
        name=name,
        kind=Kind.LLM,
        start_ns=at_ns,
        tags=manager.tags,
        metadata=manager.metadata,
        caller=find_caller(),
        attributes=request | recorder.content(attributes_of.INPUT, prompt),
    )
    run = recorder.spans.open(start, recorder.redact)
    if run is not None:
        answer = attributes_of.of_answer(replace(read_answer(result), cache_hit=True))
        output = recorder.content(attributes_of.OUTPUT, text)
        recorder.spans.end(run, at_ns, Status.OK, answer | output)
