"""Findings as cards: what would be worth changing, what it would gain, why, and where to look."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from urllib.parse import urlencode

import streamlit as st

from longpole.analysis.change_text import describe
from longpole.analysis.findings import Finding, GainOf
from longpole.dashboard import words
from longpole.dashboard.findings_text import finding_text, next_commands
from longpole.dashboard.found import Found
from longpole.dashboard.web.links import Link, links
from longpole.dashboard.web.views import many, run
from longpole.dashboard.web.workshop import Finished

_SHOWN: Final = 4
_RUNS_LINKED: Final = 2
_WHAT_IF: Final = "What-if"


def cards(made: Finished[Found] | None) -> None:
    """Draw the findings, or that they are being made."""
    many.heading(
        "What would be worth changing",
        "What is worth most first. Gains are computed by running recorded runs again with the "
        "change; they do not add up, one takes away from another",
    )
    if made is None:
        _being_made()
        return
    if made.answer is None:
        st.warning("The findings could not be made.", icon=":material/error:")
        st.code(str(made.error), language=None, wrap_lines=True)
        return
    _told(made.answer, is_current=made.is_current)
    for number, finding in enumerate(_shown(made.answer.findings), start=1):
        _card(number, finding)
    _below(made.answer)


def _being_made() -> None:
    st.caption("Running recorded runs again to see what would be gained …")
    st.skeleton(height=150)
    st.skeleton(height=150)


def _told(found: Found, *, is_current: bool) -> None:
    looked = f"{words.count(found.runs, 'run')} of {words.count(len(found.chains), 'chain')}"
    if found.findings:
        told = f"{words.count(len(found.findings), 'finding')} in {looked}"
    else:
        told = f"Nothing that would be worth changing in {looked}"
    st.caption(told + ("" if is_current else " · newer runs are looked at soon"))


def _shown(findings: Sequence[Finding]) -> Sequence[Finding]:
    """Return the first findings, or all once the reader has asked for them."""
    if len(findings) <= _SHOWN:
        return findings
    shows_all = st.session_state.get("all_findings", False)
    return findings if shows_all else findings[:_SHOWN]


def _below(found: Found) -> None:
    if len(found.findings) > _SHOWN:
        st.toggle(f"All {len(found.findings)} findings", key="all_findings")
    silent = [
        words.markdown(f"{rule.value} could not be looked for: {reason}")
        for rule, reason in found.silent.items()
    ]
    if silent:
        st.caption("  \n".join(silent))


# --- one card ------------------------------------------------------------------------------------


def _card(number: int, finding: Finding) -> None:
    text = finding_text(finding)
    with st.container(border=True, gap="xsmall", key=f"finding_{number}"):
        said, gains = st.columns([3.4, 1], gap="small")
        said.markdown(f"{number}\\. {named(text.sentence)}")
        gains.markdown("  \n".join(gains_of(finding)))
        st.caption(f"{named(words.begun(text.evidence))}  \n**Try** {named(text.advice)}")
        with st.container(horizontal=True, gap="small", vertical_alignment="center"):
            links(_links(finding), key=f"finding_links_{number}")
            st.code(next_commands(finding)[0], language=None, width="content")


def named(text: str) -> str:
    r"""Return a text whose names stand between backticks as Markdown in which they are bold.

    >>> named("`web` holds up *all* runs")
    '**web** holds up \\*all\\* runs'
    """
    parts = text.split("`")
    return "".join(
        f"**{words.markdown(part)}**" if at % 2 and part else words.markdown(part)
        for at, part in enumerate(parts)
    )


def gains_of(finding: Finding) -> list[str]:
    """Return what would be gained, a line each: at p50, at p95, money."""
    until = " to the first word" if finding.gain_of is GainOf.FIRST_TOKEN else ""
    walls: tuple[tuple[str, int], ...]
    walls = ((f" at p50{until}", finding.gain_p50_ns), (f" at p95{until}", finding.gain_p95_ns))
    if finding.whole.runs < 2:
        walls = ((until, finding.gain_p50_ns),)
    elif not any(gain_ns for _, gain_ns in walls):
        walls = ((f" a run in the mean{until}", finding.gain_mean_ns),)
    told = [f"**−{words.duration(gain_ns)}**{at}" for at, gain_ns in walls if gain_ns]
    if finding.gain_usd_per_1000_runs:
        saved = words.markdown(words.usd(finding.gain_usd_per_1000_runs))
        told.append(f"**−{saved}** per 1,000 runs")
    return [*told, *(["only if it can be had"] if finding.is_question and told else [])]


def _links(finding: Finding) -> list[Link]:
    chain = Link(
        what="Chain",
        label=words.short_name(finding.chain),
        href=many.chain_address(finding.chain),
    )
    shown = finding.run_ids[:_RUNS_LINKED]
    runs = [Link(what="Run", label=run_id[:8], href=f"run?run={run_id}") for run_id in shown]
    return [chain, *runs, *_what_if(finding)]


def _what_if(finding: Finding) -> list[Link]:
    """Return the link that asks for the change, where the page of a run can answer it."""
    if not finding.changes or _WHAT_IF not in run.TABS:
        return []
    asked = {
        "run": finding.run_ids[0],
        "tab": _WHAT_IF,
        "change": [describe(one) for one in finding.changes],
    }
    return [Link(what="", label="What if", href=f"run?{urlencode(asked, doseq=True)}")]
