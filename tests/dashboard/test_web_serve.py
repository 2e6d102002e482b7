from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from longpole.dashboard.web.headers import CONTENT_SECURITY_POLICY
from longpole.dashboard.web.serve import DEFAULT_PORT, HOST, pick_port
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
        pick_port(taken_port)

    assert "--port" in str(refusal.value)


def test_a_port_that_was_freed_is_taken_as_asked(taken_port: int) -> None:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        free: int = probe.getsockname()[1]

    assert pick_port(free) == free


def test_the_default_port_gives_way_when_it_is_taken() -> None:
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind((HOST, DEFAULT_PORT))
            taken.listen()
        except OSError:
            pass  # somebody else holds it, which serves as well

        assert pick_port(None) > DEFAULT_PORT


def test_the_policy_lets_the_page_talk_to_its_own_server_only() -> None:
    rules = dict(rule.split(" ", 1) for rule in CONTENT_SECURITY_POLICY.split("; "))

    assert rules["default-src"] == rules["connect-src"] == "'self'"
    assert "unsafe" not in rules["script-src"]
    assert "sha256-" in rules["script-src"]
    assert rules["frame-ancestors"] == "'none'"
