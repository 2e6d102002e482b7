"""The controls of the What-if tab: a speed for each lever, and everything else about one target."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import TypeVar

import streamlit as st

from longpole.analysis.change_text import describe
from longpole.analysis.changes import (
    Backoff,
    Cache,
    Change,
    CheapFirst,
    Limit,
    NoRetries,
    Timeout,
)
from longpole.dashboard import words
from longpole.dashboard.levers import Lever
from longpole.dashboard.turning import put, speed_of, speed_text, speeds, with_speed
from longpole.dashboard.web.what_ifs import Levers

Kind = TypeVar("Kind", bound=Change)
OnChange = Callable[[Sequence[str]], None]
_EVERYTHING = "*"
_MS = 1_000_000
_LIMITS = (None, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64, 0)
_NO_LIMIT = 0
_SHARES = tuple(range(0, 101, 10))
_CHEAP_NS = 300 * _MS


def draw(
    levers: Levers, texts: Sequence[str], changes: Sequence[Change], *, on_change: OnChange
) -> None:
    """Draw all controls; each calls `on_change` with the texts of all changes when it is turned."""
    _all(texts, on_change)
    for number, lever in enumerate(levers.levers):
        _speed(number, lever, changes, on_change)
    with st.expander("More changes", expanded=True):
        target = _target(levers)
        _limit(target, changes, on_change)
        _share(target, changes, on_change)
        _cheap_first(target, changes, on_change)
        _timeout(target, changes, on_change)
        _tries(target, changes, on_change)


def _texts(changes: Sequence[Change]) -> list[str]:
    return [describe(change) for change in changes]


def _all(texts: Sequence[str], on_change: OnChange) -> None:
    key = "what_if:changes"
    st.session_state[key] = list(texts)
    st.multiselect(
        "Changes",
        list(texts),
        key=key,
        accept_new_options=True,
        placeholder="none; or type one: gemini:faster=2",
        help="Every change as `longpole what-if --change` takes it. docs/what-if.md lists all "
        "kinds; `*` is the whole run.",
        on_change=lambda: on_change(st.session_state[key]),
    )


def _speed(number: int, lever: Lever, changes: Sequence[Change], on_change: OnChange) -> None:
    key = f"what_if:speed:{number}"
    shown = speed_of(changes, lever.target)
    st.session_state[key] = shown

    def turned() -> None:
        ratio: Fraction = st.session_state[key]
        on_change(_texts(with_speed(changes, lever.target, ratio)))

    worth = f" · worth {words.duration(lever.gain_ns)}" if lever.gain_ns else ""
    many = f" ×{lever.spans:,}" if lever.spans > 1 else ""
    st.select_slider(
        words.markdown(f"{words.without_middle(lever.label, 40)}{many}{worth}"),
        speeds(shown),
        key=key,
        format_func=speed_text,
        on_change=turned,
    )


def _target(levers: Levers) -> str:
    labels = {_EVERYTHING: "everything"}
    for lever in (*levers.levers, *levers.fan_outs):
        labels.setdefault(lever.target, lever.label)
    return str(
        st.selectbox(
            "About",
            tuple(labels),
            format_func=lambda target: labels.get(target, target),
            key="what_if:target",
            accept_new_options=True,
            help="A name, branch key or path, `*` stands for anything.",
        )
        or _EVERYTHING
    )


def _limit(target: str, changes: Sequence[Change], on_change: OnChange) -> None:
    key = "what_if:limit"
    found = _find(changes, target, Limit)
    shown = None if found is None else found.places or _NO_LIMIT
    st.session_state[key] = shown
    places = _LIMITS if shown in _LIMITS else (None, shown, *_LIMITS[1:])

    def turned() -> None:
        given: int | None = st.session_state[key]
        new = None if given is None else Limit(target=target, places=given or None)
        on_change(_texts(put(changes, target, (Limit,), new)))

    st.select_slider(
        "Branches at once",
        places,
        key=key,
        format_func=lambda given: (
            "as recorded" if given is None else f"{given:,}" if given else "no limit"
        ),
        on_change=turned,
        help="`max_concurrency` of the fan-outs in it",
    )


def _share(target: str, changes: Sequence[Change], on_change: OnChange) -> None:
    key = "what_if:cache"
    found = _find(changes, target, Cache)
    shown = 0 if found is None else round(found.hit_ratio * 100)
    st.session_state[key] = shown

    def turned() -> None:
        percent = st.session_state[key]
        new = Cache(target=target, hit_ratio=Fraction(percent, 100)) if percent else None
        on_change(_texts(put(changes, target, (Cache,), new)))

    st.select_slider(
        "Calls answered by a cache",
        sorted({*_SHARES, shown}),
        key=key,
        format_func=lambda percent: f"{percent} %" if percent else "as recorded",
        on_change=turned,
    )


def _cheap_first(target: str, changes: Sequence[Change], on_change: OnChange) -> None:
    key, ms_key = "what_if:cheap", "what_if:cheap_ms"
    found = _find(changes, target, CheapFirst)
    shown = 0 if found is None else round(found.accepted_ratio * 100)
    cheap_ns = _CHEAP_NS if found is None else found.cheap_ns
    st.session_state[key] = shown

    def turned() -> None:
        percent = st.session_state[key]
        given_ms = st.session_state.get(ms_key)
        length_ns = cheap_ns if given_ms is None else round(given_ms) * _MS
        new = None
        if percent:
            new = CheapFirst(
                target=target, cheap_ns=length_ns, accepted_ratio=Fraction(percent, 100)
            )
        on_change(_texts(put(changes, target, (CheapFirst,), new)))

    st.select_slider(
        "A cheap model first, its answer accepted",
        sorted({*_SHARES, shown}),
        key=key,
        format_func=lambda percent: f"{percent} %" if percent else "as recorded",
        on_change=turned,
        help="The recorded call is made only where the cheap answer is rejected.",
    )
    if found is not None:
        st.session_state[ms_key] = cheap_ns // _MS
        st.number_input(
            "A cheap call takes (ms)", min_value=0, step=50, key=ms_key, on_change=turned
        )


def _timeout(target: str, changes: Sequence[Change], on_change: OnChange) -> None:
    key = "what_if:timeout"
    found = _find(changes, target, Timeout)
    st.session_state[key] = None if found is None else found.length_ns / 1e9

    def turned() -> None:
        seconds: float | None = st.session_state[key]
        new = None
        if seconds is not None:
            new = Timeout(target=target, length_ns=round(seconds * 1000) * _MS)
        on_change(_texts(put(changes, target, (Timeout,), new)))

    st.number_input(
        "Given up after (s)",
        min_value=0.0,
        max_value=86_400.0,
        step=0.5,
        format="%.3f",
        value=None,
        placeholder="as recorded",
        key=key,
        on_change=turned,
    )


def _tries(target: str, changes: Sequence[Change], on_change: OnChange) -> None:
    retries, backoff = "what_if:retries", "what_if:backoff"
    st.session_state[retries] = _find(changes, target, NoRetries) is not None
    found = _find(changes, target, Backoff)
    st.session_state[backoff] = found is not None and not found.ratio

    def turned_retries() -> None:
        new = NoRetries(target=target) if st.session_state[retries] else None
        on_change(_texts(put(changes, target, (NoRetries,), new)))

    def turned_backoff() -> None:
        new = Backoff(target=target, ratio=Fraction(0)) if st.session_state[backoff] else None
        on_change(_texts(put(changes, target, (Backoff,), new)))

    st.toggle("First try succeeds", key=retries, on_change=turned_retries)
    st.toggle("No waiting between tries", key=backoff, on_change=turned_backoff)


def _find(changes: Sequence[Change], target: str, kind: type[Kind]) -> Kind | None:
    return next((one for one in changes if one.target == target and isinstance(one, kind)), None)
