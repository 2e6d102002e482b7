"""Texts of a run, cleaned on the way out by a function of the user's.

Every text of inputs, outputs, errors and metadata goes through it, inside JSON as well; names, ids
and numbers do not. A text that the function fails on is left out, not let through.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

import orjson

from longpole.model import semconv
from longpole.model.errors import SettingsError
from longpole.model.run import Run, SpanError
from longpole.storage import Content

Redact = Callable[[str], str]

REDACTION_FAILED: Final = "[redaction failed]"
_TEXT_ATTRIBUTES: Final = frozenset({semconv.EXCEPTION_STACKTRACE})


def load_function(reference: str) -> Redact:
    """Return the function that `module:function` names.

    Raises:
        SettingsError: there is no such module or function.
    """
    module_name, separator, name = reference.partition(":")
    if not separator or not module_name or not name:
        raise SettingsError(f"{reference!r} names no function, expected module:function")
    # As `python -m` does: a module beside the caller is found.
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        found = getattr(importlib.import_module(module_name), name)
    except (ImportError, AttributeError) as error:
        raise SettingsError(f"{reference!r} cannot be loaded: {error}") from error
    if not callable(found):
        raise SettingsError(f"{reference!r} is no function")
    return lambda text: _cleaned(text, found)


def _cleaned(text: str, redact: Callable[[str], Any]) -> str:
    try:
        cleaned = redact(text)
    except Exception:  # noqa: BLE001 - the user's code may raise anything
        return REDACTION_FAILED
    return cleaned if isinstance(cleaned, str) else REDACTION_FAILED


def redacted_run(run: Run, redact: Redact) -> Run:
    """Return the run with clean error messages and metadata."""
    return replace(
        run,
        metadata=_walked(dict(run.metadata), redact),
        spans=tuple(
            span
            if span.error is None
            else replace(
                span,
                error=SpanError(type=span.error.type, message=redact(span.error.message)),
            )
            for span in run.spans
        ),
    )


def redacted_content(content: Content, redact: Redact) -> Content:
    """Return a span's content with every text in it cleaned."""
    return replace(
        content,
        input_value=_value(content.input_value, content.input_mime_type, redact),
        output_value=_value(content.output_value, content.output_mime_type, redact),
        attributes=_attributes(content.attributes, redact),
    )


def _attributes(attributes: Mapping[str, Any], redact: Redact) -> dict[str, Any]:
    cleaned = dict(attributes)
    for key in _TEXT_ATTRIBUTES & cleaned.keys():
        cleaned[key] = _walked(cleaned[key], redact)
    if semconv.METADATA in cleaned:
        told = cleaned[semconv.METADATA]
        cleaned[semconv.METADATA] = (
            _value(told, "application/json", redact)
            if isinstance(told, str)
            else _walked(told, redact)
        )
    return cleaned


def _value(value: str | None, mime_type: str | None, redact: Redact) -> str | None:
    if value is None:
        return None
    if mime_type == "application/json":
        try:
            return orjson.dumps(_walked(orjson.loads(value), redact)).decode()
        except ValueError:
            pass
    return redact(value)


def _walked(value: Any, redact: Redact) -> Any:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {key: _walked(below, redact) for key, below in value.items()}
    if isinstance(value, list):
        return [_walked(below, redact) for below in value]
    return value
