"""`longpole findings` on recorded chains: list, JSON, what it cannot see, and what comes next."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import Runnable

from longpole.analysis import analyse
from longpole.analysis.findings import Digests, Finding, Rule
from longpole.dashboard.cli.main import main
from longpole.dashboard.digests import digests_of
from longpole.dashboard.found import Found, found_in
from longpole.dashboard.prices import price_book
from longpole.dashboard.stored_runs import StoredRuns
from longpole.storage import Content, RunQuery, open_store
from longpole.tracer import LongpoleHandler
from longpole.tracer.demo import run_scenes
from longpole.tracer.demo.models import Answer, FakeChatModel
from longpole.tracer.demo.pace import Pace
from longpole.tracer.demo.personas import GPT_4O_MINI
from tests.analysis.findings.making import call, drawn
from tests.tracer.chains import chain, failing, step

NOW_NS = 4_000_000_000_000_000_000


def longpole(*arguments: str, store: Path) -> Result:
    command = ["findings", *arguments, "--store", str(store)]
    return CliRunner(env={"COLUMNS": "100"}).invoke(main, command)


def as_json(*arguments: str, store: Path) -> Any:
    result = longpole(*arguments, "--json", store=store)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def found(path: Path, name: str | None = None) -> Found:
    store = open_store(str(path), mode="read")
    try:
        return found_in(store, RunQuery(name=name), limit=1_000, book=price_book(), now_ns=NOW_NS)
    finally:
        store.close()


def of_rule(every: Found, rule: Rule) -> list[Finding]:
    return [one for one in every.findings if one.rule is rule]


# --- what is in the demo ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def recorded_demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo, slow enough that what is waited for is not the machine."""
    path = tmp_path_factory.mktemp("demo") / "demo.db"
    handler = LongpoleHandler(str(path))
    run_scenes(handler, speed=20.0)
    assert handler.flush(30.0)
    handler.close()
    return path


@pytest.fixture(scope="module")
def in_demo(recorded_demo: Path) -> Found:
    return found(recorded_demo)


def test_the_demo_has_something_of_many_kinds(in_demo: Found) -> None:
    rules = {one.rule for one in in_demo.findings}

    assert {
        Rule.LONG_POLE,
        Rule.QUEUEING,
        Rule.RATE_LIMIT,
        Rule.HOPELESS_RETRIES,
        Rule.FREQUENT_FALLBACK,
        Rule.UNUSED_RESULTS,
    } <= rules
    assert in_demo.silent == {}
    assert in_demo.runs == in_demo.matching == 15
    for one in in_demo.findings:
        one.check()


def test_queueing_gains_what_the_analysis_says_that_queueing_cost(
    in_demo: Found, recorded_demo: Path
) -> None:
    (finding,) = of_rule(in_demo, Rule.QUEUEING)
    store = open_store(str(recorded_demo), mode="read")
    facts = analyse(store.load_run(finding.run_ids[0]), now_ns=NOW_NS).facts
    store.close()

    assert finding.chain == "interview-report"
    assert finding.evidence["limit_mean"] == 4
    assert finding.gain_p50_ns == facts.queue_wait_ns


def test_the_fallback_gains_at_least_the_drag_of_what_was_tried_before_it(
    in_demo: Found, recorded_demo: Path
) -> None:
    (finding,) = of_rule(in_demo, Rule.FREQUENT_FALLBACK)
    store = open_store(str(recorded_demo), mode="read")
    analysis = analyse(store.load_run(finding.run_ids[0]), now_ns=NOW_NS)
    store.close()
    primary = next(
        span
        for span in analysis.run.spans
        if span.name == "claude-sonnet-4-5" and span.kind.value == "chain"
    )
    facts = analysis.spans[primary.span_id]

    assert finding.position[-1] == "claude-sonnet-4-5"
    assert facts.drag_ns <= finding.gain_p50_ns <= facts.on_path_ns + facts.drag_ns


