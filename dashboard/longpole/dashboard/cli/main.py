"""The `longpole` command: which commands there are, and what happens when one fails.

Exit codes: 0 ok, 1 a problem was found, 2 wrong usage. Every expected failure is one line on
standard error; a traceback is a bug.
"""

from __future__ import annotations

from typing import Any

import click

from longpole.dashboard.cli.backup import backup
from longpole.dashboard.cli.chains import chains
from longpole.dashboard.cli.check import check
from longpole.dashboard.cli.compare import compare
from longpole.dashboard.cli.dashboard import dashboard
from longpole.dashboard.cli.demo import demo
from longpole.dashboard.cli.doctor import doctor
from longpole.dashboard.cli.exports.group import export
from longpole.dashboard.cli.findings import findings
from longpole.dashboard.cli.imports import import_
from longpole.dashboard.cli.mcp import mcp
from longpole.dashboard.cli.options import for_every_command
from longpole.dashboard.cli.prune import prune
from longpole.dashboard.cli.reprice import reprice
from longpole.dashboard.cli.runs import runs
from longpole.dashboard.cli.serve import serve
from longpole.dashboard.cli.show import show
from longpole.dashboard.cli.terminal import use_plain_signs
from longpole.dashboard.cli.what_if import what_if
from longpole.dashboard.cli.worker import worker
from longpole.model.errors import LongpoleError, PointedError, SettingsError


class _Problem(click.ClickException):
    """One of Longpole's own errors, as the command line shows it."""

    exit_code = 1

    def show(self, file: Any = None) -> None:
        """Write the one line."""
        click.echo(f"error: {self.format_message()}", file=file, err=True)


class _Misuse(_Problem):
    """An argument or a setting cannot be used."""

    exit_code = 2


class _Commands(click.Group):
    """A group whose commands may raise Longpole's errors, on any terminal."""

    def main(self, *args: Any, **extra: Any) -> Any:
        """Make the terminal ready, then do what the command line says."""
        use_plain_signs()
        return super().main(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except LongpoleError as error:
            problem = _Misuse if isinstance(error, SettingsError) else _Problem
            place = f"\n{error.pointed()}" if isinstance(error, PointedError) else ""
            raise problem(f"{error}{place}") from error


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="longpole", message="longpole %(version)s")
@click.option("--store", metavar="URL", help="As after any command.")
@click.option("--json", "as_json", is_flag=True, help="As after any command.")
@click.pass_context
def main(context: click.Context, store: str | None, as_json: bool) -> None:
    """Find the long pole of parallel LLM chains.

    Attach `LongpoleHandler` to a chain, run it, then look at it with these commands.
    """
    for_every_command(context, store=store, as_json=as_json)


for command in (
    demo,
    dashboard,
    runs,
    show,
    chains,
    findings,
    compare,
    what_if,
    check,
    export,
    import_,
    serve,
    reprice,
    prune,
    backup,
    doctor,
    mcp,
    worker,
):
    main.add_command(command)
