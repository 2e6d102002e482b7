"""The store that `browser` looks at: a million spans in small runs, and some runs of many spans.

In: a folder, and how many spans there are to be if it matters. Out: a `Subject`, from what lies
there already if it was made by the same drawing. The large runs are older than all others, so that
no page about the newest runs meets them.
"""

from __future__ import annotations

import heapq
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import orjson

from longpole.dashboard.settle import settle
from longpole.model import (
    FanOutKind,
    Kind,
    Order,
    Role,
    Run,
    Span,
    SpanError,
    Status,
    Usage,
    assemble,
)
from longpole.model.pricing import PriceBook
from longpole.storage import Recorder, open_store
from longpole.storage.run_events import events_from_run
from tests.large_store import drawn_runs, make_large_store

RUNS: Final = 200_000
SIZES: Final = {100: 9, 1_000: 9, 10_000: 6, 100_000: 4}
"""How many large runs there are of each number of spans."""
COUNTED_SIZES: Final = {100: 9, 1_000: 9}
"""The same of a store of a given number of spans, nearly all of which are in small runs."""
_TEMPLATES: Final = 500
_MS: Final = 1_000_000
_DAY_NS: Final = 86_400 * 1_000 * _MS
_PER_ITEM: Final = 4
_PLACES: Final = 16
_FILE: Final = "large"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A store, and what is known of it.

    Attributes:
        large: ids of runs by how many spans they have.
    """

    path: Path
    runs: int
    spans: int
    large: Mapping[int, Sequence[str]]

    @property
    def url(self) -> str:
        """The URL that opens it."""
        return f"sqlite:///{self.path}"


def subject_in(folder: Path, spans: int | None = None) -> Subject:
    """Return the store of a folder, made when it is not there yet: that takes a minute.

    Args:
        folder: where the store is, or is to be.
        spans: how many spans there are to be; `None` for 200,000 small runs and all large ones.
    """
    name = _FILE if spans is None else f"{_FILE}-{spans}"
    path, note = folder / f"{name}.db", folder / f"{name}.json"
    if not note.is_file():
        path.unlink(missing_ok=True)
        note.write_bytes(orjson.dumps(_made(path, spans)))
    told = orjson.loads(note.read_bytes())
    return Subject(
        path=path,
        runs=told["runs"],
        spans=told["spans"],
        large={int(size): ids for size, ids in told["large"].items()},
    )


def _made(path: Path, spans: int | None) -> dict[str, object]:
    now_ns = time.time_ns()
    sizes = SIZES if spans is None else COUNTED_SIZES
    runs, left = (RUNS, 0) if spans is None else _small_runs(spans, now_ns)
    make_large_store(path, runs=runs, now_ns=now_ns, templates=_TEMPLATES)
    store = open_store(str(path), mode="write")
    recorder = Recorder(recorder_id="e" * 16, pid=1, host="bench")
    large: dict[str, list[str]] = {}
    for size, count in sizes.items():
        for number in range(count):
            run = wide_run(size, number=number, start_ns=now_ns - 400 * _DAY_NS)
            store.write(recorder, events_from_run(run))
            large.setdefault(str(size), []).append(run.run_id)
    if left:
        rest = wide_run(left, number=0, start_ns=now_ns - 500 * _DAY_NS)
        store.write(recorder, events_from_run(rest))
    settle(store, book=PriceBook(), now_ns=now_ns, limit=sum(sizes.values()) + 1)
    state = store.state()
    store.close()
    if spans is not None and state.spans != spans:
        raise SystemExit(f"the store has {state.spans:,} spans instead of {spans:,}")
    return {"runs": state.runs, "spans": state.spans, "large": large}


def _small_runs(spans: int, now_ns: int) -> tuple[int, int]:
    """Return how many small runs there are in so many spans, and how many spans are left over."""
    large = sum(size * count for size, count in COUNTED_SIZES.items())
    drawn = drawn_runs(_TEMPLATES, seed=1, begin_ns=now_ns)
    copies, left = divmod(spans - large, sum(len(run.spans) for run in drawn))
    if copies < 1:
        raise SystemExit(f"{spans:,} spans are too few for a store of many runs")
    return copies * _TEMPLATES, left


def wide_run(size: int, *, number: int, start_ns: int) -> Run:
    """Return a run of so many spans: items of a map under a limit, each some steps and a call."""
    dice = random.Random(size * 100 + number)
    begin_ns = start_ns + number * 1_000 * _MS
    items = (size - 1) // _PER_ITEM
    places = [begin_ns + _MS] * _PLACES
    spans: list[Span] = []
    for item in range(items):
        at_ns = heapq.heappop(places)
        made = list(_item(dice, size, len(spans) + 1, item, at_ns))
        heapq.heappush(places, (made[0].end_ns or 0) + 20_000)
        spans.extend(made)
    end_ns = max(places) + _MS
    for _ in range(size - 1 - len(spans)):
        spans.append(
            _span(size, len(spans) + 1, 0, "tidy", Kind.TOOL, end_ns - 500_000, end_ns - 1)
        )
    root = _span(size, 0, None, f"map-{size}", Kind.CHAIN, begin_ns, end_ns, role=Role.FAN_OUT)
    return assemble(f"{dice.getrandbits(128):032x}", [root, *spans])


def _item(dice: random.Random, size: int, first: int, item: int, at_ns: int) -> Sequence[Span]:
    """Return one item: itself, then its prompt, call and parser; one call in fifty fails."""
    call_ns = round(dice.lognormvariate(0, 0.5) * 400 * _MS) + 1
    fails = dice.random() < 0.02
    end_ns = at_ns + 3 * _MS + call_ns
    group = {
        "role": Role.ITEM,
        "branch": str(item),
        "fan_out": FanOutKind.MAP,
        "fan_out_limit": _PLACES,
        "order": Order(group="map"),
    }
    status = Status.ERROR if fails else Status.OK
    call = {
        "provider": "openai",
        "model": "gpt-4.1-2025-04-14",
        "status": status,
        "error": SpanError(type="RateLimitError", message="slow down") if fails else None,
        "usage": None if fails else Usage(input_tokens=900, output_tokens=300),
    }
    steps = [
        ("ChatPromptTemplate", Kind.PROMPT, at_ns, at_ns + _MS, {}),
        ("ChatOpenAI", Kind.LLM, at_ns + _MS, at_ns + _MS + call_ns, call),
        ("StrOutputParser", Kind.PARSER, at_ns + 2 * _MS + call_ns, end_ns, {}),
    ]
    whole = _span(size, first, 0, "summarise", Kind.CHAIN, at_ns, end_ns, status=status, **group)
    return [
        whole,
        *(
            _span(size, first + at, first, name, kind, begin, end, order=Order(seq=at), **more)
            for at, (name, kind, begin, end, more) in enumerate(steps, 1)
        ),
    ]


def _span(
    size: int,
    number: int,
    parent: int | None,
    name: str,
    kind: Kind,
    start_ns: int,
    end_ns: int,
    **more: object,
) -> Span:
    return Span(
        span_id=f"{size:08x}{number:08x}",
        parent_span_id=None if parent is None else f"{size:08x}{parent:08x}",
        name=name,
        kind=kind,
        start_ns=start_ns,
        end_ns=end_ns,
        **{"status": Status.OK, **more},  # type: ignore[arg-type]
    )
