"""A store and this installation → what is right with them, what is not, and what to do about it.

Each check is one function that tells one thing; together they are `longpole doctor`.
"""

from __future__ import annotations

import importlib.metadata
import platform
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from longpole.dashboard import words
from longpole.dashboard.in_force import shown_value
from longpole.dashboard.prices import price_book
from longpole.model.errors import LongpoleError, StoreError
from longpole.model.run import Status
from longpole.model.settings import VARIABLES
from longpole.storage import RunQuery, Store
from longpole.storage.filter_text import parse
from longpole.storage.urls import shown_url

_PACKAGES: Final = (
    "longpole",
    "langchain-core",
    "langgraph",
    "opentelemetry-sdk",
    "langsmith",
    "streamlit",
    "plotly",
    "sqlite-utils",
    "clickhouse-connect",
    "chdb",
    "genai-prices",
)
_MUCH_LOG_BYTES: Final = 256_000_000
_MUCH_SPOOLED_BYTES: Final = 16_000_000
_LITTLE_ROOM_BYTES: Final = 500_000_000
_FUTURE_NS: Final = 60_000_000_000
_DAY_NS: Final = 86_400_000_000_000


class Verdict(StrEnum):
    """How a check came out."""

    OK = "ok"
    NOTE = "note"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one check tells.

    Attributes:
        subject: what was looked at, a word or two.
        told: what was found, one line.
        advice: what to do; empty where there is nothing to do.
    """

    subject: str
    verdict: Verdict
    told: str
    advice: str = ""


def examine(
    open_store: Callable[[], Store],
    *,
    path: Path,
    environ: Sequence[tuple[str, str]],
    now_ns: int,
    is_thorough: bool,
) -> Iterator[Finding]:
    """Yield findings, one after the other, as the checks are done.

    Args:
        open_store: opens the store for reading.
        path: the file that the store is, to see how much room its disk has.
        environ: the variables that are set, as name and value.
        now_ns: the moment to compare recorded times with.
        is_thorough: read all of the file, not only its structure.
    """
    yield _packages()
    yield _settings(environ)
    yield _prices()
    yield _room(path)
    try:
        store = open_store()
    except StoreError as error:
        yield Finding(subject="store", verdict=Verdict.PROBLEM, told=str(error))
        return
    try:
        yield from _of_store(store, now_ns, is_thorough=is_thorough)
    except StoreError as error:
        yield Finding(subject="store", verdict=Verdict.PROBLEM, told=str(error))
    finally:
        store.close()


def _of_store(store: Store, now_ns: int, *, is_thorough: bool) -> Iterator[Finding]:
    yield _contents(store)
    yield _soundness(store, is_thorough=is_thorough)
    yield _log(store)
    yield _spool(store)
    yield _drops(store)
    yield _lost(store, now_ns)
    yield _clocks(store, now_ns)
    yield _unpriced(store, now_ns)


def losses(store: Store, *, now_ns: int) -> tuple[Finding, ...]:
    """Return what was lost of late or has not come in yet: spans, and runs with their process.

    Raises:
        StoreError: the store cannot be read.
    """
    found = (_drops(store), _spool(store), _lost(store, now_ns))
    return tuple(one for one in found if one.verdict is not Verdict.OK)


def _packages() -> Finding:
    versions = [f"python {platform.python_version()}"]
    for package in _PACKAGES:
        try:
            versions.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return Finding(subject="versions", verdict=Verdict.OK, told=", ".join(versions))


def _settings(environ: Sequence[tuple[str, str]]) -> Finding:
    told = ", ".join(
        f"{name}={shown_value(name, value)}" for name, value in environ if name in VARIABLES
    )
    unknown = [
        name for name, _ in environ if name.startswith("LONGPOLE_") and name not in VARIABLES
    ]
    if unknown:
        return Finding(
            subject="settings",
            verdict=Verdict.NOTE,
            told=f"{', '.join(unknown)} means nothing to Longpole",
            advice=f"it knows {', '.join(VARIABLES)}",
        )
    return Finding(subject="settings", verdict=Verdict.OK, told=told or "all defaults")


def _prices() -> Finding:
    try:
        price_book()
    except LongpoleError as error:
        return Finding(subject="prices", verdict=Verdict.PROBLEM, told=str(error))
    version = importlib.metadata.version("genai-prices")
    return Finding(
        subject="prices",
        verdict=Verdict.OK,
        told=f"public prices of genai-prices {version}",
        advice="newer prices come with: pip install -U genai-prices",
    )


def _room(path: Path) -> Finding:
    folder = next(one for one in (path.parent, *path.parents) if one.exists())
    free_bytes = shutil.disk_usage(folder).free
    told = f"{words.size(free_bytes)} free where the store is"
    if free_bytes < _LITTLE_ROOM_BYTES:
        advice = "make room, or: longpole prune --older-than 30d"
        return Finding(subject="disk", verdict=Verdict.PROBLEM, told=told, advice=advice)
    return Finding(subject="disk", verdict=Verdict.OK, told=told)


def _contents(store: Store) -> Finding:
    state, size = store.state(), store.size()
    told = (
        f"{shown_url(store.url)}: {words.count(state.runs, 'run')}, "
        f"{words.count(state.spans, 'span')}, "
        f"{words.size(size.total_bytes)}"
    )
    if size.free_bytes > size.used_bytes:
        return Finding(
            subject="store",
            verdict=Verdict.NOTE,
            told=f"{told}, {words.size(size.free_bytes)} of it unused",
            advice="longpole prune gives unused space back",
        )
    advice = "" if state.runs else "record some runs with: longpole demo --record-only"
    return Finding(subject="store", verdict=Verdict.OK, told=told, advice=advice)


def _soundness(store: Store, *, is_thorough: bool) -> Finding:
    problems = store.problems(is_thorough=is_thorough)
    if problems:
        return Finding(
            subject="soundness",
            verdict=Verdict.PROBLEM,
            told=f"{problems[0]} ({words.count(len(problems), 'problem')})",
            advice="move the file away, or rescue what is left with sqlite3 FILE .recover",
        )
    how = "every page was read" if is_thorough else "structure checked; --thorough reads all of it"
    return Finding(subject="soundness", verdict=Verdict.OK, told=f"nothing wrong; {how}")


def _log(store: Store) -> Finding:
    log_bytes = store.size().log_bytes
    told = f"write-ahead log of {words.size(log_bytes)}"
    if log_bytes > _MUCH_LOG_BYTES:
        return Finding(
            subject="log",
            verdict=Verdict.NOTE,
            told=told,
            advice="some program keeps a reading transaction open for a long time; close it",
        )
    return Finding(subject="log", verdict=Verdict.OK, told=told)


def _spool(store: Store) -> Finding:
    spooled_bytes = store.size().spooled_bytes
    if spooled_bytes > _MUCH_SPOOLED_BYTES:
        return Finding(
            subject="spool",
            verdict=Verdict.NOTE,
            told=f"{words.size(spooled_bytes)} recorded that are not in the database yet",
            advice="nothing is lost; they come in as soon as the database can be written",
        )
    return Finding(
        subject="spool",
        verdict=Verdict.OK,
        told=f"{words.size(spooled_bytes)} waiting" if spooled_bytes else "nothing waiting",
    )


def _drops(store: Store) -> Finding:
    dropped = store.state().dropped
    if not dropped:
        return Finding(subject="dropped spans", verdict=Verdict.OK, told="none")
    told = ", ".join(f"{count:,} {reason}" for reason, count in sorted(dropped.items()))
    return Finding(
        subject="dropped spans",
        verdict=Verdict.PROBLEM,
        told=told,
        advice="the runs they belong to are shown without them",
    )


def _lost(store: Store, now_ns: int) -> Finding:
    since_ns = now_ns - _DAY_NS
    lost = store.list_runs(RunQuery(status=(Status.LOST,), since_ns=since_ns, limit=1)).total
    if not lost:
        return Finding(subject="lost runs", verdict=Verdict.OK, told="none in the last 24 hours")
    return Finding(
        subject="lost runs",
        verdict=Verdict.NOTE,
        told=f"died with their process in the last 24 hours: {words.count(lost, 'run')}",
        advice="longpole runs status:lost since:1d",
    )


def _clocks(store: Store, now_ns: int) -> Finding:
    ahead = store.list_runs(RunQuery(since_ns=now_ns + _FUTURE_NS, limit=1)).total
    if not ahead:
        return Finding(subject="clocks", verdict=Verdict.OK, told="no run lies in the future")
    return Finding(
        subject="clocks",
        verdict=Verdict.NOTE,
        told=f"in the future: {words.count(ahead, 'run')}",
        advice="the clock of a recording machine is ahead, or was set back since",
    )


def _unpriced(store: Store, now_ns: int) -> Finding:
    where = parse("has:unpriced since:7d", now_ns=now_ns)
    unpriced = store.list_runs(RunQuery(where=where, limit=1)).total
    if not unpriced:
        return Finding(
            subject="costs", verdict=Verdict.OK, told="no call without a price this week"
        )
    return Finding(
        subject="costs",
        verdict=Verdict.NOTE,
        told=f"calls without a price in {words.count(unpriced, 'run')} of this week",
        advice="longpole runs has:unpriced; prices of your own: docs/prices.md",
    )
