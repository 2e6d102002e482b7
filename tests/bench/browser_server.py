"""A dashboard as a user starts it, with its processor time and memory, from outside."""

from __future__ import annotations

import socket
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
        command = [str(_LONGPOLE), "dashboard", "--store", store_url, "--no-browser"]
        port = _free_port()
        self.begun_ns = time.perf_counter_ns()
        self._process = subprocess.Popen(
            [*command, "--port", str(port)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        if not self._process.stdout.readline():
            raise SystemExit("the dashboard did not start")
        self.address = f"http://127.0.0.1:{port}"

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


def _free_port() -> int:
    """Return a port that no other dashboard on this machine will take: they begin at a low one."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def dashboard(store_url: str) -> Iterator[Dashboard]:
    """Run a dashboard."""
    running = Dashboard(store_url)
    try:
        yield running
    finally:
        running.stop()
