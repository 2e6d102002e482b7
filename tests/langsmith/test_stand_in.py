"""The stand-in takes what LangSmith takes from its own client, and refuses what LangSmith refuses.

Lawful and unlawful runs go through the real `langsmith.Client` wherever it can send them; bodies
that it never sends go out by hand.
"""

from __future__ import annotations

import gzip
import http.client
import threading
import uuid
from collections.abc import Callable, Iterator
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import orjson
import pytest
import requests
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from langsmith import Client
from langsmith.utils import LangSmithConflictError, LangSmithNotFoundError
from urllib3 import Retry

from tests.langsmith.checks import Flaw, flaws, usage_flaws
from tests.langsmith.faults import PASSING, STATUSES, Fault, Faults
from tests.langsmith.server import API_KEY, StandIn

pytestmark = pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning")

PROJECT = "stand-in"
NOW = datetime(2026, 5, 4, 12, 0, 0, 250_000, tzinfo=UTC)

Json = dict[str, Any]


def _id(number: int) -> str:
    return f"{number:08x}-0000-4000-8000-000000000000"


def _stamp(at: datetime) -> str:
    return at.strftime("%Y%m%dT%H%M%S%fZ")


def _run(number: int, parent: Json | None = None, at: datetime = NOW) -> Json:
    """Return a lawful finished run."""
    run_id = _id(number)
    own = _stamp(at) + run_id
    run: Json = {
        "id": run_id,
        "trace_id": parent["trace_id"] if parent else run_id,
        "dotted_order": f"{parent['dotted_order']}.{own}" if parent else own,
        "name": f"run {number}",
        "run_type": "chain",
        "start_time": at.isoformat(),
        "end_time": (at + timedelta(seconds=1)).isoformat(),
        "inputs": {"question": number},
        "outputs": {"answer": "ü"},
        "extra": {"metadata": {"thread_id": "t"}},
        "tags": ["one"],
        "session_name": PROJECT,
    }
    return run if parent is None else run | {"parent_run_id": parent["id"]}


def _tree(first: int = 1) -> list[Json]:
    """Return a root with a step, and below that a model call with usage that failed late."""
    root = _run(first)
    step = _run(first + 1, root, NOW + timedelta(microseconds=1))
    call = _run(first + 2, step, NOW + timedelta(seconds=2)) | {
        "run_type": "llm",
        "error": "ValueError: late",
        "events": [{"name": "new_token", "time": (NOW + timedelta(seconds=3)).isoformat()}],
        "serialized": {"type": "constructor"},
    }
    call["outputs"] = {
        "usage_metadata": {
            "input_tokens": 120,
            "output_tokens": 30,
            "total_tokens": 150,
            "input_token_details": {"cache_read": 100, "cache_creation": 5},
            "output_token_details": {"reasoning": 10},
            "total_cost": 0.25,
        }
    }
    return [root, step, call]


def _client(stand_in: StandIn, **options: Any) -> Client:
    """Return a real client that tries once and adds nothing to the runs."""
    settings_ = {
        "api_url": stand_in.url,
        "api_key": API_KEY,
        "auto_batch_tracing": False,
        "retry_config": Retry(0, respect_retry_after_header=False),
        "omit_traced_runtime_info": True,
        "tracing_sampling_rate": 1.0,
        "hide_inputs": False,
        "hide_outputs": False,
        "hide_metadata": False,
        **options,
    }
    return Client(**settings_)


class _Plain:
    """A client that sends what it is told, once; it notes nothing and mends nothing."""

    def __init__(self, stand_in: StandIn) -> None:
        self._address = urlsplit(stand_in.url).netloc

    def send(self, method: str, path: str, body: bytes, **headers: str) -> tuple[int, str]:
        status, text, _ = self.send_for_headers(method, path, body, **headers)
        return status, text

    def send_for_headers(
        self, method: str, path: str, body: bytes, **headers: str
    ) -> tuple[int, str, http.client.HTTPMessage]:
        told = {"x-api-key": API_KEY, "Content-Type": "application/json"}
        told |= {name.replace("_", "-"): value for name, value in headers.items()}
        connection = http.client.HTTPConnection(self._address, timeout=30)
        try:
            connection.request(method, path, body, {key: told[key] for key in told if told[key]})
            response = connection.getresponse()
            return response.status, response.read().decode(), response.headers
        finally:
            connection.close()

    def batch(self, *runs: Json, patch: tuple[Json, ...] = ()) -> tuple[int, str]:
        return self.send("POST", "/runs/batch", orjson.dumps({"post": runs, "patch": patch}))

    def multipart(self, body: bytes) -> tuple[int, str]:
        return self.send(
            "POST", "/runs/multipart", body, Content_Type="multipart/form-data; boundary=b"
        )


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    with StandIn() as running:
        yield running


