"""What the calls of a run spent → an icicle: the run, its branches, their models.

Widths are costs; where nothing is priced they are tokens. A model's part is dark where the run
waited for the call, pale beside the critical path, and red where nobody used the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal

import plotly.graph_objects as go

from longpole.dashboard import words
from longpole.dashboard.charts.base import FAINT, PAGE, TEXT, layout, literal
from longpole.dashboard.palette import ERROR_COLOURS, FAMILY_COLOURS, Family, Theme
from longpole.dashboard.places import branch_label
from longpole.dashboard.spent import NOTHING_USD, Spending

ON_PATH, BESIDE, WASTED = "on the critical path", "beside it", "wasted"


def icicle(spending: Sequence[Spending], title: str, theme: Theme) -> go.Figure:
    """Draw what calls spent; `title` names the run."""
    is_priced = any(one.cost_usd for one in spending)
    size: Callable[[Spending], Decimal] = (
        (lambda one: one.cost_usd or NOTHING_USD)
        if is_priced
        else (lambda one: Decimal(one.usage.total_tokens))
    )
    boxes = _Boxes(theme, is_priced=is_priced)
    total = sum((size(one) for one in spending), NOTHING_USD)
    boxes.add("run", "", literal(title), total, len(spending), FAINT[theme])
    branches: dict[str, list[Spending]] = {}
    for one in spending:
        branches.setdefault(branch_label(one.branch), []).append(one)
    for at, (label, calls) in enumerate(branches.items()):
        _add_branch(boxes, f"{at}", label, calls, size, theme)
    figure = go.Figure(
        go.Icicle(
            ids=boxes.ids,
            parents=boxes.parents,
            labels=boxes.labels,
            values=boxes.values,
            text=boxes.texts,
            branchvalues="total",
            marker={"colors": boxes.colours, "line": {"width": 1.5, "color": PAGE[theme]}},
            leaf={"opacity": 1},
            textfont={"color": boxes.text_colours, "size": 12},
            tiling={"orientation": "h"},
            textinfo="label+text",
            hovertemplate="<b>%{label}</b><br>%{text}<br>%{percentRoot:.1%} of the run"
            "<extra></extra>",
            root={"color": FAINT[theme]},
            sort=True,
        )
    )
    figure.update_layout(**layout(theme, height_px=min(480, 110 + 22 * len(boxes.ids))))
    figure.update_layout(margin={"l": 0, "r": 0, "t": 4, "b": 4}, uniformtext={"minsize": 11})
    figure.update_layout(uniformtext_mode="hide")
    return figure


class _Boxes:
    """The columns that Plotly wants, one entry a box."""

    def __init__(self, theme: Theme, *, is_priced: bool) -> None:
        self._is_priced = is_priced
        self._theme = theme
        self._pale = {FAINT[theme], FAMILY_COLOURS["light"][Family.STRUCTURE]}
        self.text_colours: list[str] = []
        self.ids: list[str] = []
        self.parents: list[str] = []
        self.labels: list[str] = []
        self.values: list[float] = []
        self.texts: list[str] = []
        self.colours: list[str] = []

    def add(
        self, box: str, parent: str, label: str, value: Decimal, calls: int, colour: str
    ) -> None:
        """Add a box below another one."""
        amount = words.usd(value) if self._is_priced else f"{words.tokens(int(value))} tokens"
        self.ids.append(box)
        self.parents.append(parent)
        self.labels.append(label)
        self.values.append(float(value))
        self.texts.append(f"{amount} · {words.count(calls, 'call')}")
        self.colours.append(colour)
        self.text_colours.append(TEXT[self._theme] if colour in self._pale else "#FFFFFF")


def _add_branch(
    boxes: _Boxes,
    box: str,
    label: str,
    calls: Sequence[Spending],
    size: Callable[[Spending], Decimal],
    theme: Theme,
) -> None:
    value = sum((size(one) for one in calls), NOTHING_USD)
    if not value:
        return
    boxes.add(box, "run", literal(label), value, len(calls), FAINT[theme])
    parts: dict[tuple[str, str], list[Spending]] = {}
    for one in calls:
        parts.setdefault((one.span.model or "(no model)", _part(one)), []).append(one)
    colours = {
        ON_PATH: FAMILY_COLOURS[theme][Family.MODEL],
        BESIDE: FAMILY_COLOURS[theme][Family.STRUCTURE],
        WASTED: ERROR_COLOURS[theme],
    }
    for at, ((model, part), some) in enumerate(parts.items()):
        amount = sum((size(one) for one in some), NOTHING_USD)
        if amount:
            title = f"{literal(model)}, {part}"
            boxes.add(f"{box}.{at}", box, title, amount, len(some), colours[part])


def _part(one: Spending) -> str:
    if one.wasted is not None:
        return WASTED
    return ON_PATH if one.is_on_path else BESIDE
