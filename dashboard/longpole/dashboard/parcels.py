"""Stored runs → parcels for the exporters: priced, analysed, with as much content as may leave."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Final

from longpole.analysis import analyse
from longpole.dashboard.documents import show_document
from longpole.dashboard.redaction import redacted_content, redacted_run
from longpole.model import semconv
from longpole.model.pricing import PriceBook, price_run
from longpole.storage import Content, Store
from longpole.storage.exchange.parcel import Parcel

_CONTENT_ATTRIBUTES: Final = frozenset({semconv.EXCEPTION_STACKTRACE})


def pack(
    store: Store,
    run_id: str,
    *,
    book: PriceBook,
    now_ns: int,
    with_content: bool = True,
    redact: Callable[[str], str] | None = None,
) -> Parcel:
    """Return one run as it leaves.

    Args:
        store: where it is.
        run_id: its whole id.
        book: prices.
        now_ns: as of when a run that is still running is looked at.
        with_content: whether inputs, outputs and stack traces leave too.
        redact: cleans every text that leaves.

    Raises:
        UnknownRunError: there is no such run.
        StoreError: the store cannot be read.
    """
    # Read first: what changes meanwhile makes the receipt out of date, never too new.
    revision = store.revision(run_id)
    run = price_run(store.load_run(run_id), book)
    contents = store.load_contents(run_id)
    if not with_content:
        contents = {span_id: _stripped(content) for span_id, content in contents.items()}
    if redact is not None:
        run = redacted_run(run, redact)
        contents = {
            span_id: redacted_content(content, redact) for span_id, content in contents.items()
        }
    document = show_document(analyse(run, now_ns=now_ns))
    return Parcel(run=run, document=document, contents=contents, now_ns=now_ns, revision=revision)


def pack_all(
    store: Store,
    run_ids: Iterable[str],
    *,
    book: PriceBook,
    now_ns: int,
    with_content: bool = True,
    redact: Callable[[str], str] | None = None,
) -> Iterator[Parcel]:
    """Yield these runs one after the other; only one is held at a time."""
    for run_id in run_ids:
        yield pack(
            store, run_id, book=book, now_ns=now_ns, with_content=with_content, redact=redact
        )


def _stripped(content: Content) -> Content:
    return replace(
        content,
        input_value=None,
        input_mime_type=None,
        output_value=None,
        output_mime_type=None,
        attributes={
            key: value
            for key, value in content.attributes.items()
            if key not in _CONTENT_ATTRIBUTES
        },
    )