def _part(name: str, value: object, *, length: int | None = None) -> bytes:
    data = value if isinstance(value, bytes) else orjson.dumps(value)
    size = len(data) if length is None else length
    head = (
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n'
        f"Content-Type: application/json\r\nContent-Length: {size}\r\n\r\n"
    )
    return head.encode() + data + b"\r\n"


def _multipart(*runs: Json) -> bytes:
    body = b""
    for run in runs:
        own = dict(run)
        big = {key: own.pop(key) for key in ("inputs", "outputs") if key in own}
        body += _part(f"post.{run['id']}", own)
        for key, value in big.items():
            body += _part(f"post.{run['id']}.{key}", value)
    return body + b"--b--\r\n"


# -- a lawful tree, in every way the client has ------------------------------------------------


def _by_multipart(stand_in: StandIn, runs: list[Json]) -> None:
    _client(stand_in).multipart_ingest(create=deepcopy(runs))


def _by_batch(stand_in: StandIn, runs: list[Json]) -> None:
    _client(stand_in).batch_ingest_runs(create=deepcopy(runs))


def _one_by_one(stand_in: StandIn, runs: list[Json]) -> None:
    client = _client(stand_in)
    for run in deepcopy(runs):
        client.create_run(**run)


def _in_the_background(stand_in: StandIn, runs: list[Json]) -> None:
    client = _client(stand_in, auto_batch_tracing=True)
    # The client compresses from the moment its thread has read /info, as it has when it has sent.
    for some in (runs[:1], runs[1:]):
        for run in deepcopy(some):
            client.create_run(**run)
        client.flush()
    client.cleanup()


@pytest.mark.parametrize(
    ("send", "path", "encoding"),
    [
        (_by_multipart, "/runs/multipart", ""),
        (_by_batch, "/runs/batch", ""),
        (_one_by_one, "/runs", ""),
        (_in_the_background, "/runs/multipart", "zstd"),
    ],
    ids=["multipart", "batch", "single", "background"],
)
def test_a_lawful_tree_is_stored_whole_by_every_way(
    stand_in: StandIn, send: Callable[[StandIn, list[Json]], None], path: str, encoding: str
) -> None:
    runs = _tree()
    send(stand_in, runs)

    stored, writes = stand_in.runs, stand_in.writes
    assert stored.keys() == {run["id"] for run in runs}
    for run in runs:
        assert {key: stored[run["id"]][key] for key in run} == run
    assert {(asked.path, asked.status) for asked in writes} == {(path, 202)}
    assert writes[-1].encoding == encoding
    assert sum(asked.runs for asked in writes) == 3
    assert all(asked.size_bytes > 100 for asked in writes)


@pytest.mark.parametrize("prefix", ["", "/api", "/api/v1"])
def test_the_client_reads_back_what_it_sent(stand_in: StandIn, prefix: str) -> None:
    client = _client(stand_in, api_url=stand_in.url + prefix)
    runs = _tree()
    client.multipart_ingest(create=deepcopy(runs))

    back = {str(run.id): run for run in client.list_runs(project_name=PROJECT)}
    root, step, call = (back[run["id"]] for run in runs)
    assert len(back) == 3
    assert (root.inputs, root.outputs) == ({"question": 1}, {"answer": "ü"})
    assert (root.status, call.status, call.error) == ("success", "error", "ValueError: late")
    assert step.parent_run_id == root.id
    assert call.parent_run_ids == [root.id, step.id]
    assert (call.prompt_tokens, call.completion_tokens, call.total_tokens) == (120, 30, 150)
    assert call.first_token_time == NOW + timedelta(seconds=3)
    assert client.read_run(runs[2]["id"]).dotted_order == runs[2]["dotted_order"]
    assert client.read_project(project_name=PROJECT).id == root.session_id


