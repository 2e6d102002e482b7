"""LangSmith's own client, made so that it tells what became of every request.

The client hides failures: it retries, logs and drops. Here it gets a session that notes each
answer, no queue, no retries of the session's own, and settings under which nothing is sampled away
or emptied whatever the environment says.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import requests

from longpole.model.errors import ExchangeError, SettingsError

if TYPE_CHECKING:
    from langsmith import Client

CLOUD: Final = "smith.langchain.com"

_IGNORED: Final[Mapping[str, str]] = {
    "TRACING_SAMPLING_RATE": "every chosen run is sent",
    "HIDE_INPUTS": "leave contents out with --no-content",
    "HIDE_OUTPUTS": "leave contents out with --no-content",
    "HIDE_METADATA": "clean it with --redact",
    "RUNS_ENDPOINTS": "runs go to one endpoint only",
    "FAILED_TRACES_DIR": "what could not be sent is in Longpole's ledger",
    "OTEL_ENABLED": "runs go by LangSmith's own API",
    "OTEL_ONLY": "runs go by LangSmith's own API",
    "TRACING_MODE": "runs go by LangSmith's own API",
    "USE_PYO3_CLIENT": "the client has to tell what became of each run",
}
_PREFIXES: Final = ("LANGSMITH_", "LANGCHAIN_")
_OFF: Final = frozenset({"", "false", "0"})
# Of a rate it is one that changes nothing.
_HARMLESS: Final = {"TRACING_SAMPLING_RATE": frozenset({"", "1", "1.0"})}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered, or why it did not.

    Attributes:
        status: of HTTP; `None` when there was no answer.
        text: the body's beginning, or what went wrong.
    """

    status: int | None
    text: str
    retry_after: str | None = None


class NotingSession(requests.Session):
    """A session that notes the answers to what it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.answers: list[Answer] = []

    def request(self, *args: Any, **more: Any) -> requests.Response:
        """Ask as `requests` does; note what came of it."""
        try:
            response = super().request(*args, **more)
        except requests.RequestException as error:
            self.answers.append(Answer(None, _why(error)))
            raise
        self.answers.append(
            Answer(
                response.status_code,
                "" if response.ok else response.text[:_TEXT_LIMIT],
                response.headers.get("Retry-After"),
            )
        )
        return response


_TEXT_LIMIT: Final = 2_000


def _why(error: requests.RequestException) -> str:
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    if isinstance(error, requests.ConnectionError):
        return "no connection, or it was closed before the answer"
    return f"{type(error).__name__}: {error}"


def ignored_variables(environ: Mapping[str, str]) -> Mapping[str, str]:
    """Return variables that would change what is sent, and why they do not count here."""
    return {
        prefix + name: why
        for name, why in _IGNORED.items()
        for prefix in _PREFIXES
        if environ.get(prefix + name, "").strip().lower() not in _HARMLESS.get(name, _OFF)
    }


def open_client(
    session: NotingSession, *, endpoint: str | None = None, api_key: str | None = None
) -> Client:
    """Return a client whose requests go through `session`; nothing is asked yet.

    Args:
        session: notes what is answered.
        endpoint: LangSmith's URL; LANGSMITH_ENDPOINT, else its cloud, when `None`.
        api_key: LANGSMITH_API_KEY when `None`.

    Raises:
        SettingsError: there is no key for LangSmith's cloud, or the client refuses its settings.
    """
    with _without(_IGNORED):
        client = _client(session, endpoint, api_key)
    if CLOUD in client.api_url and not client.api_key:
        raise SettingsError(
            "LANGSMITH_API_KEY is not set; make a key in LangSmith's settings and export it"
        )
    return client


def check_answering(client: Client, session: NotingSession) -> None:
    """Ask for the server's limits, which the client keeps.

    Raises:
        ExchangeError: nobody answers there, or something that is no LangSmith.
    """
    session.answers.clear()
    limits = client.info.batch_ingest_config
    answer = session.answers[-1] if session.answers else None
    if answer is not None and answer.status is None:
        raise ExchangeError(
            f"LangSmith cannot be reached at {client.api_url!r}: {answer.text}; "
            "see LANGSMITH_ENDPOINT"
        )
    if answer is not None and (answer.status != 200 or limits is None):
        raise ExchangeError(
            f"there is no LangSmith at {client.api_url!r} (/info answered {answer.status}); "
            "see LANGSMITH_ENDPOINT"
        )


def _client(session: NotingSession, endpoint: str | None, api_key: str | None) -> Client:
    # Loaded here: it takes half a second that other commands need not wait for.
    from langsmith import Client
    from langsmith.utils import LangSmithError
    from urllib3.util import Retry

    try:
        return Client(
            api_url=endpoint,
            api_key=api_key,
            session=session,
            auto_batch_tracing=False,
            retry_config=Retry(0, respect_retry_after_header=False),
            omit_traced_runtime_info=True,
            tracing_sampling_rate=1.0,
            tracing_mode="langsmith",
            hide_inputs=False,
            hide_outputs=False,
            hide_metadata=False,
            disable_prompt_cache=True,
        )
    except (LangSmithError, ValueError) as error:
        raise SettingsError(f"LangSmith's client cannot be set up: {error}") from error


@contextlib.contextmanager
def _without(names: Mapping[str, str]) -> Iterator[None]:
    """Take variables out of the environment while the client reads it."""
    taken = {
        prefix + name: os.environ.pop(prefix + name)
        for name in names
        for prefix in _PREFIXES
        if prefix + name in os.environ
    }
    try:
        yield
    finally:
        os.environ.update(taken)


@contextlib.contextmanager
def quiet_client() -> Iterator[None]:
    """Keep the client's log to itself: what it complains of is in the answers."""
    logger = logging.getLogger("langsmith")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)
