"""One chain in the terminal: what its runs wait for, who ends last, the tail, changes, errors."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from fractions import Fraction
from typing import Final, TypeVar

from rich.console import Console
from rich.text import Text

from longpole.analysis.chain import ChainAnalysis
from longpole.analysis.change_points import ChangePoint
from longpole.analysis.cost_shares import CostBy, CostShare
from longpole.analysis.criticality import FanOutCriticality
from longpole.analysis.error_groups import ErrorGroup
from longpole.analysis.intervals import Interval
from longpole.analysis.many import Aggregate, PlaceFacts
from longpole.analysis.tail import RUNS_NEEDED, Tail, TailPlace
from longpole.analysis.trends import DAY_NS, Bucket
from longpole.dashboard import words
from longpole.dashboard.cli.table import Column, column, table
from longpole.dashboard.difference import signed_duration
from longpole.dashboard.places import branch_label, fan_out_label, place_label
from longpole.dashboard.set_difference import interval_words

_ROWS_SHOWN: Final = 12
_BUCKETS_SHOWN: Final = 14
_SHAPES_SHOWN: Final = 3

Item = TypeVar("Item")


def print_chain(
    name: str, chain: ChainAnalysis, left_out: Sequence[str], out: Console, *, whole: bool = False
) -> None:
    """Write many runs of one chain to a console; `left_out` says which were not looked at."""
    most = None if whole else _ROWS_SHOWN
    _head(name, chain, left_out, out)
    _part("what the runs wait for", _place_columns(chain, _first(chain.whole.places, most)), out)
    _rest(len(chain.whole.places), most, out)
    for fan_out in chain.fan_outs:
        if len(fan_out.branches) > 1:
            _fan_out(fan_out, out, most)
    _tail(chain.tail, chain.whole.runs, out, most)
    _trend(chain, out, whole=whole)
    _errors(chain.errors, out, most)
    _costs(chain, out, most)


def _head(name: str, chain: ChainAnalysis, left_out: Sequence[str], out: Console) -> None:
    whole = chain.whole
    title = Text(words.plain(name), style="bold")
    title.append(f"  {words.count(whole.runs, 'run')}", style="dim")
    out.print(title)
    since, until = words.moment(whole.first_start_ns), words.moment(whole.last_start_ns)
    out.print(Text(since if since == until else f"{since} to {until}", style="dim"))
    out.print(Text(" · ".join(_phrases(whole))))
    _shapes(chain, out)
    for told in left_out:
        out.print(Text(told, style="dim"))


def _phrases(whole: Aggregate) -> list[str]:
    phrases = [
        f"p50 {words.duration(whole.wall.p50_ns)}",
        f"p95 {words.duration(whole.wall.p95_ns)}",
        f"p99 {words.duration(whole.wall.p99_ns)}",
    ]
    if whole.peak_concurrency > 1:
        phrases.append(f"{words.times(whole.speedup_ratio)} speed-up")
    for count, told in (
        (whole.errors, "failed"),
        (whole.retried, "retried"),
        (whole.fell_back, "fell back"),
    ):
        if count:
            phrases.append(f"{words.share(count / whole.runs)} {told}")
    if whole.llm_calls:
        phrases.append(f"{words.cost(whole.mean_cost_usd, whole.unpriced_calls)} a run")
    if whole.wasted_cost_usd:
        phrases.append(f"{words.usd(whole.wasted_cost_usd / whole.runs)} of it wasted")
    return phrases


def _shapes(chain: ChainAnalysis, out: Console) -> None:
    """Say how many runs are made of other parts than most."""
    if len(chain.shapes) < 2:
        return
    usual, *others = chain.shapes
    parts = words.count(len(chain.shapes), "structure")
    out.print(Text(f"{parts}: {words.share(float(usual.share))} of the runs are alike", "dim"))
    for other in others[:_SHAPES_SHOWN]:
        missing = _named(usual.positions - other.positions)
        more = _named(other.positions - usual.positions)
        told = [f"without {missing}"] * bool(missing) + [f"with {more}"] * bool(more)
        share = words.share(float(other.share))
        out.print(
            Text(f"  {share} {', '.join(told)}", style="dim"), no_wrap=True, overflow="ellipsis"
        )


def _named(positions: frozenset[tuple[str, ...]]) -> str:
    """Return the topmost of some positions, shortly."""
    topmost = [one for one in sorted(positions) if one[:-1] not in positions]
    labels = [words.plain(place_label(one)) for one in topmost]
    return ", ".join(labels[:3]) + (f" and {len(labels) - 3} more" if len(labels) > 3 else "")


def _place_columns(chain: ChainAnalysis, places: Sequence[PlaceFacts]) -> tuple[Column, ...]:
    wall_ns, runs = max(1, chain.whole.wall_ns), chain.whole.runs

    def cost(place: PlaceFacts) -> str:
        if not place.calls:
            return "–"
        spent = None if place.cost_usd is None else place.cost_usd / runs
        return words.cost(spent, place.unpriced_calls)

    def queued(place: PlaceFacts) -> str:
        return _some(place.queue_waits.p95_ns if place.queue_waits else 0)

    return (
        column("share", places, lambda one: words.share(one.own_path_ns / wall_ns), is_number=True),
        column("a run", places, lambda one: _some(one.mean_contribution_ns), is_number=True),
        column("drag", places, lambda one: _some(one.mean_drag_ns), is_number=True, need=7),
        column("on path", places, lambda one: _rate(one.on_path_rate), is_number=True, need=6),
        column("place", places, lambda one: words.plain(place_label(one.position))),
        column("p50", places, lambda one: words.duration(one.durations.p50_ns), is_number=True),
        column(
            "p95", places, lambda one: words.duration(one.durations.p95_ns), is_number=True, need=8
        ),
        column("queued p95", places, queued, is_number=True, need=1),
        column("failed", places, lambda one: _red(one.error_rate), is_number=True, need=5),
        column("retried", places, lambda one: _rate(one.retry_rate), is_number=True, need=3),
        column("fell back", places, lambda one: _rate(one.fallback_rate), is_number=True, need=2),
        column("cost/run", places, cost, is_number=True, need=4),
    )


def _fan_out(fan_out: FanOutCriticality, out: Console, most: int | None) -> None:
    shown = _first(fan_out.branches, most)
    label = words.plain(fan_out_label(fan_out.above))
    title = f"who {label} waits for, {words.count(fan_out.executions, 'execution')}"

    def between(interval: Interval[float]) -> str:
        return f"{words.share(interval.low)} … {words.share(interval.high)}"

    columns = (
        column("ends last", shown, lambda one: words.share(float(one.share)), is_number=True),
        column("95 % between", shown, lambda one: between(one.between), is_number=True),
        column("branch", shown, lambda one: words.plain(place_label(one.position))),
        column("took part", shown, lambda one: f"{one.took_part:,}", is_number=True, need=1),
    )
    _part(title, columns, out)
    _rest(len(fan_out.branches), most, out)


def _tail(tail: Tail | None, runs: int, out: Console, most: int | None) -> None:
    if tail is None:
        out.print()
        out.print(Text(f"slow runs: {RUNS_NEEDED} runs are needed, there are {runs}", style="dim"))
        return
    few = ", more than 5 % as there are few" if tail.is_widened else ""
    slow = words.duration(float(tail.slow_wall_ns))
    usual = words.duration(float(tail.usual_wall_ns))
    title = f"what makes the {len(tail.slow)} slowest runs slow{few}: {slow} against {usual}"
    told = [place for place in tail.places if place.excess_ns]
    told.sort(key=lambda place: -abs(place.excess_ns))
    _part(title, _tail_columns(_first(told, most)), out)
    _rest(len(told), most, out)


def _tail_columns(places: Sequence[TailPlace]) -> tuple[Column, ...]:
    def share(place: TailPlace) -> str:
        if place.share is None:
            return "–"
        return words.signed_share(float(place.share)).removeprefix("+")

    return (
        column("share", places, share, is_number=True),
        column("excess", places, lambda one: signed_duration(round(one.excess_ns)), is_number=True),
        column(
            "95 % between",
            places,
            lambda one: interval_words(one.between_ns),
            is_number=True,
            need=1,
        ),
        column("place", places, lambda one: words.plain(place_label(one.position))),
        column("slow", places, lambda one: _some(one.slow_ns), is_number=True, need=2),
        column("usual", places, lambda one: _some(one.usual_ns), is_number=True, need=3),
    )


def _trend(chain: ChainAnalysis, out: Console, *, whole: bool) -> None:
    if len(chain.trend) > 1:
        shown = chain.trend if whole else chain.trend[-_BUCKETS_SHOWN:]
        unit = "day" if chain.trend[0].length_ns == DAY_NS else "hour"
        _part(f"by {unit}", _trend_columns(shown), out)
        left = len(chain.trend) - len(shown)
        if left:
            out.print(Text(f"{words.count(left, f'earlier {unit}')} left out", style="dim"))
    if chain.changes:
        out.print()
    for change in chain.changes:
        out.print(_change(change))


def _trend_columns(buckets: Sequence[Bucket]) -> tuple[Column, ...]:
    def cost(bucket: Bucket) -> str:
        spent = None if bucket.cost_usd is None else bucket.cost_usd / bucket.runs
        return words.cost(spent, bucket.unpriced_calls)

    return (
        column("from (UTC)", buckets, lambda one: Text(_minute(one.start_ns), style="dim")),
        column("runs", buckets, lambda one: f"{one.runs:,}", is_number=True),
        column("p50", buckets, lambda one: words.duration(one.p50_wall_ns), is_number=True),
        column("p95", buckets, lambda one: words.duration(one.p95_wall_ns), is_number=True),
        column("cost/run", buckets, cost, is_number=True, need=2),
        column("failed", buckets, lambda one: _red(one.error_rate), is_number=True, need=1),
    )


def _change(change: ChangePoint) -> Text:
    is_slower = change.ratio > 1
    how = "slower" if is_slower else "faster"
    walls = f"p50 {words.duration(change.p50_before_ns)} → {words.duration(change.p50_after_ns)}"
    counts = f"{change.runs_before:,} runs before, {change.runs_after:,} after"
    told = f"{how} since {words.moment(change.at_ns)}: {walls} ({counts})"
    return Text(told, style="red" if is_slower else "green")


def _errors(errors: Sequence[ErrorGroup], out: Console, most: int | None) -> None:
    if not errors:
        return
    out.print()
    out.print(Text("what failed", style="bold"))
    for error in _first(errors, most):
        line = Text(f"{words.share(float(error.rate))} of the runs", style="red")
        line.append(f"  {words.plain(place_label(error.position))}", style="default")
        line.append(f"  {words.count(error.count, 'time')}", style="dim")
        line.append(f", last {_minute(error.last_seen_ns)}", style="dim")
        line.append("  rate limit" * error.is_rate_limit, style="yellow")
        out.print(line)
        # The name of a class says what happened, its module where it is from.
        named = error.type.rpartition(".")[2]
        told = ": ".join(part for part in (named, error.message) if part) or "(not told)"
        out.print(Text(f"  {words.plain(told)}"), no_wrap=True, overflow="ellipsis")
    _rest(len(errors), most, out)


def _costs(chain: ChainAnalysis, out: Console, most: int | None) -> None:
    if not chain.whole.cost_usd:
        return
    total = chain.whole.cost_usd

    def spent(row: CostShare) -> str:
        return words.share(float((row.cost_usd or 0) / total))

    for by in (CostBy.BRANCH, CostBy.MODEL):
        rows = _first(chain.costs[by].rows, most)
        if len(chain.costs[by].rows) < 2:
            continue
        keys = [
            branch_label(row.key) if by is CostBy.BRANCH else " ".join(row.key) or "(not told)"
            for row in rows
        ]
        columns = (
            column("share", rows, spent, is_number=True),
            column(
                "cost",
                rows,
                lambda row: words.cost(row.cost_usd, row.unpriced_calls),
                is_number=True,
            ),
            column("calls", rows, lambda row: f"{row.calls:,}", is_number=True),
            column(by.value, keys, words.plain),
        )
        _part(f"cost by {by.value}", columns, out)
        _rest(len(chain.costs[by].rows), most, out)


def _part(title: str, columns: Sequence[Column], out: Console) -> None:
    out.print()
    out.print(Text(title, style="bold"))
    for line in table(columns, out.width):
        out.print(line, soft_wrap=True)


def _rest(count: int, most: int | None, out: Console) -> None:
    if most is not None and count > most:
        out.print(Text(f"{count - most:,} more; --all shows them", style="dim"))


def _first(items: Sequence[Item], most: int | None) -> Sequence[Item]:
    return items if most is None else items[:most]


def _some(length_ns: Fraction | int) -> str:
    return words.duration(float(length_ns)) if length_ns else "–"


def _rate(rate: Fraction) -> str:
    return words.share(float(rate)) if rate else "–"


def _red(rate: Fraction) -> Text:
    return Text(_rate(rate), style="red" if rate else "")


def _minute(at_ns: int) -> str:
    return datetime.fromtimestamp(at_ns // 10**9, UTC).strftime("%Y-%m-%d %H:%M")