def test_every_run_is_on_exactly_one_page(stand_in: StandIn) -> None:
    client = _client(stand_in)
    runs = [_run(number, at=NOW + timedelta(seconds=number // 2)) for number in range(1, 251)]
    for begin in range(0, 250, 100):
        client.multipart_ingest(create=deepcopy(runs[begin : begin + 100]))

    listed = [str(run.id) for run in client.list_runs(project_name=PROJECT)]

    assert len(listed) == 250
    assert set(listed) == {run["id"] for run in runs}
    assert sum(asked.path == "/runs/query" for asked in stand_in.requests) == 3


def test_a_query_finds_what_it_asks_for_and_no_other(stand_in: StandIn) -> None:
    client = _client(stand_in)
    ours, others = _tree(1), _tree(11)
    client.batch_ingest_runs(create=deepcopy(ours + others))

    def found(**wanted: Any) -> list[str]:
        return sorted(str(run.id) for run in client.list_runs(**wanted))

    assert found(trace_id=ours[0]["id"]) == [run["id"] for run in ours]
    assert found(run_ids=[ours[1]["id"]]) == [ours[1]["id"]]
    assert found(project_name=PROJECT, is_root=True) == [ours[0]["id"], others[0]["id"]]
    assert found(project_name=PROJECT, error=True) == [ours[2]["id"], others[2]["id"]]
    assert found(project_name=PROJECT, run_type="llm", limit=1) == [others[2]["id"]]
    assert found(parent_run_id=others[0]["id"]) == [others[1]["id"]]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({}, 400),
        ({"trace": _id(1), "filter": "eq(name, 'x')"}, 422),
        ({"trace": _id(1), "limit": 101}, 422),
        ({"session": _id(1)}, 422),
        ({"id": ["x"]}, 422),
    ],
    ids=["everything", "filter", "limit", "no list", "no uuid"],
)
def test_a_query_it_does_not_understand_is_refused(
    stand_in: StandIn, query: Json, status: int
) -> None:
    assert _Plain(stand_in).send("POST", "/runs/query", orjson.dumps(query))[0] == status


def test_a_run_can_be_finished_by_one_patch_and_not_by_two(stand_in: StandIn) -> None:
    run = _run(1)
    late = {key: run.pop(key) for key in ("outputs", "end_time")}
    client = _client(stand_in)
    client.create_run(**deepcopy(run))
    before = client.read_run(run["id"]).status
    end = datetime.fromisoformat(late["end_time"])

    client.update_run(run["id"], outputs={"answer": 1}, end_time=end)
    with pytest.raises(LangSmithConflictError, match="already received"):
        client.update_run(run["id"], outputs={"answer": 2}, end_time=end)

    back = client.read_run(run["id"])
    assert before == "pending"
    assert (back.status, back.outputs, back.end_time) == ("success", {"answer": 1}, end)


def test_feedback_and_attachments_are_kept(stand_in: StandIn) -> None:
    run, feedback_id = _run(1), _id(7)
    client = _client(stand_in)
    client.multipart_ingest(create=[run | {"attachments": {"page": ("text/plain", b"\r\n--b")}}])
    note = {"id": feedback_id, "trace_id": run["id"], "key": "score", "score": 1}
    status, _ = _Plain(stand_in).multipart(_part(f"feedback.{feedback_id}", note) + b"--b--\r\n")

    assert status == 202
    assert stand_in.attachments == {(run["id"], "page"): ("text/plain", b"\r\n--b")}
    assert stand_in.feedback == {feedback_id: note}


# -- one bad run fails its whole request -------------------------------------------------------


def _without(*fields: str) -> Callable[[Json], None]:
    def change(run: Json) -> None:
        for name in fields:
            del run[name]

    return change


def _with(**values: Any) -> Callable[[Json], None]:
    return lambda run: run.update(values)


def _reordered(old: str, new: str) -> Callable[[Json], None]:
    def change(run: Json) -> None:
        assert old in run["dotted_order"]
        run["dotted_order"] = run["dotted_order"].replace(old, new)

    return change


def _usage(**values: Any) -> Callable[[Json], None]:
    usage = {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5, **values}
    return _with(outputs={"usage_metadata": usage})


ROOT_STAMP = _stamp(NOW)
EARLY = NOW - timedelta(seconds=1)

UNLAWFUL: dict[str, tuple[int, str, Callable[[Json], None]]] = {
    **{
        f"no {field}": (422, f"'{field}' is required", _without(field))
        for field in ("trace_id", "dotted_order", "name", "run_type", "start_time", "inputs")
    },
    "no project": (422, "'session_name' or 'session_id'", _without("session_name")),
    "no uuid": (422, "a UUID", _with(trace_id="0" * 32)),
    "agent": (422, "'run_type' is 'agent'", _with(run_type="agent")),
    "list of inputs": (422, "'inputs'", _with(inputs=["x"])),
    "text as output": (422, "'outputs'", _with(outputs="x")),
    "text as extra": (422, "'extra'", _with(extra="x")),
    "list as metadata": (422, "'extra.metadata'", _with(extra={"metadata": [1]})),
    "error as object": (422, "'error'", _with(error={"message": "x"})),
    "tags as text": (422, "'tags'", _with(tags="x")),
    "tags of numbers": (422, "'tags'", _with(tags=[1])),
    "events unnamed": (422, "'events'", _with(events=[{"time": NOW.isoformat()}])),
    "time as number": (422, "'start_time'", _with(start_time=1_700_000_000)),
    "no such day": (422, "'end_time'", _with(end_time="2026-02-30T00:00:00Z")),
    "ends before it starts": (422, "before 'start_time'", _with(end_time=EARLY.isoformat())),
    "unknown field": (422, "no field of a run", _with(output={"x": 1})),
    "milliseconds": (400, "no segment", _reordered("250001Z", "250Z")),
    "separators": (400, "no segment", _reordered("T120000", "T12:00:00")),
    "own id": (400, "run_id does not match last", _reordered(_id(2), _id(9))),
    "trace id": (400, "trace_id does not match first", _with(trace_id=_id(9))),
    "parent id": (400, "parent_run_id does not match", _with(parent_run_id=_id(9))),
    "root with a path": (400, "a single part for root runs", _without("parent_run_id")),
    "child with no path": (
        400,
        "at least two parts",
        _with(dotted_order=f"{_stamp(NOW)}{_id(2)}", trace_id=_id(2), start_time=NOW.isoformat()),
    ),
    "before its parent": (
        400,
        "earlier than parent timestamp",
        _with(
            dotted_order=f"{ROOT_STAMP}{_id(1)}.{_stamp(EARLY)}{_id(2)}",
            start_time=EARLY.isoformat(),
        ),
    ),
    "another start": (400, "start_time", _with(start_time=NOW.isoformat(), end_time=None)),
    "another path": (
        400,
        "not the dotted_order of the parent",
        _reordered(f"{ROOT_STAMP}{_id(1)}", f"{_stamp(EARLY)}{_id(1)}"),
    ),
    "sum of tokens": (422, "which is not 6 in total", _usage(total_tokens=6)),
    "half a token": (422, "input_tokens 3.0", _usage(input_tokens=3.0)),
    "more cached than read": (422, "4 input_token_details", _usage(input_token_details={"a": 4})),
    "unknown detail": (422, "unknown", _usage(output_token_details={"spoken": 1})),
    "usage in metadata": (
        422,
        "extra.metadata.usage_metadata",
        _with(extra={"metadata": {"usage_metadata": {"input_tokens": 1}}}),
    ),
}


@pytest.mark.parametrize(("status", "words", "change"), UNLAWFUL.values(), ids=UNLAWFUL.keys())
def test_one_unlawful_run_fails_the_whole_request(
    stand_in: StandIn, status: int, words: str, change: Callable[[Json], None]
) -> None:
    runs = _tree()
    change(runs[1])
    plain = _Plain(stand_in)
    answers = [plain.batch(*runs), plain.multipart(_multipart(*runs))]

    assert [answer[0] for answer in answers] == [status] * 2
    for _, text in answers:
        assert words in text
    assert stand_in.runs == {}


def test_a_child_that_seems_early_is_lawful_at_the_time_of_its_parent() -> None:
    root = _run(1)
    child = _run(2, root) | {"start_time": EARLY.isoformat()}

    assert flaws(child) == []


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.data())
@settings(max_examples=50)
def test_usage_is_lawful_exactly_when_it_adds_up(read: int, told: int, data: st.DataObject) -> None:
    cached = data.draw(st.integers(0, read))
    usage = {
        "input_tokens": read,
        "output_tokens": told,
        "total_tokens": read + told,
        "input_token_details": {"cache_read": cached, "cache_creation": read - cached},
    }

    assert usage_flaws(usage) == []
    assert usage_flaws(usage | {"total_tokens": read + told + 1}) != []
    assert usage_flaws(usage | {"input_token_details": {"audio": read + 1}}) != []
    more = {"cache_read": cached, "cache_creation": read - cached + 1}
    assert usage_flaws(usage | {"input_token_details": more}) != []


