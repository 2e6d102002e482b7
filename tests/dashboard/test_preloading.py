"""The script that loads what draws charts ahead of time: for the Streamlit that is installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from longpole.dashboard.web.headers import CONTENT_SECURITY_POLICY
from longpole.dashboard.web.preloading import PRELOAD_SCRIPT, preload_script, streamlit_files


def _files(folder: Path, *names: str) -> Path:
    scripts = folder / "static" / "js"
    scripts.mkdir(parents=True)
    for name in names:
        (scripts / name).touch()
    return folder


def test_the_installed_streamlit_has_the_file_that_is_loaded_ahead() -> None:
    (found,) = (streamlit_files() / "static" / "js").glob("PlotlyChart.*.js")

    assert f'import("./static/js/{found.name}")' in PRELOAD_SCRIPT
    assert CONTENT_SECURITY_POLICY.count("'sha256-") == 2


def test_the_file_is_loaded_under_the_name_that_it_has(tmp_path: Path) -> None:
    script = preload_script(_files(tmp_path, "PlotlyChart.B-1_x.js", "DataFrame.C2.js"))

    assert 'import("./static/js/PlotlyChart.B-1_x.js")' in script


@pytest.mark.parametrize(
    "names",
    [
        (),
        ("Charts.C2.js",),
        ("PlotlyChart.A.js", "PlotlyChart.B.js"),
        ('PlotlyChart.");alert(1);("x.js',),
        ("PlotlyChart.a b.js",),
    ],
)
def test_nothing_is_loaded_ahead_where_the_files_are_others(
    tmp_path: Path, names: tuple[str, ...]
) -> None:
    assert preload_script(_files(tmp_path, *names)) == ""


def test_nothing_is_loaded_ahead_where_there_are_no_files(tmp_path: Path) -> None:
    assert preload_script(tmp_path / "static") == ""
