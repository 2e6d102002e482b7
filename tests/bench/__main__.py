"""`python -m tests.bench [NAME …]`: run the named benches, or all but those with a long set-up.

`--keep FOLDER` is where `browser` makes its store, and finds it the next time; `--only PART` has it
measure one part of what it does, `--spans N` on a store of exactly so many spans.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.bench import (
    analysis,
    browser,
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

BENCHES: Mapping[str, Callable[[], None]] = {
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
    "browser": browser.main,
}
# These take minutes, and what `peers` compares with is installed for it.
ONLY_BY_NAME = {"peers", "what_if", "memory", "endurance", "clickhouse", "browser"}


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests.bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--keep", type=Path, metavar="FOLDER")
    parser.add_argument("--only", choices=browser.PARTS)
    parser.add_argument("--spans", type=int, metavar="N")
    options = parser.parse_args()
    names = options.names or [name for name in BENCHES if name not in ONLY_BY_NAME]
    unknown = [name for name in names if name not in BENCHES]
    if unknown:
        print(f"no bench is called {', '.join(unknown)}; there are: {', '.join(BENCHES)}")
        return 2
    for name in names:
        if name == "browser":
            browser.main(options.keep, options.only, options.spans)
        else:
            BENCHES[name]()
    return 0


if __name__ == "__main__":
    sys.exit(main())