def test_the_results_of_branches_whose_sibling_failed_are_paid_for_in_vain(
    in_demo: Found, recorded_demo: Path
) -> None:
    (finding,) = of_rule(in_demo, Rule.UNUSED_RESULTS)
    document = json.loads(
        CliRunner()
        .invoke(main, ["show", finding.run_ids[0], "--json", "--store", str(recorded_demo)])
        .stdout
    )
    unused = sum(
        float(branch["cost_usd"])
        for branch in document["fan_outs"][0]["branches"]
        if branch["key"] in ("profile", "news")
    )

    assert finding.chain == "enrich-lead"
    assert float(finding.gain_usd_per_1000_runs) == pytest.approx(1000 * unused)


# --- what is in chains of ours ------------------------------------------------------------------


@pytest.fixture
def own(tmp_path: Path) -> tuple[Path, LongpoleHandler]:
    path = tmp_path / "own.db"
    return path, LongpoleHandler(str(path))


def asking(script: str) -> Runnable[Any, Any]:
    """A priced model that says the same to everything, at once."""
    persona = replace(GPT_4O_MINI, first_token_s=(0, 0), tokens_per_s=(1e9, 1e9))
    said = ((script, Answer(text="The same as ever. " * 20)),)
    prompt = ChatPromptTemplate.from_messages([("human", "{question}")])
    return prompt | FakeChatModel(persona=persona, script=said, pace=Pace(1.0))


def test_a_question_that_is_asked_again_is_found_by_its_recorded_input(
    own: tuple[Path, LongpoleHandler],
) -> None:
    path, handler = own
    for question in ("why?", "when?", "why?", "why?"):
        asking("").invoke({"question": question}, {"callbacks": [handler], "run_name": "faq"})
    handler.close()
    (finding,) = of_rule(found(path), Rule.REPEATED_CALLS)

    assert finding.position[0] == "faq"
    assert finding.evidence["repeats"] == 2
    assert finding.evidence["calls"] == 4
    store = open_store(str(path), mode="read")
    costs = [
        run.facts.cost_usd
        for run in StoredRuns(store, store.run_ids(RunQuery()), book=price_book(), now_ns=NOW_NS)
    ]
    store.close()
    # The newest two runs ask what the oldest had asked.
    assert finding.gain_usd_per_1000_runs == sum(cost or 0 for cost in costs[:2]) * 250


def test_without_recorded_content_it_is_said_that_nothing_could_be_compared(
    tmp_path: Path,
) -> None:
    path = tmp_path / "bare.db"
    handler = LongpoleHandler(str(path), capture_content=False)
    for _ in range(3):
        chain().invoke({"question": "why?"}, {"callbacks": [handler], "run_name": "faq"})
    handler.close()

    assert of_rule(found(path), Rule.REPEATED_CALLS) == []
    lines = longpole(store=path).stdout.splitlines()
    assert "repeated-calls could not be looked for: the inputs of calls are not recorded" in lines


def test_retries_in_vain_are_found_in_a_recorded_chain(
    own: tuple[Path, LongpoleHandler],
) -> None:
    path, handler = own
    tried = failing("look-up").with_retry(stop_after_attempt=3, wait_exponential_jitter=False)
    answer = tried.with_fallbacks([step("spare")])
    for _ in range(2):
        answer.invoke("x", {"callbacks": [handler], "run_name": "answer"})
    handler.close()
    every = found(path)

    (hopeless,) = of_rule(every, Rule.HOPELESS_RETRIES)
    (fell_back,) = of_rule(every, Rule.FREQUENT_FALLBACK)
    assert (hopeless.evidence["retried"], hopeless.evidence["retries"]) == (2, 4)
    assert hopeless.names == {"error": "ValueError"}
    assert fell_back.evidence["fell_back_ratio"] == 1
    assert hopeless.gain_mean_ns <= fell_back.gain_mean_ns < fell_back.whole.wall_ns // 2


# --- inputs and answers -------------------------------------------------------------------------


def content(
    asked: str | None, said: str | None = None, attributes: Mapping[str, Any] | None = None
) -> Content:
    return Content(
        input_value=asked,
        input_mime_type=None,
        output_value=said,
        output_mime_type=None,
        attributes=attributes or {},
    )


