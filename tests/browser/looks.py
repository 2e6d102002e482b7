"""`make looks TO=FOLDER`: every page as a picture, in both themes and three widths, to look at.

In: the built-in demo, the stories of `stories.py`, and stores that are empty, broken or too new.
Out: `FOLDER/<page>-<width>-<theme>.png`, each as tall as its page. They are for the eyes of whoever
changes a page; those of the README are made by `pictures.py`.
"""

from __future__ import annotations

import argparse
import contextlib
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser, Page, expect

from longpole.model import Kind, Run
from longpole.storage import RunQuery, open_store
from longpole.storage.writer import Writer
from tests.browser import stories
from tests.browser.conftest import find_chromium, launched, serving, wait_until
from tests.browser.recording import Said, new_store_url, record, record_live

_THEMES: Final = ("light", "dark")
_WIDTHS: Final = (1440, 900, 400)
_TALLEST_PX: Final = 2_600
_FIRST_PX: Final = 900
_FITTINGS: Final = 4
"""How often a page that becomes taller while it is drawn is given more room."""
_QUIET_S: Final = 60
_RUN_TABS: Final = (
    "Waterfall", "Critical path", "Branches", "What-if", "Cost", "Concurrency", "Graph", "Spans",
    "Raw",
)  # fmt: skip
_CHAIN_TABS: Final = (
    "What it waits for", "Flame graph", "Runs", "Over time", "Errors", "Structures",
)  # fmt: skip
_COST_PARTS: Final = ("Waste", "Caches", "Without a price", "What would be cheaper")
_FAILURE_PARTS: Final = ("Retries and fallbacks", "By chain", "Lost runs")
_SAID: Final = Said(
    '[{"role": "system", "content": "Answer in one line."}, {"role": "human", "content": "Why?"}]',
    '{"answer": "It waited.", "sources": [{"id": 1, "score": 0.93}, {"id": 2, "score": null}]}',
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One page to look at.

    Attributes:
        name: beginning of the picture's name.
        store: which store is served.
        path: the address.
    """

    name: str
    store: str
    path: str


def main(arguments: Sequence[str] | None = None) -> int:
    """Take the pictures that were asked for; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.browser.looks", description=__doc__)
    parser.add_argument("folder", type=Path, help="where the pictures go")
    parser.add_argument("--only", default="", help="pages whose names hold this")
    parser.add_argument("--demo", metavar="URL", help="a demo that is recorded already")
    parser.add_argument("--width", type=int, action="append", help="instead of all three")
    parser.add_argument("--theme", choices=_THEMES, action="append", help="instead of both")
    asked = parser.parse_args(arguments)
    chromium = find_chromium()
    if chromium is None:
        print("error: no Chromium found, pictures need one", file=sys.stderr)
        return 1
    asked.folder.mkdir(parents=True, exist_ok=True)
    sizes = [(w, t) for w in asked.width or _WIDTHS for t in asked.theme or _THEMES]
    with (
        tempfile.TemporaryDirectory() as folder,
        launched(chromium) as browser,
        _stores(Path(folder), asked.demo) as stores,
    ):
        looks = [look for look in _looks(stores["demo"]) if asked.only in look.name]
        if not looks:
            raise SystemExit(f"error: no page has a name that holds {asked.only!r}")
        for store in dict.fromkeys(look.store for look in looks):
            with serving(stores[store]) as server:
                for look in (look for look in looks if look.store == store):
                    _take(browser, server.address, look, sizes, asked.folder)
    return 0


# --- stores --------------------------------------------------------------------------------------


@contextlib.contextmanager
def _stores(folder: Path, demo_url: str | None) -> Iterator[dict[str, str]]:
    """Make the stores; the run that runs does so until they are given back."""
    urls = {name: f"sqlite:///{folder / name}.db" for name in ("stories", "empty", "newer")}
    urls["demo"] = demo_url or new_store_url(folder)
    if demo_url is None:
        play = [sys.executable, "-m", "longpole.tracer.demo", "--store", urls["demo"]]
        subprocess.run(play, check=True)
    _broken(folder / "broken.db")
    urls["broken"] = f"sqlite:///{folder / 'broken.db'}"
    record(urls["newer"], stories.panel(1))
    with contextlib.closing(sqlite3.connect(folder / "newer.db")) as connection:
        connection.execute("PRAGMA user_version = 9999")
    writer = _tell_stories(urls["stories"])
    try:
        yield urls
    finally:
        writer.close()


def _broken(path: Path) -> None:
    path.write_text("these are my notes\n" * 400)


def _tell_stories(url: str) -> Writer:
    minute_ns = 60_000 * stories.MS
    record(
        url,
        *stories.history(60),
        stories.failing(2, start_ns=stories.START_NS + minute_ns),
        stories.wide(4, branches=330, start_ns=stories.START_NS + 3 * minute_ns),
        stories.lost(6, start_ns=stories.START_NS + 4 * minute_ns),
        _alone(7),
    )
    record(url, stories.panel(1), said=_SAID)
    record(url, stories.hostile(3), said=Said(stories.CANARY, '{"answer": "<i>42</i>"}'))
    return record_live(url, stories.running(5, start_ns=time.time_ns()))


def _alone(number: int) -> Run:
    """One call of a model and nothing else."""
    story = stories.Story(number, stories.START_NS)
    story.add(None, "ChatOpenAI", Kind.LLM, 0, 640, model="gpt-4o-mini-2024-07-18")
    return story.run()


# --- pages ---------------------------------------------------------------------------------------


def _looks(demo_url: str) -> Iterator[Look]:
    """Yield all pages, those of one store after the other."""
    panels = _panels(demo_url)
    for name in ("overview", "runs", "chains", "cost", "failures", "settings"):
        yield Look(name=name, store="demo", path=f"/{name}")
    yield from _of_run("demo", "run", panels[0])
    two = f"a={panels[-1]}&b={panels[0]}"
    yield Look(name="compare-runs", store="demo", path=f"/compare?{two}")
    sets = "by=two+sets+of+runs&before=status%3Aok&after=status%3Aerror"
    yield Look(name="compare-sets", store="demo", path=f"/compare?{sets}")
    for part in _COST_PARTS:
        path = f"/cost?cost_part={part.replace(' ', '+')}"
        yield Look(name=f"cost-{_slug(part)}", store="demo", path=path)
    for part in _FAILURE_PARTS:
        path = f"/failures?failure_part={part.replace(' ', '+')}"
        yield Look(name=f"failures-{_slug(part)}", store="demo", path=path)
    for number, tab in enumerate(_CHAIN_TABS):
        path = f"/chains?chain=panel&part={tab.replace(' ', '+')}"
        yield Look(name=f"chain-{number}-{_slug(tab)}", store="stories", path=path)
    yield from _of_stories()
    for name in ("empty", "broken", "newer"):
        for page in ("overview", "runs", "settings"):
            yield Look(name=f"{name}-{page}", store=name, path=f"/{page}")


def _of_stories() -> Iterator[Look]:
    """Yield the runs that are unusual, and the pages on which they are."""
    yield Look(name="stories-runs", store="stories", path="/runs")
    yield Look(name="stories-overview", store="stories", path="/overview")
    yield Look(name="no-match", store="stories", path="/runs?q=nothing-of-that-name")
    yield Look(name="no-filter", store="stories", path="/runs?q=stauts%3Aerror")
    yield Look(name="no-run", store="stories", path="/run?run=ffff")
    yield Look(name="compare-nothing", store="stories", path="/compare")
    yield Look(name="compare-two", store="stories", path=f"/compare?a={1:08x}&b={1000:08x}")
    for number, name in ((4, "wide"), (2, "failed"), (3, "hostile"), (7, "alone")):
        yield from _of_run("stories", name, f"{number:08x}")
    for number, name in ((5, "running"), (6, "lost")):
        for tab in ("Waterfall", "What-if", "Cost"):
            yield _run_look("stories", name, f"{number:08x}", tab)
    path = f"/run?run={1:08x}&span={1:08x}{2:08x}"
    yield Look(name="details", store="stories", path=path)


def _of_run(store: str, name: str, run: str) -> Iterator[Look]:
    for tab in _RUN_TABS:
        yield _run_look(store, name, run, tab)


def _run_look(store: str, name: str, run: str, tab: str) -> Look:
    path = f"/run?run={run}&tab={tab.replace(' ', '+')}"
    return Look(name=f"{name}-{_RUN_TABS.index(tab)}-{_slug(tab)}", store=store, path=path)


def _slug(text: str) -> str:
    return text.replace("+", "-").replace(" ", "-").lower()


def _panels(url: str) -> Sequence[str]:
    """Return the ids of the runs of the demo's panel, the newest first."""
    with contextlib.closing(open_store(url, mode="read")) as store:
        rows = store.list_runs(RunQuery(limit=200)).rows
    panels = [row for row in rows if "panel" in row.name]
    if not panels:
        raise SystemExit(f"error: {url} holds no run of the demo's panel")
    return [row.run_id for row in panels if row.name == panels[0].name]


# --- pictures ------------------------------------------------------------------------------------


def _take(
    browser: Browser, address: str, look: Look, sizes: Sequence[tuple[int, str]], folder: Path
) -> None:
    for theme in dict.fromkeys(theme for _, theme in sizes):
        context = browser.new_context(
            viewport={"width": 1440, "height": _FIRST_PX},
            color_scheme="dark" if theme == "dark" else "light",
            reduced_motion="reduce",
        )
        page = context.new_page()
        page.goto(address + look.path)
        for width in (width for width, of in sizes if of == theme):
            path = folder / f"{look.name}-{width}-{theme}.png"
            wide_px = _fit(page, width)
            page.screenshot(path=path)
            print(path, f"wider than its window: {wide_px} px" if wide_px > width else "")
        context.close()


def _fit(page: Page, width: int) -> int:
    """Make the window as tall as its page; return how wide what is in it has become."""
    height = _FIRST_PX
    for _ in range(_FITTINGS):
        page.set_viewport_size({"width": width, "height": height})
        _wait(page)
        tall_px = page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight")
        if tall_px <= height:
            break
        height = min(_TALLEST_PX, tall_px)
    page.mouse.move(0, 0)
    wide: int = page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth")
    return wide


def _wait(page: Page) -> None:
    """Wait until everything is there: nothing stale, nothing still being made."""
    expect(page.locator("[data-testid=stMainBlockContainer] > *").first).to_be_visible()
    wait_until(lambda: _is_quiet(page), within_s=_QUIET_S)


def _is_quiet(page: Page) -> bool:
    quiet: bool = page.evaluate(
        """() => document.querySelectorAll('[data-test-script-state="notRunning"]').length === 1
        && !document.querySelector('[data-stale="true"], [data-testid^="stSkeleton"]')
        && [...document.querySelectorAll('[data-testid="stPlotlyChart"]')]
          .every(one => one.querySelector('.main-svg'))
        && [...document.querySelectorAll('.wf')]
          .every(one => one.waterfall && one.waterfall.paints > 0)"""
    )
    return quiet


if __name__ == "__main__":
    sys.exit(main())
