"""`longpole chains`: what the runs of each chain come to, and of one chain all they tell."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

import click
from rich.console import Console
from rich.text import Text

from longpole.analysis.bound import Bound, bound_of
from longpole.analysis.chain import analyse_chain
from longpole.analysis.criticality import criticality
from longpole.analysis.many import Aggregate, aggregate, by_chain
from longpole.dashboard import words
from longpole.dashboard.cli.chain import print_chain
from longpole.dashboard.cli.options import (
    filter_option,
    json_option,
    newest_option,
    parsed_filter,
    store_option,
    write_json,
)
from longpole.dashboard.cli.table import Column, column, table
from longpole.dashboard.cli.terminal import console
from longpole.dashboard.many_documents import chain_document, chains_document
from longpole.dashboard.places import place_label
from longpole.dashboard.prices import price_book
from longpole.dashboard.sampled import Sampled, chain_named, left_out, sampled
from longpole.model.errors import ChainNameError
from longpole.storage import RunQuery, Store, open_store
from longpole.storage.urls import shown_url

_WORTH_SAYING: Final = 0.0005


@click.command()
@click.argument("name", required=False)
@store_option
@json_option
@filter_option("Only runs that match: 'since:7d tag:prod', as in `longpole runs`.")
@newest_option()
@click.option("--all", "whole", is_flag=True, help="Leave out nothing of one chain.")
def chains(
    name: str | None, store: str, as_json: bool, filter_text: str, limit: int, whole: bool
) -> None:
    """Say what bounds the wall of each chain, over many runs.

    With NAME, the name of a chain or the beginning of it, one chain in full: what each branch
    contributes, how often it is the one that is waited for, what makes slow runs slow, what changed
    when, what failed.
    """
    where, now_ns = parsed_filter(filter_text), time.time_ns()
    opened = open_store(store, mode="read")
    try:
        named = None if name is None else chain_named(opened, name)
        query = RunQuery(name=named, where=where)
        found = sampled(opened, query, limit=limit, book=price_book(), now_ns=now_ns)
        if named is not None:
            _one(named, found, as_json=as_json, whole=whole)
            if not as_json:
                _print_top(opened, named, query)
        elif as_json:
            write_json(chains_document(found))
        else:
            _print_all(opened, found, console())
    finally:
        opened.close()


def _one(name: str, found: Sampled, *, as_json: bool, whole: bool) -> None:
    if not found.samples:
        raise ChainNameError(f"no run of chain {name!r} that fits has ended; use another --filter")
    chain = analyse_chain(found.samples)
    if as_json:
        write_json(chain_document(name, chain, found))
    else:
        print_chain(name, chain, left_out(found), console(), whole=whole)


def _print_top(store: Store, name: str, query: RunQuery) -> None:
    # It takes a while to load, which lists shall not pay for.
    from longpole.dashboard.cli.findings_answer import print_top

    print_top(store, name, query, console())


@dataclass(frozen=True, slots=True)
class _Row:
    name: str
    whole: Aggregate
    bound: Bound | None


def _print_all(store: Store, found: Sampled, out: Console) -> None:
    if not found.samples:
        if store.state().runs:
            out.print("no run fits")
        else:
            out.print(Text(f"no runs in {words.plain(shown_url(store.url))}"))
            out.print("record some with: longpole demo --record-only")
        return
    rows = []
    for name, samples in by_chain(found.samples).items():
        whole = aggregate(samples)
        rows.append(_Row(name, whole, bound_of(whole, criticality(samples))))
    for line in table(_columns(rows), out.width):
        out.print(line, soft_wrap=True)
    for told in left_out(found):
        out.print(Text(told, style="dim"))


def _columns(rows: list[_Row]) -> tuple[Column, ...]:
    return (
        column("chain", rows, lambda row: words.plain(row.name)),
        column("runs", rows, lambda row: f"{row.whole.runs:,}", is_number=True),
        column("failed", rows, _failed, is_number=True, need=4),
        column("p50", rows, lambda row: words.duration(row.whole.wall.p50_ns), is_number=True),
        column("p95", rows, lambda row: words.duration(row.whole.wall.p95_ns), is_number=True),
        column("speed-up", rows, _speedup, is_number=True, need=2),
        column("cost/run", rows, _cost, is_number=True, need=3),
        column("wasted", rows, _wasted, is_number=True, need=1),
        column("waits for", rows, _bound, need=5),
    )


def _failed(row: _Row) -> Text:
    if not row.whole.errors:
        return Text("–")
    return Text(words.share(float(row.whole.error_rate)), style="red")


def _speedup(row: _Row) -> str:
    return words.times(row.whole.speedup_ratio) if row.whole.peak_concurrency > 1 else "–"


def _cost(row: _Row) -> str:
    return words.cost(row.whole.mean_cost_usd, row.whole.unpriced_calls)


def _wasted(row: _Row) -> str:
    ratio = row.whole.wasted_ns / max(1, row.whole.work_ns)
    return words.share(ratio) if ratio >= _WORTH_SAYING else "–"


def _bound(row: _Row) -> str:
    if row.bound is None:
        return ""
    return f"{words.share(float(row.bound.share))} {words.plain(place_label(row.bound.position))}"
