"""What-if against reality: predict a change from five recorded runs, make it, run three times.

Subjects: random trees of sequences and parallels of sleeping steps, as threads and as asyncio
tasks, and LangGraph graphs with `Send`. Each is recorded with the real handler; a change is
predicted on each of five runs and the median taken, and made for real in three recorded runs, of
which the median is taken; all these run in turns. Beside the error stand the noise floor (the same
chain again, three runs against the five) and the naive predictor (the wall less what the changed
steps lose on the critical path). Before any prediction counts, the replay must give back the
recorded times.
"""

from __future__ import annotations

import asyncio
import operator
import os
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Annotated, Any, TypedDict

from langchain_core.runnables import Runnable, RunnableLambda, RunnableParallel
from langgraph.graph import END, START, StateGraph
from langgraph.types import Send

from longpole.analysis import analyse
from longpole.analysis.change_text import parse_change
from longpole.analysis.what_if import replayable, what_if
from longpole.model import Run
from longpole.model.pricing import PriceBook
from longpole.storage import RunQuery, open_store
from longpole.tracer import LongpoleHandler

SEED = 20_261_125
CHAINS = 3
RECORDED, REPEATED = 5, 3
NOISE = "the same chain again (noise floor)"

Lengths = Mapping[str, int]
"""How long each step sleeps, milliseconds."""
Chain = Runnable[Any, Any]


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """A chain as it is asked to run: how long its steps sleep, and its settings."""

    lengths_ms: Lengths
    limit: int | None = None
    backs_off: bool = True
    give_up_ms: int = 10_000


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A change as text for Longpole, and the scenario that makes it real."""

    kind: str
    changes: tuple[str, ...]
    real: Scenario


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A chain, how it is run, and what is asked about it."""

    name: str
    build: Callable[[Scenario], Chain]
    is_async: bool
    first: Scenario
    asked: Sequence[Asked]
    given: Any = 0


@dataclass
class Errors:
    """Relative errors of one kind of change: ours, those of the shortest walls, the naive ones."""

    ours: list[float] = field(default_factory=list)
    best: list[float] = field(default_factory=list)
    naive: list[float] = field(default_factory=list)
    off_ms: list[float] = field(default_factory=list)


def main() -> None:
    """Measure and print a table."""
    begin = time.monotonic()
    tables: dict[tuple[str, str], Errors] = {}
    for subject in _subjects():
        _measure(subject, tables)
    _print(tables)
    load = os.getloadavg()[0]
    took_s = time.monotonic() - begin
    print(f"\n{took_s:.0f} s, load at the end {load:.1f} on {os.cpu_count()} cores")


# --- measuring ----------------------------------------------------------------------------------


def _measure(subject: Subject, tables: dict[tuple[str, str], Errors]) -> None:
    """Run everything in turns, so that a passing load on the machine falls on all alike."""
    mode = "asyncio" if subject.is_async else "threads"
    before: list[Run] = []
    again: list[Run] = []
    after: list[list[Run]] = [[] for _ in subject.asked]
    for turn in range(RECORDED):
        before.append(_record(subject, subject.first))
        if turn < REPEATED:
            again.append(_record(subject, subject.first))
            for asked, runs in zip(subject.asked, after, strict=True):
                runs.append(_record(subject, asked.real))
    errors = tables.setdefault((NOISE, mode), Errors())
    _note(errors, [_wall_ns(run) for run in before], again)
    ready = [replayable(run, now_ns=0) for run in before]  # refuses what it cannot give back
    for asked, runs in zip(subject.asked, after, strict=True):
        changes = [parse_change(text) for text in asked.changes]
        answers = [what_if(one, changes, book=PriceBook()) for one in ready]
        for answer in answers:
            answer.check()
        errors = tables.setdefault((asked.kind, mode), Errors())
        _note(errors, [answer.wall.mean_ns for answer in answers], runs)
        naive_ns = median(_naive_ns(run, subject.first, asked.real) for run in before)
        errors.naive.append(_error(naive_ns, median(_wall_ns(run) for run in runs)))


