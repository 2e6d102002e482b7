"""What client or server complained of → our errors, in one sentence that says what to check.

The client wraps what the network said several times over, with ids of queries and of requests; the
innermost reason is what helps. Passwords are in no message: addresses are shown without them, and
neither client nor server repeats one.

Source: clickhouse-connect 1.12, `driver/_backend/http_sync.py`; ClickHouse's ErrorCodes.cpp.
"""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Iterator
from typing import Final

from longpole.model.errors import MissingTableError, StoreError, StoreUnavailableError
from longpole.storage.clickhouse.address import Address

CONNECT_S: Final = 5
"""How long a server may take to accept a connection."""
ANSWER_S: Final = 300
"""How long it may take to answer."""

# The client logs a line about every failed request before it raises. Whoever set up logging gets
# it; without this others would get it on stderr, before our sentence.
logging.getLogger("clickhouse_connect").addHandler(logging.NullHandler())

# What is not there yet, and who may not come in.
_NO_DATABASE: Final = 81
_NO_TABLE: Final = 60
_NOT_LET_IN: Final = (192, 194, 516)
# How chDB says that its folder is another process's.
_TAKEN: Final = "Unable to open the chdb engine"
# What the port for ClickHouse's own protocol answers to HTTP.
_NATIVE_PORT: Final = "is for clickhouse-client"
# What the client says of an answer that is no ClickHouse's.
_HTTP_STATUS: Final = "received HTTP status"
_OS_WORDS: Final = re.compile(r"\[Errno -?\d+\] ([^)'\"]+)")


@contextlib.contextmanager
def errors_of(address: Address) -> Iterator[None]:
    """Turn errors of the client and of the server into `StoreError`s."""
    try:
        yield
    except StoreError:
        raise
    except OSError as error:
        raise StoreUnavailableError(f"store {address.shown!r} cannot be used: {error}") from error
    except Exception as error:
        if not type(error).__module__.startswith("clickhouse_connect"):
            raise
        raise _store_error(error, address) from error


def _store_error(error: Exception, address: Address) -> StoreError:
    cause = error.__cause__
    if cause is not None and type(cause).__module__.startswith("urllib3"):
        return StoreUnavailableError(_unreachable(cause, address))
    text = _first_line(str(error))
    code = getattr(error, "code", None)
    if code in (_NO_TABLE, _NO_DATABASE):
        return MissingTableError(f"store {address.shown!r} has no such table: {text}")
    if code in _NOT_LET_IN:
        return StoreUnavailableError(
            f"store {address.shown!r} does not let in user {address.user!r}: {text}; "
            "check user and password in the store's URL"
        )
    if _NATIVE_PORT in str(error):
        return StoreUnavailableError(
            f"store {address.shown!r} cannot be used: port {address.port} is that of "
            "clickhouse-client; name the port of the HTTP interface, 8123 unless configured"
        )
    if _TAKEN in text and address.folder is not None:
        text += "; one process at a time can use a chDB folder, use a server for several"
    if code is None and _HTTP_STATUS in text:
        text += "; check that this is the port of ClickHouse's HTTP interface"
    return StoreUnavailableError(f"store {address.shown!r} cannot do this: {text}")


def _unreachable(error: BaseException, address: Address) -> str:
    """Return why no answer came, and what to check."""
    from urllib3 import exceptions

    reason = error.reason if isinstance(error, exceptions.MaxRetryError) else error
    place = f"{address.host}:{address.port}"
    told = f"store {address.shown!r} cannot be reached: "
    match reason:
        case exceptions.NameResolutionError():
            return f"{told}no host {address.host!r} is known; check the host in the store's URL"
        # A kind of the next one, by inheritance.
        case exceptions.NewConnectionError():
            found = _OS_WORDS.search(str(reason))
            why = f"{place} says {found[1].strip().lower() if found else 'no'}"
        case exceptions.ConnectTimeoutError():
            why = f"{place} does not answer within {CONNECT_S} s"
        case exceptions.ReadTimeoutError():
            return f"{told}{place} did not answer within {ANSWER_S} s; check how busy the server is"
        case exceptions.SSLError():
            kind = "a TLS connection" if address.is_secure else "a connection"
            why = f"{place} refuses {kind} ({_first_line(str(reason))})"
        case _:
            why = f"{place} closed the connection without an answer"
    return (
        f"{told}{why}; check that ClickHouse runs there and that this is the port of its HTTP "
        "interface (8123, with ?secure=true 8443)"
    )


def _first_line(text: str) -> str:
    line = text.strip().partition("\n")[0]
    return line if len(line) <= 500 else f"{line[:500]}…"
