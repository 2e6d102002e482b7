"""What is said about each finding, word for word, and that the document knows every rule."""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest

from longpole.analysis.findings import (
    Rule,
    barriers,
    caching,
    cascade,
    claim,
    limits,
    long_pole,
    overhead,
    queueing,
    retries,
    serial,
    streaming,
    waste,
)
from longpole.analysis.findings import gain as replaying
from longpole.dashboard.findings_text import finding_text
from tests.dashboard.findings_shown import finding_of

DOCUMENT = (Path(__file__).parents[2] / "docs" / "findings.md").read_text()


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        (
            Rule.LONG_POLE,
            "`gemini` holds up 70 % of panel's runs; twice as fast would save 400 ms of 1.20 s at "
            "p50 (nothing at p95).",
        ),
        (
            Rule.UNEQUAL_BRANCHES,
            "The branches of `panel` are too unequal to gain by running side by side; the same "
            "work split evenly would save 60.0 ms of 120 ms.",
        ),
        (
            Rule.TINY_TASKS,
            "The tasks of `fan` are too small to be branches; doing them one after the other would "
            "save 7.0 ms of 12.0 ms.",
        ),
        (
            Rule.QUEUEING,
            "The branches of `fan` queue: 2 at once of 3; all at once would save 30.0 ms of "
            "90.0 ms at p50 (30.0 ms at p95).",
        ),
        (
            Rule.IGNORED_LIMIT,
            "`fan` takes no notice of its limit: 3 at once, 2 asked for.",
        ),
        (
            Rule.RATE_LIMIT,
            "`call` runs into rate limits; no 429s and no waiting after them would save 50.0 ms of "
            "100 ms at p50 (50.0 ms at p95).",
        ),
        (
            Rule.HOPELESS_RETRIES,
            "Retries of `call` never succeed; giving up after the first try would save 20.0 ms of "
            "50.0 ms at p50 (60.0 ms at p95).",
        ),
        (
            Rule.FREQUENT_FALLBACK,
            "`first` is replaced by its fallback in 25 % of its calls; asking the fallback at once "
            "in those would save 30.0 ms of 90.0 ms at p95.",
        ),
        (
            Rule.UNUSED_RESULTS,
            "`lead` pays for results that nobody used (sibling failed); not asking for them would "
            "save $20.00 per 1,000 runs.",
        ),
        (
            Rule.REPEATED_CALLS,
            "`look` is asked the same again in 50 % of its calls; a cache would save 75.0 ms of "
            "100 ms at p50 (nothing at p95) and $5.00 per 1,000 runs.",
        ),
        (
            Rule.CHEAP_ANSWER_KEPT,
            "`large` is paid for, but the answer of mini is kept in 100 % of its calls; not asking "
            "it in those would save 60.0 ms of 100 ms and $30.00 per 1,000 runs.",
        ),
        (
            Rule.BARRIER_WAIT,
            "Does `c` need all of the superstep before it? Starting it when `a` has ended would at "
            "most save 40.0 ms of 160 ms.",
        ),
        (
            Rule.SERIAL_STEPS,
            "Do the 3 calls in a row in `node` (one, two, three) need each other? Side by side "
            "they would at most save 50.0 ms of 110 ms.",
        ),
        (
            Rule.NOT_STREAMED,
            "`say` answers after 2.00 s, all at once; streaming would save 1.70 s of 3.00 s until "
            "the first word.",
        ),
    ],
)
def test_a_finding_is_one_plain_sentence(rule: Rule, sentence: str) -> None:
    text = finding_text(finding_of(rule))

    assert text.sentence == sentence
    assert text.evidence.endswith("run again") or rule is Rule.IGNORED_LIMIT
    assert text.advice


def test_the_evidence_says_how_sure_a_long_pole_is() -> None:
    assert finding_text(finding_of(Rule.LONG_POLE)).evidence == (
        "last to end of panel's branches in 70 % of 10 executions (40 % … 89 %), 700 ms a run on "
        "the critical path; 7 of 10 runs, 7 run again"
    )


