"""The filter language: what is typed, what it means for a store, and what is refused, and where."""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from longpole.dashboard.settle import settle
from longpole.model import Role, Run, Span, SpanError, Status, semconv
from longpole.model.errors import FilterError, SettingsError
from longpole.model.pricing import PriceBook
from longpole.storage import Recorder, RunOrder, RunQuery, SpanStart, Store, lists, open_store
from longpole.storage.filter_sql import condition
from longpole.storage.filter_text import describe, parse
from longpole.storage.filters import (
    CHOICES,
    FIELD_NAMES,
    NESTING_LIMIT,
    TERM_LIMIT,
    VALUE_LIMIT,
    All,
    AnyOf,
    Between,
    ChoiceField,
    Compares,
    Filter,
    Matches,
    Not,
    NumberField,
    OneOf,
    Operator,
    Pattern,
    Started,
    TextField,
    TimeField,
    Words,
)
from longpole.storage.run_events import events_from_run
from longpole.tracer import LongpoleHandler
from longpole.tracer.demo import run_scenes
from tests.large_store import make_large_store
from tests.strategies import BEGIN_NS, MS, any_runs, recorded_runs

NOW_NS = BEGIN_NS + 20 * MS
DOCUMENT = Path(__file__).parent.parent.parent / "docs" / "filters.md"

_counter = iter(range(10**9))


def read(text: str) -> Filter:
    return parse(text, now_ns=NOW_NS)


# --- what a text says -------------------------------------------------------------------------


def words(text: str) -> Words:
    return Words(Pattern((text,)))


WALL_OVER_2S = Compares(NumberField.WALL, Operator.OVER, 2_000_000_000)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("", All(())),
        ("  \t ", All(())),
        ("rate", words("rate")),
        ('"rate limit"', words("rate limit")),
        ('"status:error"', words("status:error")),
        ('"say \\"hi\\" \\\\ \\*"', words('say "hi" \\ *')),
        ("12:30", words("12:30")),
        ("well-known", words("well-known")),
        ("status:ERROR,lost", OneOf(ChoiceField.STATUS, ("error", "lost"))),
        ("Status=error", OneOf(ChoiceField.STATUS, ("error",))),
        ("model:gpt-4o*", Matches(TextField.MODEL, (Pattern(("gpt-4o", "")),))),
        ("model:a***b", Matches(TextField.MODEL, (Pattern(("a", "b")),))),
        ('name:"my chain"', Matches(TextField.NAME, (Pattern(("my chain",)),))),
        ('name:"a,b",c', Matches(TextField.NAME, (Pattern(("a,b",)), Pattern(("c",))))),
        ("model:gpt-4o:free", Matches(TextField.MODEL, (Pattern(("gpt-4o:free",)),))),
        ("wall>2s", WALL_OVER_2S),
        ("wall:>2s", WALL_OVER_2S),
        ("wall>2000ms", WALL_OVER_2S),
        ("wall<=1.5m", Compares(NumberField.WALL, Operator.AT_MOST, 90_000_000_000)),
        ("wall:1s..5s", Between(NumberField.WALL, 10**9, 5 * 10**9)),
        ("wall:1s..", Compares(NumberField.WALL, Operator.AT_LEAST, 10**9)),
        ("wall:..1h", Compares(NumberField.WALL, Operator.AT_MOST, 3_600 * 10**9)),
        ("cost>$0.01", Compares(NumberField.COST, Operator.OVER, Decimal("0.01"))),
        ("cost>=.5", Compares(NumberField.COST, Operator.AT_LEAST, Decimal("0.5"))),
        ("tokens<12k", Compares(NumberField.TOKENS, Operator.UNDER, 12_000)),
        ("retries:2", Compares(NumberField.RETRIES, Operator.EQUAL, 2)),
        ("speedup<1.5x", Compares(NumberField.SPEEDUP, Operator.UNDER, Decimal("1.5"))),
        ("since:1s", Started(TimeField.SINCE, NOW_NS - 10**9)),
        ("until:1970-01-02T00:00:00Z", Started(TimeField.UNTIL, 86_400 * 10**9)),
        ("a b", All((words("a"), words("b")))),
        ("a AND b", All((words("a"), words("b")))),
        ("a (b c)", All((words("a"), words("b"), words("c")))),
        ("a OR b c", AnyOf((words("a"), All((words("b"), words("c")))))),
        ("(a OR b) c", All((AnyOf((words("a"), words("b"))), words("c")))),
        ('a or "OR"', All((words("a"), words("or"), words("OR")))),
        ("-a", Not(words("a"))),
        ("NOT a", Not(words("a"))),
        ("--a", words("a")),
        ("-(a b)", Not(All((words("a"), words("b"))))),
    ],
)
def test_a_text_says_what_it_looks_like(text: str, meant: Filter) -> None:
    assert read(text) == meant


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("a OR (b OR c) NOT(d)", "a OR (b OR c) -d"),
        ("a OR (b OR (c))", "a OR b OR c"),
        ("NOT (a OR b)", "-(a OR b)"),
        ('name:"plain"', "name:plain"),
        ('name:"a \\* b*"', 'name:"a \\* b*"'),
        ('"AND" -"-x"', '"AND" -"-x"'),
        ("wall>1500ms wall<90s wall:0ms", "wall>1.5s wall<90s wall=0ms"),
        ("wall>120s wall<7200s", "wall>2m wall<2h"),
        ("cost>$0.0100 tokens>1k", "cost>0.01 tokens>1000"),
        ("until:1970-01-02T00:00Z", "until:1970-01-02T00:00:00+00:00"),
    ],
)
def test_a_filter_has_one_canonical_text(text: str, canonical: str) -> None:
    assert describe(read(text)) == canonical


