"""One chain for each rule in which it fires, to look at what is said about it."""

from __future__ import annotations

from longpole.analysis.findings import Digests, Finding, Rule
from tests.analysis.findings import test_fan_outs, test_money, test_order, test_tries
from tests.analysis.findings.making import LIMITED, chain, drawn, found


def finding_of(rule: Rule) -> Finding:
    """The first finding of a rule."""
    return _FOUND[rule]()[0]


def _long_pole() -> list[Finding]:
    late = drawn(test_fan_outs.GEMINI_IS_LATE, column_ns=100_000_000)
    other = drawn(test_fan_outs.CLAUDE_IS_LATE, column_ns=100_000_000)
    return found(chain(*[late] * 7, *[other] * 3), Rule.LONG_POLE)


def _unequal() -> list[Finding]:
    return found(chain(drawn(test_fan_outs.UNEQUAL)), Rule.UNEQUAL_BRANCHES)


def _tiny() -> list[Finding]:
    return found(chain(drawn(test_fan_outs.TINY, column_ns=1_000_000)), Rule.TINY_TASKS)


def _queueing() -> list[Finding]:
    return found(chain(*[drawn(test_fan_outs.QUEUED)] * 3), Rule.QUEUEING)


def _ignored() -> list[Finding]:
    return found(chain(test_fan_outs.graph_with_limit(2)), Rule.IGNORED_LIMIT)


def _rate_limit() -> list[Finding]:
    tried = test_tries.tried(LIMITED)
    return found(chain(tried, tried, test_tries.FINE), Rule.RATE_LIMIT)


def _hopeless() -> list[Finding]:
    runs = chain(test_tries.tried_thrice("error"), test_tries.FINE)
    return found(runs, Rule.HOPELESS_RETRIES)


def _fallback() -> list[Finding]:
    runs = chain(test_tries.FELL_BACK, *[test_tries.DID_NOT] * 3)
    return found(runs, Rule.FREQUENT_FALLBACK)


def _unused() -> list[Finding]:
    return found(chain(test_money.lead(), test_money.lead()), Rule.UNUSED_RESULTS)


def _repeated() -> list[Finding]:
    runs = chain(*[test_money.ASKED] * 4)
    return found(runs, Rule.REPEATED_CALLS, digests=test_money.asked(runs, *"abaa"))


def _cheap_kept() -> list[Finding]:
    digests = Digests(answers=test_money.answers(0, "mini"))
    return found(chain(test_money.cascade()), Rule.CHEAP_ANSWER_KEPT, digests=digests)


def _barrier() -> list[Finding]:
    return found(chain(drawn(test_order.GRAPH)), Rule.BARRIER_WAIT)


def _serial() -> list[Finding]:
    return found(chain(drawn(test_order.IN_A_ROW)), Rule.SERIAL_STEPS)


def _not_streamed() -> list[Finding]:
    return found(chain(test_order.answering()), Rule.NOT_STREAMED, learned=test_order.LEARNED)


_FOUND = {
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
