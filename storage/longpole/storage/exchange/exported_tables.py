"""The columns of the two exported tables, runs and spans; CSV and Parquet share this one list.

In: a `Parcel`. Out: rows of plain values, one for each column, `None` where nothing is known.
Names, units and meanings are those of `longpole show --json`; what is nested there is flat here
(`usage.input_tokens` is `input_tokens`, `error.type` is `error_type`). How a value is written is
the format's affair: see `Cell`. `docs/exchange-files.md` holds the same tables in words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from operator import attrgetter
from typing import Any, Final, Generic, TypeVar

from longpole.model.run import Span
from longpole.storage.exchange.parcel import NO_CONTENT, Parcel
from longpole.storage.store import Content


class Cell(StrEnum):
    """What a column holds, and as what a row gives it.

    `time`: an `int`, nanoseconds since the Unix epoch. `money`: USD in plain digits, a `str`.
    `texts`: a list of `str`. `json`: any JSON value.
    """

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    FLAG = "flag"
    TIME = "time"
    MONEY = "money"
    TEXTS = "texts"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class RunRow:
    """What the columns of a run are taken from; `facts` is the document's `run`."""

    parcel: Parcel
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class SpanRow:
    """What the columns of a span are taken from; `facts` is its object in the document."""

    run_id: str
    span: Span
    facts: Mapping[str, Any]
    content: Content


_Row = TypeVar("_Row")


@dataclass(frozen=True, slots=True)
class Column(Generic[_Row]):
    """One column.

    Attributes:
        unit: `ns`, `tokens`, `USD` …; empty where there is none.
        meaning: one phrase.
        of: takes the value out of a row; `None` where nothing is known.
    """

    name: str
    cell: Cell
    unit: str
    meaning: str
    of: Callable[[_Row], Any]


def run_row(parcel: Parcel) -> RunRow:
    """Return the run of a parcel as a row."""
    return RunRow(parcel=parcel, facts=parcel.document["run"])


def span_rows(parcel: Parcel) -> Iterator[SpanRow]:
    """Yield the spans of a parcel as rows, in the document's order."""
    run = parcel.run
    for facts in parcel.document["spans"]:
        span_id = facts["span_id"]
        yield SpanRow(
            run_id=run.run_id,
            span=run.span_by_id[span_id],
            facts=facts,
            content=parcel.contents.get(span_id, NO_CONTENT),
        )


# --- how columns are made ---------------------------------------------------------------------


def _fact(name: str, cell: Cell, unit: str, meaning: str) -> Column[Any]:
    """Return a column that the document has under the same name."""
    return Column(name, cell, unit, meaning, lambda row: row.facts[name])


def _recorded(path: str, name: str, cell: Cell, unit: str, meaning: str) -> Column[SpanRow]:
    """Return a column that is an attribute of the recorded span, or of its order."""
    get = attrgetter(path)
    return Column(name, cell, unit, meaning, lambda row: get(row.span))


def _content(path: str, name: str, meaning: str) -> Column[SpanRow]:
    get = attrgetter(path)
    return Column(name, Cell.TEXT, "", meaning, lambda row: get(row.content))


def _within(whole: str, name: str, column: Column[Any]) -> Column[Any]:
    """Return the column with its value taken from an object of the document, if there is one."""

    def value(row: Any) -> Any:
        found = row.facts[whole]
        return None if found is None else found[name]

    return Column(column.name, column.cell, column.unit, column.meaning, value)


def _tokens(name: str, meaning: str) -> Column[Any]:
    return _within("usage", name, _fact(name, Cell.INTEGER, "tokens", meaning))


def _error(part: str, meaning: str) -> Column[Any]:
    return _within("error", part, _fact(f"error_{part}", Cell.TEXT, "", meaning))


def _moment(beginning: str, meaning: str) -> tuple[Column[Any], Column[Any]]:
    """Return a moment of the document as a number and as a time."""
    key = f"{beginning}_ns"
    return (
        Column(key, Cell.INTEGER, "ns since 1970", meaning, lambda row: row.facts[key]),
        Column(
            f"{beginning}_time",
            Cell.TIME,
            "UTC",
            f"the same moment as `{key}`",
            lambda row: row.facts[key],
        ),
    )