# --- what is refused, and where ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("a stauts:error", "stauts", "unknown field 'stauts', did you mean 'status'"),
        ("http://x", "http", r"unknown field 'http', expected name, .*; quote it"),
        ("a status:errr", "errr", "unknown value 'errr' of 'status', did you mean 'error'"),
        ("has:wings", "wings", "unknown value 'wings' of 'has', expected retry, error"),
        ("status:e*", "e*", r"unknown value 'e\*' of 'status'"),
        ("status: error", "status:", "field 'status' has no value"),
        ("wall>2", "2", "'2' is no value of 'wall', expected a length of time as 300ms"),
        ("wall>9999999999999d", "9999999999999d", "is no value of 'wall'"),
        ("wall>1s..2s", "1s..2s", r"'1s\.\.2s' is no value of 'wall'"),
        ("wall:..", "..", r"'\.\.' is no value of 'wall'"),
        ("wall:5s..1s", "5s..1s", "ends before it begins"),
        ("cost>cheap", "cheap", "'cheap' is no value of 'cost', expected US dollars"),
        ("retries>1.5", "1.5", "'1.5' is no value of 'retries', expected a whole number"),
        ("name>a", "a", "field 'name' cannot be compared with '>'; write name:VALUE"),
        ("since:soon", "soon", "'soon' is no moment"),
        ("since:999999999w", "999999999w", "is no moment"),
        ("tag:a,,b", "a,,b", "a value is empty"),
        ('a ""', '""', "a value is empty"),
        ('a "b c', '"b c', "a quote is not closed"),
        ("a (b", "(", r"'\(' is not closed"),
        ("a) b", ")", r"'\)' closes nothing"),
        ("a OR", "", "the filter ends where a term was expected"),
        ("OR a", "OR", "'OR' stands where a term was expected"),
        ("a -", "", "the filter ends where a term was expected"),
        ("()", ")", r"'\)' stands where a term was expected"),
        ("a\x00", "\x00", r"character U\+0000"),
        ("a\ud800", "\ud800", r"character U\+D800"),
    ],
)
def test_a_refusal_says_what_is_wrong_and_where(text: str, place: str, message: str) -> None:
    with pytest.raises(FilterError, match=message) as caught:
        read(text)

    error = caught.value
    assert text[error.at : error.at + error.length] == place
    assert "\n" not in str(error)


