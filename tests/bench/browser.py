"""How soon the dashboard shows what was asked for, over a million spans, in a real browser.

Subject: 200,000 runs with 1.5 million spans, and runs of 100 to 100,000 spans each
(`browser_store`), served by a real `longpole dashboard`. Every time runs from the click (or from
the start of the process) until what must be seen is on the screen: the right count of runs, the
right table, the drawing of the right number of spans. Processor time of the server and of the
page's process is beside it, which others at work on the machine change little; `!` marks what
misses its goal.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from playwright.sync_api import Browser, CDPSession, Page

from longpole.dashboard.sampled import ENDED
from longpole.storage import RunQuery, Store, open_store
from longpole.storage.filter_text import parse
from tests.bench.browser_server import Dashboard, dashboard
from tests.bench.browser_store import Subject, subject_in
from tests.browser.conftest import find_chromium, launched

STARTS = 3
COLD = 3
WARM = 8
FILTERED = 6
SESSIONS = 10
FRAMES = 120
IDLE_S = 6.0
LOOK_MS = 2_000
"""So long a reader looks at the first page, while what draws charts is loaded."""
_SERVER_GOAL_MS: Final = 300
_PROBE: Final = Path(__file__).with_name("browser_probe.js")
_ELSEWHERE: Final = {"spans": 100}
_SIZE_GOALS_MS: Final = {100: 300, 1_000: 400, 10_000: 1_000, 100_000: 3_000}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Visit:
    """A page, and what is on it when it is painted."""

    name: str
    path: str
    selector: str
    is_about_ended: bool = True
    warm_goal_ms: float = 1_500


_VISITS: Final = (
    _Visit(name="Overview", path="overview", selector='.ti-tile[data-label="Retries"]'),
    _Visit(
        name="Runs",
        path="runs",
        selector=".lt tbody tr:nth-child(10)",
        is_about_ended=False,
        warm_goal_ms=700,
    ),
    _Visit(name="Chains", path="chains", selector='.lt a[href*="chain="]'),
    _Visit(name="Cost", path="cost", selector=".js-plotly-plot .barlayer .point"),
    _Visit(name="Failures", path="failures", selector=".js-plotly-plot .barlayer .point"),
)
# Which runs these choose was not asked before, and differs from one to the next.
_FILTERS: Final = (
    "session:session-{number} wall>{wall}ms",
    "wall>{wall}ms",
    "has:error wall>{wall}ms",
    "tag:nightly wall>{wall}ms",
    "model:gpt-4.1* wall>{wall}ms",
    "user:user-1 wall>{wall}ms",
    "branch:gemini wall>{wall}ms",
    "has:retry wall>{wall}ms",
)


@dataclass(slots=True)
class _Times:
    """What was measured of one thing: milliseconds until painted, and of processor time."""

    painted_ms: list[float] = field(default_factory=list)
    server_ms: list[float] = field(default_factory=list)
    page_ms: list[float] = field(default_factory=list)

    def add(self, painted_ms: float, server_ms: float, page_ms: float) -> None:
        self.painted_ms.append(painted_ms)
        self.server_ms.append(server_ms)
        self.page_ms.append(page_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Window:
    """A browser's window onto a server."""

    page: Page
    server: Dashboard
    session: CDPSession

    def page_cpu_ms(self) -> float:
        """Return the processor time of the process that draws the page."""
        told = self.session.send("Performance.getMetrics")["metrics"]
        time_s: float = next(one["value"] for one in told if one["name"] == "ProcessTime")
        return time_s * 1e3

    def measure(self, script: str, given: object, times: _Times) -> None:
        """Run something in the page that returns how long it took."""
        server_ms, page_ms = self.server.cpu_ms(), self.page_cpu_ms()
        took_ms = self.page.evaluate(script, given)
        times.add(took_ms, self.server.cpu_ms() - server_ms, self.page_cpu_ms() - page_ms)

    def go(self, href: str, wanted: Mapping[str, Any], times: _Times) -> None:
        """Follow a link until what is wanted is on the screen."""
        self.measure("([href, wanted]) => bench.go(href, wanted)", [href, wanted], times)

    def click(self, selector: str, wanted: Mapping[str, Any], times: _Times) -> None:
        """Click something until what is wanted is on the screen."""
        self.measure("([one, wanted]) => bench.click(one, wanted)", [selector, wanted], times)

    def wait(self, wanted: Mapping[str, Any]) -> None:
        """Wait until what is wanted is on the screen."""
        self.page.evaluate("wanted => bench.painted(wanted)", wanted)

    def leave(self, subject: Subject) -> None:
        """Go to a page that has nothing to do with what is measured: that of one small run."""
        self.go(_elsewhere(subject), _ELSEWHERE, _Times())


