"""One database of ClickHouse, over HTTP or in this process, behind the few calls the store makes.

Both are clients of clickhouse-connect, which talks to a server's HTTP interface or to chDB; what
differs is here and nowhere else. Values are bound by the server (`{name:Type}`), never pasted.
A client is used by one thread at a time; each thread borrows one and gives it back.

Source: clickhouse-connect 1.12, `driver/httpclient.py` and `driver/_chdbclient.py`.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from longpole.model.errors import MissingExtraError, StoreUnavailableError
from longpole.storage.clickhouse.address import Address
from longpole.storage.clickhouse.refusals import ANSWER_S, CONNECT_S, errors_of

_ASYNC_ROWS: Final = 1_000
"""Inserts of fewer rows are left to the server to put together with those of others."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Rows of a query, each under the names of its columns."""

    names: tuple[str, ...]
    rows: Sequence[Sequence[Any]]

    def by_name(self) -> Iterator[dict[str, Any]]:
        """Yield each row as a mapping."""
        for row in self.rows:
            yield dict(zip(self.names, row, strict=True))


class Database(Protocol):
    """What the store needs of a ClickHouse database.

    All methods raise `StoreUnavailableError` when it does not answer or refuses.
    """

    @property
    def address(self) -> Address:
        """Where it is."""
        ...

    def name(self, table: str) -> str:
        """Return how a table of this database is called in SQL."""
        ...

    def query(self, sql: str, values: Mapping[str, Any] | None = None) -> Answer:
        """Return what a SELECT finds."""
        ...

    def command(self, sql: str, values: Mapping[str, Any] | None = None) -> None:
        """Run a statement that returns nothing."""
        ...

    def insert(
        self,
        table: str,
        columns: Sequence[str],
        rows: Sequence[Sequence[Any]],
        *,
        token: str | None = None,
    ) -> None:
        """Insert rows; returns when they are stored.

        Args:
            table: a bare name.
            columns: their names.
            rows: values in that order.
            token: the same rows under the same token are stored once, as far as the table can.
        """
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


class ClientDatabase:
    """A database through clients of clickhouse-connect; safe from any thread."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._lock = threading.Lock()
        self._free: list[Any] = []
        self._pid = os.getpid()
        self._is_closed = False

    @property
    def address(self) -> Address:
        """Where it is."""
        return self._address

    def name(self, table: str) -> str:
        """Return how a table of this database is called in SQL."""
        return f"{self._address.database}.{table}"

    def query(self, sql: str, values: Mapping[str, Any] | None = None) -> Answer:
        """Return what a SELECT finds."""
        with self._client() as client:
            found = client.query(sql, parameters=dict(values or {}), settings=_READING)
            return Answer(tuple(found.column_names), found.result_rows)

    def command(self, sql: str, values: Mapping[str, Any] | None = None) -> None:
        """Run a statement that returns nothing."""
        with self._client() as client:
            client.command(sql, parameters=dict(values or {}))

    def insert(
        self,
        table: str,
        columns: Sequence[str],
        rows: Sequence[Sequence[Any]],
        *,
        token: str | None = None,
    ) -> None:
        """Insert rows; returns when they are stored."""
        if not rows:
            return
        with self._client() as client:
            client.insert(
                table,
                rows,
                column_names=columns,
                database=self._address.database,
                settings=self._writing(len(rows), token),
            )

    def _writing(self, rows: int, token: str | None) -> dict[str, Any]:
        settings: dict[str, Any] = {
            # Without a token the rows themselves would be one, and what was deleted could not come
            # back (measured on 26.9, whatever `insert_deduplicate` says).
            "insert_deduplication_token": token or secrets.token_hex(16),
            "async_insert": 0,
        }
        if self._address.folder is None and rows < _ASYNC_ROWS:
            settings["async_insert"] = settings["wait_for_async_insert"] = 1
        else:
            settings["deduplicate_blocks_in_dependent_materialized_views"] = 1
        if self._address.cluster is not None:
            settings["distributed_foreground_insert"] = 1
        return settings

    def close(self) -> None:
        """Let go of it."""
        with self._lock:
            self._is_closed = True
            free, self._free = self._free, []
        for client in free if self._pid == os.getpid() else ():
            client.close()

    # --- clients --------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _client(self) -> Iterator[Any]:
        """Lend a client; one that failed is not lent again."""
        with errors_of(self._address):
            self._begin_anew_after_fork()
            with self._lock:
                if self._is_closed:
                    raise StoreUnavailableError(
                        f"store {self._address.shown!r} was closed; open it again"
                    )
                client = self._free.pop() if self._free else None
            client = client or open_client(self._address)
            try:
                yield client
            except BaseException:
                client.close()
                raise
        self._give_back(client)

    def _give_back(self, client: Any) -> None:
        with self._lock:
            if not self._is_closed:
                self._free.append(client)
                return
        client.close()

    def _begin_anew_after_fork(self) -> None:
        if self._pid == os.getpid():
            return
        if self._address.folder is not None:
            raise StoreUnavailableError(
                f"store {self._address.shown!r} was opened before a fork; chDB lives in one "
                "process, use a server for several"
            )
        # The parent's sockets are left alone; they are the parent's.
        _kept_open.extend(self._free)
        self._free, self._lock, self._pid = [], threading.Lock(), os.getpid()


_kept_open: Final[list[Any]] = []
_READING: Final = {"final": 0, "max_query_size": 4_000_000, "max_ast_elements": 500_000}


def open_client(address: Address) -> Any:
    """Return a new client of clickhouse-connect.

    Raises:
        MissingExtraError: a package is not installed.
    """
    try:
        import clickhouse_connect
    except ImportError as error:
        extra = "clickhouse" if address.folder is None else "chdb"
        raise MissingExtraError("a ClickHouse store", "clickhouse-connect", extra) from error
    if address.folder is not None:
        return _open_chdb(address, clickhouse_connect)
    return clickhouse_connect.get_client(
        host=address.host,
        port=address.port,
        username=address.user,
        password=address.password,
        secure=address.is_secure,
        connect_timeout=CONNECT_S,
        send_receive_timeout=ANSWER_S,
        autogenerate_session_id=False,
        form_encode_query_params=True,
        client_name="longpole",
    )


def _open_chdb(address: Address, clickhouse_connect: Any) -> Any:
    assert address.folder is not None
    address.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        return clickhouse_connect.get_client(interface="chdb", path=str(address.folder))
    except ImportError as error:
        raise MissingExtraError("a chDB store", "chdb", "chdb") from error