def test_a_refusal_points_at_the_place() -> None:
    with pytest.raises(SettingsError) as caught:
        read("cost>1\nstauts:error")

    assert isinstance(caught.value, FilterError)
    assert caught.value.pointed() == "cost>1 stauts:error\n       ^^^^^^"


def test_limits_are_kept_before_anything_gets_deep_or_long() -> None:
    deep = "(" * NESTING_LIMIT + "a" + ")" * NESTING_LIMIT
    assert read(deep) == words("a")
    with pytest.raises(FilterError, match="nested deeper"):
        read(f"({deep})")
    with pytest.raises(FilterError, match="nested deeper"):
        read("(" * 100_000)
    assert read("-" * 100_000 + "a") == words("a")
    many = " ".join(["a"] * TERM_LIMIT)
    assert isinstance(read(many), All)
    with pytest.raises(FilterError, match="more than 100 terms"):
        read(f"{many} a")
    with pytest.raises(FilterError, match="more than 100 terms"):
        read("tag:" + ",".join(["a"] * (TERM_LIMIT + 1)))
    with pytest.raises(FilterError, match="at most 500"):
        read("a" * (VALUE_LIMIT + 1))


# --- texts in general -------------------------------------------------------------------------

CRUMBS = [
    *(f"{name}{sign}" for name in FIELD_NAMES for sign in (":", ">", "=")),
    *[" ", " ", "(", ")", "-", "OR", "NOT", "AND", '"', "\\", "*", ",", "..", "$"],
    *["error", "2s", "0.5", "7", "12k", "2026-11-24", "2h", "lost", "retry", "llm", "é", "x"],
]


def understood(text: str) -> Filter | FilterError:
    try:
        return read(text)
    except FilterError as error:
        return error


@given(st.text(max_size=60) | st.lists(st.sampled_from(CRUMBS), max_size=25).map("".join))
@settings(max_examples=400)
def test_any_text_is_a_filter_or_refused_and_a_filter_survives_its_description(text: str) -> None:
    said = understood(text)

    if isinstance(said, FilterError):
        assert 0 <= said.at <= said.at + said.length <= len(text)
        assert len(said.pointed().split("\n")) == 2
    else:
        assert read(describe(said)) == said


def quoted(text: str) -> str:
    return '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'


VALUES = st.sampled_from(
    [
        *["plan", "PLAN", "*a*", "a", "b", "s*", "x", "y", "0", "*", "é*", "[a]", "E", "m", "_"],
        *["incident-panel", "*-panel", "sort*", "gpt-4o*", "*MINI*", "openai", "flash", "mini"],
        *["RateLimit*", "*tokens per minute*", "retry", "dana", "lead-*", "0001", "a1", "Ålesund"],
    ]
) | st.text("aE*%_[]?'\"é", min_size=1, max_size=4)

