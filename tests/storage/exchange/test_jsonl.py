"""What is written as JSON lines comes back whole, and bad lines cost nothing but themselves."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from longpole.model import Kind, Run, Span, Status
from longpole.model.errors import ExchangeError
from longpole.storage import Recorder, SpanEnd, SpanEvent, SpanStart
from longpole.storage.exchange.jsonl import read_jsonl, write_jsonl
from longpole.storage.exchange.parcel import Parcel, Refused
from longpole.storage.exchange.written import Written
from tests.storage.exchange.packed import (
    DEAD,
    LIVING,
    packed,
    packed_demo,
    packed_run,
)
from tests.strategies import BEGIN_NS, any_runs, recorded_runs

HEADER = b'{"type":"longpole","schema":1}\n'


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("jsonl")


@pytest.fixture(scope="module")
def demo(folder: Path) -> list[Parcel]:
    return packed_demo(folder)


def written(parcels: Iterable[Parcel]) -> bytes:
    out = io.BytesIO()
    write_jsonl(parcels, out)
    return out.getvalue()


def read(content: bytes, folder: Path) -> tuple[list[SpanEvent], list[Refused]]:
    path = folder / "runs.jsonl"
    path.write_bytes(content)
    items = list(read_jsonl(path))
    return (
        [item for item in items if not isinstance(item, Refused)],
        [item for item in items if isinstance(item, Refused)],
    )


def written_again(content: bytes, folder: Path, recorder: Recorder = DEAD) -> bytes:
    events, refused = read(content, folder)
    assert refused == []
    return written(packed(events, folder, recorder))


def span_line(**changes: Any) -> bytes:
    fields: dict[str, Any] = {
        "type": "span",
        "run_id": "r",
        "span_id": "1",
        "parent_span_id": None,
        "name": "chain",
        "kind": "chain",
        "start_ns": 5,
        "end_ns": 7,
        "status": "ok",
    }
    fields |= changes
    return orjson.dumps({key: value for key, value in fields.items() if value is not ...}) + b"\n"


def starts(events: Iterable[SpanEvent]) -> list[str]:
    return [event.span_id for event in events if isinstance(event, SpanStart)]


# --- out and in -------------------------------------------------------------------------------


def test_the_demo_read_into_an_empty_store_is_written_again_with_the_same_bytes(
    demo: list[Parcel], folder: Path
) -> None:
    content = written(demo)

    assert len(demo) >= 14
    assert written_again(content, folder) == content


@given(recorded_runs(max_spans=12))
@settings(max_examples=15, deadline=None)
def test_a_recorded_run_is_written_again_with_the_same_bytes(folder: Path, run: Run) -> None:
    content = written([packed_run(run, folder)])

    assert written_again(content, folder) == content


@pytest.mark.parametrize("recorder", [LIVING, DEAD], ids=["running", "lost"])
def test_a_run_in_any_state_is_written_again_with_the_same_bytes(
    folder: Path, recorder: Recorder
) -> None:
    @given(any_runs())
    @settings(max_examples=15, deadline=None)
    def check(run: Run) -> None:
        content = written([packed_run(run, folder, recorder)])
        assert written_again(content, folder, recorder) == content

    check()


@pytest.mark.parametrize(("recorder", "status"), [(LIVING, "running"), (DEAD, "lost")])
def test_a_span_without_an_end_comes_back_without_one(
    tmp_path: Path, recorder: Recorder, status: str
) -> None:
    run = Run(
        run_id="f" * 32,
        root_span_id="1" * 16,
        spans=(
            Span(
                span_id="1" * 16,
                parent_span_id=None,
                name="open",
                kind=Kind.CHAIN,
                start_ns=BEGIN_NS,
                end_ns=None,
                status=Status.RUNNING,
            ),
        ),
    )
    content = written([packed_run(run, tmp_path, recorder)])
    events, refused = read(content, tmp_path)

    assert orjson.loads(content.splitlines()[2])["status"] == status
    assert [type(event) for event in events] == [SpanStart]
    assert refused == []


def test_a_run_whose_root_never_came_is_written_again_with_the_same_bytes(tmp_path: Path) -> None:
    spans = [
        SpanStart(
            run_id="f" * 32,
            trace_id="",
            span_id=f"{number:016x}",
            parent_span_id="9" * 16,
            is_root=False,
            name="orphan",
            start_ns=BEGIN_NS + number,
            attributes={"tag.tags": ["mine"], "session.id": "s", "metadata": '{"a":1}'},
        )
        for number in (1, 2)
    ]
    for some in (spans, spans[:1]):
        content = written(packed(some, tmp_path, LIVING))
        assert written_again(content, tmp_path, LIVING) == content


def test_what_the_store_made_of_a_late_end_is_what_is_read(tmp_path: Path) -> None:
    start = SpanStart(
        run_id="f" * 32,
        trace_id="e" * 32,
        span_id="1" * 16,
        parent_span_id=None,
        is_root=True,
        name="call",
        start_ns=BEGIN_NS,
        attributes={"openinference.span.kind": "LLM", "longpole.branch": ["odd", 1]},
    )
    end = SpanEnd(
        run_id="f" * 32,
        span_id="1" * 16,
        end_ns=BEGIN_NS + 1,
        status=Status.OK,
        attributes={"gen_ai.operation.name": "execute_tool", "gen_ai.usage.prompt_tokens": 3},
    )
    content = written(packed([start, end], tmp_path))

    assert orjson.loads(content.splitlines()[2])["branch"] == '["odd",1]'
    assert written_again(content, tmp_path) == content


def test_every_span_carries_the_documents_facts_and_what_was_recorded(demo: list[Parcel]) -> None:
    lines = [orjson.loads(line) for line in written(demo).splitlines()]
    spans = [line for line in lines if line["type"] == "span"]
    documents = {
        (parcel.run.run_id, facts["span_id"]): facts
        for parcel in demo
        for facts in parcel.document["spans"]
    }

    assert len(spans) == len(documents)
    for line in spans:
        facts = documents[line["run_id"], line["span_id"]]
        assert {key: line[key] for key in facts} == facts
    assert {line["fan_out"] for line in spans} > {None, "parallel"}
    assert any(line["attributes"].get("tag.tags") for line in spans)
    assert any(line.get("output_mime_type") == "application/json" for line in spans)


def test_what_was_written_is_counted(demo: list[Parcel]) -> None:
    out = io.BytesIO()
    told = write_jsonl(demo, out)
    types = [orjson.loads(line)["type"] for line in out.getvalue().splitlines()]

    assert told == Written(runs=types.count("run"), spans=types.count("span"))
    assert types[0] == "longpole"


def test_only_one_run_is_asked_for_at_a_time(demo: list[Parcel]) -> None:
    out = io.BytesIO()
    lines_before: list[int] = []

    def parcels() -> Iterable[Parcel]:
        for parcel in demo:
            lines_before.append(out.getvalue().count(b"\n"))
            yield parcel

    write_jsonl(parcels(), out)
    lengths = [1 + len(parcel.run.spans) for parcel in demo]

    assert lines_before == [1 + sum(lengths[:place]) for place in range(len(demo))]


# --- files ------------------------------------------------------------------------------------


def test_a_compressed_file_is_read_whatever_its_name(demo: list[Parcel], tmp_path: Path) -> None:
    content = written(demo)

    assert read(gzip.compress(content), tmp_path) == read(content, tmp_path)


def test_a_compressed_file_that_breaks_off_gives_what_came_before(
    demo: list[Parcel], tmp_path: Path
) -> None:
    whole = gzip.compress(written(demo))
    events, refused = read(whole[: len(whole) // 2], tmp_path)

    assert events
    assert refused[-1].where.startswith("what follows line ")


def test_files_joined_are_read_as_one(demo: list[Parcel], tmp_path: Path) -> None:
    joined = written(demo[:2]) + written(demo[2:4])

    assert read(joined, tmp_path) == read(written(demo[:4]), tmp_path)


def test_lines_are_given_before_the_next_ones_are_read(tmp_path: Path) -> None:
    path = tmp_path / "runs.jsonl"
    path.write_bytes(HEADER + span_line(span_id="1") * 10_000)
    reading = read_jsonl(path)
    first = next(reading)
    path.write_bytes(b"")

    assert isinstance(first, SpanStart)
    assert len(list(reading)) < 10_000


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is empty"),
        (b"\n\n", "is empty"),
        (b"not json\n", "no header on line 1"),
        (b"\x1f\x8bnot gzip", "cannot read"),
        (span_line(), "no header on line 1"),
        (b'{"type":"longpole"}\n', "schema is missing"),
        (b'{"type":"longpole","schema":2}\n', "schema 2, this version reads up to 1"),
        (HEADER + b'{"type":"longpole","schema":2}\n', "schema 2, this version reads up to 1"),
    ],
)
def test_a_file_of_another_kind_is_refused_as_a_whole(
    tmp_path: Path, content: bytes, why: str
) -> None:
    with pytest.raises(ExchangeError, match=why):
        read(content, tmp_path)


def test_a_missing_file_and_a_folder_are_told(tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere.jsonl", tmp_path):
        with pytest.raises(ExchangeError, match="cannot read"):
            next(read_jsonl(path))


# --- bad lines --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"{oops\n", "no JSON"),
        (b"\xff\xfe\n", "no JSON"),
        (b"[1]\n", "a JSON list, expected one JSON object"),
        (b'{"type":"note"}\n', "type is 'note', expected 'run' or 'span'"),
        (b'{"type":3}\n', "type is 3, expected a text"),
        (b'{"type":"run"}\n', "run_id is missing, expected a text"),
        (b'{"type":"run","run_id":"r","tags":[1]}\n', "tags is [1], expected a list of texts"),
        (span_line(span_id=...), "span_id is missing, expected a text"),
        (span_line(span_id=""), 'span_id is "", expected a text that is not empty'),
        (span_line(parent_span_id=...), "parent_span_id is missing"),
        (span_line(parent_span_id=""), 'parent_span_id is "", expected a text that is not empty'),
        (span_line(end_ns=...), "end_ns is missing"),
        (span_line(end_ns=4), "end_ns is 4, expected start_ns (5) or later"),
        (span_line(start_ns="5"), 'start_ns is "5", expected an integer of 64 bits'),
        (span_line(start_ns=True), "start_ns is true, expected an integer of 64 bits"),
        (span_line(end_ns=2**63), f"end_ns is {2**63}, expected an integer of 64 bits"),
        (span_line(end_ns=1.5), "end_ns is 1.5, expected an integer of 64 bits"),
        (span_line(kind="cat"), 'kind is "cat", expected one of chain, llm, tool'),
        (span_line(status=None), "status is null, expected one of ok, error"),
        (span_line(role=[]), "role is [], expected one of fallback"),
        (span_line(attempt=0), "attempt is 0, expected 1 or more"),
        (span_line(error={"type": "E"}), "error.message is missing, expected a text"),
        (span_line(error={"type": "E", "message": ""}, end_ns=None), "although end_ns is null"),
        (span_line(usage={"input_tokens": -1}), "usage.input_tokens is -1, expected 0 or more"),
        (span_line(cache_hit="yes"), 'cache_hit is "yes", expected true or false'),
        (span_line(attributes=[]), "attributes is [], expected an object"),
        (span_line(input=5), "input is 5, expected a text"),
        (
            b'{"type":"span","attributes":{"longpole.branch":' + b"[" * 300 + b"]" * 300 + b"}}\n",
            "nested too deeply",
        ),
    ],
)
def test_a_bad_line_is_refused_and_the_others_are_kept(
    tmp_path: Path, line: bytes, why: str
) -> None:
    events, refused = read(
        HEADER + span_line(span_id="a") + line + span_line(span_id="b"), tmp_path
    )

    assert starts(events) == ["a", "b"]
    assert [one.where for one in refused] == ["line 3"]
    assert why in refused[0].why


@given(st.lists(st.binary(max_size=60).filter(lambda line: b"\n" not in line), max_size=8))
@settings(max_examples=60, deadline=None)
def test_garbage_between_the_lines_costs_no_span(folder: Path, garbage: list[bytes]) -> None:
    lines = [HEADER]
    for number, line in enumerate(garbage):
        lines += [line + b"\n", span_line(span_id=str(number))]
    events, refused = read(b"".join(lines), folder)

    assert starts(events) == [str(number) for number in range(len(garbage))]
    assert len(refused) == sum(not line.isspace() and line != b"" for line in garbage)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(max_size=5),
    lambda below: (
        st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=5), below, max_size=3)
    ),
    max_leaves=5,
)


@given(
    st.sampled_from(
        [
            *("run_id", "span_id", "parent_span_id", "name", "kind", "start_ns", "end_ns"),
            *("status", "role", "attempt", "order_after", "usage", "error", "attributes", "input"),
        ]
    ),
    json_values,
)
@settings(max_examples=150, deadline=None)
def test_a_field_of_any_value_is_read_or_refused(folder: Path, field: str, value: Any) -> None:
    events, refused = read(HEADER + span_line(**{field: value}), folder)

    assert bool(events) != bool(refused)


@given(st.dictionaries(st.sampled_from(["longpole.role", "metadata", "tag.tags"]), json_values))
@settings(max_examples=25, deadline=None)
def test_attributes_of_any_value_are_stored_and_written_again_with_the_same_bytes(
    folder: Path, attributes: dict[str, Any]
) -> None:
    events, _ = read(HEADER + span_line(run_id="f" * 32, attributes=attributes), folder)
    content = written(packed(events, folder))

    assert written_again(content, folder) == content


def test_a_field_counts_where_an_attribute_says_something_else(tmp_path: Path) -> None:
    line = span_line(model="new", attributes={"gen_ai.request.model": "old", "mine": 1})
    (start, _), refused = read(HEADER + line, tmp_path)

    assert refused == []
    assert start.attributes == {
        "mine": 1,
        "longpole.kind": "chain",
        "gen_ai.response.model": "new",
        "gen_ai.request.model": "new",
    }


def test_the_spans_of_a_bad_run_line_are_kept(demo: list[Parcel], tmp_path: Path) -> None:
    lines = written(demo[:1]).splitlines(keepends=True)
    events, refused = read(lines[0] + b'{"type":"run"}\n' + b"".join(lines[2:]), tmp_path)

    assert [one.where for one in refused] == ["line 2"]
    assert len(starts(events)) == len(demo[0].run.spans)
    assert packed(events, tmp_path)[0].run.tags == demo[0].run.tags


def test_a_line_longer_than_can_be_held_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("longpole.storage.exchange.jsonl._LINE_LIMIT_BYTES", 1_000)
    content = HEADER + b"x" * 5_500 + b"\n" + span_line(span_id="after")
    events, refused = read(content, tmp_path)

    assert starts(events) == ["after"]
    assert [(one.where, one.why) for one in refused] == [
        ("line 2", "longer than 1,000 bytes, expected a shorter line")
    ]


# --- the document -----------------------------------------------------------------------------

JSON_TYPES: dict[str, Callable[[Any], bool]] = {
    "text": lambda value: type(value) is str,
    "integer": lambda value: type(value) is int,
    "number": lambda value: type(value) in (int, float),
    "flag": lambda value: type(value) is bool,
    "list": lambda value: type(value) is list,
    "object": lambda value: type(value) is dict,
}


def documented(heading: str) -> dict[str, str]:
    """Return the type of each field in the table below a heading of the document."""
    document = Path(__file__).parents[3] / "docs" / "exchange-files.md"
    section = document.read_text().partition(f"\n{heading}\n")[2].partition("\n#")[0]
    rows = [line.split("|") for line in section.splitlines() if line.startswith("| `")]
    return {row[1].strip(" `"): row[2].strip() for row in rows}


@pytest.mark.parametrize(
    ("heading", "kind"), [("### Run lines", "run"), ("### Span lines", "span")]
)
def test_the_document_names_every_field_with_its_type(
    demo: list[Parcel], heading: str, kind: str
) -> None:
    types = documented(heading)
    lines = [orjson.loads(line) for line in written(demo).splitlines()]
    lines = [line for line in lines if line["type"] == kind]
    always = {field for field, told in types.items() if not told.endswith(", if known")}

    assert lines
    assert {field for line in lines for field in line} == set(types)
    for line in lines:
        assert always <= set(line)
        for field, value in line.items():
            known, _, rest = types[field].partition(" or ")
            is_fitting = JSON_TYPES[known.removesuffix(", if known")]
            assert is_fitting(value) or (rest == "null" and value is None), field
