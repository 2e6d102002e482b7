"""A thousand kills of a busy writer: nothing whose callback returned may be missing.

The test suite does the same with fewer rounds and one seed; here the seed is new every time, and
printed, so that a failure can be had again.
"""

from __future__ import annotations

import secrets
import sys
import tempfile
import time
from pathlib import Path

from tests.storage.kills import kill_busy_writers

ROUNDS = 1_000


def main() -> None:
    """Kill, check and print."""
    seed = secrets.randbelow(10**9)
    print(f"endurance: {ROUNDS:,} kills, seed {seed}", flush=True)
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        outcome = kill_busy_writers(Path(folder) / "runs.db", rounds=ROUNDS, seed=seed)
    if outcome.problems:
        sys.exit(f"the file is broken: {outcome.problems[0]}")
    print(
        f"  {outcome.acknowledged:,} acknowledged events, all there; {outcome.torn} torn frames, "
        f"counted; file sound; {time.perf_counter() - begin:,.0f} s"
    )