TEXT_TERMS = st.builds(
    lambda field, values: f"{field}:{','.join(map(quoted, values))}",
    st.sampled_from(TextField),
    st.lists(VALUES, min_size=1, max_size=2),
)
CHOICE_TERMS = st.sampled_from(ChoiceField).flatmap(
    lambda field: st.lists(st.sampled_from(CHOICES[field]), min_size=1, max_size=2).map(
        lambda values: f"{field}:{','.join(values)}"
    )
)
QUANTITIES = {
    NumberField.WALL: ["0ms", "10ms", "12.5ms", "25ms", "60ms", "1s"],
    NumberField.COST: ["0", "0.0001", "0.001", "$0.0017554", "1"],
    NumberField.TOKENS: ["0", "168", "400", "1k", "10k"],
    NumberField.RETRIES: ["0", "1", "2", "3"],
    NumberField.SPEEDUP: ["0", "0.5", "1x", "2"],
    NumberField.SPANS: ["1", "2", "4", "17", "20"],
}
NUMBER_TERMS = st.sampled_from(NumberField).flatmap(
    lambda field: (
        st.builds(
            lambda sign, value: f"{field}{sign.value}{value}",
            st.sampled_from(Operator),
            st.sampled_from(QUANTITIES[field]),
        )
        | st.tuples(*[st.integers(0, len(QUANTITIES[field]) - 1)] * 2).map(
            lambda ends: f"{field}:{QUANTITIES[field][min(ends)]}..{QUANTITIES[field][max(ends)]}"
        )
    )
)
TIME_TERMS = st.builds(
    lambda field, ago: f"{field}:{ago}",
    st.sampled_from(TimeField),
    st.sampled_from(["0s", "0.01s", "0.015s", "1s", "1970-01-01", "2200-01-01"]),
)
TERMS = TEXT_TERMS | CHOICE_TERMS | NUMBER_TERMS | TIME_TERMS | VALUES.map(quoted)
FILTERS = st.recursive(
    TERMS,
    lambda inner: (
        inner.map(lambda text: f"-({text})")
        | st.lists(inner, min_size=1, max_size=3).map(" ".join)
        | st.lists(inner, min_size=1, max_size=3).map(lambda texts: f"({' OR '.join(texts)})")
    ),
    max_leaves=5,
).map(read)


@given(FILTERS)
@settings(max_examples=200)
def test_a_filter_survives_its_description(said: Filter) -> None:
    assert read(describe(said)) == said


# --- what a filter means: the same in plain Python and in SQL ---------------------------------


@dataclass(frozen=True, slots=True)
class Known:
    """All that a filter can ask about one run, read from the store without SQL of filters."""

    run: Run
    cost_usd: float | None
    tokens: int | None
    retries: int | None
    speedup_ratio: float | None
    contents: tuple[str, ...]


def everything(store: Store) -> list[Known]:
    known = []
    for row in store.list_runs(RunQuery(limit=1000)).rows:
        about = row.summary
        usage = None if about is None else about["usage"]
        cost = None if about is None else about["cost_usd"]
        known.append(
            Known(
                run=store.load_run(row.run_id),
                cost_usd=None if cost is None else float(cost),
                tokens=None if usage is None else usage["input_tokens"] + usage["output_tokens"],
                retries=None if about is None else about["retries"],
                speedup_ratio=None if about is None else about["speedup_ratio"],
                contents=() if about is None else contents(store, row.run_id),
            )
        )
    return known


def contents(store: Store, run_id: str) -> tuple[str, ...]:
    """Return the distinct words, in their order, of each input and output of a settled run."""
    found = store.load_contents(run_id).values()
    texts = {text for one in found for text in (one.input_value, one.output_value) if text}
    return tuple(" ".join(tokens(re.sub(r"\\.", " ", text))) for text in texts)


def tokens(text: str) -> list[str]:
    return [word.casefold() for word in re.findall(r"[^\W_]+", text)]


def says(pattern: Pattern, text: str) -> bool:
    """Whether all pieces occur as whole words; before a wildcard, as the beginning of one."""
    pieces = [piece for piece in pattern.pieces if piece]
    last = pattern.pieces[-1]
    return bool(pieces) and all(
        asked
        and re.search(
            rf"(?:^| ){' '.join(map(re.escape, asked))}"
            + ("" if piece[-1].isalnum() and not (at == len(pieces) - 1 and last) else "(?: |$)"),
            text,
        )
        for at, piece in enumerate(pieces)
        for asked in [tokens(piece)]
    )


def like(pattern: Pattern, value: str | None) -> bool:
    glob = ".*".join(map(re.escape, pattern.pieces))
    return value is not None and re.fullmatch(glob, value, re.I | re.S) is not None


