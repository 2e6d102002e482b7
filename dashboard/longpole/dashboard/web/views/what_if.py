"""The tab that plays the run again with something changed: sliders, and at once what would be.

The changes are in the address and nowhere else (`?change=gemini:faster=2`), so a link shows what
its sender saw. Controls show what the changes say about their target; turning one replaces that.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from decimal import Decimal
from typing import Literal

import streamlit as st

from longpole.analysis.change_text import parse_change
from longpole.analysis.changes import Change
from longpole.analysis.curves import Curve
from longpole.analysis.result import RunAnalysis
from longpole.dashboard import figures, words
from longpole.dashboard.charts.gains import gains
from longpole.dashboard.charts.strips import ROWS_MOST, rows_of, strips
from longpole.dashboard.difference import place_of, signed_duration, signed_usd, what_counts
from longpole.dashboard.supposition import trusted, verdict_between
from longpole.dashboard.web import queries, what_ifs
from longpole.dashboard.web.table import Cell, Column, ColumnKind, Row, Table, table
from longpole.dashboard.web.views import what_if_controls
from longpole.dashboard.web.views.colours import theme
from longpole.dashboard.web.what_ifs import DRAWS_PATIENT, Answered
from longpole.model import Status
from longpole.model.errors import ChangeError, NotReplayableError, TargetError

CHANGE = "change"
_SPANS_AT_ONCE = 5_000
_PLACES_SHOWN = 8
_WORTH_TELLING = 0.002
_NOT_ENDED = "The run has not ended; it can be played again when it has."
_LOST = "The run was lost before it ended, so nobody knows what playing it again would end with."


def tab(found: RunAnalysis, token: int) -> None:
    """Draw the tab."""
    if found.run.is_running:
        st.caption(_NOT_ENDED if found.run.status is Status.RUNNING else _LOST)
        return
    if len(found.run.spans) > _SPANS_AT_ONCE and not _is_wanted(found):
        return
    try:
        levers = what_ifs.levers(found, token)
    except NotReplayableError as error:
        st.warning("This run cannot be played again.", icon=":material/replay:")
        st.code(str(error), language=None, wrap_lines=True)
        return
    texts = tuple(st.query_params.get_all(CHANGE))
    controls, shown = st.columns([1, 2.4], gap="medium")
    with controls:
        what_if_controls.draw(levers, texts, _understood(texts), on_change=_note)
    with shown:
        if texts:
            _answer(found, token, texts)
        else:
            st.caption(
                "Move a slider, or say what is different: the run is played again on paper, with "
                "its queues, retries and joins."
            )
        _worth(what_ifs.worth(found, token))


def _is_wanted(found: RunAnalysis) -> bool:
    """Ask first where it takes seconds, once for each run."""
    key = f"what_if:{found.run.run_id}"
    if st.session_state.get(key):
        return True
    st.caption(f"{len(found.run.spans):,} spans: playing them again takes a few seconds.")
    if st.button("Play the run again", icon=":material/replay:"):
        st.session_state[key] = True
        st.rerun(scope="fragment")
    return False


def _understood(texts: Sequence[str]) -> list[Change]:
    """Return the changes that can be read; what cannot is told with the answer."""
    changes = []
    for text in texts:
        try:
            changes.append(parse_change(text))
        except ChangeError:
            continue
    return changes


def _note(texts: Sequence[str]) -> None:
    """Put changes into the address."""
    if texts:
        st.query_params[CHANGE] = list(texts)
    elif CHANGE in st.query_params:
        del st.query_params[CHANGE]


def _answer(found: RunAnalysis, token: int, texts: tuple[str, ...]) -> None:
    try:
        if st.session_state.get(_exact_key(found, texts)):
            with st.spinner("Playing more outcomes …"):
                told = what_ifs.answer(found, token, texts, DRAWS_PATIENT)
        else:
            told = what_ifs.answer(found, token, texts, what_ifs.draws_at_once(found))
    except ChangeError as error:
        st.code(f"{error}\n{error.pointed()}", language=None)
        return
    except (TargetError, NotReplayableError) as error:
        st.code(str(error), language=None, wrap_lines=True)
        return
    st.markdown(f"**{words.markdown(verdict_between(told.answer, told.before, told.after))}**")
    _numbers(told)
    _draws(found, texts, told)
    for note in told.answer.notes:
        st.caption(f":material/info: {words.markdown(note)}")
    st.plotly_chart(
        strips(told.before, told.after, theme(), after_name=_after_name(told)),
        key="what_if_strips",
        config=figures.CONFIG,
        alt="The run as it was and as it would be, with the critical path of each",
    )
    if len(rows_of(found.run)) > ROWS_MOST:
        st.caption(f"The {ROWS_MOST} branches and steps that count most.")
    _path(told)
    _command(found, texts)
    _basis(told)


def _numbers(told: Answered) -> None:
    answer = told.answer
    before_ns, wall = answer.wall_before_ns, answer.wall
    share = f" ({words.signed_share(answer.delta_ns / before_ns)})" if before_ns else ""
    shown: list[tuple[str, str, str, int | Decimal]] = [
        (
            "Wall" if wall.is_certain else "Wall, mean",
            words.duration(wall.mean_ns),
            f"{signed_duration(answer.delta_ns)}{share}" if answer.delta_ns else "as before",
            answer.delta_ns,
        )
    ]
    if not wall.is_certain:
        for label, ratio in (("Median", 0.5), ("95th percentile", 0.95)):
            at_ns = wall.quantile_ns(ratio)
            delta_ns = at_ns - before_ns
            shown.append((label, words.duration(at_ns), signed_duration(delta_ns), delta_ns))
    cost, paid = answer.cost, answer.cost_before
    if cost.cost_usd is not None and paid.cost_usd is not None:
        delta = cost.cost_usd - paid.cost_usd
        label = "Cost" if not cost.unpriced_calls else "Cost, as far as priced"
        told_cost = signed_usd(delta) if delta else "as before"
        shown.append((label, words.cost(cost.cost_usd, cost.unpriced_calls), told_cost, delta))
    before, after = told.before.facts, told.after.facts
    shown.append(
        (
            "Speed-up",
            words.times(after.speedup_ratio),
            f"{words.times(before.speedup_ratio)} before",
            0,
        )
    )
    with st.container(horizontal=True, gap="small"):
        for label, value, delta_text, amount in shown:
            st.metric(
                label,
                value,
                delta_text,
                delta_color=_colour(amount),
                delta_arrow="off" if not amount else ("up" if amount > 0 else "down"),
                border=True,
            )


def _colour(amount: int | Decimal) -> Literal["off", "red", "green"]:
    if not amount:
        return "off"
    return "red" if amount > 0 else "green"


def _exact_key(found: RunAnalysis, texts: Sequence[str]) -> str:
    return f"exact:{found.run.run_id}:{'|'.join(texts)}"


def _draws(found: RunAnalysis, texts: Sequence[str], told: Answered) -> None:
    """Say how sure a mean over drawn outcomes is, and offer to draw more."""
    wall = told.answer.wall
    if not wall.draws:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(
            f"A mean over {wall.draws:,} of very many outcomes, "
            f"± {words.duration(wall.standard_error_ns)}.",
            width="content",
        )
        is_exact = wall.draws >= DRAWS_PATIENT or st.session_state.get(_exact_key(found, texts))
        if not is_exact and st.button(
            "Try more outcomes", type="tertiary", icon=":material/casino:"
        ):
            st.session_state[_exact_key(found, texts)] = True
            st.rerun(scope="fragment")


def _after_name(told: Answered) -> str:
    return "after" if told.answer.wall.is_certain else "after, an outcome in the middle"


def _path(told: Answered) -> None:
    """Show where on the critical path time is gained, and what takes its place."""
    comparison = told.comparison
    least_ns = told.answer.wall_before_ns * _WORTH_TELLING
    pairs = [pair for pair in what_counts(comparison) if abs(pair.path_delta_ns) > least_ns]
    pairs = pairs[:_PLACES_SHOWN]
    if not pairs:
        return
    most_ns = abs(pairs[0].path_delta_ns)
    table(
        Table(
            caption="On the critical path, before and after",
            columns=(
                Column(key="span", label="On the critical path", width_px=200, grows=True),
                Column(key="before", label="Before", kind=ColumnKind.NUMBER, width_px=90),
                Column(key="after", label="After", kind=ColumnKind.NUMBER, width_px=90),
                Column(key="delta", label="Change", kind=ColumnKind.BAR, width_px=110),
            ),
            rows=tuple(
                Row(
                    id=str(at),
                    cells=(
                        Cell(place_of(comparison, pair)),
                        _length(None if pair.before is None else pair.before.own_path_ns),
                        _length(None if pair.after is None else pair.after.own_path_ns),
                        Cell(
                            signed_duration(pair.path_delta_ns),
                            pair.path_delta_ns,
                            abs(pair.path_delta_ns) / most_ns,
                        ),
                    ),
                )
                for at, pair in enumerate(pairs)
            ),
        ),
        key="what_if_path",
    )


def _length(length_ns: int | None) -> Cell:
    return Cell(words.duration(length_ns) if length_ns else "–", length_ns or 0)


def _command(found: RunAnalysis, texts: Sequence[str]) -> None:
    """Show the command that asks the same; a store that is not the usual one is named in it."""
    parts = ["longpole", "what-if", found.run.run_id[:8]]
    parts += [part for text in texts for part in ("--change", text)]
    parts += queries.store_arguments()
    st.code(shlex.join(parts), language=None, wrap_lines=True)


def _basis(told: Answered) -> None:
    with st.expander(f"What this takes for granted · {trusted(told.answer.trust)}"):
        for one in told.answer.assumptions:
            st.caption(f"**{one.name}** {words.markdown(one.value)}")


def _worth(curves: Sequence[Curve]) -> None:
    st.markdown("**What a faster branch is worth**")
    if not curves:
        st.caption("No branch alone would make a difference.")
        return
    st.plotly_chart(
        gains(curves, theme()),
        key="what_if_curves",
        config=figures.CONFIG,
        alt="Wall time over how much less time each branch takes",
    )
    st.caption(
        "A line falls as long as its branch holds the run up; from the dot on something else does."
    )
