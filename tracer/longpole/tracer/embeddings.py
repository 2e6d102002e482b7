"""Calls of embedding models inside a run → spans of kind `embedding`.

LangChain tells nothing of embeddings, so the methods of every `Embeddings` class are wrapped, of
those that exist and of those to come. Outside a recorded run a call passes straight through, and so
does what a class calls of itself. Kept are the model, how many texts, their dimensions, the texts
themselves as content (never the vectors), and the tokens where an SDK tells them (`sdk_tokens`):
LangChain's classes hand on nothing but the vectors.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from typing import Any, Final

from langchain_core.embeddings import Embeddings

from longpole.model import semconv
from longpole.model.providers import from_langchain
from longpole.model.run import Kind, Status
from longpole.tracer import attributes as attributes_of
from longpole.tracer import sdk_tokens
from longpole.tracer.attributes import Attributes
from longpole.tracer.bodies import Body, enter, know
from longpole.tracer.caller import UNKNOWN_CALLER
from longpole.tracer.content import clean_text, instance_dict
from longpole.tracer.endings import describe, status_of
from longpole.tracer.inside import Inside, surroundings
from longpole.tracer.patches import Patch, classes_from
from longpole.tracer.recorder import Recorder
from longpole.tracer.standing import Start
from longpole.tracer.variables import holding

_METHODS: Final = ("embed_documents", "embed_query", "aembed_documents", "aembed_query")
_NAMES_OF_MODEL: Final = ("model", "model_name", "model_id", "deployment")

_Method = Callable[..., Any]


class _Call:
    """One call under way: who embeds, in which spans, and what came back so far."""

    __slots__ = ("dimensions", "embedder", "open", "tokens")

    def __init__(self, embedder: object, spans: list[Inside]) -> None:
        self.embedder = embedder
        self.open = spans
        self.tokens: list[int] = []
        self.dimensions: int | None = None


_CALL: ContextVar[_Call | None] = ContextVar("longpole_embedding", default=None)


def _put(patch: Patch) -> None:
    """Wrap the classes that exist, and others as they are made."""

    def made(cls: type[Any], /, **kwargs: Any) -> None:
        super(Embeddings, cls).__init_subclass__(**kwargs)
        _wrap(patch, cls)

    patch.replace(Embeddings, "__init_subclass__", lambda before: classmethod(made))
    for cls in classes_from(Embeddings):
        if cls is not Embeddings:
            _wrap(patch, cls)


PATCH: Final = Patch(_put)


def _wrap(patch: Patch, cls: type[Any]) -> None:
    for name in _METHODS:
        method = vars(cls).get(name)
        if inspect.isfunction(method):
            wrap = _coroutine if inspect.iscoroutinefunction(method) else _function
            patch.replace(cls, name, wrap)


def _function(before: _Method) -> _Method:
    def embed(self: Any, *args: Any, **kwargs: Any) -> Any:
        with _recorded(self, args, kwargs) as call:
            vectors = before(self, *args, **kwargs)
            _look_at(call, vectors)
            return vectors

    return embed


def _coroutine(before: _Method) -> _Method:
    async def embed(self: Any, *args: Any, **kwargs: Any) -> Any:
        with _recorded(self, args, kwargs) as call:
            vectors = await before(self, *args, **kwargs)
            _look_at(call, vectors)
            return vectors

    return embed


@contextmanager
def _recorded(embedder: object, args: Any, kwargs: Any) -> Iterator[_Call | None]:
    outer = _CALL.get()
    around = [] if outer is not None and outer.embedder is embedder else surroundings()
    if not around:
        yield None
        return
    texts = args[0] if args else next(iter(kwargs.values()), None)
    call = _Call(embedder, [opened for one in around if (opened := _open(one, embedder, texts))])
    _enter(call.open)
    error: BaseException | None = None
    try:
        with ExitStack() as stack:
            stack.enter_context(holding(_CALL, call))
            stack.enter_context(sdk_tokens.counting(call.tokens))
            yield call
    except BaseException as raised:
        error = raised
        raise
    finally:
        for inside in call.open:
            _close(inside, call, error)


def _open(around: Inside, embedder: object, texts: object) -> Inside | None:
    recorder, parent = around
    try:
        start = Start(
            uuid=None,
            parent_uuid=None,
            name=clean_text(type(embedder).__name__),
            kind=Kind.EMBEDDING,
            start_ns=recorder.clock(),
            metadata=parent.metadata,
            caller=UNKNOWN_CALLER,
            attributes=_of_model(embedder) | _of_texts(recorder, texts),
        )
        return Inside(recorder, recorder.spans.open_below(parent, start, recorder.redact))
    except Exception as error:  # noqa: BLE001 - the traced app must not see it
        recorder.swallow("embedding", error)
        return None


def _enter(opened: list[Inside]) -> None:
    """Make an embedding the current run, in the first store and with that in the others."""
    first: Body | None = None
    for recorder, run in opened:
        if first is None:
            first = enter(run, recorder)
        else:
            first.beside += (know(run, recorder),)


def _close(inside: Inside, call: _Call, error: BaseException | None) -> None:
    recorder, run = inside
    try:
        status = Status.OK if error is None else status_of(error)
        failed = error is not None and status is Status.ERROR
        recorder.spans.end(
            run,
            recorder.clock(),
            status,
            _of_result(call),
            describe(error, recorder.redact) if error is not None and failed else None,
        )
    except Exception as trouble:  # noqa: BLE001 - the traced app must not see it
        recorder.swallow("embedding", trouble)


def _of_model(embedder: object) -> Attributes:
    """Read model and provider off the instance without running code of its own."""
    held = instance_dict(embedder)
    model = next((held[name] for name in _NAMES_OF_MODEL if type(held.get(name)) is str), None)
    attributes: Attributes = {}
    if model:
        attributes[semconv.GEN_AI_REQUEST_MODEL] = clean_text(model)
    package = type(embedder).__module__.partition(".")[0]
    if package.startswith("langchain_") and package not in ("langchain_core", "langchain_classic"):
        provider = package.removeprefix("langchain_")
        attributes[semconv.GEN_AI_PROVIDER_NAME] = from_langchain(provider)
    return attributes


def _of_texts(recorder: Recorder, texts: object) -> Attributes:
    count = len(texts) if type(texts) is list else 1
    return {
        semconv.LONGPOLE_EMBEDDED_TEXTS: count,
        **recorder.content(attributes_of.INPUT, texts),
    }


def _of_result(call: _Call) -> Attributes:
    attributes: Attributes = {}
    if call.dimensions is not None:
        attributes[semconv.GEN_AI_EMBEDDINGS_DIMENSION_COUNT] = call.dimensions
    if call.tokens:
        attributes[semconv.GEN_AI_USAGE_INPUT_TOKENS] = sum(call.tokens)
    return attributes


def _look_at(call: _Call | None, vectors: object) -> None:
    if call is None or type(vectors) is not list or not vectors:
        return
    first = vectors[0]
    if type(first) is list:
        call.dimensions = len(first)
    elif type(first) is float:
        call.dimensions = len(vectors)