def contains(pattern: Pattern, run: Run) -> bool:
    error = run.root.error
    text = "\n".join(filter(None, [run.name, *((error.type, error.message) if error else ())]))
    glob = ".*".join(re.escape(piece.casefold()) for piece in pattern.pieces)
    return re.search(glob, text.casefold(), re.S) is not None


def texts(field: TextField, run: Run) -> list[str | None]:
    match field:
        case TextField.NAME:
            return [run.name]
        case TextField.SESSION:
            return [run.session_id]
        case TextField.USER:
            return [run.user_id]
        case TextField.TAG:
            return list(run.tags)
        case TextField.ID:
            return [run.run_id[:length] for length in range(33)]
        case TextField.MODEL:
            return [span.model for span in run.spans]
        case TextField.PROVIDER:
            return [span.provider for span in run.spans]
        case TextField.BRANCH:
            return [span.branch for span in run.spans]
        case TextField.SPAN:
            return [span.name for span in run.spans]
        case TextField.ERROR:
            return [text for span in run.spans if span.error for text in error_texts(span.error)]


def error_texts(error: SpanError) -> list[str]:
    parts = error.type.split(".")
    return [error.message, *(".".join(parts[start:]) for start in range(len(parts)))]


def number(field: NumberField, known: Known) -> float | int | None:
    root = known.run.root
    match field:
        case NumberField.WALL:
            return None if root.end_ns is None else root.end_ns - root.start_ns
        case NumberField.COST:
            return known.cost_usd
        case NumberField.TOKENS:
            return known.tokens
        case NumberField.RETRIES:
            return known.retries
        case NumberField.SPEEDUP:
            return known.speedup_ratio
        case NumberField.SPANS:
            return len(known.run.spans)


SPAN_TRAITS: dict[str, Callable[[Span], bool]] = {
    "retry": lambda span: span.attempt > 1,
    "error": lambda span: span.status is Status.ERROR,
    "fallback": lambda span: span.role is Role.FALLBACK,
    "cache_hit": lambda span: span.cache_hit,
    "queue": lambda span: (span.queue_wait_ns or 0) >= 1_000_000,
    "lost": lambda span: span.status is Status.LOST,
    "unpriced": lambda span: span.unpriced is not None,
}


def has(trait: str, known: Known) -> bool:
    if trait == "cost":
        return known.cost_usd is not None
    return any(SPAN_TRAITS[trait](span) for span in known.run.spans)


def chosen(field: ChoiceField, value: str, known: Known) -> bool:
    if field is ChoiceField.STATUS:
        return known.run.status.value == value
    if field is ChoiceField.KIND:
        return any(span.kind.value == value for span in known.run.spans)
    return has(value, known)


def compares(sign: Operator, found: float | int | None, value: float | int) -> bool:
    if found is None:
        return False
    return {
        Operator.OVER: found > value,
        Operator.AT_LEAST: found >= value,
        Operator.UNDER: found < value,
        Operator.AT_MOST: found <= value,
        Operator.EQUAL: found == value,
    }[sign]


def plain(value: int | Decimal) -> int | float:
    return value if isinstance(value, int) else float(value)


def holds(said: Filter, known: Known) -> bool:
    match said:
        case All(parts):
            return all(holds(part, known) for part in parts)
        case AnyOf(parts):
            return any(holds(part, known) for part in parts)
        case Not(part):
            return not holds(part, known)
        case Words(pattern):
            return contains(pattern, known.run) or any(
                says(pattern, text) for text in known.contents
            )
        case Matches(field, patterns):
            found = texts(field, known.run)
            return any(like(pattern, text) for pattern in patterns for text in found)
        case OneOf(choice, values):
            return any(chosen(choice, value, known) for value in values)
        case Compares(measure, sign, value):
            return compares(sign, number(measure, known), plain(value))
        case Between(measure, low, high):
            length = number(measure, known)
            return length is not None and plain(low) <= length <= plain(high)
        case Started(TimeField.SINCE, at_ns):
            return known.run.root.start_ns >= at_ns
        case Started(_, at_ns):
            return known.run.root.start_ns < at_ns


