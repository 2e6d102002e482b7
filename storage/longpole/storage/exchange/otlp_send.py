"""OTLP requests → a collector, over HTTP.

In: a request. Out: an `Answer`, whatever happens on the way: what a server cannot take just now is
tried again, with growing pauses or those it asks for; what it will never take is told in its words.

Source: opentelemetry-proto docs/specification.md, "OTLP/HTTP": which answers may be tried again,
and what a partial success is.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from gzip import compress
from typing import Final, Literal
from urllib.parse import urlsplit

import requests
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from longpole.model.errors import SettingsError
from longpole.storage.exchange.patience import asked_s, moment_of

_PATH: Final = "/v1/traces"
_PROTOBUF: Final = "application/x-protobuf"
_TRIES: Final = 5
_FIRST_PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 60.0
_CONNECT_S: Final = 10.0
_ANSWER_S: Final = 60.0
_ANSWER_BYTES: Final = 64 * 1024
_WORDS: Final = 300

_RETRYABLE: Final = (429, 502, 503, 504)
_DENIED: Final = (401, 403)
_PASSING: Final = (
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What became of a request.

    Attributes:
        state: `sent`; `partial` when the server kept only some of it; `waiting` when it could not
            be reached or was busy until the last try, so that it may be sent again later;
            `refused` and `denied` (the key) when sending it again would change nothing.
        rejected: spans that the server did not keep.
        detail: in words, the server's where it has some; empty when all is well.
    """

    state: Literal["sent", "partial", "waiting", "refused", "denied"]
    rejected: int = 0
    detail: str = ""


@dataclass(frozen=True, slots=True)
class _Heard:
    """One answer of the server, as far as it is looked at."""

    code: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def media_type(self) -> str:
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()


class OtlpSender:
    """Sends requests to one endpoint, one after the other."""

    def __init__(
        self,
        endpoint: str,
        headers: Mapping[str, str],
        *,
        session: requests.Session,
        sleep: Callable[[float], None],
        gzip: bool = True,
    ) -> None:
        """Look at the address; nothing is sent yet.

        Args:
            endpoint: the collector's address; `/v1/traces` is added where it is missing.
            headers: for every request, such as a key.
            session: for the connections; the caller closes it.
            sleep: waits so many seconds between tries.
            gzip: whether to compress.

        Raises:
            SettingsError: the endpoint is no HTTP address.
        """
        self.url: Final = _url(endpoint)
        self._session = session
        self._sleep = sleep
        self._gzip = gzip
        encoding = {"Content-Encoding": "gzip"} if gzip else {}
        agent = {"User-Agent": "longpole"}
        self._headers = {**agent, **headers, "Content-Type": _PROTOBUF, **encoding}

    def send(self, request: ExportTraceServiceRequest) -> Answer:
        """Send one request, at most five times."""
        body = request.SerializeToString()
        if self._gzip:
            body = compress(body)
        answer = Answer(state="waiting")
        for number in range(_TRIES):
            answer, pause_s = self._once(body, _FIRST_PAUSE_S * 2**number)
            if answer.state != "waiting" or pause_s > _LONGEST_PAUSE_S:
                return answer
            if number < _TRIES - 1:
                self._sleep(pause_s)
        return answer

    def _once(self, body: bytes, pause_s: float) -> tuple[Answer, float]:
        """Return the answer of one try, and how long to wait before the next."""
        try:
            heard = self._post(body)
        except requests.exceptions.SSLError:
            return self._failed("refused", "its certificate is not trusted"), 0.0
        except _PASSING as error:
            return self._failed("waiting", f"no answer ({type(error).__name__})"), pause_s
        except (requests.RequestException, ValueError) as error:
            # A header or an address that HTTP cannot carry: the text might repeat a key.
            return self._failed("refused", f"cannot be asked ({type(error).__name__})"), 0.0
        if heard.code in _RETRYABLE:
            # A date counts from that of the answer: the clocks may differ.
            sent_at = moment_of(heard.headers.get("Date", ""))
            wanted_s = asked_s(heard.headers.get("Retry-After", ""), sent_at)
            if wanted_s is None:
                return self._failed("waiting", _words(heard)), pause_s
            return self._failed("waiting", f"{_words(heard)}; asks for {wanted_s:g} s"), wanted_s
        if 200 <= heard.code < 300:
            return self._taken(heard), 0.0
        state: Literal["denied", "refused"] = "denied" if heard.code in _DENIED else "refused"
        return self._failed(state, _words(heard)), 0.0

    def _post(self, body: bytes) -> _Heard:
        # A redirect would turn the POST into a GET and take the key elsewhere.
        with self._session.post(
            self.url,
            data=body,
            headers=self._headers,
            timeout=(_CONNECT_S, _ANSWER_S),
            allow_redirects=False,
            stream=True,
        ) as response:
            held = b""
            for part in response.iter_content(_ANSWER_BYTES):
                held += part
                if len(held) >= _ANSWER_BYTES:
                    break
            return _Heard(response.status_code, response.headers, held)

    def _failed(self, state: Literal["waiting", "refused", "denied"], words: str) -> Answer:
        return Answer(state=state, detail=f"{urlsplit(self.url).hostname}: {words}")

    def _taken(self, heard: _Heard) -> Answer:
        if heard.media_type == "text/html":
            return self._failed("refused", "answered with a web page, expected an OTLP endpoint")
        partial = _partial_success(heard)
        rejected = max(0, partial.rejected_spans)
        return Answer(
            state="partial" if rejected else "sent",
            rejected=rejected,
            detail=_printable(partial.error_message),
        )


def _url(endpoint: str) -> str:
    address = endpoint.strip().rstrip("/")
    try:
        parts = urlsplit(address)
        is_usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_usable = False
    if not is_usable:
        raise SettingsError(
            f"endpoint {endpoint!r} is no HTTP address; give one such as http://localhost:4318"
        )
    return address if address.endswith(_PATH) else address + _PATH


def _partial_success(heard: _Heard) -> ExportTracePartialSuccess:
    """Return what the server did not keep; an answer that says nothing readable says nothing."""
    if heard.media_type == "application/json":
        return _partial_success_in_json(heard.body)
    try:
        return ExportTraceServiceResponse.FromString(heard.body).partial_success
    except DecodeError:
        return ExportTracePartialSuccess()


def _partial_success_in_json(body: bytes) -> ExportTracePartialSuccess:
    try:
        told = json.loads(body)["partialSuccess"]
        return ExportTracePartialSuccess(
            rejected_spans=int(told.get("rejectedSpans", 0)),
            error_message=str(told.get("errorMessage", "")),
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return ExportTracePartialSuccess()


def _words(heard: _Heard) -> str:
    """Return the code and what the server says: plain text, JSON or a `google.rpc.Status`."""
    text = heard.body.decode(errors="replace")
    if heard.media_type == _PROTOBUF:
        try:
            # A Status has its code and message where a partial success has count and message.
            text = ExportTracePartialSuccess.FromString(heard.body).error_message
        except DecodeError:
            text = ""
    elif heard.media_type == "application/json":
        text = _message_in_json(text)
    elif heard.media_type == "text/html":
        text = ""
    said = _printable(text)
    return f"HTTP {heard.code}: {said}" if said else f"HTTP {heard.code}"


def _message_in_json(text: str) -> str:
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        return text
    message = told.get("message") if isinstance(told, dict) else None
    return message if isinstance(message, str) else text


def _printable(text: str) -> str:
    flat = " ".join("".join(one if one.isprintable() else " " for one in text).split())
    return flat if len(flat) <= _WORDS else f"{flat[:_WORDS]}…"
