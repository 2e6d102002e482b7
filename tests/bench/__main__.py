"""`python -m tests.bench [NAME …]`: run the named benches, or all but those with a long set-up."""

from __future__ import annotations

import sys

from tests.bench import (
    analysis,
    clickhouse,
    context,
    endurance,
    exchange,
    handler,
    lists,
    many,
    memory,
    peers,
    receiver,
    settle,
    store,
    what_if,
)

BENCHES = {
    "analysis": analysis.main,
    "many": many.main,
    "store": store.main,
    "settle": settle.main,
    "lists": lists.main,
    "handler": handler.main,
    "context": context.main,
    "exchange": exchange.main,
    "receiver": receiver.main,
    "what_if": what_if.main,
    "peers": peers.main,
    "memory": memory.main,
    "endurance": endurance.main,
    "clickhouse": clickhouse.main,
}
# These take minutes, and what `peers` compares with is installed for it.
ONLY_BY_NAME = {"peers", "what_if", "memory", "endurance", "clickhouse"}


def main() -> int:
    names = sys.argv[1:] or [name for name in BENCHES if name not in ONLY_BY_NAME]
    unknown = [name for name in names if name not in BENCHES]
    if unknown:
        print(f"no bench is called {', '.join(unknown)}; there are: {', '.join(BENCHES)}")
        return 2
    for name in names:
        BENCHES[name]()
    return 0


if __name__ == "__main__":
    sys.exit(main())
