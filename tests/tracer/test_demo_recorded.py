"""The demo in a real store: every run is whole, and analysis finds the story in it."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from longpole.analysis import analyse
from longpole.analysis.result import FanOut, RunAnalysis
from longpole.model import FanOutKind, Kind, Role, Run, Span, Status
from longpole.tracer import LongpoleHandler
from longpole.tracer.demo import SCENES, run_scenes
from longpole.tracer.demo.__main__ import main
from longpole.tracer.demo.personas import CLAUDE_HAIKU, CLAUDE_SONNET, GPT_4O_MINI
from longpole.tracer.demo.scenes import inbox, interviews, launch, panel, refund, trip
from longpole.tracer.demo.scenes.notes import NOTES
from tests.tracer.conftest import read_runs

NOW_NS = 4_000_000_000_000_000_000
# Fast enough for a test, slow enough that threads starting late do not change who is the slowest.
SPEED = 10.0


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    path = tmp_path_factory.mktemp("demo") / "runs.db"
    handler = LongpoleHandler(str(path))
    run_scenes(handler, speed=SPEED)
    assert handler.flush(30.0)
    assert handler.stats().errors == {}
    handler.close()
    return read_runs(path)


def named(runs: list[Run], name: str) -> list[Run]:
    return [run for run in runs if run.name == name]


def only(runs: list[Run], name: str) -> RunAnalysis:
    (run,) = named(runs, name)
    return analyse(run, now_ns=NOW_NS)


def fan_out(analysis: RunAnalysis, kind: FanOutKind) -> FanOut:
    return next(fan_out for fan_out in analysis.fan_outs if fan_out.kind is kind)


def pole_key(fan_out: FanOut) -> str:
    return next(branch.key for branch in fan_out.branches if branch.span_id == fan_out.long_pole)


def below(run: Run, span_id: str) -> list[Span]:
    found: list[Span] = []
    work = [span_id]
    while work:
        children = run.children(work.pop())
        found.extend(children)
        work.extend(child.span_id for child in children)
    return found


def test_every_scene_is_one_run_and_the_panel_is_six(runs: list[Run]) -> None:
    counts = Counter(run.name for run in runs)

    assert len(counts) == len(SCENES)
    assert counts.pop(panel.NAME) == 6
    assert set(counts.values()) == {1}


def test_every_span_has_ended(runs: list[Run]) -> None:
    assert [span.name for run in runs for span in run.spans if span.is_running] == []


def test_only_the_failing_branch_fails_its_run(runs: list[Run]) -> None:
    assert [run.name for run in runs if run.status is not Status.OK] == ["enrich-lead"]


def test_each_run_knows_its_session_and_user(runs: list[Run]) -> None:
    for run in runs:
        assert run.session_id
        assert run.user_id
        assert "demo" in run.tags


def test_every_answer_was_counted_with_the_model_that_gave_it(runs: list[Run]) -> None:
    answered = [
        span
        for run in runs
        for span in run.spans
        if span.kind is Kind.LLM and span.status is Status.OK
    ]

    assert len(answered) > 60
    for span in answered:
        assert span.usage is not None
        assert span.usage.output_tokens > 0
        assert span.model is not None
        assert span.provider is not None


def test_the_critical_path_tiles_every_run(runs: list[Run]) -> None:
    for run in runs:
        path = analyse(run, now_ns=NOW_NS).critical_path

        assert path[0].start_ns == run.root.start_ns
        assert path[-1].end_ns == run.root.end_ns
        for segment, following in itertools.pairwise(path):
            assert segment.end_ns == following.start_ns


def test_the_web_search_is_the_long_pole_of_the_answer(runs: list[Run]) -> None:
    searches = fan_out(only(runs, "ferry-help-desk"), FanOutKind.PARALLEL)

    assert {branch.key for branch in searches.branches} == {
        "vector",
        "keyword",
        "web",
        "question",
    }
    assert pole_key(searches) == "web"


def test_the_large_model_is_the_long_pole_of_the_panels(runs: list[Run]) -> None:
    panels = [
        fan_out(analyse(run, now_ns=NOW_NS), FanOutKind.PARALLEL) for run in named(runs, panel.NAME)
    ]

    # A busy machine may hold up one of the quick models for longer than the large one takes.
    assert len(panels) == 6
    assert sum(pole_key(found) == panel.SLOW_MODEL for found in panels) > 3


def test_the_spanish_branch_shows_three_attempts_and_its_fallback(runs: list[Run]) -> None:
    (run,) = named(runs, launch.NAME)
    translations = fan_out(analyse(run, now_ns=NOW_NS), FanOutKind.PARALLEL)
    spanish = next(branch for branch in translations.branches if branch.key == "spanish")
    calls = [span for span in below(run, spanish.span_id) if span.kind is Kind.LLM]

    assert pole_key(translations) == "spanish"
    assert [(call.model, call.attempt, call.status) for call in calls if call.error] == [
        (CLAUDE_SONNET.model, attempt, Status.ERROR) for attempt in (1, 2, 3)
    ]
    assert [(call.model, call.role) for call in calls if not call.error] == [
        (CLAUDE_HAIKU.model, Role.FALLBACK)
    ]


def test_the_french_branch_is_mended_by_one_retry(runs: list[Run]) -> None:
    (run,) = named(runs, launch.NAME)
    calls = [span for span in run.spans if span.kind is Kind.LLM and span.name == GPT_4O_MINI.name]

    assert [(call.attempt, call.status) for call in calls] == [(1, Status.ERROR), (2, Status.OK)]


def test_retries_and_fallbacks_are_counted(runs: list[Run]) -> None:
    facts = only(runs, launch.NAME).facts

    assert facts.retries == 3
    assert facts.fallbacks == 1
    assert facts.backoff_ns > 0


def test_the_failed_run_says_which_parser_failed(runs: list[Run]) -> None:
    (run,) = named(runs, "enrich-lead")
    deepest = [
        span
        for span in run.spans
        if span.error is not None and not any(child.error for child in run.children(span.span_id))
    ]

    assert [(span.kind, span.name) for span in deepest] == [(Kind.PARSER, "PydanticOutputParser")]
    assert deepest[0].error is not None
    assert deepest[0].error.type.endswith("OutputParserException")


def test_the_send_map_has_twenty_branches_and_never_more_than_four_at_once(
    runs: list[Run],
) -> None:
    notes = fan_out(only(runs, interviews.NAME), FanOutKind.SEND)

    assert len(notes.branches) == len(NOTES) == 20
    assert notes.limit == interviews.LIMIT
    assert notes.peak == interviews.LIMIT


def test_two_supersteps_run_nodes_side_by_side(runs: list[Run]) -> None:
    analysis = only(runs, refund.NAME)
    steps = [found for found in analysis.fan_outs if found.kind is FanOutKind.SUPERSTEP]

    assert [{branch.key for branch in step.branches} for step in steps] == [
        {"find_order", "find_policy", "read_mood"},
        {"verify_facts", "verify_tone"},
    ]


def test_the_agent_waits_for_its_slowest_tool(runs: list[Run]) -> None:
    analysis = only(runs, "stock-agent")
    tools = fan_out(analysis, FanOutKind.TOOLS)

    assert len(tools.branches) == 3
    assert analysis.run.span_by_id[tools.long_pole].name == "workshop_slots"


def test_the_streamed_run_knows_when_its_first_token_came(runs: list[Run]) -> None:
    facts = only(runs, "harbour-briefing").facts

    assert facts.time_to_first_token_ns is not None
    assert 0 < facts.time_to_first_token_ns < facts.wall_ns


def test_the_batch_is_one_run_with_a_branch_for_each_letter(runs: list[Run]) -> None:
    analysis = only(runs, inbox.NAME)
    (letters,) = [found for found in analysis.fan_outs if found.kind is FanOutKind.BATCH]

    assert [branch.key for branch in sorted(letters.branches, key=lambda one: int(one.key))] == [
        str(index) for index in range(len(inbox.LETTERS))
    ]
    assert analysis.facts.peak_concurrency <= inbox.LIMIT


def test_the_nested_plan_has_a_fan_out_inside_a_fan_out(runs: list[Run]) -> None:
    analysis = only(runs, trip.NAME)
    outer, inner = analysis.fan_outs

    assert {branch.key for branch in outer.branches} == {"transport", "stay", "weather"}
    assert {branch.key for branch in inner.branches} == {"trains", "buses"}
    transport = next(branch for branch in outer.branches if branch.key == "transport")
    assert inner.span_id in {span.span_id for span in below(analysis.run, transport.span_id)}


def test_the_command_records_and_prints_a_line_for_each_scene(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "runs.db"
    code = main(["--store", f"sqlite:///{path}", "--speed", "200"])
    lines = capsys.readouterr().out.splitlines()

    assert code == 0
    assert [line.split()[0] for line in lines] == [scene.name for scene in SCENES]
    assert "failed, as it should: OutputParserException" in lines[3]
    assert max(len(line) for line in lines) < 140
    assert len(read_runs(path)) == len(SCENES) + 5


def test_the_module_runs_as_a_program(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    options = ["--speed", "200", "--only", "stream"]
    done = subprocess.run(
        [sys.executable, "-m", "longpole.tracer.demo", "--store", str(path), *options],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[0] == "stream"
    assert [run.name for run in read_runs(path)] == ["harbour-briefing"]


@pytest.mark.parametrize("arguments", [["--speed", "0"], ["--speed", "fast"], ["--only", "rags"]])
def test_arguments_that_make_no_sense_are_a_usage_error(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)

    assert stopped.value.code == 2
    assert arguments[1] in capsys.readouterr().err


def test_it_is_recorded_also_when_nobody_reads_what_is_said(tmp_path: Path) -> None:
    play = [sys.executable, "-m", "longpole.tracer.demo", "--speed", "50"]
    chosen = ["--only", "stream", "--only", "rag", "--store", str(tmp_path / "runs.db")]
    with subprocess.Popen(
        play + chosen, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as playing:
        assert playing.stdout is not None
        assert playing.stderr is not None
        playing.stdout.close()
        said = playing.stderr.read()

    assert (playing.returncode, said) == (0, "")
    assert len(read_runs(tmp_path / "runs.db")) == 2
