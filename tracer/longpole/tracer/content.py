"""Inputs and outputs of the user's code → JSON text that is safe to keep.

Any object may come in: messages, documents, pydantic models, generators, cycles, ten megabytes of
text, things whose `repr` raises or hangs. Out comes JSON text within a limit, made without running
any code of the user: only exact built-in types are read as themselves, LangChain's own values and
plain instances by their `__dict__`, everything else is named by its type. Generators are not
consumed. What does not fit is cut and says so, with its size and the beginning of its SHA-256, so
that two long texts or images can still be told apart.
"""

from __future__ import annotations

import datetime
import decimal
import enum
import hashlib
import pathlib
import uuid
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from types import MemberDescriptorType
from typing import Any, Final, NamedTuple

import orjson
from langchain_core.documents import Document
from langchain_core.messages import BaseMessage
from langchain_core.outputs import Generation
from langchain_core.prompt_values import PromptValue

from longpole.tracer.small_content import MAX_KEY, MESSAGE_FIELDS, small_json

Redact = Callable[[str], str]
"""Gets every text before it leaves the callback and returns what may be kept."""

REDACTION_FAILED: Final = "[redaction failed]"
_MAX_DEPTH: Final = 24
_MAX_NODES: Final = 20_000
_MAX_DIGESTED: Final = 16 * 1024 * 1024
"""Characters and bytes of one value that are read for digests, at one to two milliseconds a MB."""
_DIGESTED_AT_ONCE: Final = 256 * 1024
_WRITTEN_AS_TEXT: Final = (
    datetime.datetime,
    datetime.date,
    datetime.time,
    datetime.timedelta,
    decimal.Decimal,
    uuid.UUID,
    pathlib.PosixPath,
)


class Captured(NamedTuple):
    """Content as it is kept; a tuple, since two are made for every span.

    Attributes:
        text: JSON, or the text itself where the value was a text.
        is_json: which of the two.
        cut_from: characters of text that there were, when some of them were cut; else `None`.
    """

    text: str
    is_json: bool
    cut_from: int | None


def capture(value: object, *, limit: int, redact: Redact | None = None) -> Captured:
    """Return what may be kept of a value, at most about `limit` characters of text."""
    if redact is None:
        if type(value) is str:
            if len(value) <= limit:
                return Captured(clean_text(value), False, None)
        elif (small := small_json(value, limit)) is not None:
            return Captured(small.decode(), True, None)
    walk = _Walk(limit, redact)
    if type(value) is str:
        text = clean_text(walk.text(value))
        return Captured(text, False, walk.cut_from)
    tree = walk.visit(value, 0)
    try:
        text = orjson.dumps(tree).decode()
    except (TypeError, ValueError):  # a lone surrogate or an integer beyond 64 bits
        text = orjson.dumps(_portable(tree)).decode()
    return Captured(text, True, walk.cut_from)


def clean_text(text: str) -> str:
    r"""Return the text with lone surrogates escaped, so that any encoder takes it.

    >>> clean_text("a\ud800b")
    'a\\ud800b'
    """
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode()
    return text


def type_name(value: object) -> str:
    """Return the qualified name of a value's class without asking the value."""
    cls = type(value)
    module = cls.__module__
    name = cls.__qualname__
    return name if module == "builtins" else f"{module}.{name}"


