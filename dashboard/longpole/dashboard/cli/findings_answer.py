"""What `longpole findings` does and writes; a file of its own, as only that command needs it."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Sequence
from typing import Final

from rich.console import Console
from rich.text import Text

from longpole.analysis.findings import Finding
from longpole.dashboard import words
from longpole.dashboard.cli.options import parsed_filter, write_json
from longpole.dashboard.cli.terminal import console
from longpole.dashboard.findings_document import findings_document
from longpole.dashboard.findings_text import finding_text, next_commands
from longpole.dashboard.found import Found, found_in, left_out_of
from longpole.dashboard.prices import price_book
from longpole.dashboard.sampled import chain_named
from longpole.storage import RunQuery, Store, open_store
from longpole.storage.urls import shown_url

_NEWEST_OF_A_CHAIN: Final = 100
_TOLD_OF_A_CHAIN: Final = 3


def answer_findings(
    name: str | None, store_url: str, *, filter_text: str, runs: int, limit: int, as_json: bool
) -> None:
    """Write the findings to standard output.

    Raises:
        ChainNameError, FilterError: what to look at cannot be understood.
        StoreError: the store cannot be read.
    """
    where = parsed_filter(filter_text)
    store = open_store(store_url, mode="read")
    try:
        named = None if name is None else chain_named(store, name)
        found = found_in(
            store,
            RunQuery(name=named, where=where),
            limit=runs,
            book=price_book(),
            now_ns=time.time_ns(),
        )
        is_empty = not store.state().runs
    finally:
        store.close()
    shown = found.findings[:limit]
    if as_json:
        write_json(findings_document(found, shown))
        return
    out = console()
    if not found.runs:
        _print_no_runs(store_url, out, is_empty=is_empty)
        return
    _print_head(found, shown, out)
    for number, finding in enumerate(shown, start=1):
        _print_finding(number, finding, out)
    _print_rest(found, shown, out)


def print_top(store: Store, chain: str, query: RunQuery, out: Console) -> None:
    """Write the sentences of what is worth most in the newest runs of a chain that match."""
    found = found_in(
        store, query, limit=_NEWEST_OF_A_CHAIN, book=price_book(), now_ns=time.time_ns()
    )
    if not found.findings:
        return
    out.print()
    cut = f", the newest {found.runs} runs" if found.runs < found.matching else ""
    out.print(Text(f"what would be worth changing{cut}", style="bold"))
    for finding in found.findings[:_TOLD_OF_A_CHAIN]:
        _print_item("  ", finding_text(finding).sentence, out)
    left = len(found.findings) - _TOLD_OF_A_CHAIN
    more = f"{left} more and how" if left > 0 else "how"
    out.print(Text(f"  {more}: longpole findings {words.shell_word(chain)}", style="dim"))


# --- parts --------------------------------------------------------------------------------------


def _print_no_runs(store_url: str, out: Console, *, is_empty: bool) -> None:
    if is_empty:
        out.print(Text(f"no runs in {words.plain(shown_url(store_url))}"))
        out.print("record some with: longpole demo --record-only")
    else:
        out.print("no run fits")


def _print_head(found: Found, shown: Sequence[Finding], out: Console) -> None:
    chains = words.count(len(found.chains), "chain")
    looked = f"{words.count(found.runs, 'run')} of {chains}"
    if not shown:
        out.print(Text(f"nothing that would be worth changing in {looked}"))
        return
    out.print(Text(f"{words.count(len(found.findings), 'finding')} in {looked}", style="dim"))


def _print_finding(number: int, finding: Finding, out: Console) -> None:
    text = finding_text(finding)
    out.print()
    head = Text(f"{number:>2} ")
    head.append(words.plain(finding.chain), style="bold")
    head.append(f"  {finding.rule.value}", style="dim")
    out.print(head, no_wrap=True, overflow="ellipsis")
    _print_item("   ", text.sentence, out)
    _print_item("   ", text.evidence, out, style="dim")
    _print_item("   try: ", text.advice, out)
    for command in next_commands(finding):
        # Not wrapped, so that it can be copied.
        out.print(Text(f"   {command}", style="dim"), soft_wrap=True)


def _print_rest(found: Found, shown: Sequence[Finding], out: Console) -> None:
    out.print()
    left = len(found.findings) - len(shown)
    if left:
        out.print(Text(f"{left:,} more; --limit shows them", style="dim"))
    if len(shown) > 1:
        out.print(Text("gains do not add up: one takes away from another", style="dim"))
    for rule, reason in found.silent.items():
        out.print(Text(f"{rule.value} could not be looked for: {reason}", style="dim"))
    for told in left_out_of(found):
        out.print(Text(told, style="dim"))


def _print_item(head: str, text: str, out: Console, *, style: str = "") -> None:
    """Write a text that stays to the right of its head on every line."""
    margin = " " * len(head)
    lines = textwrap.wrap(
        words.plain(text), out.width, initial_indent=head, subsequent_indent=margin
    )
    for line in lines:
        out.print(Text(line, style=style))
