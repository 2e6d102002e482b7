"""`longpole serve` as a process, for tests and benches."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

_LIMIT_S = 30.0


class Receiver:
    """A receiver on a free port; leaving the block tells it to stop.

    Args:
        store: the database file.
        options: more of the command's options.
        environ: variables besides those of this process.
    """

    def __init__(
        self, store: Path, *options: str, environ: Mapping[str, str] | None = None
    ) -> None:
        command = [
            "longpole.dashboard.cli",
            "serve",
            "--store",
            str(store),
            "--port",
            "0",
            "--json",
        ]
        self.process = subprocess.Popen(
            [sys.executable, "-m", *command, *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **(environ or {})},
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the receiver did not start: {self.process.communicate()[1]}")
        told = json.loads(line)
        self.store_url: str = told["store"]
        self.address: str = told["address"]
        self.endpoint: str = told["endpoint"]
        self.port = int(self.address.rpartition(":")[2])

    def stop(self) -> tuple[int, str]:
        """Tell it to stop; return its exit code and what it wrote to standard error."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        _, errors = self.process.communicate(timeout=_LIMIT_S)
        return self.process.returncode, errors

    def kill(self) -> None:
        """End it at once, as a crash would."""
        self.process.kill()
        self.process.communicate(timeout=_LIMIT_S)

    def cpu_s(self) -> float:
        """Return the CPU time that it has taken so far, in seconds."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def peak_mb(self) -> float:
        """Return the most memory that it has held."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmHWM:\s+(\d+)", status)
        assert found is not None
        return int(found[1]) / 1024

    def __enter__(self) -> Receiver:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.stop()