_USAGE: Final = (
    _tokens("input_tokens", "all input tokens, cached ones included"),
    _tokens("output_tokens", "all output tokens, reasoning included"),
    _tokens("cache_read_tokens", "part of the input that the provider read from its cache"),
    _tokens("cache_write_tokens", "part of the input that the provider wrote to its cache"),
    _tokens("reasoning_tokens", "part of the output spent on reasoning"),
)

# --- runs -------------------------------------------------------------------------------------

RUN_COLUMNS: Final[tuple[Column[RunRow], ...]] = (
    _fact("run_id", Cell.TEXT, "", "id of the run, 32 hex digits"),
    Column(
        "trace_id",
        Cell.TEXT,
        "",
        "OpenTelemetry trace that the run belongs to",
        lambda row: row.parcel.run.trace_id,
    ),
    _fact("name", Cell.TEXT, "", "name of the root"),
    _fact("status", Cell.TEXT, "", "ok, error, cancelled, interrupted, running or lost"),
    *_moment("start", "when the root started"),
    *_moment("end", "when the root ended; null while it runs, and when it is lost"),
    _fact("wall_ns", Cell.INTEGER, "ns", "from start to end, or to the moment of the export"),
    _fact("work_ns", Cell.INTEGER, "ns", "sum of all leaf work"),
    _fact("span_length_ns", Cell.INTEGER, "ns", "longest chain of dependent work"),
    _fact("speedup_ratio", Cell.NUMBER, "", "work over wall"),
    _fact(
        "parallelism_ratio", Cell.NUMBER, "", "work over span length, the best speed-up possible"
    ),
    _fact("efficiency_ratio", Cell.NUMBER, "", "work over wall × workers"),
    _fact(
        "peak_concurrency", Cell.INTEGER, "spans", "how many spans were at work at once, at most"
    ),
    _fact(
        "queue_wait_ns", Cell.INTEGER, "ns", "what queueing cost: wall minus wall without limits"
    ),
    _fact("backoff_ns", Cell.INTEGER, "ns", "back-off on the critical path"),
    _fact("retries", Cell.INTEGER, "attempts", "attempts after the first"),
    _fact("fallbacks", Cell.INTEGER, "candidates", "fallback candidates tried"),
    _fact("llm_calls", Cell.INTEGER, "calls", "model calls"),
    _fact("cache_hits", Cell.INTEGER, "calls", "model calls that a cache answered"),
    *_USAGE,
    _fact(
        "cost_usd",
        Cell.MONEY,
        "USD",
        "sum over the priced calls; null when calls were made and none is priced",
    ),
    _fact("unpriced_calls", Cell.INTEGER, "calls", "model calls without a known cost"),
    _fact("wasted_ns", Cell.INTEGER, "ns", "work of spans whose result nobody used"),
    _fact("wasted_cost_usd", Cell.MONEY, "USD", "cost of spans whose result nobody used"),
    _fact("time_to_first_token_ns", Cell.INTEGER, "ns", "from start to the first token"),
    _fact("dependencies", Cell.TEXT, "", "order of siblings: recorded, inferred or mixed"),
    _fact("session_id", Cell.TEXT, "", "session or thread that the run belongs to"),
    _fact("user_id", Cell.TEXT, "", "user on whose behalf the run was made"),
    _fact("tags", Cell.TEXTS, "", "the caller's tags"),
    _fact("metadata", Cell.JSON, "", "the caller's metadata, an object"),
    Column(
        "spans",
        Cell.INTEGER,
        "spans",
        "how many spans the run has",
        lambda row: len(row.parcel.document["spans"]),
    ),
)
"""One row a run."""

# --- spans ------------------------------------------------------------------------------------

