"""LangGraph in the gallery: supersteps, `Send`, checkpoints and loops."""

from __future__ import annotations

from pathlib import Path

from examples import graph_checkpointer, graph_cycles, graph_send_hundred, graph_static_parallel
from longpole.model import FanOutKind, Kind, Status
from tests.examples.playing import branches, fan_out, played, pole, spans


def test_a_superstep_waits_for_its_slowest_node(tmp_path: Path) -> None:
    _, (seen,) = played(graph_static_parallel.play, tmp_path, speed=5)
    looks = fan_out(seen, FanOutKind.SUPERSTEP)

    assert set(branches(looks)) == {"weather", "calendar", "traffic"}
    assert pole(looks) == "traffic"
    assert [span.name for span in spans(seen, Kind.NODE)][-1] == "advise"
    assert {span.step for span in spans(seen, Kind.NODE)} == {1, 2}


def test_a_hundred_sends_run_eight_at_a_time(tmp_path: Path) -> None:
    summary, (seen,) = played(graph_send_hundred.play, tmp_path, speed=50)
    sends = fan_out(seen, FanOutKind.SEND)

    assert summary.startswith("A hundred")
    assert sends.limit == graph_send_hundred.LIMIT
    assert sends.peak <= graph_send_hundred.LIMIT
    assert set(branches(sends)) == {str(number) for number in range(100)}
    assert seen.facts.llm_calls == 101
    assert seen.facts.queue_wait_ns > 0


def test_a_resumed_run_keeps_the_session_and_repeats_nothing(tmp_path: Path) -> None:
    answer, (asked, resumed) = played(graph_checkpointer.play, tmp_path, speed=5)
    searches = fan_out(asked, FanOutKind.SUPERSTEP)

    assert answer == "Yes, both."
    assert asked.run.session_id == resumed.run.session_id == "trip-to-bergen"
    assert (asked.run.status, resumed.run.status) == (Status.INTERRUPTED, Status.OK)
    assert pole(searches) == "find_hotel"
    assert [span.status for span in spans(asked, Kind.NODE) if span.name == "ask"] == [
        Status.INTERRUPTED
    ]
    assert [span.name for span in spans(resumed, Kind.NODE)] == ["ask"]


def test_each_pass_of_a_loop_is_a_pair_of_steps_of_its_own(tmp_path: Path) -> None:
    poem, (seen,) = played(graph_cycles.play, tmp_path, speed=20)
    nodes = [(span.name, span.step) for span in spans(seen, Kind.NODE)]

    assert poem == "The sea waits."
    assert nodes == [
        ("write", 1),
        ("review", 2),
        ("write", 3),
        ("review", 4),
        ("write", 5),
        ("review", 6),
    ]
    assert seen.fan_outs == ()
    assert seen.facts.llm_calls == 6