def found_by(store: Store, said: Filter) -> set[str]:
    query = RunQuery(where=said, limit=1000)
    page = store.list_runs(query)
    listed = {row.run_id for row in page.rows}
    assert page.total == len(listed)
    assert set(store.run_ids(query)) == listed
    return listed


def meant_by(everything: Sequence[Known], said: Filter) -> set[str]:
    return {known.run.run_id for known in everything if holds(said, known)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("filters")


@pytest.fixture(scope="module")
def demo(folder: Path) -> Iterator[Store]:
    """The demo's runs, settled, but for one."""
    path = str(folder / "demo.db")
    handler = LongpoleHandler(path)
    run_scenes(handler, speed=200.0)
    assert handler.flush(30.0)
    handler.close()
    store = open_store(path, mode="write")
    settle(store, book=PriceBook(), now_ns=time.time_ns(), limit=store.state().runs - 1)
    yield store
    store.close()


@pytest.fixture(scope="module")
def known_demo(demo: Store) -> list[Known]:
    return everything(demo)


@given(said=FILTERS)
@settings(max_examples=150)
def test_sql_finds_the_demo_runs_that_a_filter_means(
    demo: Store, known_demo: list[Known], said: Filter
) -> None:
    assert found_by(demo, said) == meant_by(known_demo, said)


def lawful(span: Span) -> Span:
    """Return a span as one can be recorded: what has ended is not running, only errors fail."""
    if span.end_ns is not None and span.status in (Status.RUNNING, Status.LOST):
        return replace(span, status=Status.OK, error=None)
    return replace(span, error=span.error if span.status is Status.ERROR else None)


named_spans = st.tuples(
    st.sampled_from([None, "gpt-4o", "GPT-4o-mini", "[a]", "é"]), st.sampled_from([None, "openai"])
)


@st.composite
def sets_of_runs(draw: st.DrawFn) -> list[Run]:
    runs = []
    for place, run in enumerate(draw(st.lists(any_runs() | recorded_runs(6), max_size=4))):
        spans = [lawful(span) for span in run.spans]
        names = draw(st.lists(named_spans, min_size=len(spans), max_size=len(spans)))
        runs.append(
            replace(
                run,
                run_id=f"{place:04x}" + "a1" * 14,
                spans=tuple(
                    replace(span, model=model, provider=provider)
                    for span, (model, provider) in zip(spans, names, strict=True)
                ),
                session_id=draw(st.sampled_from([None, "s1", "S_2"])),
                user_id=draw(st.sampled_from([None, "dana", "É"])),
                tags=tuple(draw(st.sets(st.sampled_from(["a", "b", "retry"]), max_size=2))),
            )
        )
    return runs


@given(
    runs=sets_of_runs(),
    filters=st.lists(FILTERS, min_size=3, max_size=6),
    is_alive=st.booleans(),
    settled=st.integers(0, 4),
)
@settings(max_examples=25)
def test_sql_finds_the_runs_that_a_filter_means_in_any_store(
    folder: Path, runs: list[Run], filters: list[Filter], is_alive: bool, settled: int
) -> None:
    # A recorder that ever wrote from this process lives as long as it does, whatever its number.
    me = Recorder(
        recorder_id=("a" if is_alive else "d") * 16,
        pid=os.getpid() if is_alive else 1,
        host="here",
    )
    store = open_store(str(folder / f"{next(_counter)}.db"), mode="write")
    for run in runs:
        store.write(me, events_from_run(run))
    settle(store, book=PriceBook(), now_ns=NOW_NS, limit=settled)
    known = everything(store)

    assert [found_by(store, said) for said in filters] == [
        meant_by(known, said) for said in filters
    ]
    store.close()


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("status:error", {"enrich-lead"}),
        ("error:RateLimit*", {"launch-translations"}),
        ("error:outputparserEXCEPTION", {"enrich-lead"}),
        ('"failed to parse"', {"enrich-lead"}),
        ("has:fallback", {"launch-translations"}),
        ("has:retry status:ok", {"launch-translations"}),
        ("tag:retry,batch", {"launch-translations", "sort-inbox"}),
        ("branch:spanish OR branch:trains", {"launch-translations", "weekend-planner"}),
        ("name:INCIDENT-*", {"incident-panel"}),
        ("user:lena session:*", {"weekend-planner"}),
        ("kind:retriever -kind:tool", {"ferry-help-desk"}),
        ("since:1h spans>100", {"interview-report"}),
    ],
)
def test_the_demo_runs_are_found_by_what_happened_in_them(
    demo: Store, text: str, names: set[str]
) -> None:
    said = parse(text, now_ns=time.time_ns())

    assert {row.name for row in demo.list_runs(RunQuery(where=said)).rows} == names


