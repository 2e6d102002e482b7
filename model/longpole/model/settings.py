"""Environment variables in, one frozen `Settings` out; nothing else reads the environment.

Each variable is a constant with its meaning and default right below; constructor arguments of the
handler and options of the command line win over them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from longpole.model.errors import SettingsError

LONGPOLE_STORE = "LONGPOLE_STORE"
"""Where runs are kept: `sqlite:///PATH` or a plain path, `clickhouse://USER:PASSWORD@HOST:PORT/DB`,
or `chdb:///DIR`. Default: `longpole.db` in the user's data folder, the same for the traced app and
the dashboard."""
LONGPOLE_CAPTURE_CONTENT = "LONGPOLE_CAPTURE_CONTENT"
"""Whether inputs and outputs are recorded: `true` or `false`. Default: `true`."""
LONGPOLE_CONTENT_LIMIT = "LONGPOLE_CONTENT_LIMIT"
"""Characters of one input or output that are kept; the rest is cut and the full size noted.
Default: `100000`."""
LONGPOLE_CURRENT_SPAN = "LONGPOLE_CURRENT_SPAN"
"""Whether OpenTelemetry's current span inside a run is the run's own: `true` or `false`. Default:
`true`."""
LONGPOLE_HOOKS = "LONGPOLE_HOOKS"
"""Whether what LangChain's callbacks do not tell is seen too: tries inside a provider's SDK,
embeddings, answers of a text model's cache, the moment a model call is cancelled: `true` or
`false`. Default: `true`."""
LONGPOLE_SPOOL_LIMIT_MIB = "LONGPOLE_SPOOL_LIMIT_MIB"
"""How large the spool of one process may grow, in MiB, while the database cannot be written; spans
beyond it are dropped and counted. Default: `1024`."""
LONGPOLE_EXIT_TIMEOUT_S = "LONGPOLE_EXIT_TIMEOUT_S"
"""Longest time, in seconds, that a process may wait at its end for the database; what is not in the
database by then waits safely in the spool. Default: `2`."""
LONGPOLE_PRICES = "LONGPOLE_PRICES"
"""A TOML file with prices of your own; they come before the public ones. Default: `prices.toml` in
the user's configuration folder, if there is one."""
LONGPOLE_PROBES = "LONGPOLE_PROBES"
"""Whether Longpole wraps the functions with which LangChain and LangGraph submit work, so that the
rows of a batch are one run and queue waits are exact: `true` or `false`. Default: `true`."""
LONGPOLE_TOKEN = "LONGPOLE_TOKEN"
"""Token that senders to `longpole serve` must show, as `Authorization: Bearer …`. Default: none,
and then it listens on this machine only."""

VARIABLES = (
    LONGPOLE_STORE,
    LONGPOLE_CAPTURE_CONTENT,
    LONGPOLE_CONTENT_LIMIT,
    LONGPOLE_CURRENT_SPAN,
    LONGPOLE_HOOKS,
    LONGPOLE_SPOOL_LIMIT_MIB,
    LONGPOLE_EXIT_TIMEOUT_S,
    LONGPOLE_PRICES,
    LONGPOLE_PROBES,
    LONGPOLE_TOKEN,
)
"""Every variable Longpole reads."""

_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})


def default_store_url() -> str:
    """Return the URL of the store that is used when none is named."""
    folder = Path(platformdirs.user_data_dir("longpole", appauthor=False))
    return f"sqlite:///{folder / 'longpole.db'}"


def default_prices_path() -> Path:
    """Return where prices of the user's own are looked for when no file is named."""
    return Path(platformdirs.user_config_dir("longpole", appauthor=False)) / "prices.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the environment asks for, checked.

    Attributes:
        prices: the price file that was named; `None` leaves the default one, if it is there.
        token: what senders to the receiver must show.
    """

    store: str
    capture_content: bool = True
    content_limit: int = 100_000
    current_span: bool = True
    hooks: bool = True
    spool_limit_bytes: int = 1024 * 1024 * 1024
    exit_timeout_s: float = 2.0
    prices: Path | None = None
    probes: bool = True
    token: str | None = None


def read_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the variables above; `environ` defaults to the process environment.

    Raises:
        SettingsError: a variable holds a value that cannot be used; the message names it.
    """
    given = os.environ if environ is None else environ
    return Settings(
        store=given.get(LONGPOLE_STORE, "").strip() or default_store_url(),
        capture_content=_flag(given, LONGPOLE_CAPTURE_CONTENT, default=True),
        content_limit=int(_number(given, LONGPOLE_CONTENT_LIMIT, default=100_000)),
        current_span=_flag(given, LONGPOLE_CURRENT_SPAN, default=True),
        hooks=_flag(given, LONGPOLE_HOOKS, default=True),
        spool_limit_bytes=int(_number(given, LONGPOLE_SPOOL_LIMIT_MIB, default=1024) * 1024 * 1024),
        exit_timeout_s=_number(given, LONGPOLE_EXIT_TIMEOUT_S, default=2.0),
        prices=_path(given, LONGPOLE_PRICES),
        probes=_flag(given, LONGPOLE_PROBES, default=True),
        token=given.get(LONGPOLE_TOKEN, "").strip() or None,
    )


def _path(environ: Mapping[str, str], variable: str) -> Path | None:
    text = environ.get(variable, "").strip()
    return Path(text).expanduser() if text else None


def _flag(environ: Mapping[str, str], variable: str, *, default: bool) -> bool:
    text = environ.get(variable, "").strip().lower()
    if not text:
        return default
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise SettingsError(f"{variable} is {text!r}, expected true or false")


def _number(environ: Mapping[str, str], variable: str, *, default: float) -> float:
    text = environ.get(variable, "").strip()
    if not text:
        return default
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < 1e12:
        raise SettingsError(f"{variable} is {text!r}, expected a number of 0 or more")
    return number
