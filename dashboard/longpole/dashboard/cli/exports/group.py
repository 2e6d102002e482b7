"""`longpole export DESTINATION`: which destinations there are."""

from __future__ import annotations

import click

from longpole.dashboard.cli.exports.files import csv, html, jsonl, parquet, perfetto
from longpole.dashboard.cli.exports.langsmith import langsmith
from longpole.dashboard.cli.exports.otlp import otlp


@click.group()
def export() -> None:
    """Send runs to other tools, or write them to files."""


for command in (langsmith, otlp, perfetto, html, jsonl, csv, parquet):
    export.add_command(command)
