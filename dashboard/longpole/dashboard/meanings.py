"""What the numbers of many runs mean, in a line each: what a page says beside them.

The long forms are docs/metrics.md and docs/many-runs.md; a test holds the two together.
"""

from __future__ import annotations

from typing import Final

WALL: Final = "Time from the start of the run to its end"
PEAK: Final = "The most spans that were at work at one moment"
TOKENS: Final = "Of input and output together, counted once, at the model calls themselves"
MODEL_CALLS: Final = "Calls of chat and completion models, those that failed too"
P50: Final = "Half of the runs took at most so long, from start to end"
P95: Final = "95 % of the runs took at most so long"
P99: Final = "99 % of the runs took at most so long"
SPEEDUP: Final = "Work over wall: how many times faster than one after the other"
FAILED: Final = "Share of the runs that ended in an error"
RETRIED: Final = "Share of the runs with a try after the first"
QUEUED: Final = "What limits of concurrency cost a run, in the mean"
BACKOFF: Final = "Critical-path time between a failed try and the next, in the mean over all runs"
EACH: Final = "For each execution, in the mean"
RETRIES: Final = "Tries after the first"
FALLBACKS: Final = "Candidates tried in place of another that failed"
COST: Final = (
    "At the prices of the day of each call; a lower bound (≥) when some calls have no known price"
)
WASTED: Final = "Work and cost of what nobody used: failed tries, cancelled and abandoned branches"
UNPRICED: Final = (
    "Model calls without a known price; they are left out of the cost, never taken for 0"
)
CACHE: Final = (
    "Answers out of LangChain's cache at the mean cost of the same calls that were paid for, and "
    "tokens that the provider had cached at the difference of the two prices"
)
BOUND: Final = "The branch that the runs waited for longest, and its share of the wall"
BRANCH_SHARE: Final = (
    "What all runs together waited for: each stretch of a critical path belongs to the innermost "
    "branch around it, outside of all branches to its own step, so the shares add up to the walls"
)
CONTRIBUTION: Final = (
    "Own time on the critical path, in the mean over all runs; contributions add up to the mean "
    "wall"
)
DRAG: Final = "How much sooner a run would end were the position instant, in the mean"
ON_PATH: Final = "Share of the runs that waited for it or for something below it"
LENGTH: Final = "How long it takes, on the path or not"
QUEUE_WAIT: Final = "How long it waited for a free place"
ENDED_LAST: Final = (
    "Of all executions of the fan-out, how often the branch ended last, with Wilson's 95 % "
    "interval; a tie is split"
)
EXCESS: Final = (
    "What it contributes more to a slow run (the slowest 5 %, at least five) than to the middle "
    "half; the excesses add up to the difference of the mean walls"
)
CHANGED: Final = (
    "A lasting change of the wall; a chain that does not change is called changed in one case of a "
    "hundred at most"
)
STRUCTURE: Final = (
    "Runs with other positions than most: another tool called, a step never reached. A retry or a "
    "fallback is no other structure"
)
ERRORS: Final = (
    "Errors of one type whose messages agree but for ids and numbers, at the deepest span that "
    "failed; those that a retry made up for count too"
)
LOST: Final = "Runs that never ended, as their process died"
BETWEEN: Final = (
    "95 % interval: each side's runs are drawn anew 1,000 times; where it holds 0, the difference "
    "can be chance"
)