ASKED = drawn(
    """
    answer   ##########
      one    ####           seq=1
      two        ####       seq=2
    """,
    one=call(),
    two=call(),
)


def digests(one: Content, two: Content, answer: Content | None = None) -> Digests:
    return digests_of(ASKED, {"one": one, "two": two} | ({"answer": answer} if answer else {}))


def test_messages_are_the_same_whatever_ids_langchain_gave_them() -> None:
    inputs = digests(
        content('[{"role":"human","content":"hi","id":"1"}]'),
        content('[{"role":"human","content":"hi","id":"2"}]'),
    ).inputs

    assert inputs["one"] == inputs["two"]


@pytest.mark.parametrize(
    "other",
    [
        content('[{"role":"human","content":"hello"}]'),
        content('[{"role":"ai","content":"hi"}]'),
        content('[{"role":"human","content":"hi"}]', None, {"gen_ai.request.temperature": 0.7}),
    ],
)
def test_other_messages_roles_or_settings_are_not_the_same(other: Content) -> None:
    inputs = digests(content('[{"role":"human","content":"hi"}]'), other).inputs

    assert inputs["one"] != inputs["two"]


def test_what_was_cut_or_not_recorded_has_no_digest() -> None:
    told = digests(
        content("x", "y", {"longpole.input.size": 9, "longpole.output.size": 9}), content(None)
    )

    assert (told.inputs, told.answers) == ({}, {})


def test_an_answer_is_the_text_whatever_it_is_wrapped_in() -> None:
    answers = digests(
        content("q", '{"role":"ai","content":" yes\\n","id":"7"}'),
        content("q", '"no"'),
        content("q", '{"messages":[{"role":"human","content":"q"},{"content":"yes"}]}'),
    ).answers

    assert answers["one"] == answers["answer"] != answers["two"]
    assert digests(content("q"), content("q"), content("q", '{"a":"yes"}')).answers == {}


# --- runs that do not all fit in memory ---------------------------------------------------------


def test_runs_beyond_what_is_kept_are_loaded_again(recorded_demo: Path) -> None:
    store = open_store(str(recorded_demo), mode="read")
    ids = store.run_ids(RunQuery())
    whole = StoredRuns(store, ids, book=price_book(), now_ns=NOW_NS)
    none = StoredRuns(store, [*ids, "f" * 32], book=price_book(), now_ns=NOW_NS, spans_kept=0)

    assert whole[3] is whole[3]
    assert none[3] is not none[3]
    assert list(whole) == list(none) == [*whole[:2], *whole[2:]]
    assert whole[-1].run.run_id == ids[-1]
    assert (len(none), none.unreadable, whole.unreadable) == (len(ids), 1, 0)
    store.close()


# --- the command --------------------------------------------------------------------------------


def test_the_list_has_sentences_evidence_and_what_comes_next(recorded_demo: Path) -> None:
    result = longpole("--limit", "30", store=recorded_demo)

    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert re.fullmatch(r"\d+ findings in 15 runs of 10 chains", lines[0])
    assert max(map(len, lines)) <= 100
    commands = [line.strip() for line in lines if line.startswith("   longpole ")]
    assert any(line.startswith("longpole what-if ") for line in commands)
    for command in dict.fromkeys(commands):
        words = shlex.split(command)[1:]
        answer = CliRunner().invoke(main, [*words, "--store", str(recorded_demo)])
        assert answer.exit_code == 0, f"{command}: {answer.output}"


def test_what_if_gives_the_gain_that_the_finding_promised(recorded_demo: Path) -> None:
    findings = as_json("--limit", "30", store=recorded_demo)["findings"]
    first = next(
        one for one in findings if one["runs"] == 1 and one["rule"] in ("long-pole", "queueing")
    )
    command = ["what-if", *first["run_ids"], "--change", *first["changes"], "--json"]
    answer = CliRunner().invoke(main, [*command, "--store", str(recorded_demo)])

    assert -json.loads(answer.stdout)["runs"][0]["delta_ns"] == first["gain_p50_ns"]


