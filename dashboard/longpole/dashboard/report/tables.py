"""An analysis → the tables of a report: path, branches, costs, failures, inputs and outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from longpole.analysis.normalise import normalise
from longpole.analysis.result import Branch, FanOut, RunAnalysis, Segment, SegmentKind, Via
from longpole.analysis.totals import Totals, calls_of, totals_of
from longpole.dashboard import words
from longpole.dashboard.labels import placed_label
from longpole.dashboard.report.grid import (
    Line,
    bar,
    note,
    number_column,
    some_of,
    status_mark,
    table,
    text_column,
)
from longpole.dashboard.report.markup import Html, Part, element, preformatted, together
from longpole.model import Span
from longpole.storage import Content

MAX_SEGMENTS: Final = 50
MAX_FAN_OUTS: Final = 20
MAX_BRANCHES: Final = 50
MAX_FAILURES: Final = 50
_CONTENT_CHARACTERS: Final = 20_000
_KEY_CHARACTERS: Final = 60
_MESSAGE_CHARACTERS: Final = 500

_DOING: Final[Mapping[SegmentKind, str]] = {
    SegmentKind.WORK: "at work",
    SegmentKind.HEAD: "before its first step",
    SegmentKind.BETWEEN: "between its steps",
    SegmentKind.TAIL: "after its last step",
    SegmentKind.BACKOFF: "backing off",
}
_BECAUSE: Final[Mapping[Via, str]] = {
    Via.ROOT: "it is the run",
    Via.JOIN: "its parent waited for it",
    Via.SEQ: "the next step waited for it",
    Via.SLOT: "it held the place that the next one needed",
    Via.CANCEL: "it was stopped by a failure",
    Via.STREAM: "its chunks were passed on, an estimate",
}


def path_table(analysis: RunAnalysis) -> Html:
    """Return the segments of the critical path, earliest first; of many the longest."""
    path = analysis.critical_path
    shown = path
    if len(path) > MAX_SEGMENTS:
        longest = sorted(path, key=lambda segment: -segment.length_ns)[:MAX_SEGMENTS]
        shown = tuple(sorted(longest, key=lambda segment: segment.start_ns))
    longest_ns = max((segment.length_ns for segment in shown), default=1)
    drawn = table(
        "Segments of the critical path",
        [
            number_column("From"),
            text_column("Span"),
            text_column("What it did"),
            number_column("Duration"),
            number_column("Share"),
            text_column("Why it counts"),
        ],
        (_segment(analysis, segment, longest_ns) for segment in shown),
    )
    return together([drawn, some_of(len(shown), len(path), "segments", "the longest")])


def _segment(analysis: RunAnalysis, segment: Segment, longest_ns: int) -> Line:
    run = analysis.run
    inferred = ", inferred from times" if segment.inferred else ""
    share = segment.length_ns / max(1, analysis.facts.wall_ns)
    return Line(
        parts=[
            f"+{words.duration(segment.start_ns - run.root.start_ns)}",
            placed_label(run, run.span_by_id[segment.span_id]),
            _DOING[segment.kind],
            bar(segment.length_ns / longest_ns, words.duration(segment.length_ns)),
            words.share(share),
            _BECAUSE[segment.via] + inferred,
        ],
        is_strong=segment.length_ns == longest_ns,
    )


def fan_out_tables(analysis: RunAnalysis) -> Html | None:
    """Return a table of branches for each fan-out; of many, those that cost the run most time."""
    if not analysis.fan_outs:
        return None
    slowest = sorted(
        analysis.fan_outs, key=lambda one: -max(branch.on_path_ns for branch in one.branches)
    )[:MAX_FAN_OUTS]
    shown = [fan_out for fan_out in analysis.fan_outs if fan_out in slowest]
    return together(
        [
            *(_fan_out(analysis, fan_out) for fan_out in shown),
            some_of(
                len(shown), len(analysis.fan_outs), "fan-outs", "the longest on the critical path"
            ),
        ]
    )


def _fan_out(analysis: RunAnalysis, fan_out: FanOut) -> Html:
    name = words.short_name(analysis.run.span_by_id[fan_out.span_id].name)
    pole = next(branch for branch in fan_out.branches if branch.span_id == fan_out.long_pole)
    facts = (
        "no limit known" if fan_out.limit is None else f"limit {fan_out.limit:,}",
        f"peak {fan_out.peak:,}",
        f"the join waited for {pole.key}",
        f"the longest branch is {words.times(fan_out.imbalance_ratio)} the mean",
    )
    latest = sorted(fan_out.branches, key=lambda branch: -branch.end_ns)[:MAX_BRANCHES]
    longest_ns = max(1, *(branch.end_ns - branch.start_ns for branch in latest))
    count = len(fan_out.branches)
    return together(
        [
            element("h4", f"{name} · {fan_out.kind.value} of {count:,}"),
            note(" · ".join(facts)),
            table(f"Branches of {name}", _BRANCH_COLUMNS, (
                _branch(branch, fan_out, longest_ns) for branch in latest
            )),
            some_of(len(latest), count, "branches", "those that ended last"),
        ]
    )  # fmt: skip


_BRANCH_COLUMNS: Final = (
    text_column("Branch"),
    text_column("Status"),
    number_column("Duration"),
    number_column("Queued"),
    number_column("Slack"),
    number_column("Drag"),
    number_column("On path"),
    number_column("Cost"),
    number_column("Attempts"),
    text_column("Remark"),
)


def _branch(branch: Branch, fan_out: FanOut, longest_ns: int) -> Line:
    length_ns = branch.end_ns - branch.start_ns
    is_pole = branch.span_id == fan_out.long_pole
    remarks = [*(["long pole"] if is_pole else []), *(["straggler"] if branch.straggler else [])]
    return Line(
        parts=[
            words.without_middle(branch.key, _KEY_CHARACTERS),
            status_mark(branch.status),
            bar(length_ns / longest_ns, words.duration(length_ns)),
            _length(branch.queue_wait_ns, unknown="–"),
            _length(branch.slack_ns, unknown="any"),
            _length(branch.drag_ns),
            _length(branch.on_path_ns),
            "–" if branch.cost_usd is None else words.usd(branch.cost_usd),
            f"{branch.attempts:,}",
            ", ".join(remarks),
        ],
        is_strong=is_pole,
    )


def _length(length_ns: int | None, *, unknown: str = "–") -> str:
    if length_ns is None:
        return unknown
    return words.duration(length_ns) if length_ns else "0"


def cost_table(analysis: RunAnalysis) -> Html | None:
    """Return what each model was called for, the dearest first; the sums are those of the run."""
    timeline = normalise(analysis.run, now_ns=analysis.now_ns)
    calls: dict[str, list[Span]] = {}
    for number in calls_of(timeline):
        span = timeline.spans[number]
        calls.setdefault(span.model or "(model not recorded)", []).append(span)
    if not calls:
        return None
    totals = {model: totals_of(spans) for model, spans in calls.items()}
    dearest = sorted(totals, key=lambda model: -float(totals[model].cost_usd or 0))
    every = totals_of(span for spans in calls.values() for span in spans)
    lines = [_model(model, len(calls[model]), totals[model], every) for model in dearest]
    if len(lines) > 1:
        count = sum(len(spans) for spans in calls.values())
        lines.append(_model("all models", count, every, every, is_strong=True))
    return table(
        "Cost by model",
        [
            text_column("Model"),
            number_column("Calls"),
            number_column("Tokens in"),
            number_column("from cache"),
            number_column("Tokens out"),
            number_column("Cost"),
        ],
        lines,
    )


def _model(
    model: str, count: int, totals: Totals, every: Totals, *, is_strong: bool = False
) -> Line:
    part = float(totals.cost_usd or 0) / (float(every.cost_usd or 0) or 1)
    cost = words.cost(totals.cost_usd, totals.unpriced_calls)
    return Line(
        parts=[
            words.shortened(model, _KEY_CHARACTERS),
            f"{count:,}",
            words.tokens(totals.usage.input_tokens),
            words.tokens(totals.usage.cache_read_tokens),
            words.tokens(totals.usage.output_tokens),
            cost if is_strong else bar(part, cost),
        ],
        is_strong=is_strong,
    )


def failure_table(analysis: RunAnalysis) -> Html | None:
    """Return the spans that ended with an error, earliest first."""
    failed = [span for span in analysis.run.spans if span.error is not None]
    if not failed:
        return None
    shown = failed[:MAX_FAILURES]
    drawn = table(
        "Errors",
        [number_column("After"), text_column("Span"), text_column("Error")],
        (_failure(analysis, span) for span in shown),
    )
    return together([drawn, some_of(len(shown), len(failed), "errors", "the first ones")])


def _failure(analysis: RunAnalysis, span: Span) -> Line:
    error = span.error
    message = "" if error is None else f"{error.type}: {error.message}"
    end_ns = span.start_ns if span.end_ns is None else span.end_ns
    return Line(
        parts=[
            f"+{words.duration(end_ns - analysis.run.root.start_ns)}",
            placed_label(analysis.run, span),
            element("span", words.shortened(message, _MESSAGE_CHARACTERS), class_="message"),
        ]
    )


def contents_list(
    analysis: RunAnalysis, spans: Sequence[Span], contents: Mapping[str, Content]
) -> Html:
    """Return inputs and outputs of these spans, folded up."""
    found = [
        (span, content)
        for span in spans
        if (content := contents.get(span.span_id)) is not None
        and (content.input_value is not None or content.output_value is not None)
    ]
    if not found:
        return note("No inputs or outputs were recorded.")
    return together(_content(analysis, span, content) for span, content in found)


def _content(analysis: RunAnalysis, span: Span, content: Content) -> Html:
    parts: list[Part] = [
        element(
            "summary",
            element("span", placed_label(analysis.run, span)),
            element("small", span.kind.value),
        )
    ]
    for title, text, mime_type in (
        ("Input", content.input_value, content.input_mime_type),
        ("Output", content.output_value, content.output_mime_type),
    ):
        if text is not None:
            shown = words.indented(text) if mime_type == "application/json" else text
            parts += [element("h5", title), preformatted(shown[:_CONTENT_CHARACTERS])]
            if len(shown) > _CONTENT_CHARACTERS:
                parts.append(note(f"{_CONTENT_CHARACTERS:,} of {len(shown):,} characters."))
    return element("details", *parts)


def runs_table(analyses: Sequence[RunAnalysis], names: Sequence[Html]) -> Html:
    """Return the runs of a report under these names, as a table of contents."""
    longest_ns = max((analysis.facts.wall_ns for analysis in analyses), default=0) or 1
    return table(
        "Runs",
        [
            text_column("Run"),
            text_column("Status"),
            text_column("Started"),
            number_column("Wall"),
            number_column("Speed-up"),
            number_column("Queued"),
            number_column("Cost"),
            number_column("Wasted"),
        ],
        (
            Line(parts=[name, *_summary(analysis, longest_ns)])
            for analysis, name in zip(analyses, names, strict=True)
        ),
    )


def _summary(analysis: RunAnalysis, longest_ns: int) -> list[Part]:
    facts = analysis.facts
    return [
        status_mark(analysis.run.status),
        element("time", words.moment(analysis.run.root.start_ns)),
        bar(facts.wall_ns / longest_ns, words.duration(facts.wall_ns)),
        words.times(facts.speedup_ratio),
        _length(facts.queue_wait_ns),
        words.cost(facts.cost_usd, facts.unpriced_calls),
        words.usd(facts.wasted_cost_usd),
    ]