def test_flaws_come_with_their_status() -> None:
    assert flaws(_run(1) | {"run_type": "agent"}) == [
        Flaw(
            422,
            "'run_type' is 'agent', expected one of chain embedding llm parser prompt retriever"
            " tool",
        )
    ]


@pytest.mark.parametrize(
    ("hours", "is_taken"), [(0, True), (24, True), (-24, True), (25, False), (-25, False)]
)
def test_the_window_is_24_hours_either_way(hours: int, is_taken: bool) -> None:
    with StandIn(window=True, now=lambda: NOW + timedelta(hours=hours)) as stand_in:
        status, text = _Plain(stand_in).batch(_run(1))

        assert status == (202 if is_taken else 400)
        assert ("outside the allowed window" in text) is not is_taken
        assert len(stand_in.runs) == is_taken


def test_without_a_window_old_runs_are_taken(stand_in: StandIn) -> None:
    assert _Plain(stand_in).batch(_run(1, at=NOW - timedelta(days=900)))[0] == 202


def test_a_run_that_is_there_fails_its_whole_request_and_stays(stand_in: StandIn) -> None:
    first = _run(1)
    plain = _Plain(stand_in)
    plain.batch(first)

    status, text = plain.batch(first | {"name": "another"}, _run(2))

    assert (status, "payloads already received" in text) == (409, True)
    assert stand_in.runs == {first["id"]: first}


