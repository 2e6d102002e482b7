"""The whole road: a real chain's callbacks, through every room, to a picture."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from langchain_core.runnables import Runnable, RunnableLambda, RunnableParallel

from longpole.analysis import analyse
from longpole.analysis.laws import check_analysis
from longpole.analysis.result import RunAnalysis
from longpole.dashboard.documents import show_document
from longpole.dashboard.settle import look_at
from longpole.model.pricing import PriceBook
from longpole.storage import open_store
from longpole.tracer import LongpoleHandler, install, uninstall
from tests.dashboard.contract import check_document


def _panel() -> Runnable[Any, Any]:
    """A fan-out whose branch `slow` still computes when the others, started before, are done."""
    together = threading.Barrier(3)

    def quick(value: object) -> object:
        together.wait(30)
        return value

    def slow(value: object) -> object:
        together.wait(30)
        for _ in range(3_000_000):  # computes; lets other threads go on meanwhile
            pass
        return value

    return RunnableParallel(
        fast=RunnableLambda(quick), other=RunnableLambda(quick), slow=RunnableLambda(slow)
    ) | RunnableLambda(lambda answers: sorted(answers), name="merge")


def _sync(chain: Runnable[Any, Any], config: Any) -> Any:
    return chain.invoke(1, config)


def _async(chain: Runnable[Any, Any], config: Any) -> Any:
    return asyncio.run(chain.ainvoke(1, config))


def _seen(path: Path) -> RunAnalysis:
    store = open_store(str(path), mode="read")
    try:
        return look_at(store, store.resolve("last"), book=PriceBook(), now_ns=0)
    finally:
        store.close()


@pytest.mark.parametrize("invoke", [_sync, _async], ids=["sync", "async"])
@pytest.mark.parametrize("attach", ["config", "install"])
def test_a_fan_out_becomes_a_document_with_its_long_pole(
    tmp_path: Path, invoke: Callable[[Runnable[Any, Any], Any], Any], attach: str
) -> None:
    path = tmp_path / "runs.db"
    if attach == "install":
        handler = install(str(path))
        config: dict[str, Any] = {}
    else:
        handler = LongpoleHandler(str(path))
        config = {"callbacks": [handler]}
    try:
        assert invoke(_panel(), config) == ["fast", "other", "slow"]
    finally:
        uninstall()
    assert handler.flush(30.0)
    handler.close()

    analysis = _seen(path)
    check_analysis(analysis)
    document = show_document(analysis)
    check_document(document)
    (fan_out,) = document["fan_outs"]
    poles = {branch["span_id"]: branch["key"] for branch in fan_out["branches"]}
    assert sorted(poles.values()) == ["fast", "other", "slow"]
    assert poles[fan_out["long_pole"]] == "slow"
    on_path = {branch["key"]: branch["on_path_ns"] for branch in fan_out["branches"]}
    assert on_path["slow"] > 0
    assert document["run"]["dependencies"] == "recorded"


def test_a_run_becomes_figures_and_a_waterfall(tmp_path: Path) -> None:
    figures = pytest.importorskip("longpole.dashboard.figures")
    waterfall = pytest.importorskip("longpole.dashboard.web.waterfall")
    handler = LongpoleHandler(str(tmp_path / "runs.db"))
    _panel().invoke(1, {"callbacks": [handler]})
    assert handler.flush(30.0)
    handler.close()
    analysis = _seen(tmp_path / "runs.db")

    figure = figures.concurrency(analysis, "light").to_dict()
    payload = waterfall.encode(analysis, focus=None)

    assert figure["data"]
    assert len(payload) > 100
    assert analyse(analysis.run, now_ns=0) == analysis
