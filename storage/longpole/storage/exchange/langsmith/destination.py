"""Batches of runs → LangSmith, with an answer for each run.

One bad run fails its whole request and LangSmith does not say which: a refused request is halved
until the bad run stands alone. A conflict says only that something in the request is there already:
its runs go one by one. What passes by itself (too many requests, a server in trouble, no answer) is
tried again with growing waits, and waits in the ledger when that does not help.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import orjson

from longpole.model.errors import ExchangeError
from longpole.storage.exchange.delivery import Fate, Item, Outcome
from longpole.storage.exchange.langsmith.client import Answer, NotingSession
from longpole.storage.exchange.langsmith.order import is_old
from longpole.storage.exchange.langsmith.runs import langsmith_runs, size_of
from longpole.storage.exchange.parcel import Parcel
from longpole.storage.exchange.patience import wait_s

if TYPE_CHECKING:
    from langsmith import Client

_BATCH_SPANS: Final = 100
_BATCH_BYTES: Final = 8 * 1024 * 1024
_TRIES: Final = 6
_PASSING: Final = frozenset({408, 425, 429})
_CONFLICT: Final = 409
# Told for its age, not for something else: others would be refused alike.
_AGE: Final = re.compile(r"start_?time|24.hours", re.IGNORECASE)


class LangSmith:
    """A project in LangSmith; a `Destination`.

    Args:
        client: from `open_client`.
        session: the one it was opened with.
        project: its name; made by LangSmith when it is not there.
        now_ns, sleep, random: clock, waiting and chance.
        salt: gives runs ids of their own, see `order.places`.
    """

    def __init__(
        self,
        client: Client,
        session: NotingSession,
        *,
        project: str,
        now_ns: Callable[[], int],
        sleep: Callable[[float], None],
        random: Callable[[], float],
        salt: str | None = None,
    ) -> None:
        self._client = client
        self._session = session
        self._project = project
        self._now_ns = now_ns
        self._sleep = sleep
        self._random = random
        self._salt = salt
        self._too_old: str | None = None
        self._taken_old = False

    @property
    def batch_spans(self) -> int:
        """How many spans go in one request."""
        return min(_BATCH_SPANS, self._limit("size_limit") or _BATCH_SPANS)

    @property
    def batch_bytes(self) -> int:
        """How large a request may be."""
        return min(_BATCH_BYTES, self._limit("size_limit_bytes") or _BATCH_BYTES)

    def _limit(self, key: str) -> int | None:
        # The client asks the server once and keeps the answer.
        limits: Mapping[str, Any] = self._client.info.batch_ingest_config or {}
        limit = limits.get(key)
        return limit if isinstance(limit, int) and limit > 0 else None

    @property
    def name(self) -> str:
        """What the ledger knows it by."""
        return destination_name(self._client.api_url, self._project, self._salt)

    @property
    def title(self) -> str:
        """What people know it by."""
        return f"LangSmith project {self._project!r} at {self._client.api_url}"

    def items(self, parcel: Parcel, shift_ns: int) -> Iterable[Item]:
        """Return the spans of a run as LangSmith's runs, parents before children."""
        old = shift_ns == 0 and is_old(parcel.run, self._now_ns())
        for span_id, run in langsmith_runs(
            parcel, project=self._project, shift_ns=shift_ns, salt=self._salt
        ):
            yield Item(
                run_id=parcel.run.run_id,
                span_id=span_id,
                payload=(run, old),
                size_bytes=size_of(run),
            )

    def send(self, items: Sequence[Item]) -> Sequence[Outcome]:
        """Send one batch; return what became of each item, in order.

        Raises:
            ExchangeError: the key is not accepted, or there is no such place.
        """
        found: dict[int, Outcome] = {}
        everyone = list(range(len(items)))
        old = [at for at in everyone if items[at].payload[1]]
        if old and not self._taken_old:
            # The cloud refuses what started over a day ago, and the whole request with it: one run
            # is sent ahead to see.
            self._try_old(old[0], items, found)
        if self._too_old is not None:
            found.update((at, Outcome(Fate.REFUSED, self._too_old)) for at in old)
        self._send_parts([[at for at in everyone if at not in found]], items, found)
        return [found[at] for at in everyone]

    def _try_old(self, at: int, items: Sequence[Item], found: dict[int, Outcome]) -> None:
        if self._too_old is not None:
            return
        self._send_parts([[at]], items, found)
        if found[at].fate is Fate.REFUSED and _AGE.search(found[at].detail):
            self._too_old = f"{found[at].detail} (it started more than 24 hours ago)"
        self._taken_old = found[at].fate in (Fate.SENT, Fate.EXISTS)

    def _send_parts(
        self, parts: list[list[int]], items: Sequence[Item], found: dict[int, Outcome]
    ) -> None:
        while parts:
            part = parts.pop()
            if not part:
                continue
            answer = self._post_patiently([items[at].payload[0] for at in part])
            outcome = _outcome(answer, is_alone=len(part) == 1)
            if outcome is not None:
                found.update((at, outcome) for at in part)
            elif answer.status == _CONFLICT:
                parts.extend([at] for at in reversed(part))
            else:
                middle = len(part) // 2
                parts.extend([part[middle:], part[:middle]])

    def _post_patiently(self, runs: Sequence[dict[str, Any]]) -> Answer:
        answer = self._post(runs)
        for failures in range(1, _TRIES):
            if not _passes(answer):
                break
            now = datetime.datetime.fromtimestamp(self._now_ns() / 1e9, datetime.UTC)
            self._sleep(wait_s(failures, answer.retry_after, random=self._random, now=now))
            answer = self._post(runs)
        _check_welcome(answer, self._client.api_url)
        return answer

    def _post(self, runs: Sequence[dict[str, Any]]) -> Answer:
        self._session.answers.clear()
        # Copies: the client takes inputs, outputs and more out of what it is given.
        self._client.multipart_ingest(create=[_copy(run) for run in runs])
        if not self._session.answers:
            return Answer(None, "LangSmith's client sent nothing")
        return self._session.answers[-1]


