"""Which pages there are, and in what order. Streamlit runs this file anew for every interaction."""

from pathlib import Path

import streamlit as st

from longpole.dashboard.web.ahead import load_ahead
from longpole.dashboard.web.views import (
    chains,
    compare,
    cost,
    failures,
    overview,
    run,
    runs,
    settings,
)

st.set_page_config(
    page_title="Longpole",
    page_icon=str(Path(__file__).with_name("favicon.svg")),
    layout="wide",
)
st.html(Path(__file__).with_name("app.css"))
st.logo(Path(__file__).with_name("logo.svg"), size="small")


def _open_run(run_id: str) -> None:
    st.switch_page(run_page, query_params={"run": run_id})


def _overview() -> None:
    st.switch_page(overview_page, query_params=st.query_params.to_dict())


def _run() -> None:
    run.page(open_run=_open_run, runs_page=runs_page)


overview_page = st.Page(overview.page, title="Overview", icon=":material/home:", default=True)
# The first page has no path of its own; a link to it by its name should lead there all the same.
overview_by_name = st.Page(_overview, title="Overview", url_path="overview", visibility="hidden")
runs_page = st.Page(runs.page, title="Runs", icon=":material/list:", url_path="runs")
chains_page = st.Page(chains.page, title="Chains", icon=":material/hub:", url_path="chains")
compare_page = st.Page(
    compare.page, title="Compare", icon=":material/compare_arrows:", url_path="compare"
)
cost_page = st.Page(cost.page, title="Cost", icon=":material/payments:", url_path="cost")
failures_page = st.Page(
    failures.page, title="Failures", icon=":material/error:", url_path="failures"
)
run_page = st.Page(_run, title="Run", icon=":material/view_timeline:", url_path="run")
settings_page = st.Page(
    settings.page, title="Settings", icon=":material/settings:", url_path="settings"
)

st.navigation(
    [
        overview_page,
        runs_page,
        chains_page,
        compare_page,
        cost_page,
        failures_page,
        run_page,
        settings_page,
        overview_by_name,
    ],
    position="top",
).run()

load_ahead()
