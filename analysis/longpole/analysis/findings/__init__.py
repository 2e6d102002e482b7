"""What would be worth changing in a chain, ranked, with what it would gain."""

from longpole.analysis.findings.find import DETECTORS, find, needs_digests
from longpole.analysis.findings.finding import Finding, GainOf, Number, Rule, Whole
from longpole.analysis.findings.rank import rank
from longpole.analysis.findings.view import NO_DIGESTS, Digests

__all__ = [
    "DETECTORS",
    "NO_DIGESTS",
    "Digests",
    "Finding",
    "GainOf",
    "Number",
    "Rule",
    "Whole",
    "find",
    "needs_digests",
    "rank",
]