def test_poison_fails_the_whole_request() -> None:
    def refuse(run: Json) -> str | None:
        return "int too big to convert" if run["name"] == "run 2" else None

    with StandIn(refuse=refuse) as stand_in:
        plain = _Plain(stand_in)
        assert plain.batch(_run(1), _run(2))[0] == 422
        assert "int too big" in plain.batch(_run(2))[1]
        assert plain.batch(_run(1))[0] == 202
        assert stand_in.runs.keys() == {_id(1)}


def test_a_patch_needs_its_run(stand_in: StandIn) -> None:
    plain = _Plain(stand_in)
    patch = {key: _run(1)[key] for key in ("id", "trace_id", "dotted_order")}

    assert plain.batch(patch=(patch,))[0] == 404
    assert plain.send("PATCH", f"/runs/{_id(1)}", orjson.dumps({"name": "x"}))[0] == 404
    assert plain.batch(_run(1), patch=({"id": _id(1)},))[0] == 422
    assert stand_in.runs == {}


def test_a_patch_may_not_make_a_run_unlawful(stand_in: StandIn) -> None:
    plain = _Plain(stand_in)
    plain.batch(_run(1))

    answer = plain.send("PATCH", f"/runs/{_id(1)}", orjson.dumps({"end_time": EARLY.isoformat()}))

    assert answer[0] == 422
    assert stand_in.runs == {_id(1): _run(1)}


# -- the wire ----------------------------------------------------------------------------------

GOOD = _multipart(_run(1))
MAIN = f"post.{_id(1)}"

