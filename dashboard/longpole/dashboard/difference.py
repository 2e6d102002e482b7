"""Two runs side by side, in words: by how much, through what, at which price."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from longpole.analysis.compare import Pair, RunComparison
from longpole.dashboard import words

_NOTHING: Final = "–"
KEYED: Final = re.compile(r"(.*)\[(.*)\]((?: \(.*\))?(?: #\d+)?)", re.DOTALL)


def place_of(comparison: RunComparison, pair: Pair) -> str:
    """Return where a pair stands: its label after that of its nearest ancestor with a key."""
    label = short_label(pair.label) if pair.label else "(the run itself)"
    above = None if KEYED.fullmatch(pair.label) else pair.above
    while above is not None:
        ancestor = comparison.pairs[above]
        if KEYED.fullmatch(ancestor.label):
            return f"{short_label(ancestor.label)} › {label}"
        above = ancestor.above
    return label


def short_label(label: str) -> str:
    """Return a label without LangChain's list of parts; of a branch its key, if that says enough.

    >>> [short_label(label) for label in ("RunnableSequence[web] (try 2)", "retrieve[3]", "p<a,b>")]
    ['web (try 2)', 'retrieve[3]', 'p']
    """
    found = KEYED.fullmatch(label)
    if found is None:
        return words.short_name(label)
    name, key, rest = found.groups()
    return f"{words.short_name(name)}[{key}]{rest}" if key.isdecimal() else f"{key}{rest}"


def what_counts(comparison: RunComparison) -> Sequence[Pair]:
    """Return the pairs that made a difference, most of it first, or failed only afterwards."""
    told = [pair for pair in comparison.pairs if pair.path_delta_ns or pair.is_worse]
    told.sort(key=lambda pair: (-abs(pair.path_delta_ns), pair.depth))
    return told


def verdict(comparison: RunComparison) -> Sequence[str]:
    """Return the phrases of the sentence that says what has changed."""
    before, after = comparison.before.facts, comparison.after.facts
    delta_ns = comparison.wall_delta_ns
    if not delta_ns:
        first = f"as long as before, {words.duration(after.wall_ns)}"
    else:
        share = f" ({words.signed_share(delta_ns / before.wall_ns)})" if before.wall_ns else ""
        how = "slower" if delta_ns > 0 else "faster"
        walls = f"{words.duration(before.wall_ns)} → {words.duration(after.wall_ns)}"
        first = f"{words.duration(abs(delta_ns))} {how}{share}: {walls}"
    return [part for part in (first, _dearer(comparison), _retries(comparison)) if part]


def _dearer(comparison: RunComparison) -> str:
    before, after = comparison.before.facts, comparison.after.facts
    if before.cost_usd is None or after.cost_usd is None or before.cost_usd == after.cost_usd:
        return ""
    delta_usd = after.cost_usd - before.cost_usd
    how = "dearer" if delta_usd > 0 else "cheaper"
    bound = " as far as priced" if before.unpriced_calls or after.unpriced_calls else ""
    return f"{words.usd(abs(delta_usd))} {how}{bound}"


def _retries(comparison: RunComparison) -> str:
    before, after = comparison.before.facts.retries, comparison.after.facts.retries
    return "" if before == after else f"{before:,} → {words.count(after, 'retry', 'retries')}"


def signed_duration(delta_ns: int) -> str:
    """Return a difference of times.

    >>> [signed_duration(ns) for ns in (0, 1_500_000_000, -30_400_000)]
    ['–', '+1.50 s', '−30.4 ms']
    """
    if not delta_ns:
        return _NOTHING
    return f"{'+' if delta_ns > 0 else '−'}{words.duration(abs(delta_ns))}"


def signed_usd(delta_usd: Decimal | None) -> str:
    """Return a difference of costs; nothing where one of them is not known.

    >>> [signed_usd(one) for one in (None, Decimal("0"), Decimal("-0.0041"))]
    ['–', '–', '−$0.0041']
    """
    if not delta_usd:
        return _NOTHING
    return f"{'+' if delta_usd > 0 else '−'}{words.usd(abs(delta_usd))}"


def side_by_side(pair: Pair) -> tuple[str, str, str]:
    """Return how long it took before and after, and what is to be remarked."""
    before, after = pair.before, pair.after
    remark = ""
    if before is None:
        remark = "new"
    elif after is None:
        remark = "gone"
    elif before.status is not after.status:
        remark = f"{before.status.value} → {after.status.value}"
    return (
        _NOTHING if before is None else words.duration(before.wall_ns),
        _NOTHING if after is None else words.duration(after.wall_ns),
        remark,
    )
