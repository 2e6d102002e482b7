"""What pages must not load: packages that take half a second and a hundred megabytes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.browser import stories
from tests.browser.recording import new_store_url, record

_DRAWS_ALL_PAGES = """
import sys
from streamlit.testing.v1 import AppTest

def draw(page):
    import streamlit as st
    from longpole.dashboard.web.views import chains, cost, failures, overview, run, runs
    st.query_params["run"] = "last"
    if page == "run":
        run.page(lambda run_id: None, None)
    else:
        {"overview": overview, "runs": runs, "chains": chains, "cost": cost,
         "failures": failures}[page].page()

for page in ("overview", "runs", "chains", "cost", "failures", "run"):
    app = AppTest.from_function(draw, kwargs={"page": page}, default_timeout=60).run()
    assert not app.exception, app.exception
    assert len(app.caption) > 0, page
print(*sorted({"pandas", "pyarrow"} & set(sys.modules)))
"""


def test_the_pages_are_drawn_without_pandas(tmp_path: Path) -> None:
    url = new_store_url(tmp_path)
    record(url, *(stories.panel(1), stories.failing(2)))
    script = tmp_path / "draws.py"
    script.write_text(_DRAWS_ALL_PAGES)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", script],
        env={"LONGPOLE_STORE": url, "PATH": "", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == ""