def test_the_json_has_the_keys_that_the_document_lists(recorded_demo: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "findings.md").read_text()
    table = text[text.index("## JSON") : text.index("Exit codes")]
    document = as_json("--limit", "2", store=recorded_demo)

    assert set(document["findings"][0]) == {
        key
        for row in re.findall(r"^\| (`.*?) \|", table, re.M)
        for key in re.findall(r"`(\w+)`", row)
    }
    assert len(document["findings"]) == 2
    assert document["left_out"] > 0
    assert {one["name"]: one["runs"] for one in document["chains"]}["incident-panel"] == 6
    assert set(document) <= set(re.findall(r"\w+", table))


def test_one_chain_is_chosen_by_the_beginning_of_its_name(recorded_demo: Path) -> None:
    document = as_json("incident", store=recorded_demo)

    assert [one["name"] for one in document["chains"]] == ["incident-panel"]
    assert {one["chain"] for one in document["findings"]} <= {"incident-panel"}
    assert longpole("nobody", store=recorded_demo).exit_code == 1


def test_a_chain_in_full_ends_with_what_would_be_worth_changing(recorded_demo: Path) -> None:
    command = ["chains", "launch-translations", "--store", str(recorded_demo)]
    lines = CliRunner(env={"COLUMNS": "300"}).invoke(main, command).stdout.splitlines()
    at = lines.index("what would be worth changing")

    assert len(lines[at + 1 :]) == 4
    assert all(line.startswith("  ") for line in lines[at + 1 :])
    assert lines[-1].endswith("how: longpole findings launch-translations")


def test_a_chain_in_full_tells_findings_of_the_runs_that_match(
    own: tuple[Path, LongpoleHandler],
) -> None:
    path, handler = own
    hopeless = failing("look-up").with_retry(stop_after_attempt=3, wait_exponential_jitter=False)
    for asked, tag in ((hopeless.with_fallbacks([step("spare")]), "bad"), (step("x"), "good")):
        config: Any = {"callbacks": [handler], "run_name": "answer", "tags": [tag]}
        asked.invoke("x", config)
    handler.close()

    for tag, is_told in (("bad", True), ("good", False)):
        command = ["chains", "answer", "--filter", f"tag:{tag}", "--store", str(path)]
        text = CliRunner().invoke(main, command).stdout
        assert ("what would be worth changing" in text) is is_told


def test_a_filter_that_fits_no_run_and_an_empty_store_say_so(
    recorded_demo: Path, tmp_path: Path
) -> None:
    assert longpole("--filter", "tag:nobody", store=recorded_demo).stdout == "no run fits\n"
    assert "record some with" in longpole(store=tmp_path / "empty.db").stdout


def test_a_chain_with_nothing_to_change_says_so(own: tuple[Path, LongpoleHandler]) -> None:
    path, handler = own
    step("only").invoke("x", {"callbacks": [handler], "run_name": "simple"})
    handler.close()

    assert longpole(store=path).stdout.splitlines()[0] == (
        "nothing that would be worth changing in 1 run of 1 chain"
    )


def test_names_from_a_trace_cannot_act_on_the_terminal_or_the_shell(
    own: tuple[Path, LongpoleHandler],
) -> None:
    path, handler = own
    evil = "a\x1b[31m'; rm -rf $HOME #"
    tried = failing(evil).with_retry(stop_after_attempt=3, wait_exponential_jitter=False)
    tried.with_fallbacks([step("spare")]).invoke("x", {"callbacks": [handler]})
    handler.close()
    text = longpole(store=path).stdout

    assert "\x1b" not in text
    commands = [line for line in text.splitlines() if line.startswith("   longpole what-if")]
    assert commands
    for command in commands:
        assert shlex.split(command)[-2] == "--change"


def test_other_commands_do_not_load_the_replay() -> None:
    code = (
        "import sys; import longpole.dashboard.cli.main; "
        "print([one for one in sys.modules if 'findings' in one or one.endswith('simulate')])"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout

    assert loaded.strip() == "['longpole.dashboard.cli.findings']"