def test_a_number_that_is_not_known_matches_no_comparison_but_its_opposite(
    demo: Store,
) -> None:
    (unsettled,) = found_by(demo, read("-has:cost"))

    assert unsettled not in found_by(demo, read("cost>=0 OR cost<0"))
    assert unsettled in found_by(demo, read("-cost>=0"))
    assert unsettled in found_by(demo, read("-(cost>=0 cost<1)"))


def test_a_filter_narrows_what_the_rest_of_the_query_asks_for(demo: Store) -> None:
    said = read("status:error OR has:retry")
    page = demo.list_runs(RunQuery(where=said, name="enrich-lead", text="enrich"))

    assert [row.name for row in page.rows] == ["enrich-lead"]


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store of enough runs for many pages."""
    path = tmp_path_factory.mktemp("crowd") / "runs.db"
    make_large_store(path, runs=120, now_ns=BEGIN_NS)
    with contextlib.closing(open_store(str(path), mode="read")) as store:
        yield store


@pytest.mark.parametrize("order", [RunOrder.START, RunOrder.WALL])
@pytest.mark.parametrize("is_descending", [True, False])
@pytest.mark.parametrize("text", ["wall>1ms", "wall>4s", "has:error", "-tag:prod", "wall>10h"])
def test_pages_of_a_filtered_list_follow_each_other_whether_it_finds_many_or_few(
    crowd: Store, text: str, is_descending: bool, order: RunOrder
) -> None:
    asked = RunQuery(
        where=read(text), status=(Status.OK, Status.ERROR), order=order, descending=is_descending
    )
    every = crowd.run_ids(asked)
    pages = [(2, 0), (2, 4), (50, 1), (0, 0), (5, 1_000)]
    found = [crowd.list_runs(replace(asked, limit=limit, offset=at)) for limit, at in pages]

    assert [page.total for page in found] == [len(every)] * len(pages)
    assert [[row.run_id for row in page.rows] for page in found] == [
        list(every[at : at + limit]) for limit, at in pages
    ]


@pytest.mark.parametrize(
    "status", [(), (Status.ERROR,), (Status.RUNNING, Status.LOST), (Status.OK,)]
)
def test_every_part_of_a_query_narrows_it_whichever_runs_are_looked_at_first(
    crowd: Store, status: tuple[Status, ...]
) -> None:
    every = crowd.list_runs(RunQuery(limit=1_000)).rows
    asked = RunQuery(name="panel", status=status, limit=1_000)
    bare, filtered = (
        crowd.list_runs(replace(asked, where=where)).rows for where in (None, read("spans>0"))
    )

    assert bare == filtered
    assert bare == tuple(
        row for row in every if row.name == "panel" and (not status or row.status in status)
    )


def open_root(number: int, **more: str) -> SpanStart:
    return SpanStart(
        run_id=f"{number:032x}",
        trace_id=f"{number:032x}",
        span_id=f"{number:016x}",
        parent_span_id=None,
        is_root=True,
        name="chain",
        start_ns=BEGIN_NS,
        attributes=more,
    )


def test_a_span_whose_kind_nobody_told_is_of_another_kind(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "runs.db"), mode="write")
    me = Recorder(recorder_id="a" * 16, pid=os.getpid(), host="here")
    store.write(me, [open_root(1), open_root(2, **{semconv.LONGPOLE_KIND: "llm"})])

    assert found_by(store, read("kind:other,tool")) == {f"{1:032x}"}
    assert found_by(store, read("-kind:other")) == {f"{2:032x}"}
    store.close()


def test_a_run_is_lost_as_soon_as_its_recorder_is_known_to_be_dead(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    store = open_store(str(path), mode="write")
    for number, name in enumerate("ab", 1):
        me = Recorder(recorder_id=name * 16, pid=os.getpid(), host="here")
        store.write(me, [open_root(number)])
    store.close()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        ((dead,),) = connection.execute("SELECT recorder FROM runs WHERE run_id LIKE '%1'")
        found = {
            text: lists.run_ids(connection, RunQuery(where=read(text)), [dead])
            for text in ("status:lost", "has:lost", "status:running", "-has:lost")
        }

    assert found["status:lost"] == found["has:lost"] == [f"{1:032x}"]
    assert found["status:running"] == found["-has:lost"] == [f"{2:032x}"]


HOSTILE = [
    "x' OR '1'='1",
    "x'; DROP TABLE runs; --",
    'x") OR 1=1 --',
    "%' OR 1 --",
    "_ncident-panel",
    "[i]ncident-panel",
    "?ncident-panel",
    "*' OR 1 OR '",
]


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("field", ["", *(f"{field}:" for field in TextField)])
def test_a_value_is_never_more_than_a_value(demo: Store, field: str, value: str) -> None:
    said = read(field + quoted(value))
    sql, values = condition(said, status="status")

    assert found_by(demo, said) == set()
    # The condition is the same whatever the value; only what is bound differs.
    assert sql == condition(read(field + "harmless" + "*" * ("*" in value)), status="status")[0]
    assert values
    assert demo.state().runs > 10


def test_the_largest_filter_is_one_that_the_store_can_answer(demo: Store) -> None:
    longest = " ".join([f'name:"{"ǆ" * VALUE_LIMIT}"'] * TERM_LIMIT)
    innermost = "error:a,b kind:other x OR -has:lost,cost"
    deepest = "-(a OR " * NESTING_LIMIT + innermost + ")" * NESTING_LIMIT
    stars = "*".join("a" * (VALUE_LIMIT // 2))

    assert found_by(demo, read(longest)) == set()
    ones, others = found_by(demo, read(deepest)), found_by(demo, read(f"-{deepest}"))
    assert ones ^ others == found_by(demo, read(""))
    assert found_by(demo, read(f'error:"{stars}" tag:"{stars}" {stars}')) == set()
    assert found_by(demo, read("tag:" + ",".join(["none"] * TERM_LIMIT))) == set()


# --- the document -----------------------------------------------------------------------------


def test_every_example_of_the_document_is_a_filter() -> None:
    blocks = re.findall(r"```text\n(.*?)```", DOCUMENT.read_text(), re.S)
    examples = [line for block in blocks for line in block.splitlines() if line]

    assert len(examples) > 8
    for example in examples:
        read(example.split("   ")[0])


def test_every_field_and_trait_is_in_the_document() -> None:
    document = DOCUMENT.read_text()
    listed = re.findall(r"^\| `(\w+)(?:[:><]\S*)?`", document, re.M)

    assert set(listed) == {*FIELD_NAMES, *CHOICES[ChoiceField.HAS]}