# --- the document -----------------------------------------------------------------------------


def rows() -> dict[str, str]:
    return dict(re.findall(r"^\| `([a-z-]+)` \| (.*)$", DOCUMENT, re.M))


def test_every_rule_is_in_the_document_and_no_other() -> None:
    assert list(rows()) == [rule.value for rule in Rule]


def percent(ratio: Fraction | Decimal) -> str:
    return f"{int(ratio * 100)} %"


@pytest.mark.parametrize(
    ("rule", "thresholds"),
    [
        (
            Rule.LONG_POLE,
            [percent(long_pole.POLE_LEAST_RATIO), percent(long_pole.POLE_GAIN_LEAST_RATIO)],
        ),
        (
            Rule.UNEQUAL_BRANCHES,
            [
                percent(long_pole.UNEQUAL_LEAST_RATIO),
                f"{float(long_pole.UNEQUAL_MOST_RATIO)} times",
                percent(claim.GAIN_LEAST_RATIO),
            ],
        ),
        (
            Rule.TINY_TASKS,
            [
                percent(overhead.TINY_LEAST_RATIO),
                f"{overhead.TASK_SMALL_NS // 10**6} ms",
                percent(claim.GAIN_LEAST_RATIO),
            ],
        ),
        (Rule.QUEUEING, [percent(queueing.QUEUE_GAIN_LEAST_RATIO)]),
        (Rule.IGNORED_LIMIT, [percent(limits.IGNORED_LEAST_RATIO)]),
        (
            Rule.RATE_LIMIT,
            [percent(retries.RATE_LIMITED_LEAST_RATIO), percent(claim.GAIN_LEAST_RATIO)],
        ),
        (
            Rule.HOPELESS_RETRIES,
            [f"{retries.HOPELESS_LEAST} retries", percent(claim.GAIN_LEAST_RATIO)],
        ),
        (
            Rule.FREQUENT_FALLBACK,
            [percent(retries.FALLBACK_LEAST_RATIO), percent(claim.GAIN_LEAST_RATIO)],
        ),
        (
            Rule.UNUSED_RESULTS,
            [percent(waste.UNUSED_COST_LEAST_RATIO), percent(waste.UNUSED_CALLS_LEAST_RATIO)],
        ),
        (
            Rule.REPEATED_CALLS,
            [
                percent(caching.REPEATS_LEAST_RATIO),
                f"{caching.REPEATS_LEAST} at least",
                percent(claim.GAIN_LEAST_RATIO),
            ],
        ),
        (
            Rule.CHEAP_ANSWER_KEPT,
            [percent(cascade.KEPT_LEAST_RATIO), percent(claim.GAIN_LEAST_RATIO)],
        ),
        (Rule.BARRIER_WAIT, [percent(barriers.BARRIER_GAIN_LEAST_RATIO)]),
        (Rule.SERIAL_STEPS, [percent(serial.SERIAL_GAIN_LEAST_RATIO)]),
        (
            Rule.NOT_STREAMED,
            [
                f"{streaming.ANSWER_LEAST_NS // 10**6} ms",
                percent(streaming.UNSTREAMED_LEAST_RATIO),
            ],
        ),
    ],
)
def test_the_thresholds_in_the_document_are_those_of_the_code(
    rule: Rule, thresholds: list[str]
) -> None:
    numbers = re.findall(r"\d[\d.]*", rows()[rule].partition("|")[0])

    for threshold in thresholds:
        assert threshold in rows()[rule]
    assert numbers == [re.findall(r"\d[\d.]*", one)[0] for one in thresholds]


def test_the_document_says_how_many_runs_are_run_again() -> None:
    assert f"at most {replaying.SAMPLE} are run again" in DOCUMENT
    assert cascade.DEARER_LEAST_RATIO == 3  # "a third or less"
