"""What the panel is asked and what each of its models says: texts only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """One report, three opinions on its cause, and the verdict on them."""

    report: str
    sonnet: str
    mini: str
    flash: str
    verdict: str


INCIDENTS: Final = (
    Incident(
        report="Checkout latency tripled at 09:02, a minute after release 4.18 went out. CPU is "
        "flat, database connections are at their limit.",
        sonnet="Release 4.18 most likely holds connections across the new fraud check, so the pool "
        "runs dry although nothing computes. Compare checkout's hold time before and after, then "
        "roll back.",
        mini="The connection pool is exhausted; release 4.18 probably leaks connections.",
        flash="Too many database connections. Raise the pool size and watch CPU.",
        verdict="Sonnet: it explains the flat CPU and names a test. Roll 4.18 back.",
    ),
    Incident(
        report="Emails to one provider bounce since midnight with 550 5.7.26. Other providers "
        "accept them.",
        sonnet="550 5.7.26 is failed authentication. A DKIM key that expired at midnight fits "
        "best, since SPF would have failed everywhere. Check the selector's DNS record, then "
        "re-sign the queue.",
        mini="The provider rejects unauthenticated mail; check SPF, DKIM and DMARC.",
        flash="Your domain may be on a block list. Ask the provider to remove it.",
        verdict="Sonnet: the code means authentication, and midnight points to the key's expiry.",
    ),
    Incident(
        report="The nightly export has doubled in size each day since Monday, the orders table has "
        "not.",
        sonnet="A join that became many-to-many on Monday would multiply rows each time its side "
        "table is reloaded without being cleared. Count rows per order in the export; more than "
        "one is the proof.",
        mini="Duplicate rows: the export appends to yesterday's file instead of replacing it.",
        flash="Check for duplicates in the export query.",
        verdict="Mini: doubling daily is what appending gives. Truncate before writing.",
    ),
    Incident(
        report="Two of nine search nodes answer with results a week old. All report themselves "
        "healthy.",
        sonnet="The two nodes probably lost their replication subscription and serve the last "
        "snapshot, which the health check cannot see. Compare index generations across nodes and "
        "make health depend on them.",
        mini="Replication to these two nodes has stopped; rebuild their indexes.",
        flash="Those nodes cache results for too long. Clear their caches.",
        verdict="Sonnet: same cause as Mini, and it mends the blind health check as well.",
    ),
    Incident(
        report="Mobile sign-in fails for about 3 % of users, always at the first try, never at the "
        "second.",
        sonnet="First-try failures that heal themselves suggest a token minted by one region and "
        "checked by another before it has replicated. Log issuing and checking region; a mismatch "
        "in every failure settles it.",
        mini="Clock drift between servers makes fresh tokens invalid for a few seconds.",
        flash="Retry the sign-in automatically, since the second try works.",
        verdict="Sonnet: a small share, healed by time, and one log line decides it.",
    ),
    Incident(
        report="Image uploads over 8 MB fail with 413 since the move to the new load balancer.",
        sonnet="413 is the proxy refusing the body before the app sees it, and the new balancer's "
        "default limit is 8 MB. Set the body limit to the app's own 25 MB and add an upload of "
        "20 MB to the smoke tests.",
        mini="The new load balancer limits request bodies to 8 MB; raise the limit.",
        flash="The load balancer's body limit is too low. Raise it to 25 MB.",
        verdict="All agree. Flash was the quickest; take the smoke test from Sonnet.",
    ),
)