def main(folder: Path | None = None, only: str | None = None, spans: int | None = None) -> None:
    """Measure and print a table; a folder given keeps the store for the next time.

    Args:
        folder: where the store is, or is to be.
        only: one of `PARTS`; all of them otherwise.
        spans: of how many spans the store is; two million unless told otherwise.
    """
    chromium = find_chromium()
    if chromium is None:
        raise SystemExit("browser: no Chromium found")
    with _kept(folder) as place, launched(chromium) as browser:
        subject = subject_in(place, spans)
        print(f"browser: {subject.runs:,} runs, {subject.spans:,} spans; milliseconds")
        _print_head()
        for part in _EVERYTHING if only is None else (PARTS[only],):
            part(browser, subject)


_Part = Callable[[Browser, Subject], None]


def _in_one_window(*measures: Callable[[_Window, Subject], None]) -> _Part:
    """Return what one reader does with one server, one after the other."""

    def measured(browser: Browser, subject: Subject) -> None:
        with (
            dashboard(subject.url) as server,
            _opened_elsewhere(browser, server, subject) as window,
        ):
            for measure in measures:
                measure(window, subject)
            _print_memory("after that", window.server, goal_mb=1_000)

    return measured


@contextmanager
def _kept(folder: Path | None) -> Iterator[Path]:
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        yield folder
        return
    with tempfile.TemporaryDirectory() as made:
        yield Path(made)


