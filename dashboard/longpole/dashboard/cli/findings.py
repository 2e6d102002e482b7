"""`longpole findings [NAME]`: what would be worth changing, ranked, with what it would gain."""

from __future__ import annotations

import click

from longpole.dashboard.cli.options import filter_option, json_option, newest_option, store_option


@click.command()
@click.argument("name", required=False)
@store_option
@json_option
@filter_option("Only runs that match: 'since:7d tag:prod', as in `longpole runs`.")
@newest_option("--runs")
@click.option(
    "--limit",
    type=click.IntRange(1, 10_000),
    default=10,
    show_default=True,
    help="How many findings are shown, those worth most first.",
)
def findings(
    name: str | None, store: str, as_json: bool, filter_text: str, runs: int, limit: int
) -> None:
    """Say what would be worth changing, and what it would save.

    Of all chains, or of NAME, the name of one or the beginning of it. Every gain was computed by
    running recorded runs again with the change. docs/findings.md explains each finding.
    """
    # It takes a while to load, which the other commands shall not pay for.
    from longpole.dashboard.cli.findings_answer import answer_findings

    answer_findings(name, store, filter_text=filter_text, runs=runs, limit=limit, as_json=as_json)
