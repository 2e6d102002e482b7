"""What of a run may leave: with contents or without, cleaned or as recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import click

from longpole.dashboard.parcels import pack_all
from longpole.dashboard.prices import price_book
from longpole.dashboard.redaction import load_function
from longpole.storage import Store
from longpole.storage.exchange.parcel import Parcel

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaving:
    """What was asked for on the command line."""

    with_content: bool
    redact: Callable[[str], str] | None

    def parcels(self, store: Store, run_ids: Iterable[str], now_ns: int) -> Iterator[Parcel]:
        """Yield these runs as they leave."""
        return pack_all(
            store,
            run_ids,
            book=price_book(),
            now_ns=now_ns,
            with_content=self.with_content,
            redact=self.redact,
        )


def leaving_options(*, with_content: bool = True) -> Callable[[Command], Command]:
    """Add `--content/--no-content` and `--redact`; pass their values on to `leaving`.

    Args:
        with_content: what holds when neither is given.
    """

    def add(command: Command) -> Command:
        command = click.option(
            "--redact",
            metavar="MODULE:FUNCTION",
            callback=_function,
            help="Clean every text that leaves with this function.",
        )(command)
        return click.option(
            "--content/--no-content",
            "with_content",
            default=with_content,
            show_default=True,
            help="Whether inputs, outputs and stack traces leave too.",
        )(command)

    return add


def _function(
    _context: click.Context, _option: click.Parameter, given: str | None
) -> Callable[[str], str] | None:
    return None if given is None else load_function(given)
