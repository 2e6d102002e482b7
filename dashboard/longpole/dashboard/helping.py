"""`python -m longpole.dashboard.helping`: a process that computes summaries for another one.

In, from standard input: pickled `Task`s. Out, to standard output: the pickled list of each one's
summaries. It ends when its input does, so also when whoever started it is killed.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from longpole.dashboard.settle import summaries_of
from longpole.model.price_file import PriceRule
from longpole.model.pricing import PriceBook
from longpole.storage import RunSummary, open_store

# -P: files of the folder that the user is in must not stand in for ours.
_COMMAND: Final = (sys.executable, "-P", "-m", "longpole.dashboard.helping")


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Runs to compute the summaries of, with their revisions; a helper gets all of one store."""

    url: str
    rules: tuple[PriceRule, ...]
    now_ns: int
    runs: Sequence[tuple[str, int]]


class Helper:
    """Such a process; one thread at a time may ask it."""

    def __init__(self) -> None:
        """Start it; that returns at once."""
        # In a group of its own: the terminal's interrupts are for the process that writes.
        self._process = subprocess.Popen(
            _COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, process_group=0
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._input, self._output = self._process.stdin, self._process.stdout

    def summaries(self, task: Task) -> list[RunSummary]:
        """Return what it computes.

        Raises:
            ChildProcessError: it has ended.
        """
        try:
            pickle.dump(task, self._input)
            self._input.flush()
            found: list[RunSummary] = pickle.load(self._output)
        except (EOFError, OSError) as error:
            raise ChildProcessError("a process that computes summaries has ended") from error
        return found

    def close(self) -> None:
        """Have it end, and wait for that."""
        with contextlib.suppress(BrokenPipeError):  # what it was sent last, it did not read
            self._input.close()
        self._output.close()
        self._process.wait()


def main() -> None:
    """Answer until there is no more input."""
    # What anything else prints must not get between the answers.
    with os.fdopen(os.dup(1), "wb") as output:
        os.dup2(2, 1)
        _answer(sys.stdin.buffer, output)


def _answer(tasks: Any, output: Any) -> None:
    store = book = None
    while True:
        try:
            task: Task = pickle.load(tasks)
        except EOFError:
            return
        store = store or open_store(task.url, mode="read")
        book = book or PriceBook(task.rules)
        found = summaries_of(store, dict(task.runs), book=book, now_ns=task.now_ns)
        pickle.dump(found, output, protocol=pickle.HIGHEST_PROTOCOL)
        output.flush()


if __name__ == "__main__":
    main()
