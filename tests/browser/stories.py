"""Runs with a story, for pages to show: built as values, stored as a tracer would have.

Times are milliseconds from the start of a run; a story repeats exactly, so tests can name numbers.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from longpole.model import FanOutKind, Kind, Role, Run, Span, SpanError, Status, Usage, assemble
from longpole.model.run import Order

START_NS = 1_790_000_000_000_000_000
MS = 1_000_000
CANARY = "![x](http://127.0.0.1:1/x) <b>bold</b> $x^2$ :red[red] [a](http://127.0.0.1:1/a)"


@dataclass
class Story:
    """Collects the spans of one run; ids count up within it."""

    number: int
    start_ns: int
    spans: list[Span] = field(default_factory=list)

    def add(
        self,
        parent: str | None,
        name: str,
        kind: Kind,
        start_ms: float,
        end_ms: float | None,
        **values: Any,
    ) -> str:
        """Add a span and return its id; `end_ms` of `None` means it still runs."""
        span_id = f"{self.number:08x}{len(self.spans) + 1:08x}"
        values.setdefault("status", Status.RUNNING if end_ms is None else Status.OK)
        self.spans.append(
            Span(
                span_id=span_id,
                parent_span_id=parent,
                name=name,
                kind=kind,
                start_ns=self.start_ns + int(start_ms * MS),
                end_ns=None if end_ms is None else self.start_ns + int(end_ms * MS),
                **values,
            )
        )
        return span_id

    def model_call(
        self,
        parent: str,
        model: str,
        start_ms: float,
        end_ms: float | None,
        **values: Any,
    ) -> str:
        """Add a call of a model that has a known price."""
        provider = "anthropic" if model.startswith("claude") else "openai"
        if end_ms is not None and "error" not in values:
            values.setdefault("usage", Usage(input_tokens=1_812, output_tokens=420))
            values.setdefault("cost_usd", Decimal("0.0117"))
        name = "ChatAnthropic" if provider == "anthropic" else "ChatOpenAI"
        return self.add(
            parent, name, Kind.LLM, start_ms, end_ms, model=model, provider=provider, **values
        )

    def run(self, **values: Any) -> Run:
        """Return the run."""
        return assemble(f"{self.number:08x}" + "0" * 24, self.spans, **values)


def panel(number: int, *, start_ns: int = START_NS) -> Run:
    """Three models answer side by side, `claude` is the long pole, then a judge decides."""
    story = Story(number, start_ns)
    root = story.add(None, "panel", Kind.CHAIN, 0, 2_300)
    parallel = story.add(
        root, "experts", Kind.CHAIN, 10, 1_610, role=Role.FAN_OUT, order=Order(seq=1), step=1
    )
    for place, (key, model, end_ms) in enumerate(
        (
            ("claude", "claude-sonnet-4-5-20250929", 1_600),
            ("gpt", "gpt-4o-mini-2024-07-18", 900),
            ("mini", "gpt-4o-mini-2024-07-18", 700),
        )
    ):
        branch = story.add(
            parallel,
            "RunnableSequence",
            Kind.CHAIN,
            15 + place,
            end_ms,
            branch=key,
            role=Role.BRANCH,
            fan_out=FanOutKind.PARALLEL,
            order=Order(group="experts"),
        )
        story.add(branch, "ChatPromptTemplate", Kind.PROMPT, 20, 24, order=Order(seq=1), step=1)
        story.model_call(
            branch,
            model,
            30,
            end_ms - 10,
            order=Order(seq=2),
            step=2,
            first_token_ns=start_ns + 200 * MS,
        )
    story.model_call(root, "gpt-4o-mini-2024-07-18", 1_620, 2_290, order=Order(seq=2), step=2)
    return story.run(session_id="session-7", user_id="ada", tags=("nightly",))


def failing(number: int, *, start_ns: int = START_NS) -> Run:
    """One branch is refused, tried again and refused again, and the run fails."""
    story = Story(number, start_ns)
    error = SpanError(type="RateLimitError", message="429: slow down, retry after 0.4 s")
    failed = {"status": Status.ERROR, "error": error}
    root = story.add(None, "triage", Kind.CHAIN, 0, 1_250, **failed)
    parallel = story.add(root, "checks", Kind.CHAIN, 5, 1_240, role=Role.FAN_OUT, **failed)
    beside: dict[str, Any] = {"fan_out": FanOutKind.PARALLEL, "order": Order(group="checks")}
    story.add(
        parallel, "spam_filter", Kind.TOOL, 10, 300, branch="spam", role=Role.BRANCH, **beside
    )
    retried = story.add(
        parallel,
        "RunnableRetry",
        Kind.CHAIN,
        10,
        1_230,
        branch="tone",
        role=Role.BRANCH,
        **beside,
        **failed,
    )
    story.model_call(retried, "gpt-4o-mini-2024-07-18", 15, 400, role=Role.ATTEMPT, **failed)
    story.model_call(
        retried, "gpt-4o-mini-2024-07-18", 800, 1_225, role=Role.ATTEMPT, attempt=2, **failed
    )
    return story.run()


def hostile(number: int, *, start_ns: int = START_NS) -> Run:
    """Every text that a trace can carry tries to become markup."""
    story = Story(number, start_ns)
    root = story.add(None, CANARY, Kind.CHAIN, 0, 1_000)
    for place in range(2):
        story.model_call(
            root,
            CANARY,
            10,
            900 + place * 50,
            branch=f"{CANARY} {place}",
            role=Role.BRANCH,
            fan_out=FanOutKind.PARALLEL,
            order=Order(group="hostile"),
            status=Status.ERROR,
            error=SpanError(type=CANARY, message=CANARY),
        )
    return story.run()


def running(number: int, *, start_ns: int) -> Run:
    """One of two branches has not ended."""
    story = Story(number, start_ns)
    root = story.add(None, "live_panel", Kind.CHAIN, 0, None)
    for key, end_ms in (("fast", 120.0), ("slow", None)):
        story.model_call(
            root,
            "gpt-4o-mini-2024-07-18",
            5,
            end_ms,
            branch=key,
            role=Role.BRANCH,
            fan_out=FanOutKind.PARALLEL,
            order=Order(group="live"),
        )
    return story.run()


def lost(number: int, *, start_ns: int = START_NS) -> Run:
    """The same, left behind by a process that ended in the midst of it."""
    run = running(number, start_ns=start_ns)
    spans = (replace(span, status=Status.LOST) if span.is_running else span for span in run.spans)
    return assemble(run.run_id, spans)


def ended(run: Run, *, end_ns: int) -> Run:
    """Return a running run after all of it has ended."""
    spans = (
        replace(span, end_ns=end_ns, status=Status.OK) if span.is_running else span
        for span in run.spans
    )
    return assemble(run.run_id, spans)


def wide(number: int, *, branches: int, start_ns: int = START_NS) -> Run:
    """A map over many documents under a limit of four: three spans a branch."""
    story = Story(number, start_ns)
    lanes_ms = [20.0] * 4
    planned: list[tuple[float, float]] = []
    for place in range(branches):
        lane = lanes_ms.index(min(lanes_ms))
        length_ms = 40.0 + (place * 37) % 90
        planned.append((lanes_ms[lane], lanes_ms[lane] + length_ms))
        lanes_ms[lane] += length_ms + 2
    end_ms = max(end for _, end in planned) + 10
    root = story.add(None, "summarise_documents", Kind.CHAIN, 0, end_ms + 10)
    mapped = story.add(root, "map", Kind.NODE, 10, end_ms, role=Role.FAN_OUT)
    for place, (from_ms, to_ms) in enumerate(planned):
        branch = story.add(
            mapped,
            "summarise",
            Kind.NODE,
            from_ms,
            to_ms,
            branch=str(place),
            role=Role.BRANCH,
            fan_out=FanOutKind.SEND,
            fan_out_limit=4,
            order=Order(group="map"),
            ready_ns=start_ns + 15 * MS,
        )
        story.add(branch, "load", Kind.TOOL, from_ms + 1, from_ms + 9, order=Order(seq=1))
        story.model_call(
            branch, "gpt-4o-mini-2024-07-18", from_ms + 10, to_ms - 1, order=Order(seq=2)
        )
    return story.run()


def history(count: int) -> Iterable[Run]:
    """Return panels that started a minute apart, the last ones the newest."""
    return (
        panel(1_000 + place, start_ns=START_NS - (count - place) * 60_000 * MS)
        for place in range(count)
    )
