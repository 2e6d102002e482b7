from __future__ import annotations

import json

from longpole.dashboard.web.table import Cell, Column, ColumnKind, Row, Sort, Table

_TABLE = Table(
    caption="Runs",
    columns=(
        Column(key="name", label="Chain", kind=ColumnKind.LINK, grows=True),
        Column(key="wall", label="Wall", kind=ColumnKind.BAR, help="start to end"),
    ),
    rows=(
        Row(
            id="a1",
            href="run?run=a1",
            cells=(Cell("<b>panel</b>", "panel"), Cell("2.30 s", 2.3, 0.5, "UTC")),
        ),
    ),
    sort=Sort(key="wall", descending=True),
    sorts_here=False,
)


def test_a_table_travels_as_json_with_its_text_untouched() -> None:
    payload = json.loads(json.dumps(_TABLE.payload()))

    assert payload["rows"] == [
        {
            "id": "a1",
            "href": "run?run=a1",
            "strong": False,
            "indent": 0,
            "cells": [["<b>panel</b>", "panel", 0.0, ""], ["2.30 s", 2.3, 0.5, "UTC"]],
        }
    ]
    assert payload["sort"] == {"key": "wall", "descending": True}
    assert [column["kind"] for column in payload["columns"]] == ["link", "bar"]


def test_the_same_table_is_the_same_payload_so_that_nothing_flickers() -> None:
    assert _TABLE.payload() == _TABLE.payload()
