"""Settings for all tests."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from longpole.tracer import LongpoleHandler
from longpole.tracer.demo import run_scenes
from tests.storage.exchange.stores import close_opened

# A busy machine is no failure: no test asserts how long anything takes.
settings.register_profile(
    "longpole", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("longpole")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put browser tests last: Playwright keeps an event loop running in this thread."""
    items.sort(key=lambda item: item.get_closest_marker("browser") is not None)


@pytest.fixture(autouse=True)
def _no_store_is_left_open() -> Iterator[None]:
    yield
    close_opened()


@pytest.fixture(scope="session")
def recorded_demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that holds the demo's runs, recorded fast; tests leave it as it is."""
    path = tmp_path_factory.mktemp("demo") / "demo.db"
    handler = LongpoleHandler(str(path))
    run_scenes(handler, speed=200.0)
    assert handler.flush(30.0)
    handler.close()
    return path


@pytest.fixture
def demo(recorded_demo: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may change."""
    return Path(shutil.copy(recorded_demo, tmp_path / "demo.db"))
