"""What travels: runs packed to leave a store, and what comes out of a file on the way in.

Exporters take `Parcel`s and know neither the store nor the analysis: whoever packs puts in the
document that `longpole show --json` writes, so that every destination tells the same facts.
Importers give `Incoming` items: span events for the store, or a `Refused` for what could not be
read, so that the good part of a file is kept and the rest is counted and named.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from longpole.model.run import Run
from longpole.storage.store import Content, SpanEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """One run, ready to leave.

    Attributes:
        run: priced.
        document: what `longpole show --json` writes of it, schema 1.
        contents: recorded inputs, outputs and attributes by span id; without inputs and outputs
            when they are not to leave.
        now_ns: as of when spans that were running are told.
        revision: the run's revision in its store, for the ledger.
    """

    run: Run
    document: Mapping[str, Any]
    contents: Mapping[str, Content]
    now_ns: int
    revision: int = 0


NO_CONTENT: Final = Content(
    input_value=None,
    input_mime_type=None,
    output_value=None,
    output_mime_type=None,
    attributes=MappingProxyType({}),
)
"""Of a span that the store keeps nothing more of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A part of a file that could not be read.

    Attributes:
        where: the line, span or field, in words: `line 12`, `span 3 of resource 1`.
        why: what is wrong with it, and what was expected.
    """

    where: str
    why: str


Incoming = SpanEvent | Refused
"""What an importer finds in a file, in its order."""
