"""`python -m tests.bench [NAME …]`: run the named benches, or all of them."""

from __future__ import annotations

import sys

from tests.bench import analysis, exchange, handler, lists, many, store

BENCHES = {
    "analysis": analysis.main,
    "many": many.main,
    "store": store.main,
    "handler": handler.main,
    "exchange": exchange.main,
    "lists": lists.main,
}


def main() -> int:
    names = sys.argv[1:] or list(BENCHES)
    unknown = [name for name in names if name not in BENCHES]
    if unknown:
        print(f"no bench is called {', '.join(unknown)}; there are: {', '.join(BENCHES)}")
        return 2
    for name in names:
        BENCHES[name]()
    return 0


if __name__ == "__main__":
    sys.exit(main())