SPAN_COLUMNS: Final[tuple[Column[SpanRow], ...]] = (
    Column("run_id", Cell.TEXT, "", "the run that the span belongs to", lambda row: row.run_id),
    _fact("span_id", Cell.TEXT, "", "id of the span, 16 hex digits, unique in its run"),
    _fact("parent_span_id", Cell.TEXT, "", "the span right above; null for the root"),
    _fact("langchain_run_id", Cell.TEXT, "", "LangChain's own id of this callback run"),
    _fact("name", Cell.TEXT, "", "name of the runnable, model or tool"),
    _fact(
        "kind",
        Cell.TEXT,
        "",
        "chain, llm, tool, retriever, embedding, prompt, parser, node, http or other",
    ),
    _fact("role", Cell.TEXT, "", "fan_out, branch, step, attempt, fallback or item"),
    _fact("branch", Cell.TEXT, "", "key of the branch in its fan-out"),
    _fact("step", Cell.INTEGER, "", "position in a sequence, or superstep, from 1"),
    _fact("attempt", Cell.INTEGER, "", "number of the try, from 1"),
    *_moment("start", "when the span started"),
    *_moment("end", "when it ended; null while it runs, and when it is lost"),
    _fact("status", Cell.TEXT, "", "ok, error, cancelled, interrupted, running or lost"),
    _error("type", "class name of the exception it ended with"),
    _error("message", "text of the exception it ended with"),
    _fact("queue_wait_ns", Cell.INTEGER, "ns", "from ready to started; null where it is not known"),
    _fact("self_ns", Cell.INTEGER, "ns", "time covered by no child"),
    _fact("on_path_ns", Cell.INTEGER, "ns", "critical-path time of the span and all below it"),
    _fact(
        "slack_ns",
        Cell.INTEGER,
        "ns",
        "how much later it could end without moving the run's end; null means any amount",
    ),
    _fact("drag_ns", Cell.INTEGER, "ns", "how much sooner the run would end were the span instant"),
    _fact("cache_hit", Cell.FLAG, "", "whether a cache answered and no model was called"),
    _fact("result_swapped", Cell.FLAG, "", "whether a failed row was handed another row's result"),
    _fact("model", Cell.TEXT, "", "the model that answered, else the one asked for"),
    _fact("provider", Cell.TEXT, "", "who serves the model"),
    *_USAGE,
    _fact("cost_usd", Cell.MONEY, "USD", "cost of the call; null when not known or no call"),
    _fact("unpriced", Cell.TEXT, "", "why a model call has no cost"),
    _fact("time_to_first_token_ns", Cell.INTEGER, "ns", "from start to the first token"),
    _fact("wasted", Cell.TEXT, "", "why the result was not used; null when it was"),
    _recorded("ready_ns", "ready_ns", Cell.INTEGER, "ns since 1970", "when it could have started"),
    _recorded(
        "first_token_ns", "first_token_ns", Cell.INTEGER, "ns since 1970", "when a token first came"
    ),
    _recorded("host", "host", Cell.TEXT, "", "names the clock that the times come from"),
    _recorded(
        "fan_out",
        "fan_out",
        Cell.TEXT,
        "",
        "fan-out it is a branch of: parallel, map, batch, superstep, send, tools or record",
    ),
    _recorded(
        "fan_out_limit", "fan_out_limit", Cell.INTEGER, "spans", "concurrency limit of that fan-out"
    ),
    _recorded(
        "limit_ignored",
        "limit_ignored",
        Cell.INTEGER,
        "spans",
        "limit that was asked for and is not kept",
    ),
    _recorded(
        "order.group", "order_group", Cell.TEXT, "", "siblings that share it run side by side"
    ),
    _recorded("order.seq", "order_seq", Cell.INTEGER, "", "position in a sequence, as recorded"),
    _recorded("order.superstep", "order_superstep", Cell.INTEGER, "", "LangGraph superstep"),
    _recorded("order.after", "order_after", Cell.TEXTS, "", "ids of the siblings it waited for"),
    _recorded("order.streamed", "is_streamed", Cell.FLAG, "", "whether it passed chunks on"),
    _recorded("order.detached", "is_detached", Cell.FLAG, "", "whether nobody waited for it"),
    Column(
        "attributes",
        Cell.JSON,
        "",
        "every other attribute as recorded, an object",
        lambda row: dict(row.content.attributes),
    ),
    _content("input_value", "input", "what went in, JSON or plain text"),
    _content("input_mime_type", "input_mime_type", "application/json or text/plain"),
    _content("output_value", "output", "what came out, JSON or plain text"),
    _content("output_mime_type", "output_mime_type", "application/json or text/plain"),
)
"""One row a span."""
