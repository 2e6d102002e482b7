"""Twenty interview notes and the finding in each: texts only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Note:
    """What somebody said, and what it comes down to."""

    text: str
    finding: str


NOTES: Final = (
    Note(
        "P01, planner: I spent the whole first afternoon getting my spreadsheet in. Dates came out "
        "as text and I fixed them by hand.",
        "Import loses column types and costs an afternoon.",
    ),
    Note(
        "P02, site lead: There is no signal in the basement, so I write on paper and type it in "
        "at home.",
        "Without offline mode, site work happens on paper.",
    ),
    Note(
        "P03, finance: The invoice was twice what I expected. I had added guests, nobody told me "
        "they count.",
        "Guests count as seats, and nobody says so.",
    ),
    Note(
        "P04, planner: I ignored the forecast for months. Then Jana showed me where the numbers "
        "come from.",
        "The forecast is trusted once it is explained.",
    ),
    Note(
        "P05, manager: I open the weekly summary on the train. That is all I ever open.",
        "Managers read the weekly summary and nothing else.",
    ),
    Note(
        "P06, site lead: Photos take ages to upload, so we send them in a chat group instead.",
        "Slow photo uploads push teams into chat groups.",
    ),
    Note(
        "P07, planner: The import wizard asked me for a delimiter. I had to look that word up.",
        "The import wizard speaks the language of engineers.",
    ),
    Note(
        "P08, subcontractor: I get eleven mails a day from you. I have a filter that deletes them.",
        "Too many notifications, so all are ignored.",
    ),
    Note(
        "P09, planner: Copying last year's project was brilliant. Five minutes and I was running.",
        "Copying an old project is the fastest start.",
    ),
    Note(
        "P10, manager: If the forecast is red I call the planner, because I do not know what red "
        "means.",
        "Nobody knows what a red forecast means.",
    ),
    Note(
        "P11, site lead: In the tunnel the app just spins. My people close it and do not come "
        "back.",
        "Offline, the app spins until people give up.",
    ),
    Note(
        "P12, finance: I would pay more for an invoice I can predict.",
        "A predictable invoice is worth more than a low one.",
    ),
    Note(
        "P13, planner: I dragged one task and forty others moved. I could not undo it, so I called "
        "support, and they restored the backup from the night before. We lost a morning of changes "
        "by six people.",
        "Moving a task cannot be undone, and that once cost six people a morning.",
    ),
    Note(
        "P14, subcontractor: I only need my own three tasks. I scroll past three hundred.",
        "Subcontractors want to see their own tasks only.",
    ),
    Note(
        "P15, manager: We renewed because the planners would have revolted otherwise.",
        "Planners decide whether a company renews.",
    ),
    Note(
        "P16, planner: Search finds the file but not the sentence in it.",
        "Search does not look inside documents.",
    ),
    Note(
        "P17, site lead: Gloves and that small checkbox do not go together.",
        "Touch targets are too small for gloves.",
    ),
    Note(
        "P18, planner: The type of the cost column changed again after the second import.",
        "A second import changes column types again.",
    ),
    Note(
        "P19, finance: Export to our ledger works. I have not thought about it for a year.",
        "The ledger export simply works.",
    ),
    Note(
        "P20, manager: I believed the forecast after it was right about the crane in March.",
        "One forecast that came true earned trust.",
    ),
)