BAD_BODIES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "begin with its boundary"),
    "no parts": (b"--b--\r\n", "no parts"),
    "cut off": (GOOD[:-20], "EOF"),
    "no last boundary": (GOOD[: -len(b"--\r\n")], "ends with"),
    "more after the end": (GOOD + b"x", "ends with"),
    "short length": (GOOD.replace(b"Length: ", b"Length: 1"), "has the length"),
    "no length": (_part(MAIN, {}).replace(b"\r\nContent-Length: 2", b"") + b"--b--", "None"),
    "no name": (_part(MAIN, {}).replace(b"name=", b"nome=") + b"--b--", "no name"),
    "other header": (_part(MAIN, {}).replace(b"-Length", b"-Longth") + b"--b--", "no header"),
    "no type": (_part(MAIN, {}).replace(b"application/json", b"") + b"--b--", "Content-Type"),
    "text": (_part(MAIN, {}).replace(b"application/json", b"text/plain") + b"--b--", "JSON"),
    "unknown part": (_part("put." + _id(1), {}) + b"--b--", "is unknown"),
    "unknown field": (_part(MAIN + ".output", {}) + b"--b--", "is unknown"),
    "no uuid": (_part("post.1", {"id": "1"}) + b"--b--", "is unknown"),
    "another id": (_part(MAIN, {"id": _id(2)}) + b"--b--", "has the id"),
    "field first": (_part(MAIN + ".inputs", {}) + b"--b--", "before its run"),
    "attachment first": (_part(f"attachment.{_id(1)}.x", {}) + b"--b--", "before its run"),
    "told twice": (
        _part(MAIN, _run(1)) + _part(MAIN + ".inputs", {}) + b"--b--",
        "told twice",
    ),
    "part twice": (_part(MAIN, _run(1)) * 2 + b"--b--", "two parts"),
    "nan": (_part(MAIN, b'{"id": NaN}') + b"--b--", "no JSON"),
}


@pytest.mark.parametrize(("body", "words"), BAD_BODIES.values(), ids=BAD_BODIES.keys())
def test_a_multipart_body_that_is_not_exact_is_refused(
    stand_in: StandIn, body: bytes, words: str
) -> None:
    status, text = _Plain(stand_in).multipart(body)

    assert status == 422
    assert words in text
    assert stand_in.runs == {}


def test_the_same_body_undamaged_is_taken(stand_in: StandIn) -> None:
    assert _Plain(stand_in).multipart(GOOD)[0] == 202
    assert stand_in.runs == {_id(1): _run(1)}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"post": [{"id": NaN}]}', 422),
        (b"[]", 422),
        (b'{"runs": []}', 422),
        (b'{"post": {}}', 422),
        (b'{"post": [1]}', 422),
        (orjson.dumps({"post": [_run(1), _run(1)]}), 422),
    ],
    ids=["nan", "list", "key", "object", "number", "twice"],
)
def test_a_batch_that_is_none_is_refused(stand_in: StandIn, body: bytes, status: int) -> None:
    assert _Plain(stand_in).send("POST", "/runs/batch", body)[0] == status
    assert stand_in.runs == {}


def test_bodies_come_plain_gzipped_or_as_zstd(stand_in: StandIn) -> None:
    plain = _Plain(stand_in)
    body = [orjson.dumps({"post": [_run(number)]}) for number in (1, 2, 3)]
    packed = zstandard.compress(body[2])
    sizes = {
        "X_Pre_Compressed_Size": str(len(body[2])),
        "X_Post_Compressed_Size": str(len(packed)),
    }

    def send(data: bytes, encoding: str, **headers: str) -> int:
        return plain.send("POST", "/runs/batch", data, Content_Encoding=encoding, **headers)[0]

    assert send(body[0], "identity") == 202
    assert send(gzip.compress(body[1]), "gzip") == 202
    assert send(packed, "zstd") == 422
    assert send(packed, "zstd", **sizes | {"X_Pre_Compressed_Size": "1"}) == 422
    assert send(packed, "zstd", **sizes | {"X_Post_Compressed_Size": "1"}) == 422
    assert send(packed, "zstd", **sizes) == 202
    for encoding, broken in (("gzip", gzip.compress(body[1])), ("zstd", packed)):
        assert send(b"x", encoding) == 400
        assert send(broken[:-1], encoding) == 400
        assert send(broken + b"x", encoding) == 400
    assert send(b"x", "br") == 415
    assert stand_in.runs.keys() == {_id(1), _id(2), _id(3)}


@pytest.mark.parametrize("encoding", ["", "gzip"])
def test_a_body_over_the_limit_is_refused_however_small_it_was_packed(encoding: str) -> None:
    run = _run(1) | {"inputs": {"text": "x" * 10_000}}
    body = orjson.dumps({"post": [run]})
    with StandIn(size_limit_bytes=len(body) - 1) as stand_in:
        status, text = _Plain(stand_in).send(
            "POST",
            "/runs/batch",
            gzip.compress(body) if encoding else body,
            Content_Encoding=encoding,
        )

        assert (status, "Payload too large" in text) == (413, True)
        assert stand_in.runs == {}


