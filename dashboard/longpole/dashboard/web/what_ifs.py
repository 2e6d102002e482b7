"""What the What-if tab asks, cached: a run made ready to be played again, levers, curves, answers.

Everything is kept under the run and the store's change token, as in `queries`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import streamlit as st

from longpole.analysis import RunComparison, analyse, compare
from longpole.analysis.change_text import parse_change
from longpole.analysis.curves import Curve, curves
from longpole.analysis.result import RunAnalysis
from longpole.analysis.what_if import Replayable, WhatIf, replayable, what_if
from longpole.dashboard.levers import Lever, fan_out_levers, levers_of
from longpole.dashboard.supposing import learned_for
from longpole.dashboard.web import queries

_FEWEST_DRAWS = 24
_SPANS_DRAWN_AT_ONCE = 25_000
"""How many spans all draws may run again where the answer is to be there at once."""
DRAWS_PATIENT = 400
"""How many are tried when somebody asks for more."""
_CURVES = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Levers:
    """What of a run can be changed."""

    levers: tuple[Lever, ...]
    fan_outs: tuple[Lever, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """An answer, and the run as it was and as it would be, analysed and compared."""

    answer: WhatIf
    before: RunAnalysis
    after: RunAnalysis
    comparison: RunComparison


def draws_at_once(found: RunAnalysis) -> int:
    """Return how many outcomes can be tried without anybody having to wait."""
    return min(DRAWS_PATIENT, max(_FEWEST_DRAWS, _SPANS_DRAWN_AT_ONCE // len(found.run.spans)))


def levers(found: RunAnalysis, token: int) -> Levers:
    """Return what of an analysed run is worth changing.

    Raises:
        NotReplayableError: it cannot be played again.
    """
    return _levers(queries.store_url(), found.run.run_id, token, found)


def worth(found: RunAnalysis, token: int) -> tuple[Curve, ...]:
    """Return what each branch of an analysed run is worth.

    Raises:
        NotReplayableError: it cannot be played again.
    """
    return _curves(queries.store_url(), found.run.run_id, token, found)


def answer(found: RunAnalysis, token: int, texts: tuple[str, ...], most_draws: int) -> Answered:
    """Return what a run would have taken with changes, of which there is at least one.

    Raises:
        ChangeError, TargetError: a change cannot be understood, or fits nothing.
        NotReplayableError: the run cannot be played again.
    """
    return _answer(queries.store_url(), found.run.run_id, token, texts, most_draws, found)


@st.cache_resource(show_spinner=False, max_entries=4)
def _replayable(url: str, run_id: str, token: int, _found: RunAnalysis) -> Replayable:
    return replayable(_found.run, now_ns=_found.now_ns)


@st.cache_resource(show_spinner=False, max_entries=8)
def _levers(url: str, run_id: str, token: int, _found: RunAnalysis) -> Levers:
    one = _replayable(url, run_id, token, _found)
    return Levers(levers=levers_of(one), fan_outs=fan_out_levers(one, _found.fan_outs))


@st.cache_resource(show_spinner=False, max_entries=8)
def _curves(url: str, run_id: str, token: int, _found: RunAnalysis) -> tuple[Curve, ...]:
    return curves([_replayable(url, run_id, token, _found)], most=_CURVES)


@st.cache_resource(show_spinner=False, max_entries=8)
def _answer(
    url: str,
    run_id: str,
    token: int,
    texts: tuple[str, ...],
    most_draws: int,
    _found: RunAnalysis,
) -> Answered:
    one = _replayable(url, run_id, token, _found)
    changes = [parse_change(text) for text in texts]
    learned = learned_for(queries.store(), [_found.run], changes)
    told = what_if(one, changes, book=queries.prices(), learned=learned, most_draws=most_draws)
    after = analyse(told.after, now_ns=told.after.root.end_ns or time.time_ns())
    return Answered(answer=told, before=_found, after=after, comparison=compare(_found, after))
