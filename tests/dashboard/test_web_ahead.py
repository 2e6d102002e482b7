"""What later pages need is loaded while the first one is looked at."""

from __future__ import annotations

import subprocess
import sys


def test_comparing_does_not_wait_for_numpy() -> None:
    program = """
import sys
from longpole.dashboard.web.ahead import load_ahead
before = "numpy" in sys.modules
timer = load_ahead(0.0)
timer.join(60)
assert load_ahead(0.0) is timer
sys.exit(0 if not before and "numpy" in sys.modules else 1)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
