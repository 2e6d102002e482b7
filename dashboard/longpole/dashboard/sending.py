"""An export to LangSmith in a thread of its own: progress while it runs, an end when told to.

The same delivery as `longpole export langsmith`, with the same ledger: what it sends is not sent
again by the command, and the command goes on where it was stopped.
"""

from __future__ import annotations

import contextlib
import os
import random
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from longpole.dashboard.parcels import pack_all
from longpole.dashboard.prices import price_book
from longpole.model.errors import LongpoleError
from longpole.model.run import Status
from longpole.storage import RunQuery, Store, open_store
from longpole.storage.exchange.delivery import Delivery, Report
from longpole.storage.exchange.langsmith.order import days_shift_ns
from longpole.storage.exchange.parcel import Parcel
from longpole.storage.filters import Filter

_ENDED: Final = tuple(status for status in Status if status is not Status.RUNNING)
_KEYS: Final = ("LANGSMITH_API_KEY", "LANGCHAIN_API_KEY")
_ENDPOINTS: Final = ("LANGSMITH_ENDPOINT", "LANGCHAIN_ENDPOINT")


def has_key(environ: Mapping[str, str] | None = None) -> bool:
    """Tell whether there is anything to send with: a key, or a server of one's own."""
    given = os.environ if environ is None else environ
    return any(given.get(name, "").strip() for name in (*_KEYS, *_ENDPOINTS))


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be sent.

    Attributes:
        project: LangSmith's, made there when it is not there.
        where: which ended runs; `None`: all.
        with_content: whether inputs and outputs leave too.
        shifts_time: whether runs older than a day move by whole days, so that the cloud takes them.
    """

    project: str
    where: Filter | None = None
    with_content: bool = True
    shifts_time: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """How far an export has come.

    Attributes:
        due: how many runs have something to send; `None` until that is known.
        done: how many of them have been answered for, or wait for another time.
        report: as of the last answer; `None` before.
        failure: why nothing can be sent there.
        is_running: whether it goes on.
        was_stopped: whether somebody stopped it.
    """

    due: int | None = None
    done: int = 0
    report: Report | None = None
    failure: str | None = None
    is_running: bool = True
    was_stopped: bool = False


class Sending:
    """One export on its way; made by `start`."""

    def __init__(self, store_url: str, order: Order) -> None:
        self._store_url = store_url
        self.order = order
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._sent = Sent()
        self._thread = threading.Thread(target=self._run, name="longpole-export", daemon=True)

    @property
    def sent(self) -> Sent:
        """How far it has come."""
        with self._lock:
            return self._sent

    def stop(self) -> None:
        """End it after the request that is under way; what is left waits in the ledger."""
        self._stop.set()

    def join(self, timeout_s: float) -> bool:
        """Wait for its end; return whether it has ended."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def begin(self) -> None:
        """Start the thread."""
        self._thread.start()

    def _run(self) -> None:
        try:
            with contextlib.closing(open_store(self._store_url, mode="write")) as store:
                self._deliver(store)
        except LongpoleError as error:
            self._note(failure=str(error))
        finally:
            self._note(is_running=False, was_stopped=self._stop.is_set())

    def _deliver(self, store: Store) -> None:
        # Loaded here: LangSmith's client takes a while that nobody else need wait for.
        from longpole.storage.exchange.langsmith.client import (
            NotingSession,
            check_answering,
            open_client,
            quiet_client,
        )
        from longpole.storage.exchange.langsmith.destination import LangSmith

        with contextlib.closing(NotingSession()) as session, quiet_client():
            client = open_client(session)
            check_answering(client, session)
            destination = LangSmith(
                client,
                session,
                project=self.order.project,
                now_ns=time.time_ns,
                sleep=self._wait,
                random=random.random,
            )
            delivery = Delivery(
                store,
                destination,
                shift_ns=self._shift_ns,
                clock_ns=time.time_ns,
                progress=self._progress,
            )
            query = RunQuery(where=self.order.where, status=_ENDED, descending=False)
            due = list(delivery.due(store.run_ids(query)))
            self._note(due=len(due))
            self._progress(delivery.deliver(self._parcels(store, due)))

    def _parcels(self, store: Store, run_ids: Iterable[str]) -> Iterator[Parcel]:
        parcels = pack_all(
            store,
            run_ids,
            book=price_book(),
            now_ns=time.time_ns(),
            with_content=self.order.with_content,
        )
        for parcel in parcels:
            if self._stop.is_set():
                return
            yield parcel

    def _wait(self, seconds: float) -> None:
        # Told to stop, it waits no longer.
        self._stop.wait(seconds)

    def _shift_ns(self, parcel: Parcel) -> int:
        return days_shift_ns(parcel.run, time.time_ns()) if self.order.shifts_time else 0

    def _progress(self, report: Report) -> None:
        done = report.runs + len(report.waiting)
        # A copy: the delivery goes on writing into its own.
        copy = replace(report, refused=list(report.refused), waiting=dict(report.waiting))
        self._note(done=done, report=copy)

    def _note(self, **changes: object) -> None:
        with self._lock:
            self._sent = replace(self._sent, **changes)  # type: ignore[arg-type]


def start(store_url: str, order: Order) -> Sending:
    """Begin an export of a store's runs; it goes on by itself."""
    sending = Sending(store_url, order)
    sending.begin()
    return sending
