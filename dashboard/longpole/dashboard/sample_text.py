"""`RunSample` ⇄ the text that is kept of it beside a run's summary.

Two lines of JSON. The first is the structure: labels, positions as (place of the one above, label),
and what of them makes the shape and the fan-outs; runs of a chain mostly have the same one, so it
is read once and shared. The second holds the numbers. Neither says which run it is, nor when it
was: the row of the run does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

import orjson

from longpole.analysis import RunSample
from longpole.analysis.fan_out_sample import FanOutSample
from longpole.analysis.percentiles import NO_LENGTHS, Lengths
from longpole.analysis.positions import Position
from longpole.analysis.result import WasteReason
from longpole.analysis.sample import CostSample, ErrorSample, PlaceSample, WasteSample
from longpole.analysis.shape import Shape
from longpole.model.run import FanOutKind, Status

VERSION: Final = 1
"""To be raised whenever samples get other fields, or other values for the same run."""
_CHARS_MOST: Final = 200_000
_STRUCTURES_MOST: Final = 2_000
_NOTHING: Final = Decimal(0)


# --- out ------------------------------------------------------------------------------------------


def sample_text(sample: RunSample) -> str | None:
    """Return the text of a sample; `None` where it would be too long to be worth keeping."""
    places = _Places()
    numbers = orjson.dumps(_numbers(sample, places))
    structure = orjson.dumps(
        [
            VERSION,
            places.labels,
            places.positions,
            sorted(places.number(one) for one in sample.shape.positions),
            sorted(places.number(one) for one in sample.shape.cut),
            [
                [places.number(one.above), one.kind.value, places.numbers(one.branches)]
                for one in sample.fan_outs
            ],
        ]
    )
    text = f"{structure.decode()}\n{numbers.decode()}"
    return text if len(text) <= _CHARS_MOST else None


class _Places:
    """Positions numbered as they come, those above them first."""

    def __init__(self) -> None:
        self.labels: list[str] = []
        self.positions: list[tuple[int, int]] = []
        self._labels: dict[str, int] = {}
        self._numbers: dict[Position, int] = {(): -1}

    def numbers(self, positions: Iterable[Position]) -> list[int]:
        return [self.number(one) for one in positions]

    def number(self, position: Position) -> int:
        known = len(position)
        while position[:known] not in self._numbers:
            known -= 1
        for length in range(known, len(position)):
            above = self._numbers[position[:length]]
            self._numbers[position[: length + 1]] = len(self.positions)
            self.positions.append((above, self._label(position[length])))
        return self._numbers[position]

    def _label(self, label: str) -> int:
        if label not in self._labels:
            self._labels[label] = len(self.labels)
            self.labels.append(label)
        return self._labels[label]


def _numbers(sample: RunSample, places: _Places) -> list[Any]:
    return [
        [
            sample.chain,
            sample.status.value,
            sample.wall_ns,
            sample.work_ns,
            sample.queue_wait_ns,
            sample.backoff_ns,
            sample.peak_concurrency,
            sample.workers,
            sample.retries,
            sample.fallbacks,
            sample.llm_calls,
            None if sample.cost_usd is None else _usd_text(sample.cost_usd),
            sample.unpriced_calls,
            sample.wasted_ns,
            _usd_text(sample.wasted_cost_usd),
            sample.session_id,
            sample.tags,
        ],
        [_place_numbers(places.number(at), one) for at, one in sample.places.items()],
        [_fan_out_numbers(one, places) for one in sample.fan_outs],
        [_error_values(one, places) for one in sample.errors],
        [_cost_values(one, places) for one in sample.costs],
        [_waste_values(one, places) for one in sample.wastes],
    ]


def _place_numbers(number: int, one: PlaceSample) -> list[Any]:
    return [
        number,
        one.executions,
        one.own_path_ns,
        one.on_path_ns,
        one.drag_ns,
        one.durations.kept_ns,
        one.durations.count,
        one.queue_waits.kept_ns,
        one.queue_waits.count,
        one.errors,
        one.retries,
        one.fallbacks,
        one.calls,
        _usd_text(one.cost_usd),
        one.unpriced_calls,
    ]


def _fan_out_numbers(one: FanOutSample, places: _Places) -> list[Any]:
    won = [[places.number(at), *share.as_integer_ratio()] for at, share in one.won.items()]
    return [one.executions, won, one.imbalance_ratio]


def _error_values(one: ErrorSample, places: _Places) -> list[Any]:
    return [
        places.number(one.position),
        one.type,
        one.message,
        one.example,
        one.is_rate_limit,
        one.count,
        one.models,
    ]


def _cost_values(one: CostSample, places: _Places) -> list[Any]:
    return [
        places.number(one.branch),
        one.model,
        one.provider,
        one.calls,
        _usd_text(one.cost_usd),
        one.unpriced_calls,
        one.cache_hits,
        one.cache_read_tokens,
    ]


def _waste_values(one: WasteSample, places: _Places) -> list[Any]:
    return [
        places.number(one.position),
        one.reason.value,
        one.count,
        one.wasted_ns,
        _usd_text(one.cost_usd),
        one.unpriced_calls,
    ]


def _usd_text(amount: Decimal) -> str:
    return str(amount) if amount else "0"


# --- in -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Structure:
    positions: Sequence[Position]
    shape: Shape
    fan_outs: Sequence[tuple[Position, FanOutKind, tuple[Position, ...]]]


class SampleReader:
    """Reads texts; what many of them have in common is kept only once."""

    def __init__(self) -> None:
        self._structures: dict[str, _Structure | None] = {}
        self._positions: dict[Position, Position] = {}

    def sample(self, text: str, *, run_id: str, start_ns: int) -> RunSample | None:
        """Return the sample of a run; `None` where another version has written its text."""
        first, _, second = text.partition("\n")
        if first not in self._structures:
            if len(self._structures) >= _STRUCTURES_MOST:
                self._structures.clear()
                self._positions.clear()
            self._structures[first] = self._structure(first)
        structure = self._structures[first]
        if structure is None:
            return None
        whole, places, fan_outs, errors, costs, wastes = orjson.loads(second)
        at = structure.positions
        return RunSample(
            run_id=run_id,
            start_ns=start_ns,
            shape=structure.shape,
            places={at[number]: _place(values) for number, *values in places},
            fan_outs=_fan_outs(structure, fan_outs),
            errors=tuple(_error(_at(at, number), values) for number, *values in errors),
            costs=tuple(_cost(_at(at, number), values) for number, *values in costs),
            wastes=tuple(_waste(_at(at, number), values) for number, *values in wastes),
            **_whole(whole),
        )

    def _structure(self, text: str) -> _Structure | None:
        version, *told = orjson.loads(text)
        if version != VERSION:
            return None
        labels, made, shape, cut, fan_outs = told
        positions: list[Position] = []
        for above, label in made:
            position = (*_at(positions, above), labels[label])
            positions.append(self._positions.setdefault(position, position))
        return _Structure(
            positions,
            Shape(
                positions=frozenset(positions[one] for one in shape),
                cut=frozenset(positions[one] for one in cut),
            ),
            [
                (_at(positions, above), FanOutKind(kind), tuple(positions[one] for one in branches))
                for above, kind, branches in fan_outs
            ],
        )


def _at(positions: Sequence[Position], number: int) -> Position:
    return positions[number] if number >= 0 else ()


def _whole(values: Sequence[Any]) -> Mapping[str, Any]:
    told = dict(zip(_WHOLE, values, strict=True))
    cost = told["cost_usd"]
    return {
        **told,
        "status": Status(told["status"]),
        "cost_usd": None if cost is None else _usd(cost),
        "wasted_cost_usd": _usd(told["wasted_cost_usd"]),
        "tags": tuple(told["tags"]),
    }


_WHOLE: Final = (
    "chain",
    "status",
    "wall_ns",
    "work_ns",
    "queue_wait_ns",
    "backoff_ns",
    "peak_concurrency",
    "workers",
    "retries",
    "fallbacks",
    "llm_calls",
    "cost_usd",
    "unpriced_calls",
    "wasted_ns",
    "wasted_cost_usd",
    "session_id",
    "tags",
)


def _place(values: Sequence[Any]) -> PlaceSample:
    executions, own_ns, on_path_ns, drag_ns, durations, count, waits, waited, *rest = values
    errors, retries, fallbacks, calls, cost, unpriced = rest
    return PlaceSample(
        executions=executions,
        own_path_ns=own_ns,
        on_path_ns=on_path_ns,
        drag_ns=drag_ns,
        durations=Lengths(kept_ns=tuple(durations), count=count),
        queue_waits=Lengths(kept_ns=tuple(waits), count=waited) if waited else NO_LENGTHS,
        errors=errors,
        retries=retries,
        fallbacks=fallbacks,
        calls=calls,
        cost_usd=_usd(cost),
        unpriced_calls=unpriced,
    )


def _fan_outs(structure: _Structure, told: Sequence[Any]) -> tuple[FanOutSample, ...]:
    return tuple(
        FanOutSample(
            above=above,
            kind=kind,
            branches=branches,
            executions=executions,
            won={structure.positions[at]: Fraction(part, whole) for at, part, whole in won},
            imbalance_ratio=imbalance_ratio,
        )
        for (above, kind, branches), (executions, won, imbalance_ratio) in zip(
            structure.fan_outs, told, strict=True
        )
    )


def _error(position: Position, values: Sequence[Any]) -> ErrorSample:
    told, message, example, is_rate_limit, count, models = values
    return ErrorSample(
        position=position,
        type=told,
        message=message,
        example=example,
        is_rate_limit=is_rate_limit,
        count=count,
        models=tuple(models),
    )


def _cost(branch: Position, values: Sequence[Any]) -> CostSample:
    model, provider, calls, cost, unpriced, hits, tokens = values
    return CostSample(
        branch=branch,
        model=model,
        provider=provider,
        calls=calls,
        cost_usd=_usd(cost),
        unpriced_calls=unpriced,
        cache_hits=hits,
        cache_read_tokens=tokens,
    )


def _waste(position: Position, values: Sequence[Any]) -> WasteSample:
    reason, count, wasted_ns, cost, unpriced = values
    return WasteSample(
        position=position,
        reason=WasteReason(reason),
        count=count,
        wasted_ns=wasted_ns,
        cost_usd=_usd(cost),
        unpriced_calls=unpriced,
    )


def _usd(text: str) -> Decimal:
    return _NOTHING if text == "0" else Decimal(text)
