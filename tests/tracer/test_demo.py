"""Every scene of the demo plays, says what it should, and looks as its story says."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from typing import Any, cast
from uuid import UUID

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, LLMResult
from langsmith import utils as langsmith_utils

from longpole.model.errors import SettingsError
from longpole.tracer.demo import SCENES, Scene, SceneResult, run_scenes
from longpole.tracer.demo.__main__ import main as demo_main
from longpole.tracer.demo.scenes import (
    agent,
    briefing,
    inbox,
    interviews,
    launch,
    panel,
    rag,
    refund,
    trip,
)
from longpole.tracer.demo.scenes.incidents import INCIDENTS
from longpole.tracer.demo.scenes.notes import NOTES

SPEED = 200.0


class Witness(BaseCallbackHandler):
    """A plain handler that keeps what the scenes show it."""

    run_inline = True

    def __init__(self) -> None:
        self.roots: list[tuple[str, dict[str, Any], list[str]]] = []
        self.started: set[UUID] = set()
        self.ended: set[UUID] = set()
        self.tools: list[str] = []
        self.retrievers: list[str] = []
        self.errors: list[BaseException] = []
        self.providers: dict[UUID, tuple[str, str]] = {}
        self.answers: dict[UUID, AIMessage] = {}
        self.tokens = 0
        self.was_sent_to_langsmith = False

    def on_chain_start(
        self, serialized: dict[str, Any], inputs: Any, *, run_id: UUID, **kwargs: Any
    ) -> None:
        self.started.add(run_id)
        self.was_sent_to_langsmith |= bool(langsmith_utils.tracing_is_enabled())
        if kwargs.get("parent_run_id") is None:
            self.roots.append((kwargs["name"], kwargs["metadata"], kwargs["tags"]))

    def on_chain_end(self, outputs: Any, *, run_id: UUID, **kwargs: Any) -> None:
        self.ended.add(run_id)

    def on_chain_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        self.ended.add(run_id)
        self.errors.append(error)

    def on_chat_model_start(
        self,
        serialized: dict[str, Any],
        messages: list[list[BaseMessage]],
        *,
        run_id: UUID,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        assert metadata is not None
        self.started.add(run_id)
        self.providers[run_id] = (metadata["ls_provider"], metadata["ls_model_name"])

    def on_llm_new_token(self, token: Any, *, run_id: UUID, **kwargs: Any) -> None:
        self.tokens += 1

    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **kwargs: Any) -> None:
        self.ended.add(run_id)
        message = cast(ChatGeneration, response.generations[0][0]).message
        self.answers[run_id] = cast(AIMessage, message)

    def on_llm_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        self.ended.add(run_id)
        self.errors.append(error)

    def on_tool_start(self, serialized: dict[str, Any], input_str: str, **kwargs: Any) -> None:
        self.tools.append(serialized["name"])

    def on_retriever_start(self, serialized: Any, query: str, **kwargs: Any) -> None:
        self.retrievers.append(kwargs["name"])

    def usages(self) -> list[tuple[str, str]]:
        """Return model and usage of each call, in an order that threads cannot change."""
        return sorted(
            (message.response_metadata["model_name"], str(message.usage_metadata))
            for message in self.answers.values()
        )


Played = tuple[dict[str, SceneResult], dict[str, Witness]]


def play_all() -> Played:
    results: dict[str, SceneResult] = {}
    witnesses: dict[str, Witness] = {}
    for scene in SCENES:
        witnesses[scene.name] = Witness()
        (results[scene.name],) = run_scenes(witnesses[scene.name], speed=SPEED, only=[scene.name])
    return results, witnesses


@pytest.fixture(scope="module")
def played() -> Played:
    return play_all()


EXPECTED: dict[str, Sequence[object]] = {
    "rag": [rag.ANSWER],
    "panel": [incident.verdict for incident in INCIDENTS],
    "retry-and-fallback": [launch.TRANSLATIONS],
    "failing-branch": [],
    "tool-calls": [agent.REPLY],
    "stream": [briefing.BRIEFING],
    "batch": [[queue for _, queue in inbox.LETTERS]],
    "nested": [trip.PLAN],
}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_scene_says_what_its_story_says(played: Played, name: str) -> None:
    assert list(played[0][name].outputs) == list(EXPECTED[name])


def test_the_send_map_keeps_all_twenty_findings_in_order(played: Played) -> None:
    (study,) = played[0]["send-map"].outputs

    assert cast(dict[str, Any], study)["findings"] == [note.finding for note in NOTES]
    assert cast(dict[str, Any], study)["report"] == interviews.REPORT


def test_the_supersteps_fill_in_the_whole_case(played: Played) -> None:
    (case,) = played[0]["supersteps"].outputs

    assert cast(dict[str, Any], case).keys() == refund.Case.__annotations__.keys()
    assert cast(dict[str, Any], case)["draft"] == refund.DRAFT


def test_only_the_failing_scene_fails_and_says_why(played: Played) -> None:
    errors = {name: result.error for name, result in played[0].items() if result.error}

    assert list(errors) == ["failing-branch"]
    assert errors["failing-branch"].startswith("OutputParserException: Failed to parse Figures")


def test_nothing_is_left_running(played: Played) -> None:
    for witness in played[1].values():
        assert witness.started == witness.ended


def test_each_run_names_session_user_and_tags(played: Played) -> None:
    for witness in played[1].values():
        for _, metadata, tags in witness.roots:
            assert metadata["session_id"]
            assert metadata["user_id"]
            assert "demo" in tags


def test_the_panel_is_asked_once_for_each_incident(played: Played) -> None:
    assert [name for name, _, _ in played[1]["panel"].roots] == [panel.NAME] * 6


def test_the_retry_scene_is_refused_four_times_and_still_ends_well(played: Played) -> None:
    witness = played[1]["retry-and-fallback"]
    refused = Counter(
        witness.providers[run_id][0] for run_id in witness.providers.keys() - witness.answers.keys()
    )

    # One refusal that a retry mends, three that use up all attempts; then the fallback answers.
    assert refused == {"openai": 1, "anthropic": 3}
    assert len(witness.answers) == 3


def test_the_send_map_calls_one_model_for_each_note_and_one_for_the_report(played: Played) -> None:
    assert len(played[1]["send-map"].answers) == len(NOTES) + 1


def test_tools_and_retrievers_are_real_tool_and_retriever_runs(played: Played) -> None:
    assert sorted(played[1]["rag"].retrievers) == ["ticket_keywords", "vector_index", "web_search"]
    assert sorted(played[1]["tool-calls"].tools) == [
        "carrier_times",
        "stock_level",
        "workshop_slots",
    ]
    assert sorted(played[1]["nested"].tools) == [
        "bus_timetable",
        "free_rooms",
        "train_timetable",
        "weather_forecast",
    ]


def test_only_the_stream_scene_streams(played: Played) -> None:
    streaming = {name for name, witness in played[1].items() if witness.tokens}

    assert streaming == {"stream"}
    assert played[1]["stream"].tokens > 10


def test_every_answer_comes_from_the_model_that_was_asked(played: Played) -> None:
    for witness in played[1].values():
        for run_id, message in witness.answers.items():
            assert message.response_metadata["model_name"] == witness.providers[run_id][1]
            assert message.usage_metadata is not None
            assert message.usage_metadata["output_tokens"] > 0


def test_a_second_performance_gives_the_same_outputs_and_token_counts(played: Played) -> None:
    results, witnesses = play_all()

    for scene in SCENES:
        if scene.name != "tool-calls":  # its messages carry ids
            assert results[scene.name].outputs == played[0][scene.name].outputs
        assert witnesses[scene.name].usages() == played[1][scene.name].usages()


def test_a_scene_whose_package_is_missing_is_skipped_and_says_so() -> None:
    scene = Scene(name="far-future", module="rag", needs="package_that_nobody_has")
    witness = Witness()
    (result,) = run_scenes(witness, scenes=[scene])

    assert result.skipped == "package_that_nobody_has is not installed"
    assert not witness.roots


def test_an_error_that_is_not_part_of_the_story_is_raised() -> None:
    scene = Scene(name="surprise", module="lead", ends_in=ZeroDivisionError)

    with pytest.raises(Exception, match="Failed to parse Figures"):
        run_scenes(Witness(), speed=SPEED, scenes=[scene])


def test_scenes_are_played_in_the_order_of_the_demo_and_reported_at_once() -> None:
    ticks = itertools.count(step=7)
    told: list[SceneResult] = []
    results = run_scenes(
        Witness(),
        speed=SPEED,
        only=["nested", "stream"],
        report=told.append,
        clock_ns=lambda: next(ticks),
    )

    assert [result.name for result in results] == ["stream", "nested"]
    assert [result.wall_ns for result in results] == [7, 7]
    assert told == results


def test_an_unknown_scene_is_refused_with_the_names_of_the_others() -> None:
    with pytest.raises(SettingsError, match="no scene 'rags', expected one of rag, panel"):
        run_scenes(Witness(), only=["rags"])


@pytest.mark.parametrize("speed", [0.0, -1.0, float("nan"), float("inf")])
def test_a_speed_that_makes_no_sense_is_refused(speed: float) -> None:
    with pytest.raises(SettingsError, match="expected a number above 0"):
        run_scenes(Witness(), speed=speed)


def forget_environment() -> None:
    # LangSmith reads each variable once; its overloads hide the cache from type checkers.
    cast(Any, langsmith_utils.get_env_var).cache_clear()


def test_nothing_is_sent_to_langsmith_even_when_the_environment_asks_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LANGSMITH_TRACING", "true")
    forget_environment()
    try:
        assert langsmith_utils.tracing_is_enabled()
        witness = Witness()
        run_scenes(witness, speed=SPEED, only=["stream", "batch", "rag"])
    finally:
        monkeypatch.undo()
        forget_environment()

    assert witness.roots
    assert not witness.was_sent_to_langsmith


def test_a_store_that_cannot_be_used_is_one_line_and_no_traceback(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert demo_main(["--store", "mongodb://somewhere"]) == 2

    told = capsys.readouterr()
    assert told.err.startswith("error: store 'mongodb://somewhere' has the unknown scheme")
    assert told.err.count("\n") == 1
