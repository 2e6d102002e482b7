"""Whether a process that records all day grows: 100,000 spans after it has warmed up.

Subject: small chains that run and end in every way (`tests.tracer.mixed_runs`), in a process of its
own. Printed are the resident memory and the blocks of memory that Python has given out, each read
when everything is in the database.
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from longpole.tracer import LongpoleHandler

WARM_UP_SPANS = 30_000
SPANS = 100_000
PARTS = 5


def main() -> None:
    """Measure and print a table."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.memory"],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parent.parent.parent,
    )
    rows = json.loads(done.stdout)
    print(f"memory: {SPANS:,} spans after a warm-up of {WARM_UP_SPANS:,}")
    print(f"{'spans':>10}{'resident MB':>14}{'blocks of Python':>20}")
    for spans, resident_bytes, blocks in rows:
        print(f"{spans:>10,}{resident_bytes / 1e6:>14.1f}{blocks:>20,}")
    (first, _, before), (last, _, after) = rows[0], rows[-1]
    print(f"{(after - before) / (last - first):.3f} blocks a span stay")


def _subject() -> None:
    from longpole.tracer import LongpoleHandler
    from tests.tracer.mixed_runs import rounds

    rows: list[tuple[int, int, int]] = []
    with tempfile.TemporaryDirectory() as folder:
        handler = LongpoleHandler(str(Path(folder) / "runs.db"))
        play = rounds()
        for part in range(PARTS + 1):
            goal = WARM_UP_SPANS + part * SPANS // PARTS
            while handler.stats().spans_seen < goal:
                play({"callbacks": [handler]})
            rows.append(_read(handler))
        handler.close()
    print(json.dumps(rows))


def _read(handler: LongpoleHandler) -> tuple[int, int, int]:
    if not handler.flush(60.0):
        raise SystemExit("the store did not take everything in")
    stats = handler.stats()
    if stats.open or stats.dropped:
        raise SystemExit(f"runs left open or dropped: {stats}")
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return stats.spans_seen, pages * os.sysconf("SC_PAGESIZE"), sys.getallocatedblocks()


if __name__ == "__main__":
    _subject()
