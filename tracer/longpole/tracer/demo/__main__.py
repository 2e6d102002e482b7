"""`python -m longpole.tracer.demo`: arguments in, recorded runs in a store out."""

from __future__ import annotations

import argparse
import io
import os
import signal
import sys
import textwrap
from collections.abc import Sequence
from typing import Final

from longpole.model.errors import LongpoleError, SettingsError
from longpole.tracer import LongpoleHandler
from longpole.tracer.demo.programme import SCENES, run_scenes
from longpole.tracer.demo.stage import SceneResult

_FLUSH_TIMEOUT_S: Final = 30.0
_STOPPED: Final = 128 + signal.SIGINT


def main(arguments: Sequence[str] | None = None) -> int:
    """Record the demo and print one line for each scene.

    Returns:
        0 when every scene went as it should (some are meant to end in an error), 1 when the
        store did not take everything in time, 130 when it was stopped with Ctrl+C.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A terminal of an older encoding lacks signs that a scene may say.
        sys.stdout.reconfigure(errors="replace")
    options = _parser().parse_args(arguments)
    try:
        handler = LongpoleHandler(options.store)
    except LongpoleError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2 if isinstance(error, SettingsError) else 1
    try:
        run_scenes(handler, speed=options.speed, only=options.only, report=_print)
        is_stored = handler.flush(timeout_s=_FLUSH_TIMEOUT_S)
    except KeyboardInterrupt:
        print("\nstopped; what was recorded until now is kept", file=sys.stderr)
        return _STOPPED
    finally:
        handler.close()
    if not is_stored:
        print(
            f"the store did not take everything within {_FLUSH_TIMEOUT_S:.0f} s; the rest waits in "
            "the spool beside it, for whoever writes to the store next",
            file=sys.stderr,
        )
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m longpole.tracer.demo",
        description="Record real parallel chains with built-in fake models: no key, no network.",
    )
    parser.add_argument("--store", metavar="URL", help="where to record (default: LONGPOLE_STORE)")
    parser.add_argument(
        "--speed", type=_speed, default=1.0, metavar="FACTOR", help="20 is twenty times faster"
    )
    parser.add_argument(
        "--only",
        action="append",
        choices=[scene.name for scene in SCENES],
        metavar="SCENE",
        help="play this scene only, may be repeated: " + ", ".join(scene.name for scene in SCENES),
    )
    return parser


def _speed(text: str) -> float:
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")
    return speed


def _print(result: SceneResult) -> None:
    try:
        print(_line(result), flush=True)
    except BrokenPipeError:
        # Nobody reads any more, as after `| head`; the runs are recorded all the same.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _line(result: SceneResult) -> str:
    if result.skipped is not None:
        return f"{result.name:<20} skipped: {result.skipped}"
    wall = f"{result.wall_ns / 1e9:6.2f} s"
    if result.error is not None:
        told = textwrap.shorten(result.error, 80, placeholder=" …")
        return f"{result.name:<20} {wall}  failed, as it should: {told}"
    runs = len(result.outputs)
    return f"{result.name:<20} {wall}  {runs} run{'' if runs == 1 else 's'}"


if __name__ == "__main__":
    sys.exit(main())
