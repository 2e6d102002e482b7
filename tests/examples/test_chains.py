"""Chains of the gallery: parallels, sequences, fallbacks of sources, cascades and caches."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from examples import (
    llm_cache,
    panel_vs_cascade,
    rag_three_sources,
    same_parallel_sync_async,
    sequence_parallel_mixed,
    uneven_branches,
)
from longpole.analysis.result import Dependencies
from longpole.model import FanOutKind, Kind, Role, Status
from longpole.tracer.demo.personas import CLAUDE_SONNET, GPT_4_1, GPT_4O_MINI
from tests.examples.playing import branches, fan_out, played, pole, spans


def test_threads_keep_the_limit_that_tasks_ignore(tmp_path: Path) -> None:
    titles, (threads, tasks) = played(same_parallel_sync_async.play, tmp_path, speed=10)
    limited = fan_out(threads, FanOutKind.PARALLEL)
    unlimited = fan_out(tasks, FanOutKind.PARALLEL)

    assert titles[0] == titles[1]
    assert (limited.limit, limited.peak) == (2, 2)
    assert (unlimited.limit, unlimited.peak) == (None, 4)
    # Of four branches two have a place at once; the others wait for one of them to end.
    first_ns, second_ns, *queued_ns = sorted(one.queue_wait_ns or 0 for one in limited.branches)
    assert max(first_ns, second_ns) < min(queued_ns)
    assert (
        set(branches(limited)) == set(branches(unlimited)) == set(same_parallel_sync_async.TITLES)
    )


def test_a_source_that_is_down_falls_back_and_the_web_is_the_long_pole(tmp_path: Path) -> None:
    answer, (seen,) = played(rag_three_sources.play, tmp_path, speed=5)
    sources = fan_out(seen, FanOutKind.PARALLEL)
    (failed,) = [span for span in seen.run.spans if span.status is Status.ERROR]
    (archive,) = spans(seen, role=Role.FALLBACK)

    assert answer.startswith("Yes")
    assert seen.run.status is Status.OK
    assert seen.facts.fallbacks == 1
    assert (failed.name, failed.kind) == ("tickets", Kind.RETRIEVER)
    assert (archive.name, archive.kind) == ("ticket archive", Kind.RETRIEVER)
    assert pole(sources) == "web"
    assert branches(sources)["tickets"].slack_ns


def test_the_path_goes_through_sequences_and_parallels_alike(tmp_path: Path) -> None:
    article, (seen,) = played(sequence_parallel_mixed.play, tmp_path, speed=5)
    halves, material = seen.fan_outs
    path = [seen.run.span_by_id[segment.span_id] for segment in seen.critical_path]
    models = [span.model for span in path if span.kind is Kind.LLM]

    assert article.startswith("The Light")
    assert set(branches(halves)) == {"title", "body"}
    assert set(branches(material)) == {"facts", "quotes"}
    assert pole(halves) == "body"
    assert models == [persona.model for persona in (GPT_4O_MINI, GPT_4_1, CLAUDE_SONNET, GPT_4_1)]
    assert seen.facts.dependencies is Dependencies.RECORDED


def test_side_by_side_gains_little_when_one_branch_takes_nearly_all_the_time(
    tmp_path: Path,
) -> None:
    _, (one_by_one, together) = played(uneven_branches.play, tmp_path, speed=5)
    fanned = fan_out(together, FanOutKind.PARALLEL)

    assert one_by_one.fan_outs == ()
    assert len(one_by_one.run.spans) == len(together.run.spans) == 5
    assert pole(fanned) == "summary"
    assert fanned.imbalance_ratio > 2
    assert 1 <= together.facts.parallelism_ratio < 1.5
    assert [key for key, branch in branches(fanned).items() if branch.drag_ns] == ["summary"]


def test_a_cascade_stops_at_the_first_sure_answer_and_costs_less(tmp_path: Path) -> None:
    answers, runs = played(panel_vs_cascade.play, tmp_path, speed=20)
    panels, cascades = runs[:2], runs[2:]

    dear, cheap = (
        sum(seen.facts.cost_usd or Decimal(0) for seen in ways) for ways in (panels, cascades)
    )

    assert len(answers) == 4
    assert [seen.facts.llm_calls for seen in runs] == [3, 3, 1, 2]
    assert {pole(fan_out(seen, FanOutKind.PARALLEL)) for seen in panels} == {"claude-sonnet-4-5"}
    assert [seen.fan_outs for seen in cascades] == [(), ()]
    assert 0 < cheap < dear


def test_the_second_round_is_all_cache_hits_and_free(tmp_path: Path) -> None:
    rounds, (first, second) = played(llm_cache.play, tmp_path, speed=20)

    assert rounds[0] == rounds[1]
    assert (first.facts.llm_calls, first.facts.cache_hits) == (3, 0)
    assert second.facts.cache_hits == 3
    assert first.facts.cost_usd
    assert second.facts.cost_usd == 0
    assert all(span.cache_hit for span in spans(second, Kind.LLM))
