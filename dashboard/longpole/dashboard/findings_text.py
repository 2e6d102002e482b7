"""A finding in words: one sentence, one line of evidence, what to try.

Pure text: names from the trace are left as they are, whoever shows them makes them safe.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Final

from longpole.analysis.change_text import describe
from longpole.analysis.findings import Finding, GainOf, Rule
from longpole.dashboard import words
from longpole.dashboard.places import fan_out_label, place_label

_AS_MUCH_AS_NOTHING_NS: Final = 500
_ID_SHOWN: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingText:
    """A finding as people read it.

    Attributes:
        sentence: what it is and what it would gain.
        evidence: what it was found by.
        advice: what to try.
    """

    sentence: str
    evidence: str
    advice: str


def finding_text(finding: Finding) -> FindingText:
    """Return the words of a finding."""
    say = _SAID[finding.rule](finding)
    what = f"{say.what}?" if finding.is_question else say.what
    return FindingText(
        sentence=f"{what[0].upper()}{what[1:]}{_gains(finding, say.otherwise)}",
        evidence=f"{say.because}; {_looked_at(finding)}",
        advice=say.advice,
    )


def next_commands(finding: Finding) -> tuple[str, ...]:
    """Return the commands that show more, the most telling first."""
    run = finding.run_ids[0][:_ID_SHOWN]
    show = f"longpole show {run}"
    if not finding.changes:
        return (show,)
    asked = " ".join(f"--change {words.shell_word(describe(one))}" for one in finding.changes)
    return (f"longpole what-if {run} {asked}", show)


@dataclass(frozen=True, slots=True)
class _Said:
    """The parts of a finding that its rule words."""

    what: str
    otherwise: str
    because: str
    advice: str


# --- gains ---------------------------------------------------------------------------------------


def _gains(finding: Finding, otherwise: str) -> str:
    """Return what would be saved, as the end of the sentence."""
    parts = [part for part in (_time(finding), _money(finding)) if part]
    if not parts:
        return "" if finding.is_question else "."
    would = "would at most save" if finding.is_question else "would save"
    start = " " if finding.is_question else "; "
    told = f"{otherwise} {would} {' and '.join(parts)}."
    return start + (told[0].upper() + told[1:] if finding.is_question else told)


def _time(finding: Finding) -> str:
    whole, p50_ns, p95_ns = finding.whole, finding.gain_p50_ns, finding.gain_p95_ns
    if finding.gain_mean_ns <= _AS_MUCH_AS_NOTHING_NS:
        return ""
    until = " until the first word" if finding.gain_of is GainOf.FIRST_TOKEN else ""
    if p50_ns > _AS_MUCH_AS_NOTHING_NS:
        first = f"{words.duration(p50_ns)} of {words.duration(whole.wall_p50_ns)}{until}"
        if whole.runs < 2:
            return first
        is_much = p95_ns > _AS_MUCH_AS_NOTHING_NS
        return f"{first} at p50 ({words.duration(p95_ns) if is_much else 'nothing'} at p95)"
    if p95_ns > _AS_MUCH_AS_NOTHING_NS:
        return f"{words.duration(p95_ns)} of {words.duration(whole.wall_p95_ns)}{until} at p95"
    return f"{words.duration(finding.gain_mean_ns)} a run in the mean{until}"


def _money(finding: Finding) -> str:
    saved_usd = finding.gain_usd_per_1000_runs
    return f"{words.usd(saved_usd)} per 1,000 runs" if saved_usd else ""


def _looked_at(finding: Finding) -> str:
    told = words.count(finding.whole.runs, "run")
    if finding.affected < finding.whole.runs:
        told = f"{finding.affected:,} of {told}"
    return f"{told}, {finding.replayed:,} run again" if finding.replayed else told


# --- one a rule ----------------------------------------------------------------------------------


def _place(finding: Finding) -> str:
    return place_label(finding.position)


def _ns(finding: Finding, name: str) -> str:
    return words.duration(_whole(finding, name))


def _whole(finding: Finding, name: str) -> int:
    value = finding.evidence[name]
    assert isinstance(value, int)
    return value


def _share(finding: Finding, name: str) -> str:
    return words.share(float(finding.evidence[name]))


def _mean(finding: Finding, name: str) -> str:
    """Return a mean of counts: whole where it is."""
    value = Fraction(finding.evidence[name])
    return f"{int(value):,}" if value.denominator == 1 else f"{float(value):.1f}"


def _money_of(finding: Finding, name: str) -> Decimal:
    value = finding.evidence[name]
    assert isinstance(value, Decimal)
    return value


def _usd(finding: Finding, name: str) -> str:
    return words.usd(_money_of(finding, name))


def _of_model(finding: Finding) -> str:
    model = finding.names.get("model", "")
    label = finding.position[-1]
    return f" ({model})" if model and model not in label and label not in model else ""


def _long_pole(finding: Finding) -> _Said:
    fan_out = fan_out_label(finding.position[:-1])
    executions = _whole(finding, "executions")
    share = _share(finding, "last_ratio")
    of = f"{finding.chain}'s runs" if executions <= finding.whole.runs else f"{fan_out}'s rounds"
    held = f"{share} of {of}" if executions > 1 else f"the only run of {finding.chain}"
    low, high = _share(finding, "last_low_ratio"), _share(finding, "last_high_ratio")
    return _Said(
        f"`{_place(finding)}` holds up {held}",
        "twice as fast",
        f"last to end of {fan_out}'s branches in {share} of "
        f"{words.count(executions, 'execution')} ({low} … {high}), "
        f"{_ns(finding, 'on_path_mean_ns')} a run on the critical path",
        "a faster model, a shorter answer, or work taken off it; see its curve for how much pays",
    )


def _unequal(finding: Finding) -> _Said:
    longest = place_label(("", finding.names["longest"]))
    ratio = words.times(float(finding.evidence["side_by_side_ratio"]))
    return _Said(
        f"the branches of `{fan_out_label(finding.position)}` are too unequal to gain by running "
        f"side by side",
        "the same work split evenly",
        f"{_mean(finding, 'branches_mean')} branches take {_ns(finding, 'work_mean_ns')} together, "
        f"`{longest}` alone {_ns(finding, 'longest_mean_ns')}: only {ratio} as fast as in a row",
        f"split `{longest}` into parts that run side by side, or move work from it to the others",
    )


def _tiny(finding: Finding) -> _Said:
    return _Said(
        f"the tasks of `{fan_out_label(finding.position)}` are too small to be branches",
        "doing them one after the other",
        f"{_mean(finding, 'branches_mean')} branches of {_ns(finding, 'task_mean_ns')} each, "
        f"{_ns(finding, 'overhead_mean_ns')} more to start and join them",
        "one step that does all of them, or fewer branches with more in each",
    )


def _queueing(finding: Finding) -> _Said:
    limit = _mean(finding, "limit_mean")
    return _Said(
        f"the branches of `{fan_out_label(finding.position)}` queue: {limit} at once of "
        f"{_mean(finding, 'branches_mean')}",
        "all at once",
        f"{_share(finding, 'queued_ratio')} of the branches wait, "
        f"{_ns(finding, 'queue_wait_mean_ns')} each in the mean",
        "a larger max_concurrency, if the provider's rate limit allows it; nobody asked for "
        f"{limit}? then it is the thread pool's min(32, processors + 4)",
    )


def _ignored(finding: Finding) -> _Said:
    return _Said(
        f"`{fan_out_label(finding.position)}` takes no notice of its limit: "
        f"{_mean(finding, 'peak_mean')} at once, {_mean(finding, 'limit_mean')} asked for",
        "",
        f"in {_whole(finding, 'ignored_executions'):,} of "
        f"{words.count(_whole(finding, 'executions'), 'execution')}",
        "an asynchronous RunnableParallel ignores max_concurrency: use abatch or a map, or a "
        "semaphore in the branches",
    )


def _rate_limit(finding: Finding) -> _Said:
    return _Said(
        f"`{_place(finding)}`{_of_model(finding)} runs into rate limits",
        "no 429s and no waiting after them",
        f"{words.count(_whole(finding, 'rate_limited'), 'answer')} with 429 in "
        f"{words.count(_whole(finding, 'runs'), 'run')}, {_ns(finding, 'between_mean_ns')} waited "
        "between tries in each",
        "fewer calls at once, a higher limit, a rate limiter in front of the model, or a second "
        "provider",
    )


def _hopeless(finding: Finding) -> _Said:
    retries = _whole(finding, "retries")
    error = finding.names["error"].rpartition(".")[2]
    return _Said(
        f"retries of `{_place(finding)}` never succeed",
        "giving up after the first try",
        f"{words.count(retries, 'retry', 'retries')} of "
        f"{words.count(_whole(finding, 'retried'), 'call')}, none succeeded, last error {error}; "
        f"{_ns(finding, 'between_mean_ns')} waited between them",
        "no retry for this error, or a longer wait with fewer of them",
    )


def _fallback(finding: Finding) -> _Said:
    return _Said(
        f"`{_place(finding)}`{_of_model(finding)} is replaced by its fallback in "
        f"{_share(finding, 'fell_back_ratio')} of its calls",
        "asking the fallback at once in those",
        f"{_whole(finding, 'fell_back'):,} of "
        f"{words.count(_whole(finding, 'executions'), 'call')}, "
        f"{_ns(finding, 'lost_mean_ns')} lost on the first choice each time",
        "the fallback as first choice, or a shorter timeout and fewer retries before it",
    )


def _unused(finding: Finding) -> _Said:
    spent = words.cost(_money_of(finding, "spent_usd") or None, _whole(finding, "unpriced_calls"))
    return _Said(
        f"`{fan_out_label(finding.position)}` pays for results that nobody used "
        f"({finding.names['reason']})",
        "not asking for them",
        f"{words.count(_whole(finding, 'unused'), 'unused result')} "
        f"({words.count(_whole(finding, 'calls'), 'model call')}), {spent} spent, "
        f"{_share(finding, 'spent_ratio')} of the cost",
        _USED_BETTER[finding.names["reason"]],
    )


_USED_BETTER: Final[Mapping[str, str]] = {
    "sibling failed": "use what did succeed (return_exceptions), or do first what fails; in "
    "asyncio a failure can stop the others",
    "failed, tolerated": "find out why it fails, or leave it out",
    "cancelled": "start the second call later, or not at all",
    "abandoned": "cancel what is not waited for any more, or do not start it",
}


def _repeated(finding: Finding) -> _Said:
    what = finding.names["what"]
    return _Said(
        f"`{_place(finding)}` is asked the same again in {_share(finding, 'repeats_ratio')} of its "
        "calls",
        "a cache",
        f"{_whole(finding, 'repeats'):,} of {words.count(_whole(finding, 'calls'), 'call')} of "
        f"{what} repeat an earlier one, {_usd(finding, 'spent_usd')} spent on them",
        "a cache in front of it, if the same answer will do each time",
    )


def _cheap_kept(finding: Finding) -> _Said:
    return _Said(
        f"`{_place(finding)}`{_of_model(finding)} is paid for, but the answer of "
        f"{finding.names['cheap']} is kept in "
        f"{_share(finding, 'kept_ratio')} of its calls",
        "not asking it in those",
        f"{_whole(finding, 'kept'):,} of {words.count(_whole(finding, 'calls'), 'call')}, "
        f"{_usd(finding, 'dear_mean_usd')} a call against {_usd(finding, 'cheap_mean_usd')}",
        "ask the cheap model first, the expensive one only when its answer will not do",
    )


def _barrier(finding: Finding) -> _Said:
    first, last = finding.names["first"], finding.names["last"]
    return _Said(
        f"does `{_place(finding)}` need all of the superstep before it",
        f"starting it when `{first}` has ended",
        f"it waits for `{last}`, {_ns(finding, 'wait_mean_ns')} after `{first}` in the mean",
        f"if `{first}` is enough, put both into one node or a subgraph of their own",
    )


def _serial(finding: Finding) -> _Said:
    return _Said(
        f"do the {_mean(finding, 'calls_mean')} calls in a row in "
        f"`{fan_out_label(finding.position)}` ({finding.names['calls']}) need each other",
        "side by side they",
        f"{_ns(finding, 'calls_mean_ns')} one after the other, order not recorded by the framework",
        "if they do not: batch, RunnableParallel or asyncio.gather",
    )


def _not_streamed(finding: Finding) -> _Said:
    known = _whole(finding, "first_token_known")
    sooner = (
        f"streamed calls of it begin after {_ns(finding, 'first_token_mean_ns')}"
        if known
        else "no streamed call of it was recorded, so how soon the first word would come is unknown"
    )
    return _Said(
        f"`{_place(finding)}` answers after {_ns(finding, 'answer_mean_ns')}, all at once",
        "streaming",
        f"{_whole(finding, 'output_mean_tokens'):,} tokens in the mean; {sooner}",
        "stream or astream, if somebody reads the answer",
    )


_SAID: Final[Mapping[Rule, Callable[[Finding], _Said]]] = {
    Rule.LONG_POLE: _long_pole,
    Rule.UNEQUAL_BRANCHES: _unequal,
    Rule.TINY_TASKS: _tiny,
    Rule.QUEUEING: _queueing,
    Rule.IGNORED_LIMIT: _ignored,
    Rule.RATE_LIMIT: _rate_limit,
    Rule.HOPELESS_RETRIES: _hopeless,
    Rule.FREQUENT_FALLBACK: _fallback,
    Rule.UNUSED_RESULTS: _unused,
    Rule.REPEATED_CALLS: _repeated,
    Rule.CHEAP_ANSWER_KEPT: _cheap_kept,
    Rule.BARRIER_WAIT: _barrier,
    Rule.SERIAL_STEPS: _serial,
    Rule.NOT_STREAMED: _not_streamed,
}