def _note(errors: Errors, predicted_ns: Sequence[int], real: Sequence[Run]) -> None:
    real_ns = [_wall_ns(run) for run in real]
    errors.ours.append(_error(median(predicted_ns), median(real_ns)))
    errors.best.append(_error(min(predicted_ns), min(real_ns)))
    errors.off_ms.append(abs(median(predicted_ns) - median(real_ns)) / 1e6)


def _error(predicted_ns: float, real_ns: float) -> float:
    return abs(predicted_ns - real_ns) / real_ns


def _record(subject: Subject, scenario: Scenario) -> Run:
    """Run a chain and return what was recorded."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "runs.db"
        handler = LongpoleHandler(str(path))
        chain = subject.build(scenario)
        config: Any = {"callbacks": [handler]}
        if scenario.limit is not None:
            config["max_concurrency"] = scenario.limit
        if subject.is_async:
            asyncio.run(chain.ainvoke(subject.given, config))
        else:
            chain.invoke(subject.given, config)
        assert handler.flush(30.0)
        handler.close()
        store = open_store(str(path), mode="read")
        try:
            (row,) = store.list_runs(RunQuery(limit=2)).rows
            return store.load_run(row.run_id)
        finally:
            store.close()


def _wall_ns(run: Run) -> int:
    assert run.root.end_ns is not None
    return run.root.end_ns - run.root.start_ns


def _naive_ns(run: Run, first: Scenario, real: Scenario) -> float:
    """Return the wall with the time that changed steps had on the path scaled; no replay."""
    analysis = analyse(run, now_ns=0)
    wall_ns = float(analysis.facts.wall_ns)
    for span in run.spans:
        if span.name in first.lengths_ms and not run.children(span.span_id):
            ratio = real.lengths_ms[span.name] / first.lengths_ms[span.name]
            wall_ns += analysis.spans[span.span_id].on_path_ns * (ratio - 1)
    return wall_ns


# --- random trees -------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Node:
    """`step` with a name, or `seq` or `par` with nodes below."""

    shape: str
    name: str = ""
    below: tuple[_Node, ...] = ()

    def steps(self) -> Iterator[str]:
        if self.shape == "step":
            yield self.name
        for one in self.below:
            yield from one.steps()


def _tree(dice: random.Random, depth: int, names: Iterator[int], shape: str) -> _Node:
    if depth == 0 or shape == "step":
        return _Node("step", f"step{next(names)}")
    width = dice.randint(3, 5) if shape == "par" else dice.randint(2, 3)
    others = {"par": ["seq", "step", "step"], "seq": ["par", "step"]}[shape]
    below = tuple(_tree(dice, depth - 1, names, dice.choice(others)) for _ in range(width))
    return _Node(shape, "", below)


def _built(node: _Node, scenario: Scenario) -> Chain:
    if node.shape == "step":
        return _sleeping(node.name, scenario.lengths_ms[node.name])
    parts = [_built(one, scenario) for one in node.below]
    if node.shape == "seq":
        chain = parts[0]
        for part in parts[1:]:
            chain = chain | part
        return chain
    return RunnableParallel({f"k{at}": part for at, part in enumerate(parts)})


def _sleeping(name: str, length_ms: int) -> Chain:
    def sleep(value: Any) -> Any:
        time.sleep(length_ms / 1000)
        return value

    async def asleep(value: Any) -> Any:
        await asyncio.sleep(length_ms / 1000)
        return value

    return RunnableLambda(sleep, asleep, name=name)


def _subjects() -> Iterator[Subject]:
    for is_async in (False, True):
        for number in range(CHAINS):
            yield _random_chain(random.Random(SEED + number), number, is_async)
        yield _graph(is_async)
        yield _retried(is_async)
    yield _given_up()


def _random_chain(dice: random.Random, number: int, is_async: bool) -> Subject:
    names = iter(range(100))
    tree = _Node("seq", "", (_tree(dice, 2, names, "par"), _tree(dice, 2, names, "par")))
    lengths = {name: dice.randint(30, 300) for name in tree.steps()}
    first = Scenario(lengths_ms=lengths)
    asked = [*_one_step(dice, first), _many_steps(dice, first)]
    if not is_async:
        asked += [
            _limited(first, 1, "no limit → 1"),
            _limited(first, 2, "no limit → 2"),
            _limited(first, 3, "no limit → 3"),
        ]
    return Subject(
        name=f"random chain {number}",
        build=lambda scenario: _built(tree, scenario),
        is_async=is_async,
        first=first,
        asked=asked,
    )


def _one_step(dice: random.Random, first: Scenario) -> list[Asked]:
    found = []
    for ratio in dice.sample([0.25, 0.5, 2, 3], 2):
        name = dice.choice(list(first.lengths_ms))
        found.append(
            Asked(
                kind="one step × ¼, ½, 2 or 3",
                changes=(f"{name}:faster={1 / ratio:g}",),
                real=_with(first, {name: ratio}),
            )
        )
    slowest = max(first.lengths_ms, key=lambda name: first.lengths_ms[name])
    found.append(
        Asked(
            kind="the slowest step takes no time (drag)",
            changes=(f"{slowest}:time=0",),
            real=_with(first, {slowest: 0}),
        )
    )
    return found


def _many_steps(dice: random.Random, first: Scenario) -> Asked:
    names = dice.sample(list(first.lengths_ms), len(first.lengths_ms) // 2)
    ratios = {name: dice.choice([0.25, 0.5, 2]) for name in names}
    return Asked(
        kind="half of all steps at once",
        changes=tuple(f"{name}:faster={1 / ratio:g}" for name, ratio in ratios.items()),
        real=_with(first, ratios),
    )


def _with(scenario: Scenario, ratios: Mapping[str, float]) -> Scenario:
    lengths = {
        name: round(length * ratios.get(name, 1)) for name, length in scenario.lengths_ms.items()
    }
    return replace(scenario, lengths_ms=lengths)


def _limited(first: Scenario, limit: int | None, kind: str) -> Asked:
    return Asked(
        kind=f"max_concurrency: {kind}",
        changes=(f"*:limit={limit or 'none'}",),
        real=replace(first, limit=limit),
    )


# --- graphs, retries, time limits ---------------------------------------------------------------


class _State(TypedDict):
    names: list[str]
    done: Annotated[list[str], operator.add]


def _graph(is_async: bool) -> Subject:
    lengths = {f"item{at}": length for at, length in enumerate((180, 60, 240, 120, 90))}

    def build(scenario: Scenario) -> Chain:
        def work(state: Any) -> Any:
            time.sleep(scenario.lengths_ms[state["name"]] / 1000)
            return {"done": [state["name"]]}

        async def awork(state: Any) -> Any:
            await asyncio.sleep(scenario.lengths_ms[state["name"]] / 1000)
            return {"done": [state["name"]]}

        graph: StateGraph[Any] = StateGraph(_State)
        graph.add_node("plan", lambda state: {})
        graph.add_node("work", RunnableLambda(work, awork))
        graph.add_edge(START, "plan")
        graph.add_conditional_edges(
            "plan", lambda state: [Send("work", {"name": one}) for one in state["names"]], ["work"]
        )
        graph.add_edge("work", END)
        return graph.compile()

    first = Scenario(lengths_ms=lengths, limit=2)
    # The third Send (index 2) is the slowest; a graph's items have numbers, not names.
    slower = _with(first, {"item2": 0.25})
    return Subject(
        name="LangGraph Send",
        build=build,
        is_async=is_async,
        first=first,
        asked=(
            _limited(first, 1, "Send, 2 → 1"),
            _limited(first, 3, "Send, 2 → 3"),
            _limited(first, None, "Send, 2 → none"),
            Asked(kind="Send, limit 2, slowest × ¼", changes=("work[2]:faster=4",), real=slower),
        ),
        given={"names": list(lengths), "done": []},
    )


def _retried(is_async: bool) -> Subject:
    first = Scenario(lengths_ms={"flaky": 60, "steady": 150})

    def build(scenario: Scenario) -> Chain:
        tries = iter(range(100))

        def flaky(value: Any) -> Any:
            time.sleep(scenario.lengths_ms["flaky"] / 1000)
            if next(tries) < 2:
                raise ValueError("not yet")
            return value

        async def aflaky(value: Any) -> Any:
            await asyncio.sleep(scenario.lengths_ms["flaky"] / 1000)
            if next(tries) < 2:
                raise ValueError("not yet")
            return value

        retrying = RunnableLambda(flaky, aflaky, name="flaky").with_retry(
            stop_after_attempt=3,
            wait_exponential_jitter=scenario.backs_off,
            exponential_jitter_params={"max": 0.15},
        )
        steady = _sleeping("steady", scenario.lengths_ms["steady"])
        return RunnableParallel(flaky=retrying, steady=steady)

    asked = Asked(
        kind="retries without back-off",
        changes=("flaky:no-backoff",),
        real=replace(first, backs_off=False),
    )
    return Subject(name="retries", build=build, is_async=is_async, first=first, asked=(asked,))


def _given_up() -> Subject:
    first = Scenario(lengths_ms={"slow": 400, "other": 120})

    def build(scenario: Scenario) -> Chain:
        slow = _sleeping("slow", scenario.lengths_ms["slow"])

        async def guarded(value: Any) -> Any:
            try:
                async with asyncio.timeout(scenario.give_up_ms / 1000):
                    return await slow.ainvoke(value)
            except TimeoutError:
                return None

        guard = RunnableLambda(_never, guarded, name="guard")
        return RunnableParallel(guard=guard, other=_sleeping("other", scenario.lengths_ms["other"]))

    asked = Asked(
        kind="a time limit of 250 ms",
        changes=("slow:timeout=250ms",),
        real=replace(first, give_up_ms=250),
    )
    return Subject(name="time limit", build=build, is_async=True, first=first, asked=(asked,))


def _never(value: Any) -> Any:
    raise AssertionError("runs only as a task")


# --- printing -----------------------------------------------------------------------------------


def _print(tables: Mapping[tuple[str, str], Errors]) -> None:
    print("what-if against reality: error of the predicted wall, median / worst of n")
    print("(shortest: the shortest prediction against the shortest real run, which load lengthens")
    print("least; naive: the wall less what the changed steps lose on the critical path)\n")
    print("| change | as | n | error | shortest | naive |\n|---|---|---|---|---|---|")
    for (kind, mode), errors in sorted(tables.items(), key=lambda one: one[0][0] != NOISE):
        naive = _told(errors.naive) if errors.naive else "–"
        print(
            f"| {kind} | {mode} | {len(errors.ours)} | {_told(errors.ours)} | {_told(errors.best)} "
            f"| {naive} |"
        )
    noise = [error for (kind, _), one in tables.items() if kind == NOISE for error in one.ours]
    changed = [one for (kind, _), one in tables.items() if kind != NOISE]
    ours = [error for one in changed for error in one.ours]
    naive_all = [error for one in changed for error in one.naive]
    best = [error for one in changed for error in one.best]
    off_ms = [off for one in changed for off in one.off_ms]
    print(
        f"\nall {len(ours)} changes: median {median(ours):.2%} ({median(off_ms):.1f} ms), "
        f"p95 {_p95(ours):.2%}; shortest {median(best):.2%}, p95 {_p95(best):.2%};\n"
        f"noise floor {median(noise):.2%}, p95 {_p95(noise):.2%}; "
        f"naive {median(naive_all):.2%}, p95 {_p95(naive_all):.2%}"
    )


def _told(errors: Sequence[float]) -> str:
    return f"{median(errors):.2%} / {max(errors):.1%}"


def _p95(values: Sequence[float]) -> float:
    return sorted(values)[min(len(values) - 1, int(0.95 * len(values)))]