class _Walk:
    """One pass over a value, within a budget of characters, nodes and depth."""

    __slots__ = (
        "_ancestors",
        "_cut",
        "_left",
        "_left_to_digest",
        "_nodes",
        "_redact",
        "_seen_characters",
    )

    def __init__(self, limit: int, redact: Redact | None) -> None:
        self._left = limit
        self._left_to_digest = _MAX_DIGESTED
        self._nodes = _MAX_NODES
        self._redact = redact
        self._ancestors: set[int] = set()
        self._seen_characters = 0
        self._cut = False

    @property
    def cut_from(self) -> int | None:
        return self._seen_characters if self._cut else None

    def text(self, text: str) -> str:
        if self._redact is not None:
            text = redacted(text, self._redact)
        size = len(text)
        self._seen_characters += size
        if size <= self._left:
            self._left -= size
            return text
        kept = text[: self._left]
        self._left = 0
        self._cut = True
        digest = self.digest(
            size, (text[at:end].encode("utf-8", "surrogatepass") for at, end in _parts(size))
        )
        return f"{kept}… [cut {size - len(kept)} of {size} characters{digest}]"

    def binary(self, value: Any) -> str:
        """Tell type, size and digest of bytes, never the bytes."""
        view = memoryview(value)
        size = view.nbytes
        digest = ""
        if view.c_contiguous:
            flat = view.cast("B")
            digest = self.digest(size, (flat[at:end] for at, end in _parts(size)))
        return f"[{type(value).__name__}: {size} bytes{digest}]"

    def digest(self, size: int, parts: Iterable[bytes | memoryview]) -> str:
        if size > self._left_to_digest:
            return ""
        self._left_to_digest -= size
        found = hashlib.sha256(usedforsecurity=False)
        for part in parts:
            found.update(part)
        return f", sha256 {found.hexdigest()[:16]}"

    def visit(self, value: Any, depth: int) -> Any:
        cls = type(value)
        self._nodes -= 1
        if cls is str:
            return self.text(value)
        if value is None or cls is int or cls is bool or cls is float:
            return value
        if self._nodes < 0 or depth > _MAX_DEPTH:
            self._cut = True
            return f"[cut: {type_name(value)}]"
        ancestors = self._ancestors
        if id(value) in ancestors:
            return f"[cycle: {type_name(value)}]"
        reader = _readers.get(cls) or _add_reader(cls)
        ancestors.add(id(value))
        try:
            return reader(self, value, depth)
        finally:
            ancestors.discard(id(value))

    # Most of what is read is text: the loops below take it without a call of `visit`.

    def entries(self, value: dict[Any, Any], depth: int) -> dict[str, Any]:
        result: dict[str, Any] = {}
        # Another thread may change the dict meanwhile: the copy is one step for the interpreter.
        for key, held in dict.copy(value).items():
            if self._nodes < 0:
                self._cut = True
                result["…"] = f"[cut {len(value) - len(result)} entries]"
                break
            name = key if type(key) is str and len(key) <= MAX_KEY else _key(key)
            if type(held) is str:
                self._nodes -= 1
                result[name] = self.text(held)
            else:
                result[name] = self.visit(held, depth + 1)
        return result

    def items(self, held: Iterable[Any], size: int, depth: int) -> list[Any]:
        """Read the items that fit; `held` is copied first, since another thread may change it."""
        fitting = list(islice(held, max(0, self._nodes)))
        result = [self.visit(item, depth + 1) for item in fitting]
        if size > len(result):
            self._cut = True
            result.append(f"[cut {size - len(result)} items]")
        return result

    def fields(self, held: dict[str, Any], names: tuple[str, ...], depth: int) -> dict[str, Any]:
        """Read these fields of an object, as far as they hold something."""
        result: dict[str, Any] = {}
        for name in names:
            value = held.get(name)
            if type(value) is str:
                self._nodes -= 1
                result[name] = self.text(value)
            elif value is not None and not (type(value) is list and not value):
                result[name] = self.visit(value, depth + 1)
        return result


def _parts(size: int) -> Iterator[tuple[int, int]]:
    for at in range(0, size, _DIGESTED_AT_ONCE):
        yield at, at + _DIGESTED_AT_ONCE


def redacted(text: str, redact: Redact) -> str:
    """Return the text as `redact` leaves it; nothing of it when `redact` fails."""
    try:
        kept = redact(text)
    except Exception:  # noqa: BLE001 - the hook is the user's; a failing one must not leak the text
        return REDACTION_FAILED
    return kept if type(kept) is str else REDACTION_FAILED


Reader = Callable[[_Walk, Any, int], Any]
_readers: dict[type, Reader] = {}
_MAX_READERS: Final = 4096


def _add_reader(cls: type) -> Reader:
    """Find out how values of a class are read; once a class, never by asking the value."""
    if len(_readers) >= _MAX_READERS:  # classes made at run time must not pile up
        _readers.clear()
    reader = _readers[cls] = _find_reader(cls)
    return reader


