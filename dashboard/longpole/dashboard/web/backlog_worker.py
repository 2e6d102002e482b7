"""A process that settles a backlog beside the dashboard, so that no page waits for it.

It is `longpole worker --once`, on the store that the environment names, as for the dashboard. One
processor is left to the pages.
"""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
from threading import Lock
from typing import Final

from longpole.dashboard.working import PROCESSES_MOST

# -P: files of the folder that the user is in must not stand in for ours.
_WORKER: Final = (sys.executable, "-P", "-m", "longpole.dashboard.cli", "worker", "--once")


class BacklogWorker:
    """At most one process at a time; safe from any thread. It ends with this process."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._process: subprocess.Popen[bytes] | None = None
        atexit.register(self.stop)

    def start(self) -> None:
        """Have a process at work."""
        with self._lock:
            if self._process is None or self._process.poll() is not None:
                processes = min(PROCESSES_MOST, max(1, (os.cpu_count() or 1) - 1))
                self._process = subprocess.Popen(
                    [*_WORKER, "--processes", str(processes)],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )

    def wait(self, timeout_s: float) -> int | None:
        """Wait for the process to end; return its exit code, `None` without one.

        Raises:
            TimeoutExpired: it has not ended.
        """
        with self._lock:
            process = self._process
        return None if process is None else process.wait(timeout_s)

    def stop(self) -> None:
        """End it; what it has settled is kept."""
        with self._lock:
            process, self._process = self._process, None
        if process is not None:
            process.terminate()
            process.wait()
