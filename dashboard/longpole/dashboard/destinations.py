"""What the ledger calls a destination → what people call it, and the command that goes on there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_NEW_IDS: Final = " (new ids)"


@dataclass(frozen=True, slots=True)
class Place:
    """A destination that `longpole export` knows.

    Attributes:
        title: in words.
        arguments: after `longpole export`; empty where no command sends there.
    """

    title: str
    arguments: tuple[str, ...]


def place_of(destination: str) -> Place:
    """Return what a destination is.

    >>> place_of("langsmith https://api.smith.langchain.com my project").arguments
    ('langsmith', '--project', 'my project')
    >>> place_of("otlp http://127.0.0.1:4318").title
    'OTLP at http://127.0.0.1:4318'
    """
    kind, _, rest = destination.partition(" ")
    if kind == "otlp" and rest:
        return Place(f"OTLP at {rest}", ("otlp", "--endpoint", rest))
    url, _, project = rest.partition(" ")
    if kind == "langsmith" and project:
        more = ("--new-ids",) if project.endswith(_NEW_IDS) else ()
        name = project.removesuffix(_NEW_IDS)
        return Place(f"LangSmith project {name} at {url}", ("langsmith", "--project", name, *more))
    return Place(destination, ())
