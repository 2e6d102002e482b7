"""What a handler costs the caller, per span, above one that does nothing.

Subject: a RunnableParallel of `prompt | model | parser` branches with fake models, 2, 10 and 100
branches, content captured and on disk, called and awaited. Each subject runs in a process of its
own; the repetitions of all subjects are interleaved, so that a busy moment of the machine hits them
alike. Beside the medians stands the difference of the best repetitions, which a busy machine blurs
least. The mean tells what a chain pays that goes on and on, so that the spool is taken in beside
it; the median what one pays that is over before. Last, the processor time of each callback on the
caller's thread.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

REPETITIONS = 5
BRANCHES = (2, 10, 100)
SPANS_A_BRANCH = 4
SUBJECTS = (
    "nothing",
    "no-op",
    "longpole",
    "longpole without content",
    "no-op, awaited",
    "longpole, awaited",
)
TIMED_RUNS_SPANS = 12_000
"""Three seconds, longer than the drainer ever waits."""
EVENTS = ("on_chain_start", "on_chat_model_start", "on_chain_end", "on_llm_end")

_Results = dict[tuple[str, int], list[dict[str, float]]]


def main() -> None:
    """Measure and print the tables."""
    results: _Results = {}
    for _ in range(REPETITIONS):
        for branches in BRANCHES:
            for subject in SUBJECTS:
                results.setdefault((subject, branches), []).append(_measured(subject, branches))
    print("handler: microseconds a span above a no-op inline handler: median (best against best)")
    for title, what in (
        ("wall time of the caller", "wall_us"),
        ("wall time of the caller, mean of runs without a pause", "mean_wall_us"),
        ("all processor time of the process, database included", "cpu_us"),
    ):
        print(f"{title:54}" + "".join(f"{branches:>10} branches" for branches in BRANCHES))
        for subject in SUBJECTS:
            cells = (_above_no_op(results, subject, branches, what) for branches in BRANCHES)
            print(f"  {subject:52}" + "".join(f"{cell:>19}" for cell in cells))
    print("processor time of one callback on the caller's thread, microseconds: median (least)")
    for event, figures in _measured("callbacks", 10).items():
        print(f"  {event:52}{figures:>19}")


def _above_no_op(results: _Results, subject: str, branches: int, what: str) -> str:
    awaited = ", awaited" if subject.endswith("awaited") else ""
    base = [run[what] for run in results[f"no-op{awaited}", branches]]
    here = [run[what] for run in results[subject, branches]]
    median = statistics.median(here) - statistics.median(base)
    return f"{median:.1f} ({min(here) - min(base):.1f})"


def _measured(subject: str, branches: int) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.handler", subject, str(branches)],
        check=True,
        capture_output=True,
        text=True,
        cwd=Path(__file__).parent.parent.parent,
    )
    measured: dict[str, Any] = json.loads(done.stdout)
    return measured


def _chain(branches: int) -> Any:
    import itertools

    from langchain_core.language_models import GenericFakeChatModel
    from langchain_core.messages import AIMessage
    from langchain_core.output_parsers import StrOutputParser
    from langchain_core.prompts import ChatPromptTemplate
    from langchain_core.runnables import RunnableParallel

    answer = AIMessage("word " * 60)
    prompt = ChatPromptTemplate.from_messages([("system", "word " * 60), ("human", "{question}")])
    return RunnableParallel(
        {
            f"branch{number}": prompt
            | GenericFakeChatModel(messages=itertools.repeat(answer))
            | StrOutputParser()
            for number in range(branches)
        }
    )


def _handler(subject: str, folder: Path) -> Any:
    from langchain_core.callbacks import BaseCallbackHandler

    class Nothing(BaseCallbackHandler):
        run_inline = True

        def on_chat_model_start(self, *args: Any, **kwargs: Any) -> None:
            pass

    if subject == "nothing":
        return None
    if subject.startswith("no-op"):
        return Nothing()
    from longpole.tracer import LongpoleHandler

    return LongpoleHandler(
        str(folder / "runs.db"), capture_content=subject != "longpole without content"
    )


def _call(chain: Any, config: Any, *, awaited: bool) -> Any:
    question = {"question": "why?"}
    return (
        asyncio.run(chain.ainvoke(question, config)) if awaited else chain.invoke(question, config)
    )


def _subject(subject: str, branches: int) -> None:
    """Run in a process of its own: print what one subject takes."""
    awaited = subject.endswith("awaited")
    with tempfile.TemporaryDirectory() as folder:
        handler = _handler(subject, Path(folder))
        # One worker, so that the wall time is what a caller waits; while the drainer holds the
        # interpreter the caller waits too, and that belongs to the price.
        config: Any = {"max_concurrency": 1, "callbacks": [handler] if handler else []}
        chain = _chain(branches)
        spans = branches * SPANS_A_BRANCH + 1
        answers = _call(chain, config, awaited=awaited)
        if len(answers) != branches:
            raise SystemExit(f"expected {branches} answers, got {len(answers)}")
        for _ in range(max(1, 400 // spans)):
            _call(chain, config, awaited=awaited)
        # Making the database is paid once, not by every span.
        _check_nothing_is_lost(subject, handler)
        runs = max(5, TIMED_RUNS_SPANS // spans)
        wall = []
        cpu_start = time.process_time_ns()
        for _ in range(runs):
            start = time.perf_counter_ns()
            _call(chain, config, awaited=awaited)
            wall.append(time.perf_counter_ns() - start)
        _check_nothing_is_lost(subject, handler)
        cpu_ns = time.process_time_ns() - cpu_start
        print(
            json.dumps(
                {
                    "wall_us": statistics.median(wall) / spans / 1000,
                    "mean_wall_us": statistics.fmean(wall) / spans / 1000,
                    "cpu_us": cpu_ns / runs / spans / 1000,
                }
            )
        )


def _check_nothing_is_lost(subject: str, handler: Any) -> None:
    if not subject.startswith("longpole"):
        return
    if not handler.flush(60.0):
        raise SystemExit("the store did not take everything in")
    stats = handler.stats()
    if stats.spans_written != stats.spans_seen or stats.dropped or stats.errors:
        raise SystemExit(f"spans were lost: {stats}")


def _callbacks(branches: int) -> None:
    """Run in a process of its own: print what each callback takes on the caller's thread."""
    from longpole.tracer import LongpoleHandler

    took_ns: dict[str, list[int]] = {}
    timed = type("Timed", (LongpoleHandler,), {name: _timed(name, took_ns) for name in EVENTS})
    with tempfile.TemporaryDirectory() as folder:
        handler = timed(str(Path(folder) / "runs.db"))
        chain = _chain(branches)
        config: Any = {"max_concurrency": 1, "callbacks": [handler]}
        for _ in range(TIMED_RUNS_SPANS // (branches * SPANS_A_BRANCH + 1)):
            _call(chain, config, awaited=False)
        _check_nothing_is_lost("longpole", handler)
    print(
        json.dumps(
            {
                name: f"{statistics.median(times) / 1000:.1f} ({min(times) / 1000:.1f})"
                for name, times in took_ns.items()
            }
        )
    )


def _timed(name: str, took_ns: dict[str, list[int]]) -> Callable[..., None]:
    from longpole.tracer import LongpoleHandler

    callback = getattr(LongpoleHandler, name)

    def measured(self: Any, *args: Any, **kwargs: Any) -> None:
        start_ns = time.thread_time_ns()
        callback(self, *args, **kwargs)
        took_ns.setdefault(name, []).append(time.thread_time_ns() - start_ns)

    return measured


if __name__ == "__main__":
    if sys.argv[1] == "callbacks":
        _callbacks(int(sys.argv[2]))
    else:
        _subject(sys.argv[1], int(sys.argv[2]))
