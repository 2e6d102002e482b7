"""What handlers cost the caller, per span, above one that does nothing: Longpole beside its peers.

Subject: the parallel of `bench handler`, 2, 10 and 100 branches, in threads (one at a time) and in
tasks. Each handler runs in a process of its own, five times, all of them taking turns; a figure is
the difference to the no-op handler of the same turn. The peers are installed, at the versions of
`peers-requirements.txt`, into a virtual environment that serves nothing else. That every span of
every handler has arrived is checked before anything is printed.
"""

from __future__ import annotations

import hashlib
import json
import os
import statistics
import subprocess
import venv
from pathlib import Path
from typing import Final

from tests.bench.peer_handlers import BRANCHES, MODES, SUBJECTS, Figures

REPETITIONS: Final = 5
ROOT: Final = Path(__file__).parent.parent.parent
HOME: Final = ROOT / ".venv-peers"
REQUIREMENTS: Final = Path(__file__).parent / "peers-requirements.txt"
NO_OP: Final = "no-op"
OURS: Final = "longpole"
_UNITS: Final = {
    "wall_us": "wall time a span in microseconds, above a no-op inline handler",
    "cpu_us": "all processor time of the process, above the no-op handler",
}


def main() -> None:
    """Measure and print the tables."""
    python = _environment()
    turns: dict[str, list[Figures]] = {name: [] for name in SUBJECTS}
    for _ in range(REPETITIONS):
        for name in SUBJECTS:
            turns[name].append(_measured(python, name))
    for mode in MODES:
        for figure, unit in _UNITS.items():
            print(f"peers, {mode}: {unit}")
            _print_table(turns, mode, figure)


def _print_table(turns: dict[str, list[Figures]], mode: str, figure: str) -> None:
    print(f"{'':20}" + "".join(f"{branches:>18} branches" for branches in BRANCHES))
    medians: dict[str, list[float]] = {}
    for name in SUBJECTS:
        if name == NO_OP:
            continue
        cases = [_extra(turns, name, f"{mode}/{branches}", figure) for branches in BRANCHES]
        medians[name] = [statistics.median(extra) for extra in cases]
        cells = [
            f"{statistics.median(extra):8.1f} ({min(extra):.1f} … {max(extra):.1f})"
            for extra in cases
        ]
        print(f"{name:20}" + "".join(f"{cell:>27}" for cell in cells))
    peers = [row for name, row in medians.items() if name != OURS]
    ratios = [ours / min(them) for ours, *them in zip(medians[OURS], *peers, strict=True)]
    print(f"{'ours to the best':20}" + "".join(f"{f'{ratio:.2f}×':>27}" for ratio in ratios))


def _extra(turns: dict[str, list[Figures]], name: str, case: str, figure: str) -> list[float]:
    """Return what a handler took above the no-op one, for each turn."""
    return [
        taken[case][figure] - base[case][figure]
        for taken, base in zip(turns[name], turns[NO_OP], strict=True)
    ]


def _environment() -> Path:
    """Return the Python that has the peers; its environment is made when it is not up to date."""
    python, ready = HOME / "bin" / "python", HOME / ".ready"
    wanted = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
    if not ready.exists() or ready.read_text() != wanted:
        venv.create(HOME, with_pip=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        wishes = ["-r", str(REQUIREMENTS), "--editable", "."]
        subprocess.run([*pip, *wishes], cwd=ROOT, check=True)
        ready.write_text(wanted)
    return python


def _measured(python: Path, name: str) -> Figures:
    from tests.bench.peer_sink import sink

    with sink() as langsmith:
        told = {
            "LANGSMITH_ENDPOINT": langsmith.url,
            "LANGSMITH_API_KEY": "lsv2_pt_bench",
            "LANGSMITH_TRACING": "false",
            # A queue that is full drops spans; this bench measures time, not loss.
            "OTEL_BSP_MAX_QUEUE_SIZE": "100000",
        }
        done = subprocess.run(
            [python, "-m", "tests.bench.peer_handlers", name],
            capture_output=True,
            text=True,
            cwd=ROOT,
            env={**os.environ, **told},
        )
        if done.returncode:
            raise SystemExit(f"{name} could not be measured:\n{done.stderr}")
        answer = json.loads(done.stdout)
        arrived = langsmith.whole() if name == "langsmith" else answer["arrived"]
    if name != NO_OP and arrived != answer["made"]:
        raise SystemExit(f"{name}: {arrived} of {answer['made']} spans arrived")
    figures: Figures = answer["figures"]
    return figures
