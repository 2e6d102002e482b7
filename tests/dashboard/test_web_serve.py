from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import PIPE

import pytest
from streamlit import config

from longpole.dashboard.web.headers import CONTENT_SECURITY_POLICY
from longpole.dashboard.web.serve import DEFAULT_PORT, HOST, free_ports, streamlit_options
from longpole.model.errors import PortTakenError


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        port: int = taken.getsockname()[1]
        yield port


def test_a_taken_port_that_was_asked_for_is_refused_by_name(taken_port: int) -> None:
    with pytest.raises(PortTakenError, match=f"port {taken_port} is taken") as refusal:
        next(free_ports(taken_port))

    assert "--port" in str(refusal.value)


def test_a_port_that_was_freed_is_taken_as_asked(taken_port: int) -> None:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        free: int = probe.getsockname()[1]

    assert next(free_ports(free)) == free


def test_the_default_port_gives_way_when_it_is_taken() -> None:
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind((HOST, DEFAULT_PORT))
            taken.listen()
        except OSError:
            pass  # somebody else holds it, which serves as well

        assert next(free_ports(None)) > DEFAULT_PORT


def test_streamlit_knows_every_option_that_it_is_given() -> None:
    for name in streamlit_options(DEFAULT_PORT):
        config.get_option(name)  # raises for a name that it does not know


LOST_RACE = """
import sys
from longpole.dashboard.web import serve

serve.DEFAULT_PORT = int(sys.argv.pop(1))
found_free, asked = serve._is_free, []

def was_free_a_moment_ago(port):
    asked.append(port)
    return asked == [serve.DEFAULT_PORT] or found_free(port)

serve._is_free = was_free_a_moment_ago
sys.exit(serve.main(sys.argv[1:]))
"""


@pytest.fixture
def dashboards(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts real servers, and ends them."""
    started: list[subprocess.Popen[str]] = []

    def start(*program: str) -> subprocess.Popen[str]:
        options = ["--store", str(tmp_path / "runs.db"), "--no-browser", "--json"]
        line = [sys.executable, *program, *options]
        started.append(subprocess.Popen(line, stdout=PIPE, stderr=PIPE, text=True))
        return started[-1]

    yield start
    for one in started:
        one.kill()
        one.communicate()


def _port_of(process: subprocess.Popen[str]) -> int:
    assert process.stdout is not None
    return int(json.loads(process.stdout.readline())["address"].rpartition(":")[2])


def test_a_port_that_was_lost_while_starting_gives_way_to_the_next_one(
    taken_port: int, dashboards: Callable[..., subprocess.Popen[str]]
) -> None:
    process = dashboards("-c", LOST_RACE, str(taken_port))
    port = _port_of(process)
    process.terminate()
    _, errors = process.communicate(timeout=60)

    assert port > taken_port
    assert (process.returncode, errors) == (0, "")


def test_two_dashboards_that_start_at_once_get_a_port_each(
    dashboards: Callable[..., subprocess.Popen[str]],
) -> None:
    both = [dashboards("-m", "longpole.dashboard.web") for _ in range(2)]
    ports = {_port_of(process) for process in both}

    assert len(ports) == 2


def test_the_policy_lets_the_page_talk_to_its_own_server_only() -> None:
    rules = dict(rule.split(" ", 1) for rule in CONTENT_SECURITY_POLICY.split("; "))

    assert rules["default-src"] == rules["connect-src"] == "'self'"
    assert "unsafe" not in rules["script-src"]
    assert "sha256-" in rules["script-src"]
    assert rules["frame-ancestors"] == "'none'"
