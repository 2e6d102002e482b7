"""The findings of a store, made by a process of its own.

To run a thousand recorded runs again takes seconds of processor time. In a thread of the dashboard
every page would wait for half of it, and its memory would stay the server's; here it takes another
processor, steps back for pages, and is given back. Question and answer are pickled: both processes
are ours, and nothing of it touches a file.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
from contextlib import closing, suppress
from typing import Final

from longpole.dashboard.found import Found, found_in
from longpole.dashboard.prices import price_book
from longpole.model.errors import FindingsError, LongpoleError
from longpole.storage import RunQuery, open_store

_NICENESS: Final = 5


def found_apart(url: str, query: RunQuery, *, limit: int, now_ns: int) -> Found:
    """Return what `found_in` finds in the store with this URL, at the prices in force.

    Raises:
        FindingsError: the other process came to no answer.
    """
    # -P: files of the folder that the user is in must not stand in for ours.
    command = [sys.executable, "-P", "-m", __name__]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        with suppress(BrokenPipeError):
            pickle.dump((url, query, limit, now_ns), child.stdin)
            child.stdin.flush()
        # Its standard input stays open: that it is closed tells the child that we are gone.
        answer = child.stdout.read()
        child.stdin.close()
    if child.returncode != 0:
        raise FindingsError(
            f"the process that makes findings ended with {child.returncode}; "
            "the terminal that runs the dashboard may show why"
        )
    found = pickle.loads(answer)
    if not isinstance(found, Found):
        raise FindingsError(found)
    return found


def main() -> None:
    """Answer one question."""
    os.nice(_NICENESS)
    url, query, limit, now_ns = pickle.load(sys.stdin.buffer)
    threading.Thread(target=_end_with_the_other, daemon=True).start()
    sys.stdout.buffer.write(pickle.dumps(_answer(url, query, limit, now_ns)))
    sys.stdout.buffer.flush()
    # Whoever waits for this process to end need not wait for what it holds to be torn down.
    os._exit(0)


def _answer(url: str, query: RunQuery, limit: int, now_ns: int) -> Found | str:
    """Return the findings, or in words why there are none."""
    try:
        with closing(open_store(url, mode="read")) as store:
            return found_in(store, query, limit=limit, book=price_book(), now_ns=now_ns)
    except LongpoleError as error:
        return str(error)


def _end_with_the_other() -> None:
    sys.stdin.buffer.read()
    os._exit(1)


if __name__ == "__main__":
    main()