@contextmanager
def _opened(browser: Browser, server: Dashboard, path: str) -> Iterator[_Window]:
    """Open a page of the server in a window of its own, with nothing cached."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.add_init_script(path=_PROBE)
    try:
        page = context.new_page()
        page.set_default_timeout(60_000)
        session = context.new_cdp_session(page)
        session.send("Performance.enable")
        page.goto(f"{server.address}/{path}", wait_until="commit")
        yield _Window(page=page, server=server, session=session)
    finally:
        context.close()


@contextmanager
def _opened_elsewhere(browser: Browser, server: Dashboard, subject: Subject) -> Iterator[_Window]:
    """Open a page that has nothing to do with what is measured."""
    with _opened(browser, server, _elsewhere(subject)) as window:
        window.wait(_ELSEWHERE)
        yield window


def _elsewhere(subject: Subject) -> str:
    return f"run?run={subject.large[100][0]}"


# --- what is measured -----------------------------------------------------------------------------


def _starts(browser: Browser, subject: Subject) -> None:
    """From the start of the process until the first page is on the screen."""
    times, overview = _Times(), _VISITS[0]
    idle_mb: list[float] = []
    with closing(open_store(subject.url, mode="read")) as store:
        wanted = _wanted(store, overview, "")
    for _ in range(STARTS):
        with dashboard(subject.url) as server:
            idle_mb.append(server.memory_mb())
            with _opened(browser, server, "") as window:
                window.wait(wanted)
                painted_ms = (time.perf_counter_ns() - server.begun_ns) / 1e6
                times.add(painted_ms, server.cpu_ms(), window.page_cpu_ms())
    _print("started, first page", times, 4_000, server_goal_ms=None)
    print(f"  memory before the first page: {max(idle_mb):,.0f} MB (goal 250)")


def _cold_pages(browser: Browser, subject: Subject) -> None:
    """The first page about many runs that a server shows."""
    with closing(open_store(subject.url, mode="read")) as store:
        wanted = {visit.name: _wanted(store, visit, "") for visit in _VISITS}
    for visit in _VISITS:
        for look_ms in (0, LOOK_MS) if "plotly" in visit.selector else (0,):
            times = _Times()
            for _ in range(COLD):
                with (
                    dashboard(subject.url) as server,
                    _opened_elsewhere(browser, server, subject) as window,
                ):
                    window.page.wait_for_timeout(look_ms)
                    window.go(visit.path, wanted[visit.name], times)
            after = f", after {look_ms / 1e3:.0f} s elsewhere" if look_ms else ""
            _print(f"{visit.name}, first of the process{after}", times, 1_500)


def _warm_pages(window: _Window, subject: Subject) -> None:
    """Pages that this server has shown before, nothing having changed."""
    with closing(open_store(subject.url, mode="read")) as store:
        wanted = {visit.name: _wanted(store, visit, "") for visit in _VISITS}
    times = {visit.name: _Times() for visit in _VISITS}
    for turn in range(WARM + 1):
        for visit in _VISITS:
            window.go(
                visit.path,
                wanted[visit.name],
                times[visit.name] if turn else _Times(),
            )
            window.leave(subject)
    for visit in _VISITS:
        _print(f"{visit.name}, again", times[visit.name], visit.warm_goal_ms)


def _filtered_pages(window: _Window, subject: Subject) -> None:
    """Pages about runs that nobody asked for before."""
    times = {visit.name: _Times() for visit in _VISITS}
    with closing(open_store(subject.url, mode="read")) as store:
        for number in range(FILTERED):
            for at, visit in enumerate(_VISITS):
                text = _FILTERS[(number + at) % len(_FILTERS)].format(
                    number=number, wall=600 + 37 * number + 7 * at
                )
                wanted = _wanted(store, visit, text)
                href = f"{visit.path}?{urlencode({'q': text})}"
                window.go(href, wanted, times[visit.name])
                window.leave(subject)
    for visit in _VISITS:
        _print(f"{visit.name}, a new filter", times[visit.name], 1_500)


def _compared(window: _Window, subject: Subject) -> None:
    """Two sets of runs side by side."""
    times = _Times()
    with closing(open_store(subject.url, mode="read")) as store:
        for number in range(FILTERED):
            sides = [f"name:panel {tag} wall>{300 + number}ms" for tag in ("tag:prod", "tag:test")]
            counts = [_matching(store, side, ended=True) for side in sides]
            query = urlencode({"before": sides[0], "after": sides[1]})
            wanted = {
                "selector": ".js-plotly-plot .point",
                "text": f"newest 1,000 of {counts[1]:,} runs",
            }
            window.go(f"compare?{query}", wanted, times)
            window.leave(subject)
    _print("Compare, two new sets of one chain", times, 1_500)


def _large_runs(window: _Window, subject: Subject) -> None:
    """Rows of the list that are clicked until the run is drawn, then the drawing is moved."""
    for size, run_ids in subject.large.items():
        href = f"runs?{urlencode({'q': f'name:map-{size}'})}"
        listed = {"selector": ".lt tbody tr", "text": f"{len(run_ids)} of {subject.runs:,} runs"}
        times, rest = _Times(), _Times()
        for run_id in run_ids[1:]:
            window.go(href, listed, _Times())
            window.click(f'.lt tr[data-id="{run_id}"] a', {"spans": size}, times)
            window.measure("wanted => bench.come(wanted)", {"spans": size, "isWhole": True}, rest)
        _print(f"run of {size:,} spans", times, _SIZE_GOALS_MS[size], server_goal_ms=None)
        if size >= 100_000:
            _print("its own times, slack and drag, after that", rest, 3_000, server_goal_ms=None)
        if size >= 10_000:
            for move in ("zoom", "pan", "scroll", "fold"):
                _print_frames(window.page, move)


def _ten_sessions(browser: Browser, subject: Subject) -> None:
    """Ten windows at once, each with a page, then left open."""
    with closing(open_store(subject.url, mode="read")) as store:
        wanted = [_wanted(store, visit, "") for visit in _VISITS]
    with dashboard(subject.url) as server, ExitStack() as windows:
        begin_ns = time.perf_counter_ns()
        opened = [
            windows.enter_context(_opened(browser, server, _VISITS[at % len(_VISITS)].path))
            for at in range(SESSIONS)
        ]
        for at, window in enumerate(opened):
            window.wait(wanted[at % len(_VISITS)])
        took_ms = (time.perf_counter_ns() - begin_ns) / 1e6
        print(
            f"  {SESSIONS} sessions opened at once, all painted after {took_ms:,.0f}, "
            f"processor time of the server {server.cpu_ms():,.0f}"
        )
        _print_idle(server)
        _print_memory(f"with {SESSIONS} sessions", server, goal_mb=1_000)


# --- what must be seen ----------------------------------------------------------------------------


def _check_order(window: _Window, subject: Subject) -> None:
    """Raise unless the list begins with the newest run of the store."""
    with closing(open_store(subject.url, mode="read")) as store:
        newest = store.list_runs(RunQuery(limit=1)).rows[0].run_id
        window.go("runs", _wanted(store, _VISITS[1], ""), _Times())
    shown = window.page.locator(".lt tbody tr").first.get_attribute("data-id")
    if shown != newest:
        raise SystemExit(f"the list begins with {shown}, the newest run is {newest}")
    window.leave(subject)


def _wanted(store: Store, visit: _Visit, text: str) -> dict[str, Any]:
    """Return what a page about these runs must show."""
    matching = _matching(store, text, ended=visit.is_about_ended)
    if not visit.is_about_ended:
        every = store.list_runs(RunQuery(limit=1)).total
        counted = f"{matching:,} runs" if matching == every else f"{matching:,} of {every:,} runs"
    else:
        counted = f"newest 1,000 of {matching:,} runs"
    return {"selector": visit.selector, "text": counted}


def _matching(store: Store, text: str, *, ended: bool) -> int:
    where = parse(text, now_ns=time.time_ns()) if text else None
    query = RunQuery(where=where, limit=1)
    return store.list_runs(replace(query, status=ENDED) if ended else query).total


# --- what is printed ------------------------------------------------------------------------------


def _print_head() -> None:
    print(f"{'':42}{'painted':>17}{'goal':>8}{'CPU: server':>18}{'page':>17}")
    print(f"{'':42}{'median':>9}{'p95':>8}{'':>8}" + f"{'median':>9}{'p95':>8} " * 2)


def _print(
    label: str, times: _Times, goal_ms: float, server_goal_ms: float | None = _SERVER_GOAL_MS
) -> None:
    misses = _p95(times.painted_ms) > goal_ms
    if server_goal_ms is not None and _p95(times.server_ms) > server_goal_ms:
        misses = True
    painted, *processors = (
        f"{statistics.median(values):9,.0f}{_p95(values):8,.0f}"
        for values in (times.painted_ms, times.server_ms, times.page_ms)
    )
    print(
        f"{'!' if misses else ' '} {label:40}{painted}{goal_ms:8,.0f}{' '.join(processors)}",
        flush=True,
    )


def _p95(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=20, method="inclusive")[-1]


def _print_frames(page: Page, move: str) -> None:
    lengths = page.evaluate("([move, count]) => bench.frames(move, count)", [move, FRAMES])
    per_s = 1_000 * len(lengths) / sum(lengths)
    print(
        f"{'!' if per_s < 30 else ' '}   {move + ', a frame':38}{statistics.median(lengths):16,.0f}"
        f"{_p95(lengths):8,.0f}{33:8,.0f}   {per_s:,.0f} frames a second",
        flush=True,
    )


def _print_idle(server: Dashboard) -> None:
    """What the open windows cost while nothing happens, once the findings have been made."""
    shares = []
    for _ in range(5):
        begin_ms, begin_ns = server.cpu_ms(), time.perf_counter_ns()
        time.sleep(IDLE_S)
        shares.append((server.cpu_ms() - begin_ms) / ((time.perf_counter_ns() - begin_ns) / 1e6))
    print(f"  left open, share of a processor: {min(shares):.1%}")


def _print_memory(when: str, server: Dashboard, *, goal_mb: float) -> None:
    used_mb = server.memory_mb()
    mark = "!" if used_mb > goal_mb else " "
    print(f"{mark} memory {when}: {used_mb:,.0f} MB (goal {goal_mb:,.0f})", flush=True)


# --- what can be asked for -----------------------------------------------------------------------


_MANY: Final = (_check_order, _warm_pages, _filtered_pages, _compared)
_EVERYTHING: Final[tuple[_Part, ...]] = (
    _starts,
    _cold_pages,
    _in_one_window(*_MANY, _large_runs),
    _ten_sessions,
)
PARTS: Final[Mapping[str, _Part]] = {
    "starts": _starts,
    "cold": _cold_pages,
    "many": _in_one_window(*_MANY),
    "runs": _in_one_window(_large_runs),
    "sessions": _ten_sessions,
}
"""What can be measured by itself."""