def _find_reader(cls: type) -> Reader:
    for base, reader in _READERS:
        if issubclass(cls, base):
            return reader
    if cls in _WRITTEN_AS_TEXT:
        return lambda walk, value, depth: str(value)
    held_by_class = [name for base in cls.__mro__ for name in vars(base)]
    if "__pydantic_fields__" in held_by_class:
        return lambda walk, value, depth: walk.entries(instance_dict(value), depth)
    if "__dataclass_fields__" in held_by_class:
        return _read_dataclass
    return lambda walk, value, depth: f"[{type_name(value)}]"


def _read_message(walk: _Walk, value: Any, depth: int) -> Any:
    held = instance_dict(value)
    shown = {"role": held.get("role") or held.get("type")}
    shown.update(walk.fields(held, MESSAGE_FIELDS, depth))
    return shown


def _read_document(walk: _Walk, value: Any, depth: int) -> Any:
    return walk.fields(instance_dict(value), ("id", "page_content", "metadata"), depth)


def _read_prompt(walk: _Walk, value: Any, depth: int) -> Any:
    held = instance_dict(value)
    return walk.visit(held.get("messages", held.get("text")), depth + 1)


def _read_generation(walk: _Walk, value: Any, depth: int) -> Any:
    return walk.fields(instance_dict(value), ("text", "message", "generation_info"), depth)


def _read_dataclass(walk: _Walk, value: Any, depth: int) -> Any:
    held = dict(instance_dict(value))
    for base in type(value).__mro__:
        for name, member in vars(base).items():
            if isinstance(member, MemberDescriptorType):
                try:
                    held[name] = member.__get__(value)
                except AttributeError:  # the slot was never filled
                    continue
    return walk.entries(held, depth)


_READERS: Final[tuple[tuple[type | tuple[type, ...], Reader], ...]] = (
    (dict, lambda walk, value, depth: walk.entries(value, depth)),
    (list, lambda walk, value, depth: walk.items(list.__iter__(value), list.__len__(value), depth)),
    (
        tuple,
        lambda walk, value, depth: walk.items(tuple.__iter__(value), tuple.__len__(value), depth),
    ),
    (set, lambda walk, value, depth: walk.items(set.copy(value), set.__len__(value), depth)),
    (
        frozenset,
        lambda walk, value, depth: walk.items(
            frozenset.__iter__(value), frozenset.__len__(value), depth
        ),
    ),
    (BaseMessage, _read_message),
    (Document, _read_document),
    (PromptValue, _read_prompt),
    (Generation, _read_generation),
    (enum.Enum, lambda walk, value, depth: walk.visit(value._value_, depth + 1)),
    (
        (bytes, bytearray, memoryview),
        lambda walk, value, depth: walk.binary(value),
    ),
    # Subclasses of the plain types: their own methods are not asked.
    (str, lambda walk, value, depth: walk.text(str.__str__(value))),
    (int, lambda walk, value, depth: int.__int__(value)),
    (float, lambda walk, value, depth: float.__float__(value)),
    (type, lambda walk, value, depth: f"[class {value.__module__}.{value.__qualname__}]"),
)


def instance_dict(value: object) -> dict[str, Any]:
    """Return the attributes an instance holds, without asking it; empty when it holds none."""
    try:
        held = object.__getattribute__(value, "__dict__")
    except AttributeError:
        return {}
    return held if type(held) is dict else {}


def _key(key: Any) -> str:
    cls = type(key)
    if cls is str:
        return key if len(key) <= MAX_KEY else f"{key[:MAX_KEY]}…"
    if key is None or cls in (int, float, bool) or cls in _WRITTEN_AS_TEXT:
        return str(key)
    if cls is tuple:
        return "(" + ", ".join(_key(part) for part in key[:8] if type(part) is not tuple) + ")"
    return f"[{type_name(key)}]"


def _portable(tree: Any) -> Any:
    """Return the tree with texts and integers that every JSON reader takes; depth is bounded."""
    if type(tree) is str:
        return clean_text(tree)
    if type(tree) is int and not -(2**63) <= tree < 2**64:
        return str(tree) if abs(tree) < 10**4000 else "[integer of over 4000 digits]"
    if type(tree) is dict:
        return {clean_text(key): _portable(held) for key, held in tree.items()}
    if type(tree) is list:
        return [_portable(held) for held in tree]
    return tree
