"""The gallery as a whole: every example is short, listed, and a program."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

from longpole.tracer import LongpoleHandler

GALLERY = Path(__file__).parent.parent.parent / "examples"
EXAMPLES = sorted(GALLERY.glob("*.py"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_is_short_and_listed_with_its_command(path: Path) -> None:
    listed = (GALLERY / "README.md").read_text()

    assert len(path.read_text().splitlines()) <= 60
    assert listed.count(f"python examples/{path.name}") == 1


def test_the_list_names_no_example_that_is_not_there() -> None:
    listed = re.findall(r"python examples/(\w+\.py)", (GALLERY / "README.md").read_text())

    assert sorted(listed) == [path.name for path in EXAMPLES]


def test_an_example_runs_as_a_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LONGPOLE_STORE", str(tmp_path / "runs.db"))
    runpy.run_path(str(GALLERY / "llm_cache.py"), run_name="__main__")
    LongpoleHandler().close()

    assert capsys.readouterr().out.count("Slack is how much later") == 2
    assert (tmp_path / "runs.db").exists()
