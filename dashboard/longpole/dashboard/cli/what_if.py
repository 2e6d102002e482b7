"""`longpole what-if RUN… --change …`: what runs would have taken and cost otherwise."""

from __future__ import annotations

import click

from longpole.dashboard.cli.options import filter_option, json_option, parsed_filter, store_option


@click.command("what-if")
@click.argument("references", metavar="[RUN]...", nargs=-1)
@store_option
@json_option
@click.option(
    "--change",
    "texts",
    metavar="CHANGE",
    multiple=True,
    help="What is different: TARGET:VERB=VALUE; may be given several times.",
)
@filter_option("Ask about the newest runs that match, as in `longpole runs`.")
@click.option(
    "--limit",
    type=click.IntRange(1, 10_000),
    default=20,
    show_default=True,
    help="How many runs --filter takes.",
)
@click.option("--curve", "with_curves", is_flag=True, help="What each branch would be worth.")
def what_if(
    references: tuple[str, ...],
    store: str,
    as_json: bool,
    texts: tuple[str, ...],
    filter_text: str,
    limit: int,
    with_curves: bool,
) -> None:
    """Say what runs would have taken and cost with something changed.

    RUN is a run's id, the beginning of one, or `last`. TARGET is a name, branch key or path of
    spans, `*` in it stands for anything:

    longpole what-if last --change gemini:faster=2 --change panel:limit=none

    longpole what-if --filter 'name:panel since:7d' --change 'search:timeout=2s' --curve

    Verbs: faster, time, without, timeout, model, limit, cache, cheap-first, no-retries, no-backoff,
    backoff, hedge, fail-fast, batch-price. docs/what-if.md explains each.
    """
    if not (references or filter_text.strip()):
        raise click.UsageError("name a RUN, or choose some with --filter")
    if not (texts or with_curves):
        raise click.UsageError("say what is different with --change, or ask for --curve")
    # It takes a while to load, which the other commands shall not pay for.
    from longpole.dashboard.cli.what_if_answer import answer_question
    from longpole.dashboard.supposing import Question

    question = Question(
        references=references,
        where=parsed_filter(filter_text),
        limit=limit,
        texts=texts,
        with_curves=with_curves,
    )
    answer_question(question, store, as_json=as_json)
