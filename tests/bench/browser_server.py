"""A dashboard as a user starts it, with its processor time and memory, from outside."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_LONGPOLE: Final = Path(sys.executable).with_name("longpole")


class Dashboard:
    """A running `longpole dashboard`.

    Attributes:
        begun_ns: when its process was started, on the clock of `time.perf_counter_ns`.
        address: where it answers.
    """

    def __init__(self, store_url: str) -> None:
        self.begun_ns = time.perf_counter_ns()
        self._process = subprocess.Popen(
            [_LONGPOLE, "dashboard", "--store", store_url, "--no-browser"],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.address = self._process.stdout.readline().split()[-1]

    def cpu_ms(self) -> float:
        """Return the processor time of all its threads so far."""
        # The clock of another process, as clock_getcpuclockid(3) makes it of a process id.
        return time.clock_gettime_ns((~self._process.pid << 3) | 2) / 1e6

    def memory_mb(self) -> float:
        """Return what is in memory of it."""
        status = Path(f"/proc/{self._process.pid}/status").read_text(encoding="ascii")
        line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
        return int(line.split()[1]) / 1_000

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(timeout=30)
        assert self._process.stdout is not None
        self._process.stdout.close()


@contextmanager
def dashboard(store_url: str) -> Iterator[Dashboard]:
    """Run a dashboard."""
    running = Dashboard(store_url)
    try:
        yield running
    finally:
        running.stop()
