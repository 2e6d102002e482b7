"""Runs into a file that the browser takes: which form, with contents or without, make it, take it.

A file is made when the reader asks for it and stays until something else is asked for, so that its
size is told before it is taken, and why when it cannot be made.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import streamlit as st

from longpole.dashboard import words
from longpole.dashboard.downloads import FORMS, File, Form, check_spans, make_file
from longpole.dashboard.parcels import pack_all
from longpole.dashboard.web import queries
from longpole.model.errors import LongpoleError
from longpole.storage import RunQuery
from longpole.storage.filters import Matches, Pattern, TextField

RUNS_MOST: Final = 500
_ASKED_AT_ONCE: Final = 100
_NAMED_IN_COMMAND: Final = 4
_ID_DIGITS: Final = 8
_DIALOG: Final = "export"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    """What was asked for, and what came of it."""

    run_ids: tuple[str, ...]
    form: str
    with_content: bool
    file: File | None
    error: str


def dialog(run_ids: Sequence[str]) -> None:
    """Open a dialog about these runs, of which there is at least one."""

    @st.dialog(f"Export {words.count(len(run_ids), 'run')}", width="medium", on_dismiss=_forget)
    def opened() -> None:
        panel(tuple(run_ids), key=_DIALOG)

    opened()


def _forget() -> None:
    """Let go of a file that may be large."""
    st.session_state.pop(_DIALOG, None)


def panel(run_ids: tuple[str, ...], *, key: str) -> None:
    """Draw the choices, and the file once it is made; `key` is unique on the page."""
    form = _form(key)
    st.caption(words.markdown(form.about.replace("`", "")))
    with_content = form.holds_content and st.toggle(
        "Inputs and outputs",
        value=form.label != "HTML report",
        key=f"{key}_content_{form.suffix}",
        help="Off: times, names, models, tokens, costs and errors leave, what was said does not",
    )
    made = _made(run_ids, form, with_content, key)
    place = st.empty()
    if made is None and place.button(
        "Make the file", icon=":material/draft:", type="primary", key=f"{key}_make"
    ):
        with place, st.spinner("Writing …"):
            made = _make(run_ids, form, with_content)
        st.session_state[key] = made
    if made is not None:
        with place.container():
            _outcome(made, key)
    st.caption(form.on_command_line)
    st.code(_command(run_ids, form, with_content), language=None, wrap_lines=True)


def _form(key: str) -> Form:
    labels = [form.label for form in FORMS]
    chosen = st.pills(
        "Form", labels, default=labels[0], required=True, key=f"{key}_form", persist_state="session"
    )
    return next(form for form in FORMS if form.label == chosen)


def _made(run_ids: tuple[str, ...], form: Form, with_content: bool, key: str) -> _Made | None:
    """Return what was made of just this."""
    made: _Made | None = st.session_state.get(key)
    asked = (run_ids, form.label, with_content)
    is_it = made is not None and (made.run_ids, made.form, made.with_content) == asked
    return made if is_it else None


def _make(run_ids: tuple[str, ...], form: Form, with_content: bool) -> _Made:
    file, told = None, ""
    try:
        check_spans(_spans(run_ids))
        parcels = pack_all(
            queries.store(),
            run_ids,
            book=queries.prices(),
            now_ns=time.time_ns(),
            with_content=with_content,
        )
        file = make_file(parcels, form, stem=_stem(run_ids), with_content=with_content)
    except LongpoleError as error:
        told = str(error)
    return _Made(run_ids=run_ids, form=form.label, with_content=with_content, file=file, error=told)


def _spans(run_ids: tuple[str, ...]) -> int:
    """Return how many spans these runs have together."""
    return sum(
        row.spans
        for where in _named(run_ids)
        for row in queries.store().list_runs(RunQuery(where=where, limit=_ASKED_AT_ONCE)).rows
    )


def _named(run_ids: tuple[str, ...]) -> Iterator[Matches]:
    for first in range(0, len(run_ids), _ASKED_AT_ONCE):
        few = run_ids[first : first + _ASKED_AT_ONCE]
        yield Matches(TextField.ID, tuple(Pattern((run_id,)) for run_id in few))


def _stem(run_ids: tuple[str, ...]) -> str:
    first = run_ids[0][:_ID_DIGITS]
    return f"longpole-{first}" if len(run_ids) == 1 else f"longpole-{len(run_ids)}-runs"


def _outcome(made: _Made, key: str) -> None:
    if made.file is None:
        st.error("The file was not made.", icon=":material/error:")
        st.code(made.error, language=None, wrap_lines=True)
    else:
        _offer(made.file, key)


def _offer(file: File, key: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.download_button(
            "Download",
            file.data,
            file_name=file.name,
            mime=file.mime_type,
            icon=":material/download:",
            type="primary",
            on_click="ignore",
            key=f"{key}_download",
        )
        spans = words.count(file.written.spans, "span")
        runs = words.count(file.written.runs, "run")
        st.text(f"{file.name} · {words.size(len(file.data))} · {runs}, {spans}")


def _command(run_ids: tuple[str, ...], form: Form, with_content: bool) -> str:
    """Return the command; of many runs it names the first ones."""
    named = [run_id[:_ID_DIGITS] for run_id in run_ids[:_NAMED_IN_COMMAND]]
    more = ["…"] if len(run_ids) > _NAMED_IN_COMMAND else []
    content = ["--content" if with_content else "--no-content"] if form.holds_content else []
    told = shlex.join(("longpole", "export", *form.command, *named))
    return " ".join([told, *more, *content, shlex.join(queries.store_arguments())]).strip()
