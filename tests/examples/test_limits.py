"""Limits in the gallery: timeouts, refused calls, pools, and far too many branches."""

from __future__ import annotations

from pathlib import Path

from examples import branch_timeout_fallback, rate_limit, shared_http_pool, thousand_tiny_branches
from longpole.model import FanOutKind, Kind, Status
from tests.examples.playing import fan_out, played, spans


def test_every_branch_falls_back_by_itself_and_all_questions_are_answered(tmp_path: Path) -> None:
    answers, (seen,) = played(branch_timeout_fallback.play, tmp_path, speed=5)
    questions = range(branch_timeout_fallback.QUESTIONS)
    failing, hanging = (
        [one for one in questions if branch_timeout_fallback.is_unlucky(source, one)]
        for source in ("price", "news")
    )
    rows = fan_out(seen, FanOutKind.RECORD, FanOutKind.BATCH)
    failures = [span for span in seen.run.spans if span.error is not None]
    types = sorted(span.error.type.rpartition(".")[2] for span in failures if span.error)

    assert (len(failing), len(hanging)) == (2, 2)
    assert [one for one in questions if answers[one]["price"] != "12.40 today"] == failing
    assert [one for one in questions if answers[one]["news"] != "nothing new"] == hanging
    assert len(rows.branches) == branch_timeout_fallback.QUESTIONS
    assert seen.facts.fallbacks == 4
    assert types == ["ConnectionError"] * 2 + ["TimeoutError"] * 2
    assert seen.run.status is Status.OK


def test_a_limit_or_a_semaphore_avoids_what_retries_would_mend(tmp_path: Path) -> None:
    answers, runs = played(rate_limit.play, tmp_path, speed=5)
    rushed, limited, patient = runs
    refused = [span for span in spans(rushed, Kind.LLM) if span.status is Status.ERROR]

    assert answers == 27
    assert rushed.facts.retries == len(refused) >= 6
    assert rushed.facts.backoff_ns > 0
    assert {span.error.type.rpartition(".")[2] for span in refused if span.error} == {
        "RateLimitError"
    }
    for careful in (limited, patient):
        assert (careful.facts.retries, careful.facts.llm_calls) == (0, 9)
    held_back = fan_out(limited, FanOutKind.MAP)
    assert (held_back.limit, held_back.peak) == (rate_limit.AT_ONCE, rate_limit.AT_ONCE)
    assert (fan_out(patient, FanOutKind.MAP).limit, fan_out(patient, FanOutKind.MAP).peak) == (
        None,
        9,
    )


def test_a_pool_opens_few_connections_for_the_same_branches(tmp_path: Path) -> None:
    opened, (without, pooled) = played(shared_http_pool.play, tmp_path, speed=1)

    assert opened["a client for each call"] == 12
    assert 1 <= opened["one pool"] <= 4
    for seen in (without, pooled):
        look_ups = fan_out(seen, FanOutKind.MAP)
        assert len(look_ups.branches) == 12
        assert look_ups.limit == 4
        assert look_ups.peak <= 4


def test_a_thousand_branches_do_what_ten_do(tmp_path: Path) -> None:
    sums, (thousand, ten) = played(thousand_tiny_branches.play, tmp_path, speed=1)

    assert sums == [-200, -200]
    assert len(fan_out(thousand, FanOutKind.MAP).branches) == 1000
    assert len(fan_out(ten, FanOutKind.MAP).branches) == 10