def test_keys_are_looked_at() -> None:
    body = orjson.dumps({"post": [_run(1)]})
    with StandIn(read_only_key="reader") as stand_in:
        plain = _Plain(stand_in)

        def status(method: str, path: str, key: str) -> int:
            return plain.send(method, path, body, x_api_key=key)[0]

        assert status("POST", "/runs/batch", "") == 401
        assert status("POST", "/runs/batch", "wrong") == 401
        assert status("POST", "/runs/batch", "reader") == 403
        assert status("GET", "/sessions", "reader") == 200
        assert status("GET", "/sessions", "wrong") == 401
        assert status("GET", "/info", "") == 200
        assert stand_in.runs == {}


def test_projects_can_be_fixed() -> None:
    with StandIn(projects=("other",)) as stand_in:
        client = _client(stand_in)

        assert _Plain(stand_in).batch(_run(1))[0] == 404
        assert _Plain(stand_in).batch(_run(2) | {"session_name": "other"})[0] == 202
        assert client.read_project(project_name="other").run_count == 1
        with pytest.raises(LangSmithNotFoundError):
            client.read_project(project_name=PROJECT)
        assert _Plain(stand_in).send("GET", f"/sessions?name={PROJECT}", b"")[0] == 404


def test_a_project_that_nobody_named_is_not_there(stand_in: StandIn) -> None:
    assert _Plain(stand_in).send("GET", f"/sessions?name={PROJECT}", b"") == (200, "[]")
    assert _Plain(stand_in).send("GET", f"/sessions/{_id(1)}", b"")[0] == 404
    assert _Plain(stand_in).send("GET", f"/runs/{_id(1)}", b"")[0] == 404
    assert _Plain(stand_in).send("POST", "/elsewhere", b"")[0] == 404


# -- faults ------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", STATUSES)
def test_an_answer_that_is_a_fault_stores_nothing_and_passes(fault: Fault) -> None:
    with StandIn(faults=Faults.sequence([fault])) as stand_in:
        plain = _Plain(stand_in)

        assert plain.multipart(GOOD)[0] == STATUSES[fault]
        assert stand_in.runs == {}
        assert plain.multipart(GOOD)[0] == 202
        assert [(asked.runs, asked.fault) for asked in stand_in.writes] == [(1, fault), (1, None)]


@pytest.mark.parametrize(
    ("fault", "is_told"),
    [
        (Fault.RATE_LIMIT, lambda text: text is None),
        (Fault.RATE_LIMIT_SECONDS, lambda text: text == "7"),
        (
            Fault.RATE_LIMIT_DATE,
            lambda text: parsedate_to_datetime(text) == NOW.replace(microsecond=0, second=7),
        ),
    ],
)
def test_a_rate_limit_says_how_long_or_does_not(
    fault: Fault, is_told: Callable[[str | None], bool]
) -> None:
    plan = Faults.sequence([fault])
    with StandIn(faults=plan, retry_after_s=7, now=lambda: NOW) as stand_in:
        _, _, headers = _Plain(stand_in).send_for_headers("POST", "/runs/batch", b"{}")

        assert is_told(headers["Retry-After"])


@pytest.mark.parametrize(("fault", "is_stored"), [(Fault.RESET, False), (Fault.LOST_ANSWER, True)])
def test_a_reset_comes_before_or_after_storing(fault: Fault, is_stored: bool) -> None:
    with StandIn(faults=Faults.sequence([None, fault])) as stand_in:
        plain = _Plain(stand_in)
        assert plain.batch(_run(1))[0] == 202

        with pytest.raises(ConnectionResetError):
            plain.batch(_run(2))

        assert (_id(2) in stand_in.runs) is is_stored
        assert plain.batch(_run(2))[0] == (409 if is_stored else 202)
        assert [asked.status for asked in stand_in.writes][1] is None


def test_a_slow_answer_comes_when_it_is_let_go() -> None:
    with StandIn(faults=Faults.sequence([Fault.SLOW]), slow_limit_s=30.0) as stand_in:
        statuses: list[int] = []
        sender = threading.Thread(
            target=lambda: statuses.append(_Plain(stand_in).batch(_run(1))[0])
        )
        sender.start()
        assert stand_in.held.wait(30.0)
        assert (statuses, len(stand_in.runs)) == ([], 1)

        stand_in.release.set()
        sender.join()
        assert statuses == [202]


