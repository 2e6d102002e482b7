"""The package is what the tree is: nothing missing from the wheel, nothing strange in it."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
ROOMS = ("model", "tracer", "storage", "analysis", "dashboard")


def _files_of_the_tree() -> set[str]:
    return {
        str(path.relative_to(ROOT / room))
        for room in ROOMS
        for path in (ROOT / room / "longpole").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_the_wheel_holds_exactly_the_files_of_the_rooms(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path, ROOT],
        check=True,
        capture_output=True,
        timeout=120,
    )
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}

    assert packed == _files_of_the_tree()


def test_no_room_hides_the_others() -> None:
    for room in ROOMS:
        assert not (ROOT / room / "longpole" / "__init__.py").exists()
        assert (ROOT / room / "longpole" / room / "py.typed").exists()


def test_the_top_level_is_what_was_asked_for() -> None:
    for name in ("pyproject.toml", "tracer", "dashboard", "storage", "tests", "README.md"):
        assert (ROOT / name).exists()
