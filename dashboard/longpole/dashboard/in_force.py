"""Settings as they may be shown: what a variable says, without the secrets in it."""

from __future__ import annotations

from longpole.dashboard.prices import prices_path
from longpole.model import settings as names
from longpole.model.settings import Settings
from longpole.storage.urls import is_clickhouse, shown_url


def shown_value(variable: str, value: str) -> str:
    """Return a variable's value for people: a token is not shown, nor is the password of a store.

    Raises:
        SettingsError: the value names no store.
    """
    if variable == names.LONGPOLE_TOKEN:
        return "set"
    if variable == names.LONGPOLE_STORE and is_clickhouse(value):
        return shown_url(value)
    return value


def in_force(settings: Settings) -> dict[str, str]:
    """Return what is in force for every variable that Longpole reads, in their order."""
    values = {
        names.LONGPOLE_STORE: shown_value(names.LONGPOLE_STORE, settings.store),
        names.LONGPOLE_CAPTURE_CONTENT: _flag(settings.capture_content),
        names.LONGPOLE_CONTENT_LIMIT: f"{settings.content_limit:,} characters",
        names.LONGPOLE_CURRENT_SPAN: _flag(settings.current_span),
        names.LONGPOLE_HOOKS: _flag(settings.hooks),
        names.LONGPOLE_SPOOL_LIMIT_MIB: f"{settings.spool_limit_bytes // 1024**2:,} MiB",
        names.LONGPOLE_EXIT_TIMEOUT_S: f"{settings.exit_timeout_s:g} s",
        names.LONGPOLE_PRICES: str(prices_path()),
        names.LONGPOLE_PROBES: _flag(settings.probes),
        names.LONGPOLE_TOKEN: "none" if settings.token is None else "set",
    }
    return {variable: values[variable] for variable in names.VARIABLES}


def _flag(value: bool) -> str:
    return "true" if value else "false"