def test_a_slow_answer_outlasts_the_patience_of_a_client() -> None:
    with StandIn(faults=Faults.sequence([Fault.SLOW]), slow_limit_s=30.0) as stand_in:
        with pytest.raises(requests.ReadTimeout):
            requests.post(
                f"{stand_in.url}/runs/batch",
                json={"post": [_run(1)]},
                headers={"x-api-key": API_KEY},
                timeout=0.05,
            )
        assert stand_in.held.is_set()


def test_an_older_server_makes_the_client_fall_back_to_batches() -> None:
    with StandIn(faults=Faults.always(Fault.NO_MULTIPART)) as stand_in:
        _client(stand_in).multipart_ingest(create=_tree())

        assert [(asked.path, asked.status) for asked in stand_in.writes] == [
            ("/runs/multipart", 404),
            ("/runs/batch", 202),
        ]
        assert len(stand_in.runs) == 3


def test_a_client_that_tries_again_gets_over_a_lost_answer() -> None:
    errors: list[Exception] = []
    with StandIn(faults=Faults.sequence([Fault.LOST_ANSWER])) as stand_in:
        client = _client(stand_in, tracing_error_callback=errors.append)
        client.multipart_ingest(create=_tree())

        assert [asked.status for asked in stand_in.writes] == [None, 409]
        assert (len(stand_in.runs), errors) == (3, [])


@given(st.integers(0, 2**32), st.integers(0, 20), st.integers(0, 20))
def test_a_random_plan_has_its_faults_within_its_requests(seed: int, count: int, more: int) -> None:
    among = count + more
    plan, again = (Faults.random(seed, count, PASSING, among=among) for _ in range(2))

    told = [plan.next() for _ in range(among)]

    assert sum(fault is not None for fault in told) == count
    assert told == [again.next() for _ in range(among)]
    assert plan.next() is None
    assert plan.done == [fault for fault in told if fault is not None]


def test_a_client_that_does_not_give_up_stores_every_run_in_spite_of_faults() -> None:
    with StandIn(faults=Faults.random(7, 12, among=20)) as stand_in:
        plain = _Plain(stand_in)
        for number in range(1, 21):
            status = 0
            while status not in (202, 409):
                try:
                    status, _ = plain.batch(_run(number))
                except ConnectionResetError:
                    continue

        assert stand_in.runs == {_id(number): _run(number) for number in range(1, 21)}
        befallen = [asked.fault for asked in stand_in.writes if asked.fault is not None]
        assert befallen == stand_in.faults.done
        assert len(befallen) == 12


# -- many at once ------------------------------------------------------------------------------


def test_of_many_that_send_the_same_run_one_wins(stand_in: StandIn) -> None:
    statuses: list[int] = []
    senders = [
        threading.Thread(target=lambda: statuses.append(_Plain(stand_in).batch(_run(1))[0]))
        for _ in range(8)
    ]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()

    assert sorted(statuses) == [202] + [409] * 7
    assert len(stand_in.writes) == 8


def test_it_ends_while_clients_keep_their_connections() -> None:
    before = {*threading.enumerate()}
    with StandIn() as stand_in:
        address = urlsplit(stand_in.url).netloc
        connection = http.client.HTTPConnection(address, timeout=30)
        connection.request("GET", "/info")
        info = orjson.loads(connection.getresponse().read())
    left = {*threading.enumerate()} - before
    connection.close()

    assert info["batch_ingest_config"]["size_limit"] == 100
    assert info["instance_flags"] == {"zstd_compression_enabled": True}
    assert left == set()


def test_a_failure_of_its_own_is_not_swallowed() -> None:
    def refuse(run: Json) -> str | None:
        raise KeyError(run["id"])

    def use() -> None:
        with StandIn(refuse=refuse) as stand_in, pytest.raises(http.client.RemoteDisconnected):
            _Plain(stand_in).batch(_run(1))

    with pytest.raises(ExceptionGroup, match="itself failed"):
        use()


def test_ids_of_open_telemetry_are_lawful() -> None:
    trace_id, span_id = str(uuid.UUID("ab" * 16)), str(uuid.UUID(int=0xABCDEF))
    run = _run(1)
    path = f"{_stamp(NOW)}{trace_id}.{_stamp(NOW)}{span_id}"

    assert (
        flaws(
            run
            | {"id": span_id, "trace_id": trace_id, "parent_run_id": trace_id, "dotted_order": path}
        )
        == []
    )
