"""A store's URL → where its ClickHouse is. Pure.

`clickhouse://USER:PASSWORD@HOST:PORT/DATABASE?secure=true&cluster=NAME` names a server, over
HTTP; `chdb:///DIR?database=NAME` a folder that the engine in this process keeps. Everything but the
host may be left away. What people see of an address never has its password.
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import platformdirs

from longpole.model.errors import SettingsError

_DATABASE: Final = "default"
_CHDB_DATABASE: Final = "longpole"
_PORT: Final = 8123
_SECURE_PORT: Final = 8443
_IDENTIFIER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
_OPTIONS: Final = {"clickhouse": {"secure", "cluster"}, "chdb": {"database"}}
_FLAGS: Final = {"true": True, "1": True, "false": False, "0": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a store is.

    Attributes:
        folder: of chDB; `None` for a server.
        host, port: of the server's HTTP interface; without meaning for chDB.
        database: where the tables are, an identifier.
        cluster: the cluster over which they are distributed, an identifier; `None` for one server.
    """

    database: str
    folder: Path | None = None
    host: str = ""
    port: int = 0
    user: str = "default"
    password: str = ""
    is_secure: bool = False
    cluster: str | None = None

    @property
    def url(self) -> str:
        """The URL that opens the store again; the same text for the same store."""
        return self._url(f"{quote(self.user, safe='')}:{quote(self.password, safe='')}@")

    @property
    def shown(self) -> str:
        """The URL as it may be shown and written down: without user and password."""
        return self._url("")

    def _url(self, credentials: str) -> str:
        if self.folder is not None:
            return f"chdb:///{self.folder}?database={self.database}"
        options = [f"cluster={self.cluster}"] if self.cluster else []
        options += ["secure=true"] if self.is_secure else []
        host = f"[{self.host}]" if ":" in self.host else self.host
        more = f"?{'&'.join(options)}" if options else ""
        return f"clickhouse://{credentials}{host}:{self.port}/{self.database}{more}"

    @property
    def outbox(self) -> Path:
        """The file beside which this machine spools for this store, in the user's data folder."""
        folder = Path(platformdirs.user_data_dir("longpole", appauthor=False))
        name = hashlib.blake2b(self.shown.encode(), digest_size=8).hexdigest()
        return folder / f"outbox-{name}.db"


def read_address(url: str) -> Address:
    """Return where the store is.

    Raises:
        SettingsError: the URL does not say; the message says what was expected.
    """
    text = url.strip()
    scheme = text.partition("://")[0].lower()
    options = _options(text, scheme)
    return _folder(text, options) if scheme == "chdb" else _server(text, options)


def _options(url: str, scheme: str) -> dict[str, str]:
    options = dict(parse_qsl(url.partition("?")[2]))
    unknown = sorted(options.keys() - _OPTIONS[scheme])
    if unknown:
        known = " and ".join(sorted(_OPTIONS[scheme]))
        raise SettingsError(f"store option {unknown[0]!r} is unknown, {scheme} knows {known}")
    return options


def _folder(url: str, options: dict[str, str]) -> Address:
    path = unquote(url.partition("?")[0][len("chdb:///") :])
    if not url.lower().startswith("chdb:///") or not path or "\0" in path:
        raise SettingsError(f"store {url!r} names no folder, expected chdb:///DIR")
    return Address(
        folder=Path(os.path.realpath(os.path.expanduser(path))),
        database=_identifier(options.get("database", _CHDB_DATABASE), "database"),
    )


def _server(url: str, options: dict[str, str]) -> Address:
    expected = "expected clickhouse://USER:PASSWORD@HOST:PORT/DATABASE"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise SettingsError(f"the store's URL cannot be read ({error}), {expected}") from error
    if not parts.hostname:
        raise SettingsError(f"the store's URL names no host, {expected}")
    secure = options.get("secure", "false").lower()
    if secure not in _FLAGS:
        raise SettingsError(f"store option secure is {secure!r}, expected true or false")
    database = unquote(parts.path.strip("/")) or _DATABASE
    cluster = options.get("cluster")
    return Address(
        host=parts.hostname,
        port=port or (_SECURE_PORT if _FLAGS[secure] else _PORT),
        user=unquote(parts.username or "default"),
        password=unquote(parts.password or ""),
        is_secure=_FLAGS[secure],
        database=_identifier(database, "database"),
        cluster=None if cluster is None else _identifier(cluster, "cluster"),
    )


def _identifier(text: str, what: str) -> str:
    if not _IDENTIFIER.fullmatch(text):
        raise SettingsError(
            f"{what} {text!r} cannot be used, expected letters, digits and underscores"
        )
    return text
