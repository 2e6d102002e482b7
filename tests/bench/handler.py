"""What a handler costs the caller, per span, above one that does nothing.

Subject: a RunnableParallel of `prompt | model | parser` branches with fake models, 2, 10 and 100
branches, content captured and on disk. Each subject runs in a process of its own; the repetitions
of all subjects are interleaved, so that a busy moment of the machine hits them alike.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

REPETITIONS = 5
BRANCHES = (2, 10, 100)
SPANS_A_BRANCH = 4
SUBJECTS = ("nothing", "no-op", "longpole", "longpole without content")
TIMED_RUNS_SPANS = 4000


def main() -> None:
    """Measure and print a table."""
    results: dict[tuple[str, int], list[dict[str, float]]] = {}
    for _ in range(REPETITIONS):
        for branches in BRANCHES:
            for subject in SUBJECTS:
                results.setdefault((subject, branches), []).append(_measured(subject, branches))
    print("handler: wall time a span in microseconds, above a no-op inline handler")
    print(f"{'':28}" + "".join(f"{branches:>18} branches" for branches in BRANCHES))
    for subject in SUBJECTS:
        cells = []
        for branches in BRANCHES:
            base = statistics.median(run["wall_us"] for run in results["no-op", branches])
            extra = [run["wall_us"] - base for run in results[subject, branches]]
            cells.append(f"{statistics.median(extra):8.1f} ({min(extra):.1f} … {max(extra):.1f})")
        print(f"{subject:28}" + "".join(f"{cell:>27}" for cell in cells))
    print("all processor time of the process, above the no-op handler")
    for subject in SUBJECTS[2:]:
        cells = []
        for branches in BRANCHES:
            base = statistics.median(run["cpu_us"] for run in results["no-op", branches])
            extra = [run["cpu_us"] - base for run in results[subject, branches]]
            cells.append(f"{statistics.median(extra):8.1f}")
        print(f"{subject:28}" + "".join(f"{cell:>27}" for cell in cells))


def _measured(subject: str, branches: int) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.handler", subject, str(branches)],
        check=True,
        capture_output=True,
        text=True,
        cwd=Path(__file__).parent.parent.parent,
    )
    measured: dict[str, float] = json.loads(done.stdout)
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
    if subject == "no-op":
        return Nothing()
    from longpole.tracer import LongpoleHandler

    return LongpoleHandler(
        str(folder / "runs.db"), capture_content=subject != "longpole without content"
    )


def _subject(subject: str, branches: int) -> None:
    """Run in a process of its own: print what one subject takes."""
    with tempfile.TemporaryDirectory() as folder:
        handler = _handler(subject, Path(folder))
        # One worker, so that the wall time is what a caller waits; while the drainer holds the
        # interpreter the caller waits too, and that belongs to the price.
        config: Any = {"max_concurrency": 1, "callbacks": [handler] if handler else []}
        chain = _chain(branches)
        spans = branches * SPANS_A_BRANCH + 1
        answers = chain.invoke({"question": "why?"}, config)
        if len(answers) != branches:
            raise SystemExit(f"expected {branches} answers, got {len(answers)}")
        for _ in range(max(1, 400 // spans)):
            chain.invoke({"question": "why?"}, config)
        runs = max(5, TIMED_RUNS_SPANS // spans)
        wall = []
        cpu_start = time.process_time_ns()
        for _ in range(runs):
            start = time.perf_counter_ns()
            chain.invoke({"question": "why?"}, config)
            wall.append(time.perf_counter_ns() - start)
        if subject.startswith("longpole"):
            if not handler.flush(60.0):
                raise SystemExit("the store did not take everything in")
            stats = handler.stats()
            if stats.spans_written != stats.spans_seen or stats.dropped:
                raise SystemExit(f"spans were lost: {stats}")
        cpu_ns = time.process_time_ns() - cpu_start
        print(
            json.dumps(
                {
                    "wall_us": statistics.median(wall) / spans / 1000,
                    "cpu_us": cpu_ns / runs / spans / 1000,
                }
            )
        )


if __name__ == "__main__":
    _subject(sys.argv[1], int(sys.argv[2]))