def destination_name(api_url: str, project: str, salt: str | None) -> str:
    """Return what the ledger knows a project by."""
    name = f"langsmith {api_url.rstrip('/')} {project}"
    return name if salt is None else f"{name} (new ids)"


def _copy(run: dict[str, Any]) -> dict[str, Any]:
    extra = run["extra"]
    return {**run, "extra": {**extra, "metadata": dict(extra["metadata"])}}


def _passes(answer: Answer) -> bool:
    return answer.status is None or answer.status in _PASSING or answer.status >= 500


def _outcome(answer: Answer, *, is_alone: bool) -> Outcome | None:
    """Return what an answer means for all runs of a request; `None` when it must be split."""
    if answer.status is not None and answer.status < 300:
        return Outcome(Fate.SENT)
    if _passes(answer):
        told = "" if answer.status is None else f"LangSmith answered {answer.status}: "
        return Outcome(Fate.WAITING, f"{told}{_one_line(answer.text)}")
    if not is_alone:
        return None
    if answer.status == _CONFLICT:
        return Outcome(Fate.EXISTS)
    return Outcome(Fate.REFUSED, f"{answer.status}: {_one_line(answer.text)}")


def _check_welcome(answer: Answer, api_url: str) -> None:
    if answer.status == 401:
        raise ExchangeError(
            f"LangSmith at {api_url!r} does not know the key (401: {_one_line(answer.text)}); "
            "see LANGSMITH_API_KEY"
        )
    if answer.status == 403:
        raise ExchangeError(
            f"LangSmith at {api_url!r} does not let this key write (403: "
            f"{_one_line(answer.text)}); see LANGSMITH_API_KEY and LANGSMITH_WORKSPACE_ID"
        )
    if answer.status in (404, 405):
        raise ExchangeError(
            f"LangSmith at {api_url!r} takes no runs ({answer.status}); see LANGSMITH_ENDPOINT"
        )


def _one_line(text: str) -> str:
    """Return a server's words: those of its JSON, or the text as it is."""
    try:
        told = orjson.loads(text)
    except ValueError:
        told = None
    if isinstance(told, dict):
        words = told.get("error") or told.get("detail") or told.get("message")
        text = words if isinstance(words, str) else text
    line = " ".join(text.split())
    return line if len(line) <= _LINE_LIMIT else line[: _LINE_LIMIT - 1] + "…"


_LINE_LIMIT: Final = 300
